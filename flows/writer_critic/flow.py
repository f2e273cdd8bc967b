"""Two peers on one text: the writer drafts, the critic judges, and the draft goes back and forth between their replies.

Neither calls the other: `then` hands over after each reply, until the critic has approved or has sent the draft back
three times for one message of the user, who decides then. What either of them says is a message under its own name, so
each is told which words are its own. All tools only compute: a crash leaves nothing in doubt, they run again.
"""

from __future__ import annotations

from flows.writer_critic import style
from handoff import Flow, FromMetadata, Limits, Metadata, ToolError

ROUNDS = 3
"""How often the critic may send a draft back for one message of the user."""


class Work(Metadata):
    """The text in hand."""

    draft: str | None = None
    """The text as it is now."""
    faults: list[str] | None = None
    """What the critic found wrong with it; unset when nobody has found anything, or it was written anew since."""
    approved: bool | None = None
    """Whether the draft is approved as it is; unset again once it is written anew."""


def drafted(work: Work) -> bool:
    """There is no new draft to judge."""
    return work.draft is not None and work.faults is None and not work.approved


def faulty(work: Work) -> bool:
    """Nothing is wrong with the draft."""
    return bool(work.faults)


flow = Flow(
    "writer_critic",
    metadata=Work,
    # A round is two handoffs; beyond this the user would wait for nothing.
    limits=Limits(handoffs=2 * ROUNDS + 2),
    instructions="You and a colleague work on one text for a user, who reads all that either of you says.",
)
writer = flow.assistant(
    "writer",
    description="Writes the draft, and mends what the critic found.",
    instructions="""
        You write what the user asks for. Put each version down with write, or let mend make the change that a
        machine can make, and then reply with the text itself and nothing else: your colleague judges it next.
        {% if draft %}This is the draft: {{ draft }}{% endif %}
        {% if faults %}These are its faults; mend them: {{ faults | join('; ') }}{% endif %}
    """,
)
critic = flow.assistant(
    "critic",
    description="Judges the draft, then approves it or says what to mend.",
    # A text of an earlier message is none of its business, and costs nothing.
    view=1,
    instructions="""
        You judge the draft, and never write it yourself. Measure it first. Name its faults in your reply, one short
        line each, with reject; approve it once nothing is worth another round. If the user wants it as it is, approve.
        This is the draft: {{ draft or 'there is none' }}
    """,
)


# -- writer ------------------------------------------------------------------------------------------------------------


@writer.tool(sets="draft", clears=("faults", "approved"), idempotent=True)
def write(draft: str) -> str:
    """Put down a version of the text, in place of the one before.

    Args:
        draft: the whole text.
    """
    if not draft.strip():
        raise ToolError("Nothing was put down: the text is empty.")
    return draft


@writer.tool(sets="draft", clears=("faults", "approved"), allow=faulty, idempotent=True)
def mend(work: Work, draft: FromMetadata[str]) -> str:
    """Mend the first of the faults in the way a machine can, and put the text down."""
    work.draft = style.mended(draft)
    return work.draft


# -- critic ------------------------------------------------------------------------------------------------------------


@critic.tool(idempotent=True)
def measure(draft: FromMetadata[str]) -> str:
    """Count what can be counted: words twice, fillers, padding, shouting, a missing end, too long sentences."""
    return "\n".join(style.faults(draft)) or "Nothing is wrong that can be counted."


@critic.tool(sets="faults", idempotent=True)
def reject(faults: list[str]) -> str:
    """Note what is wrong with the draft; the writer mends it after your reply.

    Args:
        faults: one short line each, the gravest first; at least one.
    """
    if not faults:
        raise ToolError("Nothing is noted: name a fault, or approve the draft.")
    return "\n".join(faults)


@critic.tool(to=writer, sets="approved", clears="faults", speak="output", idempotent=True)
def approve(work: Work, draft: FromMetadata[str]) -> str:
    """Approve the draft; the user reads it as it is."""
    work.approved = True
    return f"Approved:\n{draft}"


@critic.tool(to=writer, clears=("draft", "faults", "approved"), idempotent=True)
def drop() -> str:
    """Drop the draft, because the user wants another text: the writer takes the user's message up."""
    return "The draft is dropped."


#: What was written goes to the critic.
judge = writer.then(critic.when(drafted))
#: What is faulty goes back, so many times; then the critic's last word stands, and the user decides.
send_back = critic.then(writer.when(faulty, times=ROUNDS))
