"""A support desk: fields that one tool sets together, a way back, a person for everything, silences, a limit."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Annotated

from pydantic import Field, StringConstraints

from handoff import Deps, Flow, FromMetadata, Metadata, ToolCall


class Tier(Enum):
    FREE = "free"
    PRO = "pro"


TicketId = Annotated[str, StringConstraints(pattern=r"^T-[0-9]+$")]


class Case(Metadata):
    account: str | None = None
    tier: Tier | None = None
    problem: str | None = None
    ticket: TicketId | None = None
    tried: list[str] = Field(default_factory=list)


class Tracker(Deps):
    def find(self, email: str) -> tuple[str, Tier]:
        raise NotImplementedError(email)

    def open(self, key: str, account: str, problem: str) -> str:
        raise NotImplementedError(key, account, problem)

    def close(self, key: str, ticket: str) -> None:
        raise NotImplementedError(key, ticket)


def is_pro(case: Case) -> bool:
    """Phone support is for pro customers only."""
    return case.tier is Tier.PRO


flow = Flow(
    "desk",
    metadata=Case,
    deps=Tracker,
    instructions="You are part of a support desk.{% if account %} Customer {{ account }}, tier {{ tier }}.{% endif %}",
)
greeter = flow.assistant(
    "greeter", instructions="Greet, find the account with find_account, then use triage.", description="Greets."
)
triage = flow.assistant(
    "triage", instructions="Ask what the problem is. Use `start` once it is clear.", description="Sorts problems."
)
engineer = flow.assistant(
    "engineer",
    instructions="Solve: {{ problem }}. Already tried: {% for one in tried %}{{ one }}; {% else %}nothing{% endfor %}",
    description="Solves problems.",
)
phone = flow.assistant(
    "phone", instructions="Arrange a call about {{ problem or 'anything' }}.", description="Arranges calls."
)
human = flow.assistant(
    "human",
    instructions="A person takes over. Say so and be polite.",
    description="Waits with the customer for a person.",
)


@greeter.tool(to=triage, sets=("account", "tier"), idempotent=True)
def find_account(case: Case, tracker: Tracker, email: str) -> str:
    """Look the account up by its e-mail address."""
    case.account, case.tier = tracker.find(email)
    return f"Found {case.account}"


@greeter.tool(to=triage)
def skip() -> str:
    """Go on without an account."""
    return "No account."


@triage.tool(to=engineer, sets="problem")
def start(problem: str) -> str:
    """Hand over to the engineer once the problem is clear."""
    return problem


@flow.tool(triage, engineer, to=phone, allow=is_pro)
def call_me() -> str:
    """Arrange a phone call."""
    return "A call is being arranged."


@engineer.tool(sets="tried")
def note_attempt(case: Case, what: str) -> str:
    """Note what the customer has tried."""
    case.tried = [*case.tried, what]
    return "Noted."


@engineer.tool(sets="ticket", idempotent=True)
def open_ticket(
    case: Case, tracker: Tracker, call: ToolCall, account: FromMetadata[str], problem: FromMetadata[str]
) -> str:
    """Open a ticket for the developers."""
    case.ticket = tracker.open(call.idempotency_key, account, problem)
    return case.ticket


@engineer.tool(to=triage, clears="problem")
def solved(case: Case) -> str:
    """The problem is solved."""
    return "Good."


@engineer.tool(to=triage, clears=("ticket", "problem"), approval=True, idempotent=True)
def close_ticket(tracker: Tracker, call: ToolCall, ticket: FromMetadata[str]) -> str:
    """Close the open ticket."""
    tracker.close(call.idempotency_key, ticket)
    return "Closed."


@phone.tool(to=flow.back)
def booked() -> str:
    """The call is booked; go back."""
    return "Booked."


@flow.tool(to=human)
def escalate() -> str:
    """Get a person."""
    return "A person is on the way."


flow.on_limit(human)
for one in (triage, engineer, phone):
    one.after(timedelta(hours=2), to=human)
