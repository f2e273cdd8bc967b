"""Everything around the core, as nondeterminism: users, inbox, store, backend, tool bodies and crashes.

A world is the core's state together with all that surrounds it; `actions` lists what may happen next, and each action
is one atomic step: a commit, a row in the inbox, a word between driver and server, or the server moving on its own.
The environment plays only what may really happen; so an event of its making that the core calls illegal is a violation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from handoff.errors import IllegalEvent
from handoff.limits import Limits
from handoff.store.base import InboxRow
from tests.proof.backend import backend_actions
from tests.proof.bodies import Key, body_actions, crash_actions, late_result, refuse
from tests.proof.commits import check_bodies, check_commands, check_commit, check_stops, starting
from tests.proof.families import Family, ModeOf
from tests.proof.flow import Judge
from tests.proof.invariants import check
from tests.proof.modules import Core
from tests.proof.observer import Seen, Step, observe, tags_of
from tests.proof.outcomes import OUTCOMES
from tests.proof.server import Server
from tests.proof.violation import Violation


class Budget(NamedTuple):
    """How much may still happen of what could happen for ever."""

    posts: int
    cancels: int
    crashes: int
    turns: int
    doubts: int
    failures: int
    settlings: int
    edits: int
    timers: int
    repeats: int


class World(NamedTuple):
    """A thread and all that surrounds it."""

    state: Any
    seen: Seen
    server: Server
    budget: Budget
    #: The inbox, in commit order.
    rows: tuple[InboxRow, ...] = ()
    next_row: int = 1
    #: Bodies under way in this process.
    bodies: frozenset[Key] = frozenset()
    #: Bodies that are known to have begun in the real world and may not begin again (I14).
    begun: frozenset[Key] = frozenset()
    #: Whether the current request has left this process.
    sent: bool = False


Action: TypeAlias = tuple[str, Callable[[], "World | None"]]


class Pruned(Exception):
    """A mutant raised: this step leads nowhere, and counts for nothing."""


class Environment:
    """Plays one family against one core.

    Attributes:
        reached: names of outcomes that have happened; a proof asserts that all it promised did.
        last: the latest commit: (state before, Advance), for checks of the journal.
    """

    def __init__(self, core: Core, family: Family, *, lenient: bool = False) -> None:
        """Set the stage.

        Args:
            core: the core under proof.
            family: what may happen.
            lenient: whether an exception of the core's leads nowhere (for mutants) instead of being a violation.
        """
        self.core = core
        self.family = family
        self.lenient = lenient
        self.reached: set[str] = set()
        self.last: Any = None
        self.racing = False
        self._judges = {mode: Judge(core, family, core.state.Mode(*mode)) for mode in family.modes}
        self.judge: Judge = next(iter(self._judges.values()))

    # -- beginnings ----------------------------------------------------------------------------------------------------

    def roots(self) -> Iterator[tuple[ModeOf, World]]:
        """Return the world before anything happened, for each kind of backend of the family."""
        family = self.family
        opened = self.core.events.ThreadOpened(
            0.0, "t", "proof", "1", family.first, dict(family.metadata), family.limits or Limits()
        )
        state, _ = self.core.receive(None, opened)
        budget = Budget(
            family.posts, family.cancels, family.crashes, family.turns, family.doubts, family.failures,
            family.settlings, len(family.edits) and family.edit_posts, family.timers, family.repeats,
        )  # fmt: skip
        seen = Seen(assistant=family.first, x=family.metadata.get("x"))
        for mode in family.modes:
            yield mode, World(state, seen, Server(), budget)

    def use(self, mode: ModeOf) -> None:
        """Start every run on that kind of backend from now on."""
        self.judge = self._judges[mode]

    # -- one commit ----------------------------------------------------------------------------------------------------

    def commit(self, world: World, *facts: Any, **changes: Any) -> World | None:
        """Let the driver decide an append on those facts and the rows that wait, and store it.

        Args:
            world: the world before.
            facts: what happened.
            changes: what else is different afterwards.

        Raises:
            Violation: if an invariant does not hold.
        """
        try:
            advance = self.core.turn.advance(world.state, facts, world.rows, self.judge, at=0.0, running=world.bodies)
        except Violation:
            raise
        except IllegalEvent as error:
            if self.lenient:
                raise Pruned from error
            raise Violation("I18", f"a fact is called illegal: {error}") from error
        except Exception as error:
            if self.lenient:
                raise Pruned from error
            raise
        if advance is None:
            return world._replace(**changes) if changes and not self.racing else None
        if self.racing and self._judged_again(world, advance):
            return None
        self.last = (world.state, advance)
        server = changes.get("server", world.server)
        seen = self._observe(world, advance, server)
        check_bodies(world.bodies - {_place(fact) for fact in facts}, world.seen, seen)
        consumed = set(advance.consumed)
        rows = tuple(row for row in world.rows if row.id not in consumed)
        check_stops([row for row in world.rows if row.id in consumed], world.seen, seen)
        if self.racing:
            posted = self._message(world, "queue")
            rows = (*rows, posted.rows[-1])
            seen = seen._replace(posted=posted.seen.posted)
            budget = changes.get("budget", world.budget)
            changes |= {"next_row": posted.next_row, "budget": budget._replace(posts=budget.posts - 1)}
        state = advance.state
        check_commit(advance.events, rows, state, seen)
        same = (
            state.run is not None
            and world.state.run is not None
            and (state.run.number, state.run.request) == (world.state.run.number, world.state.run.request)
        )
        sent = changes.pop("sent", world.sent) and same
        commands = self.core.todo(state)
        check_commands(seen, commands, sent, server)
        wanted = {command.key[1:] for command in commands if command.key[0] == "body"}
        bodies = changes.pop("bodies", world.bodies) & wanted
        return world._replace(**changes | {"state": state, "seen": seen, "rows": rows, "sent": sent, "bodies": bodies})

    def _judged_again(self, world: World, advance: Any) -> bool:
        """Return whether the store refuses the append, or the race is none: a locked thread lets rows wait."""
        before, after = world.state.run, advance.state.run
        if before is not None and after is not None and before.number == after.number:
            return True
        if advance.last_row is not None and world.next_row > advance.last_row:
            self.reached.add("an append is judged again, as the inbox grew")
            return True
        return False

    def _observe(self, world: World, advance: Any, server: Server) -> Seen:
        """Fold the onlooker's books over the events, and ask the invariants after each."""
        seen, events, before = world.seen, advance.events, advance.before
        last = len(events) - 1
        sent = world.sent
        for index, event in enumerate(events):
            after = advance.state if index == last else before[index + 1]
            kind = type(event).__name__
            if kind == "CallStarted":
                refuse(starting(seen, event.run, event.batch, event.call))
            try:
                new = observe(seen, kind, event, after)
            except (IndexError, KeyError, TypeError) as error:
                raise Violation("I18", f"{kind} is taken for something it does not belong to: {error!r}") from error
            check(Step(kind, event, before[index], after, seen, new, tags_of(after.due), server, sent))
            if after.run is None or before[index].run is None or after.run.request != before[index].run.request:
                sent = False
            self._notice(kind, event, seen, new)
            seen = new
        return seen

    # -- what may happen next ------------------------------------------------------------------------------------------

    def actions(self, world: World) -> list[Action]:
        """Return what may happen next: a label, and what to call for the world afterwards (None: nothing changes)."""
        found: list[Action] = []
        found += self._senders(world)
        if world.rows:
            found.append(("the driver reads the inbox", partial(self.commit, world)))
        found += body_actions(self, world)
        found += backend_actions(self, world)
        if self.family.races and world.budget.posts and not world.state.closed:
            driven = [one for one in found if not one[0].startswith(("a user", "a silence", "x is", "T"))]
            found += [(f"{label}, while a user posts", partial(self._raced, act)) for label, act in driven]
        found += self._deadlines(world)
        if world.budget.crashes and (self.core.todo(world.state) or world.bodies):
            found += crash_actions(self, world)
        return found

    def post(self, world: World, kind: Any, data: dict[str, Any], **changes: Any) -> World:
        """Commit a row to the inbox."""
        row = InboxRow(world.next_row, "t", kind, data, None, 0.0)
        return world._replace(rows=(*world.rows, row), next_row=world.next_row + 1, **changes)

    def _senders(self, world: World) -> Iterator[Action]:
        family, budget, state = self.family, world.budget, world.state
        if budget.posts and not state.closed:
            for policy in family.policies:
                if policy == "reject" and (state.run is not None or world.rows):
                    self.reached.add("a message is rejected")
                    continue
                yield f"a user posts ({policy})", partial(self._message, world, policy)
        if budget.cancels:
            left = budget._replace(cancels=budget.cancels - 1)
            for run in {state.runs, max(state.runs - 1, 1)} if state.runs else ():
                cancel = {"run": run, "cause": "cancel"}
                yield f"a user cancels run {run}", partial(self.post, world, "stop", cancel, budget=left)
        if budget.edits:
            left = budget._replace(edits=budget.edits - 1)
            for index, value in enumerate(family.edits):
                edit = {"id": f"e{index}", "patch": {"x": value}}
                yield f"x is edited to {value}", partial(self.post, world, "edit", edit, budget=left)
        if budget.timers and state.phase == "rest" and state.silent_since is not None:
            left = budget._replace(timers=budget.timers - 1)
            timer = {"stimuli": state.stimuli, "timed": state.timed}
            yield "a silence ends", partial(self.post, world, "timer", timer, budget=left)
        yield from self._decisions(world)

    def _decisions(self, world: World) -> Iterator[Action]:
        waiting = {row.data["ticket"] for row in world.rows if row.kind == "resolved"}
        for ticket in world.state.tickets:
            budget = world.budget
            if ticket.id in waiting:
                if not budget.repeats:
                    continue
                budget = budget._replace(repeats=budget.repeats - 1)
            if ticket.stage == "approval":
                for outcome in ("approved", "refused"):
                    data = {"ticket": ticket.id, "outcome": outcome, "by": "a person"}
                    yield f"{ticket.id} is {outcome}", partial(self.post, world, "resolved", data, budget=budget)
            elif ticket.stage in {"waiting", "in_doubt"}:
                data = late_result(ticket)
                yield f"{ticket.id} is resolved", partial(self.post, world, "resolved", data, budget=budget)

    def _message(self, world: World, policy: str) -> World:
        number = world.seen.posted + 1
        data = {"id": f"m{number}", "text": "", "policy": policy}
        seen, budget = world.seen._replace(posted=number), world.budget._replace(posts=world.budget.posts - 1)
        return self.post(world, "message", data, seen=seen, budget=budget)

    def _raced(self, act: Callable[[], World | None]) -> World | None:
        """Another sender's row is committed after the driver read the inbox and before it appends."""
        self.racing = True
        try:
            return act()
        finally:
            self.racing = False

    # -- deadlines and outcomes ----------------------------------------------------------------------------------------

    def _deadlines(self, world: World) -> Iterator[Action]:
        run, budget = world.state.run, world.budget
        if run is None or not budget.settlings:
            return
        left = budget._replace(settlings=budget.settlings - 1)
        if self.family.grace and run.batch is not None:
            event = self.core.events.GraceReached(0.0, run.number, run.batch.number)
            yield "grace is reached", partial(self.commit, world, event, budget=left)
        if self.family.expires and run.stop is None:
            event = self.core.events.StopRequested(0.0, run.number, "expired")
            yield "our deadline passes", partial(self.commit, world, event, budget=left)

    def _notice(self, kind: str, event: Any, old: Seen, new: Seen) -> None:
        """Note what has been reached; a proof that never gets anywhere proves nothing."""
        noticed = OUTCOMES.get(kind)
        if noticed is not None:
            self.reached.update(name for name, happened in noticed if happened(event, old, new))


def _place(fact: Any) -> Key | None:
    """Return the call whose body a fact reports on."""
    return (fact.run, fact.batch, fact.call) if type(fact).__name__ == "CallDone" else None
