"""A parcel service whose calls come out in every way, and the talks in which they do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from handoff import (
    Flow,
    FromMetadata,
    Go,
    Metadata,
    ToolError,
    call,
)
from handoff.observers import observing
from handoff.testing import Talk
from handoff.testing.coverage import coverage_of
from handoff.testing.recording import Kind, Record, Recorder, record_journal


class Parcel(Metadata):
    weight: int | None = None
    checked: bool = False


def light(parcel: Parcel) -> bool:
    """It is too heavy."""
    return parcel.weight is not None and parcel.weight < 10


def checked(parcel: Parcel) -> bool:
    """It has not been checked."""
    return parcel.checked


flow = Flow("parcels", metadata=Parcel)


desk = flow.assistant("desk", instructions="Take parcels.")


van = flow.assistant("van", instructions="Carry them.")


ship = flow.assistant("ship", instructions="Carry heavy ones.")


@desk.tool(to=(van.when(light), ship.when(checked)), sets="weight")
def weigh(weight: int) -> str:
    """Weigh it."""
    if weight < 0:
        raise ToolError("it cannot weigh less than nothing")
    return f"{weight} kg"


@desk.tool(sets="checked", idempotent=True)
def check(checked: bool) -> str:
    """Check it."""
    if not checked:
        raise RuntimeError("the scanner is broken")
    return "checked"


@desk.tool(approval=True)
def open_it(careful: bool) -> str:
    """Open it."""
    if not careful:
        raise ToolError("it broke")
    return "open"


@desk.tool(allow=checked)
def stamp(weight: FromMetadata[int]) -> str:
    """Stamp it."""
    return f"stamped {weight} kg"


@desk.tool(to=van.when(light), sets="weight")
def hand_over(weight: int) -> str:
    """Hand over what is known to be light."""
    return f"{weight} kg"


@desk.tool(to=(desk.when(times=1), ship.when(checked)), sets="weight")
def weigh_again(weight: int) -> str:
    """Weigh it again, once; then it goes by ship."""
    return f"{weight} kg"


@desk.tool(to=(van.when(light), ship))
def choose(heavy: bool) -> Go:
    """Choose who carries it."""
    return Go(ship if heavy else van)


@van.tool(to=flow.end)
def deliver() -> str:
    """Deliver it."""
    return "delivered"


back = van.after(timedelta(hours=1), to=desk.when(checked))


ship.then(van.when(light, times=1))


#: A conversation.
Story = Callable[[Talk[Parcel]], None]


def weighed(talk: Talk[Parcel]) -> None:
    """A light parcel goes to the van."""
    talk.user("here")
    talk.calls(weigh, weight=2)
    talk.says("on its way", by=van)


def too_heavy(talk: Talk[Parcel]) -> None:
    """A heavy parcel that was not checked stays."""
    talk.user("here")
    talk.calls(weigh, weight=20)
    talk.says("no", by=desk)


def checked_first(talk: Talk[Parcel]) -> None:
    """A heavy parcel that was checked goes to the ship, whose reply leaves it there."""
    talk.user("here")
    talk.calls(check, checked=True)
    talk.calls(weigh, weight=20)
    talk.says("hoisted", by=ship)


def chosen(talk: Talk[Parcel]) -> None:
    """The body chooses the second destination."""
    talk.user("here")
    talk.calls(choose, heavy=True)
    talk.says("hoisted", by=ship)


def negative(talk: Talk[Parcel]) -> None:
    """The body refuses with words for the model."""
    talk.user("here")
    talk.calls(weigh, weight=-1)
    talk.says("sorry", by=desk)


def broken(talk: Talk[Parcel]) -> None:
    """The body of an idempotent tool fails."""
    talk.user("here")
    talk.calls(check, checked=False)
    talk.says("sorry", by=desk)


def misread(talk: Talk[Parcel]) -> None:
    """The arguments do not fit."""
    talk.user("here")
    talk.miscalls(weigh, raw="{")
    talk.says("sorry", by=desk)


def not_now(talk: Talk[Parcel]) -> None:
    """The tool is not offered, and called all the same."""
    talk.user("here")
    talk.miscalls(stamp)
    talk.says("sorry", by=desk)


def stamped(talk: Talk[Parcel]) -> None:
    """The tool is offered in the next run, once the parcel was weighed and checked."""
    too_heavy(talk)
    talk.user("check it")
    talk.calls(check, checked=True)
    talk.says("checked", by=desk)
    talk.user("stamp it")
    talk.calls(stamp)
    talk.says("stamped", by=desk)


def two_ways(talk: Talk[Parcel]) -> None:
    """The first transition of the batch wins, the other call is not run."""
    talk.user("here")
    talk.calls(call(choose, heavy=True), call(weigh, weight=20))
    talk.says("hoisted", by=ship)


def together(talk: Talk[Parcel]) -> None:
    """The second call leads to the same assistant only: its body runs, and its guard is not asked."""
    talk.user("here")
    talk.calls(call(weigh, weight=2), call(hand_over, weight=30))
    talk.says("on its way", by=van)


def spent(talk: Talk[Parcel]) -> None:
    """The first destination was taken as often as it may be, so the second one is asked about."""
    talk.user("here")
    talk.calls(check, checked=True)
    talk.calls(weigh_again, weight=30)
    talk.calls(weigh_again, weight=40)
    talk.says("hoisted", by=ship)


def slow(talk: Talk[Parcel]) -> None:
    """A body that does not end in time becomes a ticket, and its late result is kept."""
    talk.user("here")
    with talk.slow(weigh):
        talk.calls(weigh, weight=2)
    talk.grace()
    talk.says("it takes time", by=desk)
    talk.finish(weigh)
    talk.says("on its way", by=van)


def slow_failure(talk: Talk[Parcel]) -> None:
    """A body that fails late."""
    talk.user("here")
    with talk.slow(weigh):
        talk.calls(weigh, weight=-1)
    talk.grace()
    talk.says("it takes time", by=desk)
    talk.finish(weigh)
    talk.says("sorry", by=desk)


def approved(talk: Talk[Parcel]) -> None:
    """A person lets it happen."""
    talk.user("here")
    talk.calls(open_it, careful=True)
    talk.says("wait", by=desk)
    talk.approve()
    talk.says("open", by=desk)


def broken_when_approved(talk: Talk[Parcel]) -> None:
    """A person lets it happen, and it fails."""
    talk.user("here")
    talk.calls(open_it, careful=False)
    talk.says("wait", by=desk)
    talk.approve()
    talk.says("sorry", by=desk)


def refused(talk: Talk[Parcel]) -> None:
    """A person does not let it happen."""
    talk.user("here")
    talk.calls(open_it, careful=True)
    talk.says("wait", by=desk)
    talk.refuse("no")
    talk.says("sorry", by=desk)


def cancelled(talk: Talk[Parcel]) -> None:
    """The user cancels while one body runs and another has not begun."""
    talk.user("here")
    with talk.slow(weigh, check):
        talk.calls(call(weigh, weight=2), call(check, checked=True))
    talk.cancel()


def crashed(talk: Talk[Parcel]) -> None:
    """The process dies in a body, and a person says that it did not happen."""
    talk.user("here")
    with talk.slow(weigh):
        talk.calls(weigh, weight=2)
    talk.crash()
    talk.says("who knows", by=desk)
    talk.settle("it did not", happened=False)
    talk.says("sorry", by=desk)


def silent(talk: Talk[Parcel]) -> None:
    """A silence at the van, which hands nothing back."""
    weighed(talk)
    talk.silence(timedelta(hours=2))


def silent_and_checked(talk: Talk[Parcel]) -> None:
    """A silence at the van, which hands a checked parcel back."""
    talk.user("here")
    talk.calls(check, checked=True)
    talk.calls(weigh, weight=2)
    talk.says("on its way", by=van)
    talk.silence(timedelta(hours=2))
    talk.says("again", by=desk)


def delivered(talk: Talk[Parcel]) -> None:
    """The thread is closed."""
    weighed(talk)
    talk.user("now")
    talk.calls(deliver)


STORIES: list[tuple[Story, set[str]]] = [
    (weighed, {"desk.weigh ok"}),
    (too_heavy, {"desk.weigh ok"}),
    (checked_first, {"desk.check ok", "desk.weigh ok"}),
    (chosen, {"desk.choose ok"}),
    (negative, {"desk.weigh error"}),
    (broken, {"desk.check error"}),
    (misread, {"desk.weigh refused"}),
    (not_now, {"desk.stamp refused"}),
    (stamped, {"desk.weigh ok", "desk.check ok", "desk.stamp ok"}),
    (together, {"desk.weigh ok", "desk.hand_over ok"}),
    (spent, {"desk.check ok", "desk.weigh_again ok"}),
    (two_ways, {"desk.choose ok", "desk.weigh refused"}),
    (slow, {"desk.weigh pending", "desk.weigh ok"}),
    (slow_failure, {"desk.weigh pending", "desk.weigh error"}),
    (approved, {"desk.open_it pending", "desk.open_it ok"}),
    (broken_when_approved, {"desk.open_it pending", "desk.open_it error"}),
    (refused, {"desk.open_it pending", "desk.open_it refused"}),
    (cancelled, {"desk.weigh pending", "desk.check refused"}),
    (crashed, {"desk.weigh pending", "desk.weigh refused"}),
    (silent, {"desk.weigh ok"}),
    (silent_and_checked, {"desk.check ok", "desk.weigh ok"}),
    (delivered, {"desk.weigh ok", "van.deliver ok"}),
]


def record_of(*stories: Story) -> Record:
    """What a recorder notes of these talks as they happen."""
    recorder = Recorder()
    with observing(recorder):
        for story in stories:
            with Talk(flow) as talk:
                story(talk)
                talk.close(unfinished=True)
    return recorder.record


def journal_of(story: Story) -> Record:
    """What a recorder notes of the talk's journal, afterwards."""
    recorder = Recorder()
    with Talk(flow) as talk:
        story(talk)
        talk.close(unfinished=True)
        record_journal(recorder, flow, talk.store.journal("talk"))
    return recorder.record


def seen(record: Record, kind: Kind) -> set[str]:
    """The names of what happened."""
    return {item.name for item in coverage_of(flow, record)[kind].items if item.times}
