"""The offline rules of the pair: a writer who mends by machine, a critic who counts. They have no taste and say so."""

from __future__ import annotations

import re

from flows.writer_critic.flow import approve, critic, drop, flow, measure, mend, reject, write, writer
from handoff import RuleModel, Said, call

rules = RuleModel(flow)

_NONE = "Nothing is wrong"
_TEXT = r"(?s:(?:please )?(?:improve|edit|polish|tighten|write|mend)(?: this| that)?\s*[:,]\s*(?P<draft>.+))"


@rules.when(writer, _TEXT)
def ask_for_text(match: re.Match[str]) -> Said:
    """Improve: TEXT."""
    return call(write, draft=match["draft"].strip().strip('"“”'))


@rules.after(writer, write, mend)
def tell_draft(output: str) -> Said:
    """Reply with the text itself."""
    return output


@rules.started(writer)
def begin_mending(_note: str) -> Said:
    """Mend the first fault."""
    return call(mend)


@rules.started(critic)
def begin_judging(_note: str) -> Said:
    """Measure the draft."""
    return call(measure)


@rules.after(critic, measure)
def judge_measured(output: str) -> Said:
    """Approve what has no fault; note the faults of the rest."""
    if output.startswith(_NONE):
        return call(approve)
    return call(reject, faults=output.splitlines())


@rules.after(critic, reject)
def tell_faults(output: str) -> Said:
    """Name what is wrong."""
    return f"Not yet:\n{output}"


@rules.when(
    critic, r"(?:please |ok,? |yes,? )?(?:go on|carry on|once more|again|another round|mend (?:it|that|them))\W*"
)
def ask_for_more(_match: re.Match[str]) -> Said:
    """Go on."""
    return "Once more, then."


@rules.when(
    critic, r"(?:ok,? |no,? )?(?:take it|leave it|keep it|it is fine|good enough|approve(?: it)?|done)(?: as it is)?\W*"
)
def ask_to_take(_match: re.Match[str]) -> Said:
    """Take it as it is."""
    return call(approve)


@rules.when(critic, _TEXT)
def ask_for_another(_match: re.Match[str]) -> Said:
    """Improve: TEXT (another one)."""
    return call(drop)


#: A new text is taken up by the writer, in the words it came in.
rules.hears(writer, drop)
