"""A thread survives the death of its process at any moment: real processes, ended by SIGKILL, and begun again."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from handoff import Flow, Metadata, ScriptedModel, SqlStore, Threads, call
from handoff.backends.embedded import Embedded
from handoff.core.items import Item, Note, Output, Spoken, UserMessage
from handoff.core.texts import tell
from handoff.declaration.prompt import Prompt
from tests.crash import dealer, shop
from tests.crash.effects import wrong_effects
from tests.crash.life import STORE, THREAD, begin
from tests.crash.moments import Moments
from tests.crash.outcome import Outcome, differences, outcome_of, without_detour
from tests.crash.proof import prove
from tests.crash.rooms import locked, rooms_of, wrong_outcomes, wrong_rooms
from tests.crash.scenarios import SERVED
from tests.crash.served import server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is neither fork nor SIGKILL")

SEED = int(os.environ.get("HANDOFF_TEST_SEED") or random.SystemRandom().randrange(10**6))
#: SIGKILL leaves what was written to the kernel, so a file system in memory proves the same in less time.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a directory is made in it


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory for the files of many processes."""
    with tempfile.TemporaryDirectory(prefix="handoff-crash-", dir=MEMORY) as directory:
        yield Path(directory)


# -- the proof ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["site", "shop"])
def test_a_kill_at_any_commit_point_changes_nothing(name: str, ground: Path) -> None:
    """Killed just before or just after any commit, the thread comes out as if nobody had killed it."""
    counts = prove(name, ground, kinds=("commit",))

    assert [] == counts.failures
    assert (counts.seen, []) == (counts.killed, counts.beyond)
    assert counts.seen["commit"] > 60


def test_a_kill_inside_a_body_is_run_again_asked_about_or_left_to_a_person(ground: Path) -> None:
    """Killed before or after its effect, a body runs again or is asked; one that may not leaves its one ticket."""
    counts = prove("shop", ground, kinds=("body",))

    assert [] == counts.failures
    assert (counts.seen, []) == (counts.killed, counts.beyond)
    assert counts.settled >= 8  # before and after the effects of ring, set_address, pay and pack


def test_a_kill_while_bodies_ask_in_side_rooms_changes_nothing(ground: Path) -> None:
    """Killed anywhere, parent and rooms come out the same, and no room that had answered is asked again."""
    counts = prove("rooms", ground, sample=6, seed=SEED)

    assert [] == counts.failures, f"seed {SEED}"
    assert (6, []) == (sum(counts.killed.values()), counts.beyond)


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "kinds", "sample"), [("site", ("body", "model"), 12), ("shop", ("model",), 6)])
def test_a_kill_inside_other_bodies_and_model_calls_changes_nothing(
    name: str, kinds: tuple[str, ...], sample: int, ground: Path
) -> None:
    """Killed while it reads or writes a page, or while the model is asked, the thread comes out the same."""
    counts = prove(name, ground, kinds=kinds, sample=sample, seed=SEED)  # type: ignore[arg-type]

    assert [] == counts.failures, f"seed {SEED}"
    assert (sample, []) == (sum(counts.killed.values()), counts.beyond)


@pytest.mark.campaign
@pytest.mark.parametrize("name", ["site", "shop", "rooms"])
def test_a_second_kill_during_the_recovery_changes_nothing(name: str, ground: Path) -> None:
    """Killed anywhere, and again at a commit of its recovery, the thread comes out the same."""
    counts = prove(name, ground, sample=0, again=3, seed=SEED)

    assert [] == counts.failures, f"seed {SEED}"
    assert 3 == counts.killed_again


@pytest.mark.campaign
@pytest.mark.parametrize("name", ["site", "shop", "rooms"])
def test_a_kill_beside_another_process_changes_nothing(name: str, ground: Path) -> None:
    """Of two processes that serve a thread at once one is killed, and the other takes over what it was doing."""
    counts = prove(name, ground, sample=0, beside=4, seed=SEED)

    assert [] == counts.failures, f"seed {SEED}"


@pytest.mark.campaign
@pytest.mark.parametrize("kind", ["assistants", "chat", "responses"])
def test_a_kill_while_a_server_lives_on_changes_nothing(kind: str, ground: Path) -> None:
    """Killed anywhere, the thread comes out the same, and so does what the server has of it; one form of each kind."""
    name = random.Random(SEED).choice([name for name in SERVED if f" {kind}" in name])  # noqa: S311 - to be repeatable
    with server():
        counts = prove(name, ground, sample=2, seed=SEED)

    assert [] == counts.failures, f"seed {SEED}"
    assert (2, []) == (sum(counts.killed.values()), counts.beyond)


# -- what a person settles ---------------------------------------------------------------------------------------------


class Site(Metadata):
    page_id: str | None = None


