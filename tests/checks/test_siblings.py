"""What is left out in one place: where a difference is no slip, nothing is said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from handoff import Flow, Metadata
from handoff.checks import check
from handoff.checks.modules import _enclosed
from tests.checks.random_flows import random_flow, walked


class Desk(Metadata):
    item: str | None = None


def desk() -> Flow[Any, Any]:
    """A flow without anything in it."""
    return Flow("desk", metadata=Desk, instructions="{% if item %}It is about {{ item }}.{% endif %}")


def named(name: str, doc: str = "Do it.") -> Any:
    """A function that takes an item."""

    def tool(item: str) -> str:
        return item

    tool.__name__, tool.__doc__ = name, doc
    return tool


def bare(name: str, doc: str) -> Any:
    """A function that takes nothing."""

    def tool() -> str:
        return "Done."

    tool.__name__, tool.__doc__ = name, doc
    return tool


def codes(flow: Flow[Any, Any]) -> list[str]:
    """The codes of what is found."""
    return [one.code for one in check(flow).findings]


@pytest.mark.parametrize(
    ("keeping", "dropping", "expected"),
    [
        pytest.param(3, 1, ["not-kept"], id="all others keep it"),
        pytest.param(2, 1, [], id="too few for a habit"),
        pytest.param(3, 2, [], id="two drop it"),
        pytest.param(4, 0, [], id="all keep it"),
    ],
)
def test_one_tool_that_drops_an_argument_is_told_of(keeping: int, dropping: int, expected: list[str]) -> None:
    """It takes three others that keep it, and no second one that does not."""
    flow = desk()
    clerk = flow.assistant("clerk", instructions="Help.")
    for number in range(keeping):
        clerk.tool(sets="item")(named(f"keep{number}"))
    for number in range(dropping):
        clerk.tool()(named(f"drop{number}"))

    assert expected == codes(flow)


def test_an_argument_of_another_type_is_something_else() -> None:
    """A number called like a text is not the field."""
    flow = desk()
    clerk = flow.assistant("clerk", instructions="Help.")
    for number in range(3):
        clerk.tool(sets="item")(named(f"keep{number}"))

    @clerk.tool()
    def count(item: int) -> str:
        """Count."""
        return str(item)

    assert [] == codes(flow)


@pytest.mark.parametrize(
    ("doc", "name", "expected"),
    [
        pytest.param("Hand the customer back.", "finish", ["says-handover"], id="hands back"),
        pytest.param("Do it.", "hand_to_billing", ["says-handover"], id="named so"),
        pytest.param("Send the customer over to the billing.", "finish", ["says-handover"], id="said so"),
        pytest.param("End the conversation.", "finish", ["says-handover"], id="ends"),
        pytest.param("Send an order to another address.", "redirect", [], id="sends an order"),
        pytest.param("Pass a message on.", "forward", [], id="passes a message"),
        pytest.param("Hand the parcel over to the courier.", "ship", [], id="hands a parcel over"),
        pytest.param("Hand the case over to nobody.", "keep", ["says-handover"], id="a case"),
        pytest.param("End the subscription.", "stop", [], id="ends something else"),
        pytest.param("Return to the clerk what was found.", "tell", [], id="its own assistant"),
    ],
)
def test_words_that_promise_a_handoff_are_told_of(doc: str, name: str, expected: list[str]) -> None:
    """Only a handoff of the user or the conversation counts, and one to an assistant by its name."""
    flow = desk()
    clerk = flow.assistant("clerk", instructions="Help.")
    billing = flow.assistant("billing", instructions="Bill.")
    clerk.tool(to=billing, sets="item")(named("ask"))
    billing.tool(to=clerk, clears="item")(bare("leave", "Leave."))
    clerk.tool()(bare(name, doc))

    assert expected == codes(flow)


def test_two_assistants_without_after_are_no_slip() -> None:
    """Half of them wait for the user as long as it takes: that is meant."""
    flow = desk()
    clerk = flow.assistant("clerk", instructions="Help.")
    others = [flow.assistant(name, instructions="Help.") for name in ("first", "second", "third", "fourth")]
    for one in others:
        clerk.tool(to=one, sets="item")(named(f"ask_{one.name}"))
        one.tool(to=clerk, clears="item")(bare("leave", "Leave."))
    for one in others[:2]:
        one.after(timedelta(hours=1), to=clerk, speak=False)

    assert [] == codes(flow)


def test_what_is_hardly_offered_is_offered_to_nobody_who_calls_one_tool_at_a_time() -> None:
    """Over random flows, no assistant is said to lack a tool that a walk calls there."""
    wrong: list[tuple[int, str]] = []
    told = 0
    for seed in range(150):
        flow = random_flow(seed)
        found = [one.problem.split() for one in check(flow).findings if one.code == "hardly-offered"]
        hardly = {f"{words[4]}.{words[0]}" for words in found}
        _, taken = walked(flow)
        told += len(hardly)
        wrong += [(seed, key) for key in taken if key.split("->", 1)[0] in hardly]

    assert [] == wrong
    assert told


def test_what_a_function_encloses_is_seen_beside_what_is_assigned_later() -> None:
    """An empty cell hides none of the others."""

    def known(_: object) -> bool:
        return True

    def made() -> object:
        def guard(metadata: object) -> bool:
            return known(metadata) and later(metadata)

        found = _enclosed(guard)

        def later(_: object) -> bool:
            return True

        return found

    assert [known] == made()
