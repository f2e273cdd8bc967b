"""All that the model is ever told by the framework, word for word."""

from __future__ import annotations

import pytest

from handoff.core.state import MoveKind
from handoff.core.texts import HOW, TEXTS, joined, tell

TOLD = {
    "bad_arguments": "error: page: missing. The tool was not run.",
    "unknown_tool": "error: look: there is no such tool here. The tool was not run.",
    "not_handed_over": "Not handed over: it is closed. Stay and continue.",
    "not_taken": "Not taken: this turn already goes to b. The tool was not run.",
    "call_limit": "Not run: limit of 3 tool calls for this message reached. Answer with what you have.",
    "slow": "Pending: still running (ticket T1). The result will arrive as a message. Do not call it again.",
    "approval": "Pending: waits for approval (ticket T1). Not run yet.",
    "in_doubt": "Pending: outcome unknown after a restart (ticket T1). A person is checking. Do not call it again.",
    "interrupted": "Not run: the user interrupted.",
    "run_ended": "Not run: the run ended first. Call it again if still needed.",
    "not_now": "Not now: it is closed. The tool was not run.",
    "tool_failed": "error: the tool failed. Nothing was changed.",
    "handoff_limit": "limit of 3 handoffs for this message reached",
    "times_spent": "critic was taken 3 times since the user's last message",
    "loop": "b was just active with the same facts; nothing would change",
    "asker_gone": "a is no longer active",
    "drain_moved": "another transition was taken first",
    "handoff": "You are b. a handed over to you by look.",
    "missed_run": "While the earlier run was ended (expired), look returned: 4",
    "carried": "look, called before the handover, returned: 4",
    "late_result": "Result of look (ticket T1), asked by a: 4",
    "field_kept": "page had changed meanwhile and was kept.",
    "patch_refused": "What it would have changed no longer fits and was not kept.",
    "late_not_handed_over": "Not handed over: it is closed",
    "refused": "look (ticket T1), asked by a, was refused by Ann: it is closed. It was not run.",
}
FIELDS = {
    "problem": "page: missing", "tool": "look", "reason": "it is closed", "dest": "b", "limit": 3, "ticket": "T1",
    "transition": "critic", "times": 3, "asker": "a", "source": "a", "how": " by look", "status": "expired",
    "output": "4", "field": "page", "who": "Ann",
}  # fmt: skip


@pytest.mark.parametrize("line", [pytest.param(line, id=line) for line in TEXTS])
def test_text(line: str) -> None:
    """Each line of the table reads so once its fields are filled in."""
    assert TOLD[line] == tell(line, **FIELDS)


def test_a_missing_field_is_a_programming_error() -> None:
    """A text is never sent half filled in."""
    with pytest.raises(KeyError, match="ticket"):
        tell("slow")


def test_every_kind_of_transition_says_how_it_came_about() -> None:
    """A handoff note names the trigger, the reply, the silence or the limit."""
    kinds: tuple[MoveKind, ...] = ("tool", "then", "after", "limit")

    assert {" by x", " after its reply", " after a silence", " at a limit"} == {
        HOW[kind].format(trigger="x") for kind in kinds
    }


def test_empty_parts_leave_no_line() -> None:
    """Parts stand each on its line, and empty ones leave no trace."""
    assert "a\nb" == joined("a", "", "b")