@pytest.mark.parametrize(
    ("edited", "active"),
    [
        pytest.param(None, "welcome", id="what the body was to set is unset"),
        pytest.param("about", "editor", id="a person has set it"),
    ],
)
async def test_a_settled_call_hands_over_only_with_what_its_body_was_to_set(edited: str | None, active: str) -> None:
    """The transition is taken once all that the tool declares to set is there, so nobody ends up without it."""
    flow = Flow("settled", metadata=Site)
    welcome = flow.assistant("welcome", instructions="Find out which page.")
    editor = flow.assistant("editor", instructions="Edit {{ page_id }}.")
    begun, ends = asyncio.Event(), asyncio.Event()

    @welcome.tool(to=editor, sets="page_id")
    async def open_page(site: Site) -> str:
        """Open a page."""
        begun.set()
        await ends.wait()
        site.page_id = "too late"
        return "open"

    model = ScriptedModel({welcome: (call(open_page), "It is open."), editor: ("Go on.",)}, strict=False)
    async with Threads(flow, backend=Embedded(model)) as threads:
        thread = await threads.open()
        await thread.post("The about page.")
        await begun.wait()
        await thread.cancel()
        if edited is not None:
            await thread.edit(page_id=edited)
        await thread.settle("T1", "about is open", by="the owner")
        ends.set()
        await thread.wait()

    assert (active, edited, "completed") == (thread.state.assistant, thread.metadata.page_id, thread.state.ended)


# -- a comparison that sees nothing proves nothing ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def wanted() -> Iterator[Outcome]:
    """What the shop comes to when nobody kills it."""
    with tempfile.TemporaryDirectory(prefix="handoff-crash-", dir=MEMORY) as directory:
        begin(shop.life(Path(directory), Moments()), shop.converse)
        yield outcome_of(Path(directory))


def test_an_outcome_equals_itself(wanted: Outcome) -> None:
    """Where nothing differs, nothing is found."""
    assert [] == differences(wanted, wanted, shop.waits)


@pytest.mark.parametrize(
    ("what", "spoilt"),
    [
        pytest.param("transcript", lambda o: replace(o, transcript=o.transcript[:-1]), id="a reply that was lost"),
        pytest.param("transcript", lambda o: replace(o, transcript=(*o.transcript, o.transcript[-1])), id="said twice"),
        pytest.param("ledger", lambda o: replace(o, ledger=o.ledger[1:]), id="a call that was lost"),
        pytest.param("ledger", lambda o: _with_progress(o, "started"), id="a call that is not done"),
        pytest.param("tickets", lambda o: replace(o, tickets=(*o.tickets, *o.tickets)), id="a ticket too many"),
        pytest.param("state", lambda o: _with_metadata(o, "Ida"), id="other metadata"),
        pytest.param("files", lambda o: replace(o, files={".about.md.x": b""}), id="a file left over"),
        pytest.param("rows that wait", lambda o: replace(o, waiting=1), id="a row that waits for ever"),
    ],
)
def test_what_differs_is_found(wanted: Outcome, what: str, spoilt: Callable[[Outcome], Outcome]) -> None:
    """Each part of an outcome counts."""
    assert [what] == [one.partition(":")[0] for one in differences(wanted, spoilt(wanted), shop.waits)]


@pytest.mark.parametrize(
    ("tickets", "found"),
    [
        pytest.param(0, ["tickets of lost bodies"], id="none"),
        pytest.param(1, [], id="its own"),
        pytest.param(2, ["tickets of lost bodies"], id="another one, too"),
    ],
)
def test_a_lost_body_is_to_have_exactly_its_ticket(wanted: Outcome, tickets: int, found: list[str]) -> None:
    """A ticket is neither missing nor too many."""
    row = wanted.tickets[0]
    added = [replace(row, id="T8", run=1, call="call_4", tool="ring"), replace(row, id="T9", call="call_2")]
    lost = frozenset({(1, 1, "call_4")})
    actual = replace(wanted, lost=lost, unknown=lost, tickets=(*wanted.tickets, *added[:tickets]))

    assert found == [one.partition(":")[0] for one in differences(wanted, actual, shop.waits)]


@pytest.mark.parametrize(
    ("tool", "times", "lost", "found"),
    [
        pytest.param("ring", 2, False, ["ring was done 2 times for call_4"], id="a body that ran twice"),
        pytest.param("ring", 0, False, ["ring was done 0 times for call_4"], id="a body that never ran"),
        pytest.param("ring", 0, True, [], id="a body that was lost before its effect"),
        pytest.param("ring", 2, True, ["ring was done 2 times for call_4"], id="a lost body that ran again"),
        pytest.param("look_up", 2, False, [], id="an idempotent body that ran again"),
        pytest.param(
            "look_up", 0, False, ["look_up was done 0 times for call_1"], id="an idempotent body that never ran"
        ),
        pytest.param("reserve", 2, False, ["reserve was done 2 times for call_2"], id="a probed body that ran again"),
    ],
)
def test_what_bodies_did_is_counted(wanted: Outcome, tool: str, times: int, lost: bool, found: list[str]) -> None:
    """A body runs at most once unless it is idempotent, and once unless it was lost."""
    effect = next(one for one in wanted.effects if one[0] == tool)
    call = effect[1].rpartition("/")[2]
    actual = replace(
        wanted,
        effects=Counter({**wanted.effects, effect: times}) if times else _without(wanted.effects, effect),
        unknown=frozenset({(1, 1, call)}) if lost else frozenset(),
    )

    assert found == wrong_effects(shop.flow, wanted, actual)


