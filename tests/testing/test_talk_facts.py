"""Handoffs and late results that would leave the active assistant without its facts."""

from __future__ import annotations

from collections.abc import Callable

from handoff import Flow, FromMetadata, Metadata
from handoff.core.items import Output
from handoff.testing import Talk


class _Trip(Metadata):
    town: str | None = None
    open: bool | None = None


def _is_open(trip: _Trip) -> bool:
    """The desk is closed."""
    return trip.open is True


def _trips() -> tuple[Flow[_Trip], Callable[..., str]]:
    flow = Flow("trips", metadata=_Trip)
    guide = flow.assistant("guide", instructions="You know {{ town }}.")
    desk = flow.assistant("desk", instructions="Sell tickets.")

    @guide.tool(to=desk.when(_is_open), clears="town")
    def leave(town: FromMetadata[str]) -> str:
        """Leave the town."""
        return f"left {town}"

    return flow, leave


def test_a_refused_handoff_does_not_clear_what_the_staying_assistant_needs() -> None:
    """The output is kept and the model is told; the field stays, so the next run can be instructed."""
    flow, leave = _trips()
    talk = Talk(flow, metadata=_Trip(town="Rome"))
    talk.user("let us go")
    talk.calls(leave)

    assert (
        "Rome",
        [
            (
                "left Rome\nWhat it would have changed no longer fits and was not kept.\n"
                "Not handed over: The desk is closed. Stay and continue."
            )
        ],
    ) == (talk.metadata.town, [item.text for item in talk.prompt.due if isinstance(item, Output)])


def test_a_late_result_does_not_clear_what_the_active_assistant_needs() -> None:
    """A late patch that would leave nobody to answer is refused whole, and the active assistant answers."""
    flow, leave = _trips()
    talk = Talk(flow, metadata=_Trip(town="Rome", open=True))
    talk.user("let us go")
    with talk.slow(leave):
        talk.calls(leave)
    talk.user("wait", while_running="interrupt")
    talk.says("I wait.")
    talk.edit(open=False)
    talk.finish(leave)

    assert ("Rome", 'You know "Rome".') == (talk.metadata.town, talk.instructions)


def test_a_late_result_whose_fact_changed_meanwhile_does_not_hand_over() -> None:
    """The field keeps its newer value, and an assistant that could not be instructed with it is not gone to."""
    flow = Flow("moves", metadata=_Trip)
    guide = flow.assistant("guide", instructions="Find a town.")
    desk = flow.assistant("desk", instructions="Sell tickets to {{ town }}.")

    @guide.tool(to=desk, sets="town")
    def choose_town(town: str) -> str:
        """Choose a town."""
        return f"{town} it is"

    talk = Talk(flow, metadata=_Trip(town="Rome"))
    talk.user("Paris")
    with talk.slow(choose_town):
        talk.calls(choose_town, town="Paris")
    talk.user("no, nowhere", while_running="interrupt")
    talk.says("As you like.")
    talk.edit(town=None)
    talk.finish(choose_town)

    assert (guide, None) == (talk.assistant, talk.metadata.town)
    assert "town had changed meanwhile and was kept." in str(talk)
