"""Paths that are not there: what is not reached and why, what is asked for, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator

from handoff import ConfigurationError, Flow, FromMetadata, Metadata
from handoff.testing import PathUnreached, Unreached, paths
from handoff.testing.recording import OUTCOMES
from tests.testing.paths_flow import flow, plan
from tests.testing.paths_found import path_of, reasons
from tests.testing.rooms_flow import may_ship, shop


class Case(Metadata):
    level: Literal["low", "high"] | None = None
    note: str | None = None


def never(case: Case) -> bool:
    """There is no such level."""
    return case.level == "none"


def whispered(case: Case) -> bool:
    """It is loud."""
    return case.note is not None and case.note.startswith("ps") and case.note.endswith("st") and len(case.note) == 4


def raised(case: Case) -> bool:
    """It is low."""
    return case.level == "high"


def cases() -> tuple[Flow[Case, Any], Callable[..., str]]:
    """A flow of which some transitions cannot be taken."""
    flow = Flow("cases", metadata=Case)
    start = flow.assistant("start", instructions="Start.")
    quiet = flow.assistant("quiet", instructions="Be quiet.")
    lost = flow.assistant("lost", instructions="Nobody comes here.")

    @start.tool(to=quiet.when(whispered), sets="note")
    def say(note: str) -> str:
        """Say something."""
        return note

    @start.tool(to=quiet.when(never))
    def wish() -> str:
        """Wish for it."""
        return "wished"

    @start.tool(to=quiet)
    def lift(level: FromMetadata[str]) -> str:
        """Lift it."""
        return level

    @lost.tool(to=start)
    def come_back() -> str:
        """Come back."""
        return "back"

    return flow, say


def test_what_is_not_reached_says_why() -> None:
    """Each transition that no conversation takes is in the list, with the reason."""
    flow, _ = cases()

    assert {
        "start.say->quiet": "none of the values that were tried leads there (note: 'a'): give others, as in "
        "paths(…, values={'note': …})",
        "start.wish->quiet": "never never holds where it is asked, or a destination before it is always taken",
        "start.lift->quiet": "lift can never be called at start: it needs level",
        "lost.come_back->start": "no way leads to lost",
    } == reasons(paths(flow))


class Bill(Metadata):
    paid: bool | None = None


def settled(bill: Bill) -> bool:
    """The bill is not paid."""
    return bill.paid is True


def pay(bill: Bill) -> str:
    """Pay."""
    bill.paid = True
    return "Paid."


def test_a_guard_that_cannot_say_no_is_told_by_what_is_known() -> None:
    """What a body assigns is read: no other value would lead there, so none is asked for."""
    flow = Flow("till", metadata=Bill)
    cashier = flow.assistant("cashier", instructions="Take the money.")
    cashier.tool(to=flow.assistant("porter", instructions="Say goodbye.").when(settled), sets="paid")(pay)

    found = reasons(paths(flow, "guards"))

    assert {
        "cashier.pay->porter settled=false": "settled always holds where it is asked, at cashier: paid is True by then"
    } == found


def test_a_tool_that_cannot_be_called_has_no_outcome() -> None:
    """Each outcome of it is in the list, with the reason; those of the other tools are found."""
    flow, _ = cases()

    found = {goal: why for goal, why in reasons(paths(flow, "outcomes")).items() if "->" not in goal}

    assert {
        **{f"start.lift {one}": "lift can never be called at start: it needs level" for one in OUTCOMES},
        **{f"lost.come_back {one}": "no way leads to lost" for one in OUTCOMES},
    } == found


def test_what_is_not_reached_fails_its_test() -> None:
    """Played, it fails with the reason."""
    flow, _ = cases()
    unreached = next(one for one in paths(flow) if isinstance(one, Unreached))

    with pytest.raises(PathUnreached, match=r"start\.say->quiet is not reached: none of the values") as caught:
        unreached.play()

    assert ("start.say->quiet", unreached.reason) == (caught.value.goal, caught.value.reason)


def test_a_given_value_leads_on() -> None:
    """Where no value was found that a guard lets pass, the author gives one."""
    flow, _ = cases()

    found = paths(flow, values={"note": ["loud", "psst"]})

    assert "start.say->quiet" not in reasons(found)
    path_of(found, "start.say->quiet").play()


def test_a_given_start_leads_on() -> None:
    """A thread may be opened with metadata that no tool sets."""
    flow, _ = cases()

    found = paths(flow, metadata=Case(level="low"))

    assert "start.lift->quiet" not in reasons(found)
    path_of(found, "start.lift->quiet").play()


def test_a_guard_that_always_holds_has_no_other_answer() -> None:
    """With `cover="guards"` an answer that a guard never gives is told of."""
    flow = Flow("doors")
    outside = flow.assistant("outside", instructions="Ring.")
    inside = flow.assistant("inside", instructions="Welcome.")

    def open_door(_metadata: Metadata) -> bool:
        return True

    @outside.tool(to=inside.when(open_door))
    def ring() -> str:
        """Ring."""
        return "dong"

    assert {"outside.ring->inside open_door=false": "open_door always holds"} == reasons(paths(flow, "guards"))


def refused(value: str) -> str:
    """Take no value at all."""
    raise ValueError("no")


Secret = Annotated[str, AfterValidator(refused)]


class Locked(Metadata):
    secret: Secret | None = None


def locked() -> Flow[Locked, Any]:
    """A flow whose field takes no value that anybody could guess."""
    flow = Flow("locked", metadata=Locked)
    outside = flow.assistant("outside", instructions="Ask.")
    inside = flow.assistant("inside", instructions="Welcome.")

    @outside.tool(to=inside, sets="secret")
    def enter(locked: Locked) -> str:
        """Enter."""
        return str(locked)

    return flow


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({"cover": "all"}, "cover='all'.*give one of transitions, pairs, guards", id="cover"),
        pytest.param({"arguments": {"fly": {}}}, "fly: .*office has no such tool", id="no tool"),
        pytest.param({"arguments": {plan: {"nights": "x"}}}, "plan: .*nights: Input should be", id="no argument"),
        pytest.param({"values": {"seat": 1}}, "'seat'.*no such metadata field and no such parameter", id="no field"),
        pytest.param({"values": {"code": "x"}}, "'code': 'x'.*String should match pattern", id="no value"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], problem: str) -> None:
    """A mistake in what is given is refused, and says what it is."""
    with pytest.raises(ConfigurationError, match=problem):
        paths(flow, **options)


def test_a_body_that_consults_is_not_run() -> None:
    """Nobody plays its rooms on a path; simulated, it is on one."""
    with pytest.raises(ConfigurationError, match=r"may_ship: .*consults legal, and nobody plays its rooms"):
        paths(shop, arguments={may_ship: {"country": "Chile"}})

    ways = [str(path) for path in paths(shop, "outcomes") if "may_ship" in str(path)]
    assert [f"seller.may_ship {outcome}" for outcome in OUTCOMES] == ways


def test_a_value_that_cannot_be_made_up_is_asked_for() -> None:
    """A field for which no valid value was found is an error that says which value to give."""
    with pytest.raises(ConfigurationError) as caught:
        paths(locked())

    assert (
        "paths: no value could be made up for the field Locked.secret: give one, as in paths(…, values={'secret': …})"
        == str(caught.value)
    )
