"""A help desk that uses every kind of transition: the flow on which the checks are tried besides those of flows/."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from handoff import Flow, FromMetadata, Go, Limits, Metadata

Topic = Literal["bill", "fault", "praise"]


class Case(Metadata):
    topic: Topic | None = None
    age: int | None = None
    draft: str | None = None
    faults: str | None = None
    urgent: bool = False


def about_a_bill(case: Case) -> bool:
    """It is not about a bill."""
    return case.topic == "bill"


def about_a_fault(case: Case) -> bool:
    """It is not about a fault."""
    return case.topic == "fault"


def faulty(case: Case) -> bool:
    """Nothing is wrong with the draft."""
    return case.faults is not None


def drafted(case: Case) -> bool:
    """There is no draft."""
    return case.draft is not None


def urgent(case: Case) -> bool:
    """It can wait."""
    return case.urgent


def of_age(case: Case) -> bool:
    """The customer is not of age, or did not say."""
    return case.age is not None and case.age >= 18


flow = Flow("desk", metadata=Case, limits=Limits(handoffs=12))
triage = flow.assistant("triage", instructions="Find out what it is about.", description="Sorts cases.")
billing = flow.assistant("billing", instructions="Look at the bill of a case about a {{ topic }}.")
repair = flow.assistant("repair", instructions="Mend it. It is about a {{ topic }}.")
writer = flow.assistant(
    "writer",
    instructions="""
        Answer a case about a {{ topic }}.{% if faults %} Mend this: {{ faults }}{% endif %}
        {% if draft %}Your draft: {{ draft }}{% endif %}
    """,
)
critic = flow.assistant(
    "critic", instructions="Judge the draft about a {{ topic }}: {{ draft or 'there is none yet' }}"
)
parent = flow.assistant("parent", instructions="Speak with a parent.")


@triage.tool(sets="age")
def note_age(age: int) -> str:
    """Note how old the customer is."""
    return str(age)


@triage.tool(to=(billing.when(about_a_bill), repair.when(about_a_fault), writer), sets="topic")
def sort_case(topic: Topic) -> str:
    """Sort the case."""
    return topic


@triage.tool(to=(writer, parent), sets="topic")
def choose(case: Case, topic: Topic) -> Go:
    """Choose who answers."""
    return Go(writer, topic) if of_age(case) else Go(parent, topic)


@billing.tool(sets="urgent")
def mark(*, urgent: bool) -> str:
    """Mark the case as urgent, or not."""
    return str(urgent)


@billing.tool(to=(repair.when(urgent), writer))
def pass_on() -> str:
    """Pass the case on."""
    return "Passed on."


@flow.tool(billing, repair, to=triage, clears="topic")
def give_back() -> str:
    """Give the case back."""
    return "Given back."


@writer.tool(sets="draft", clears="faults")
def write_draft(draft: str) -> str:
    """Write a draft."""
    return draft


@writer.tool(to=triage, clears=("topic", "draft", "faults"), allow=drafted)
def send(draft: FromMetadata[str]) -> str:
    """Send the draft."""
    return draft


@critic.tool(sets="faults")
def find_fault(faults: str) -> str:
    """Say what is wrong with the draft."""
    return faults


@critic.tool(to=triage, clears=("topic", "draft", "faults"))
def accept() -> str:
    """Accept the draft and send it."""
    return "Sent."


@parent.tool(to=flow.back, clears="topic")
def return_to() -> str:
    """Go back to where the case came from."""
    return "Back."


writer.then(critic.when(drafted))
critic.then(writer.when(faulty, times=3))
repair.after(timedelta(hours=1), to=(writer.when(urgent), triage))
flow.on_limit(triage)