@pytest.fixture(scope="module")
def dealt() -> Iterator[Path]:
    """The files of the dealer whom nobody kills."""
    with tempfile.TemporaryDirectory(prefix="handoff-crash-", dir=MEMORY) as directory:
        begin(dealer.life(Path(directory), Moments()), dealer.converse)
        yield Path(directory)


def test_rooms_equal_themselves(dealt: Path) -> None:
    """Where nothing differs, nothing is found; all rooms are there, and all of them have answered."""
    assert [] == wrong_rooms(dealt, dealt)
    assert ["lamp", "ship", "vase"] == [name for name, _ in rooms_of(dealt)] == sorted(dealer.answered(dealt))


@pytest.mark.parametrize(
    ("found", "spoilt"),
    [
        pytest.param(["rooms"], lambda rooms: rooms[1:], id="a room that is missing"),
        pytest.param(["rooms"], lambda rooms: [rooms[0], *rooms], id="a room that was opened twice"),
        pytest.param(
            ["room lamp"],
            lambda rooms: [("lamp", replace(rooms[0][1], transcript=())), *rooms[1:]],
            id="a room in which nothing was said",
        ),
        pytest.param(
            ["room lamp"],
            lambda rooms: [("lamp", replace(rooms[0][1], effects=_twice(rooms[0][1], "enter"))), *rooms[1:]],
            id="a body in a room that ran twice",
        ),
    ],
)
def test_what_differs_in_rooms_is_found(
    dealt: Path, found: list[str], spoilt: Callable[[list[tuple[str, Outcome]]], list[tuple[str, Outcome]]]
) -> None:
    """A room counts as its parent does."""
    rooms = rooms_of(dealt)

    assert found == [one.partition(":")[0] for one in wrong_outcomes(rooms, spoilt(rooms))]


async def test_a_room_that_is_asked_again_is_found(dealt: Path, tmp_path: Path) -> None:
    """The model of a process that begins when the room has answered says so when it is asked there."""
    shutil.copytree(dealt, tmp_path, dirs_exist_ok=True)
    staff = dealer.Staff(tmp_path, Moments())
    await staff.answer(Prompt("insurer", 'Insure the "ship".', (), (), ()))

    assert ["had answered, and was asked again: ship (insurer)"] == wrong_rooms(dealt, tmp_path)


def test_a_thread_that_somebody_holds_is_found(dealt: Path) -> None:
    """A lock that nobody gave up counts, as does a run that is active."""
    with closing(SqlStore(dealt / STORE)) as store:
        lock = store.lock(THREAD)
        found = locked(dealt)
        assert lock is not None
        lock.release()

    assert [f"locked: {THREAD}"] == found


def test_a_detour_by_a_ticket_is_folded_back() -> None:
    """The word that it waits and the note of the result disappear; the result stands where the call was answered."""
    direct: tuple[Item, ...] = (
        UserMessage("m1", "Ring."),
        Output(1, 1, "call_1", "ring", "ring is done"),
        Spoken("clerk", 2, "It rang."),
    )
    note = tell("late_result", tool="ring", ticket="T1", asker="clerk", output="ring is done")
    detour = (
        direct[0],
        Output(1, 1, "call_1", "ring", tell("in_doubt", ticket="T1")),
        Spoken("clerk", 1, shop.WAITING),
        Note("late", note, "T1"),
        direct[2],
    )

    assert direct == without_detour(detour, shop.waits)


def _with_progress(outcome: Outcome, progress: str) -> Outcome:
    return replace(outcome, ledger=(*outcome.ledger[:-1], replace(outcome.ledger[-1], progress=progress)))


def _with_metadata(outcome: Outcome, name: str) -> Outcome:
    return replace(outcome, state=replace(outcome.state, metadata={**outcome.state.metadata, "name": name}))


def _twice(outcome: Outcome, tool: str) -> Counter[tuple[str, str]]:
    return outcome.effects + Counter({one: times for one, times in outcome.effects.items() if one[0] == tool})


def _without(effects: Counter[tuple[str, str]], effect: tuple[str, str]) -> Counter[tuple[str, str]]:
    return Counter({one: times for one, times in effects.items() if one != effect})
