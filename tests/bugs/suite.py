"""The tests of the hotel, as its authors would write them with the kit: checks, talks, exploration, old journals.

They take the hotel as a module, because it is tested with bugs in it as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, TypeAlias

from handoff.checks import check
from handoff.store.base import JournalRecord
from handoff.testing import Talk, World, call, compare, explore
from handoff.testing.view import THREAD

Hotel: TypeAlias = ModuleType


# -- talks: what a guest and the hotel say -----------------------------------------------------------------------------


def short_stay(hotel: Hotel, talk: Talk[Any]) -> None:
    """Two nights, paid, with a receipt by letter."""
    talk.user("I am Ada")
    talk.calls("identify", guest="Ada")
    talk.says("Which room?", by=hotel.booking)
    assert 'Help "Ada" to choose a room.' == talk.instructions
    talk.user("a double for two nights")
    talk.calls("choose", room="double", nights=2)
    talk.says("How do you pay?", by=hotel.cashier)
    assert 'Take 180 of "Ada" for the double room.' == talk.instructions
    talk.user("by card")
    talk.calls("pay", card="1234")
    talk.says("Thank you.", by=hotel.farewell)
    talk.user("I need a receipt")
    talk.calls("confirm")
    talk.says("It is on its way.", by=hotel.farewell)
    assert {"guest": "Ada", "room": "double", "nights": 2, "quote": 180, "receipt": "R180"} == facts(talk)


def dear_stay(hotel: Hotel, talk: Talk[Any]) -> None:
    """Three nights in the suite: the concierge orders a taxi and notes a wish."""
    talk.user("I am Bo")
    talk.calls("identify", guest="Bo")
    talk.says("Which room?", by=hotel.booking)
    talk.user("the suite for three nights")
    talk.calls("choose", room="suite", nights=3)
    talk.says("How do you pay?", by=hotel.cashier)
    talk.user("by card")
    talk.calls("pay", card="1234")
    assert "all_set" not in talk.offered
    talk.says("A taxi?", by=hotel.concierge)
    talk.user("at nine, and flowers")
    talk.calls(call("order_taxi", taxi="9:00"), call("note_wish", wish="flowers"))
    talk.says("Anything else?", by=hotel.concierge)
    assert "all_set" in talk.offered
    talk.user("no, thanks")
    talk.calls("all_set")
    assert 'Thank "Bo": "9:00".' == talk.instructions
    talk.says("Goodbye.", by=hotel.farewell)
    talk.user("bye")
    talk.calls("goodbye")
    assert hotel.flow.end is talk.assistant
    assert "9:00" == talk.metadata.taxi


def long_stay(hotel: Hotel, talk: Talk[Any]) -> None:
    """Twenty nights: the manager grants them."""
    talk.user("I am Cy")
    talk.calls("identify", guest="Cy")
    talk.says("Which room?", by=hotel.booking)
    talk.user("a single for twenty nights")
    talk.calls("choose", room="single", nights=20)
    talk.says("So long?", by=hotel.manager)
    assert 'Decide whether "Cy" may stay for 20 nights.' == talk.instructions
    talk.user("yes, please")
    talk.calls("grant", discount=75)
    talk.says("How do you pay?", by=hotel.cashier)
    assert {"guest": "Cy", "room": "single", "nights": 20, "quote": 300, "granted": True} == facts(talk)
    talk.user("a larger room")
    talk.calls("upgrade")
    talk.says("By card?", by=hotel.cashier)
    assert ("double", 600) == (talk.metadata.room, talk.metadata.quote)


def second_thoughts(hotel: Hotel, talk: Talk[Any]) -> None:
    """Another guest, another room, a card that has expired, and booking for somebody else."""
    talk.user("I am Di")
    talk.calls("identify", guest="Di")
    talk.says("Which room?", by=hotel.booking)
    talk.user("no, it is Dee")
    talk.calls("mistaken")
    talk.says("Who?", by=hotel.reception)
    talk.user("Dee")
    talk.calls("identify", guest="Dee")
    talk.says("Which room?", by=hotel.booking)
    talk.user("a single for no night")
    talk.calls("choose", room="single", nights=0)
    talk.says("Stay for a night.", by=hotel.booking)
    talk.user("a single for a year")
    talk.calls("choose", room="single", nights=365)
    assert "grant" not in talk.offered
    talk.says("So long?", by=hotel.manager)
    talk.user("what do you say?")
    talk.calls("decline")
    talk.says("No.", by=hotel.booking)
    talk.user("a single for a night")
    talk.calls("choose", room="single", nights=1)
    assert "upgrade" in talk.offered
    talk.says("How do you pay?", by=hotel.cashier)
    talk.user("a double")
    talk.calls("change")
    talk.says("Which?", by=hotel.booking)
    talk.user("a double for fourteen nights, the suite for two")
    talk.calls("choose", room="suite", nights=2)
    assert "upgrade" not in talk.offered
    talk.says("How do you pay?", by=hotel.cashier)
    talk.user("by this card")
    talk.calls("pay", card="expired")
    talk.says("It has expired.", by=hotel.cashier)
    talk.user("by that card")
    talk.calls("pay", card="1234")
    talk.says("Thank you.", by=hotel.farewell)
    talk.user("and one for my friend")
    talk.calls("anew")
    talk.says("Who?", by=hotel.reception)
    assert {} == facts(talk)


def without_taxi(hotel: Hotel, talk: Talk[Any]) -> None:
    """An expensive stay without a taxi; as long as nobody has to grant it."""
    talk.user("I am Ed")
    talk.calls("identify", guest="Ed")
    talk.says("Which room?", by=hotel.booking)
    talk.user("the suite for fourteen nights")
    talk.calls("choose", room="suite", nights=14)
    talk.says("How do you pay?", by=hotel.cashier)
    talk.user("by card")
    talk.calls("pay", card="1234")
    talk.says("A taxi?", by=hotel.concierge)
    talk.user("no")
    talk.calls("no_taxi")
    talk.says("Goodbye.", by=hotel.farewell)
    assert {"guest": "Ed", "room": "suite", "nights": 14, "quote": 3360, "receipt": "R3360"} == facts(talk)


def change_of_guest(hotel: Hotel, talk: Talk[Any]) -> None:
    """The guest is somebody else."""
    talk.user("I am Flo")
    talk.calls("identify", guest="Flo")
    talk.says("Which room?", by=hotel.booking)
    talk.user("no, it is Florence")
    talk.calls("mistaken")
    talk.says("Who?", by=hotel.reception)
    talk.user("Florence")
    talk.calls("identify", guest="Florence")
    talk.says("Which room?", by=hotel.booking)
    assert {"guest": "Florence"} == facts(talk)


TALKS = (short_stay, dear_stay, long_stay, second_thoughts, without_taxi, change_of_guest)


def facts(talk: Talk[Any]) -> dict[str, Any]:
    """The metadata fields that are set."""
    return {name: value for name, value in talk.metadata.model_dump().items() if value is not None}


# -- exploration: whatever the order, and whenever the process dies ----------------------------------------------------


def paid_once(world: World[Any]) -> None:
    """Each call of a tool has its effect once, if it ended well at all."""
    done = {
        tool: {one.key for one in world.ran if one.tool == tool} for tool in ("pay", "all_set", "confirm", "note_wish")
    }
    house = world.deps
    effects = {"pay": house.charges, "all_set": house.letters, "confirm": house.receipts, "note_wish": house.wishes}
    for tool, effect in effects.items():
        assert len(effect) <= len(done[tool]), f"{tool} had its effect {len(effect)} times for {len(done[tool])} calls"
    taxis = {one.key for one in world.ran if one.tool == "order_taxi"}
    assert len(house.taxis) <= len(taxis), f"{len(house.taxis)} taxis come for {len(taxis)} calls"


def gets_there(hotel: Hotel, where: tuple[str, ...], world: World[Any]) -> None:
    """Undisturbed, the conversation gets to its end."""
    paid_once(world)
    if not world.disturbed:
        assert world.assistant.name in where, f"the conversation ends at {world.assistant.name}, not at {where}"


#: The talks that are explored, and where each ends.
EXPLORED = (
    (short_stay, ("farewell",)),
    (long_stay, ("cashier",)),
    (change_of_guest, ("booking",)),
    (dear_stay, ("end",)),
)


# -- what each part of the kit finds -----------------------------------------------------------------------------------


def found_by_checks(hotel: Hotel) -> str | None:
    """What `handoff check` says of it."""
    findings = check(hotel.flow).findings
    return f"{findings[0].code}: {findings[0].problem}" if findings else None


def found_by_talks(hotel: Hotel) -> str | None:
    """The first talk that fails."""
    for test in TALKS:
        try:
            with Talk(hotel.flow, deps=hotel.House()) as talk:
                test(hotel, talk)
        except AssertionError as error:
            return f"{test.__name__}: {str(error).partition(chr(10))[0]}"
    return None


def found_by_exploration(bound: int, hotel: Hotel) -> str | None:
    """The first schedule that fails."""
    for test, where in EXPLORED:
        try:
            explore(
                partial(test, hotel),
                hotel.flow,
                deps=hotel.House,
                at_rest=partial(gets_there, hotel, where),
                always=paid_once,
                together=1,
                bound=bound,
                walks=30,
                while_running=("steer",),
            )
        except AssertionError as error:
            schedule = getattr(error, "schedule", "")
            return f"{test.__name__}, {schedule or 'as it is'}: {str(error).partition(chr(10))[0]}"
    return None


def journals(hotel: Hotel) -> list[list[JournalRecord]]:
    """The journals of its talks."""
    found: list[list[JournalRecord]] = []
    for test in TALKS:
        with Talk(hotel.flow, deps=hotel.House()) as talk:
            test(hotel, talk)
        found.append(talk.store.journal(THREAD))
    return found


def found_by_journals(old: list[list[JournalRecord]], hotel: Hotel) -> str | None:
    """The first old conversation that would go another way."""
    for journal in old:
        difference = compare(journal, hotel.flow).difference
        if difference is not None:
            return str(difference).replace("\n", " ")
    return None


def parts(old: list[list[JournalRecord]], bound: int = 3_000) -> dict[str, Callable[[Hotel], str | None]]:
    """The parts of the kit, by name; each says what it finds.

    Args:
        old: journals of the hotel without bugs.
        bound: of the exploration; by default enough for all schedules with one disturbance.
    """
    return {
        "checks": found_by_checks,
        "talks": found_by_talks,
        "journals": partial(found_by_journals, old),
        "exploration": partial(found_by_exploration, bound),
    }
