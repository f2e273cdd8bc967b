"""A travel office in which every kind of transition occurs, so that paths have to find all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import StringConstraints

from handoff import Assistant, Deps, Flow, FromMetadata, Go, Metadata

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}-\d{4}$")]


class Trip(Metadata):
    code: Code | None = None
    country: str | None = None
    nights: int | None = None
    mood: Literal["calm", "angry"] | None = None
    draft: str | None = None
    good: bool | None = None


class Office(Deps):
    """What the office has."""

    def __init__(self) -> None:
        self.booked: list[str] = []


def abroad(trip: Trip) -> bool:
    """The trip stays in the country."""
    return trip.country != "home"


def long(trip: Trip) -> bool:
    """The trip is short."""
    return trip.nights is not None and trip.nights > 28


def angry(trip: Trip) -> bool:
    """The guest is calm."""
    return trip.mood == "angry"


def poor(trip: Trip) -> bool:
    """The text is good."""
    return trip.good is False


flow = Flow("office", metadata=Trip, deps=Office)
desk = flow.assistant("desk", instructions="Ask where to.")
planner = flow.assistant("planner", instructions="Plan the trip to {{ country }}.")
visa = flow.assistant("visa", instructions="Check the visa for {{ country }}.")
cashier = flow.assistant("cashier", instructions="Sell the trip {{ code or 'chosen' }}.")
writer = flow.assistant("writer", instructions="Write a card.")
critic = flow.assistant("critic", instructions="Judge {{ draft }}.")
human = flow.assistant("human", instructions="A person takes over.")


@desk.tool(to=(visa.when(abroad), planner), sets="country")
def choose(country: Annotated[str, StringConstraints(min_length=2)]) -> str:
    """Choose a country."""
    return country


@desk.tool(sets="mood")
def feel(trip: Trip) -> str:
    """Note how the guest feels."""
    trip.mood = "angry"
    return "noted"


@desk.tool(to=human, allow=angry)
def complain() -> str:
    """Complain."""
    return "I hear you."


@desk.tool(to=(writer, critic, flow.back))
def ask(colleague: Assistant[Trip]) -> Go:
    """Ask a colleague."""
    return Go(colleague, "Yes?")


@visa.tool(to=flow.back)
def refuse_visa() -> str:
    """There is no visa."""
    return "no"


@visa.tool(to=planner, speak=False)
def grant_visa() -> str:
    """There is a visa."""
    return "yes"


@planner.tool(to=(cashier.when(long), desk), sets=("nights", "code"))
def plan(office: Office, trip: Trip, nights: int) -> str:
    """Plan the trip."""
    trip.code = f"ABC-{nights:04}"
    return trip.code


@cashier.tool(to=flow.end, approval=True)
async def book(office: Office, code: FromMetadata[Code]) -> str:
    """Book the trip."""
    office.booked.append(code)
    return f"{code} is booked"


@cashier.tool(to=desk, speak="output", clears=("code", "country", "nights"))
def cancel() -> str:
    """Cancel all of it."""
    return "It is cancelled."


@writer.tool(sets="draft")
def write(draft: str) -> str:
    """Write a draft."""
    return "written"


@critic.tool(sets="good")
def judge(good: bool) -> str:
    """Judge the draft."""
    return "judged"


def has_draft(trip: Trip) -> bool:
    """There is no draft."""
    return bool(trip.draft)


review = writer.then(critic.when(has_draft))
again = critic.then(writer.when(poor, times=2), desk)
wait = planner.after(timedelta(minutes=5), to=human.when(angry))
wait_longer = planner.after(timedelta(minutes=20), to=desk)
limit = flow.on_limit(human)
