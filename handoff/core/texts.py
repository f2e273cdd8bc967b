"""All that the model is ever told by the framework, in one table: short, stable, and never built elsewhere.

A line is a template over named fields. `tell` fills it in; a missing field is a programming error and raises KeyError.
"""

from __future__ import annotations

TEXTS: dict[str, str] = {
    # answers to a call, in its batch
    "bad_arguments": "error: {problem}. The tool was not run.",
    "unknown_tool": "error: {tool}: there is no such tool here. The tool was not run.",
    "not_handed_over": "Not handed over: {reason}. Stay and continue.",
    "not_taken": "Not taken: this turn already goes to {dest}. The tool was not run.",
    "call_limit": "Not run: limit of {limit} tool calls for this message reached. Answer with what you have.",
    "slow": "Pending: still running (ticket {ticket}). The result will arrive as a message. Do not call it again.",
    "approval": "Pending: waits for approval (ticket {ticket}). Not run yet.",
    "in_doubt": "Pending: outcome unknown after a restart (ticket {ticket}). A person is checking. "
    "Do not call it again.",
    "interrupted": "Not run: the user interrupted.",
    "run_ended": "Not run: the run ended first. Call it again if still needed.",
    "not_now": "Not now: {reason}. The tool was not run.",
    "tool_failed": "error: the tool failed. Nothing was changed.",
    # reasons for a transition that is not taken
    "handoff_limit": "limit of {limit} handoffs for this message reached",
    "times_spent": "{transition} was taken {times} times since the user's last message",
    "loop": "{dest} was just active with the same facts; nothing would change",
    "asker_gone": "{asker} is no longer active",
    "drain_moved": "another transition was taken first",
    # messages of their own
    "handoff": "You are {dest}. {source} handed over to you{how}.",
    "missed_run": "While the earlier run was ended ({status}), {tool} returned: {output}",
    "carried": "{tool}, called before the handover, returned: {output}",
    "late_result": "Result of {tool} (ticket {ticket}), asked by {asker}: {output}",
    "field_kept": "{field} had changed meanwhile and was kept.",
    "patch_refused": "What it would have changed no longer fits and was not kept.",
    "late_not_handed_over": "Not handed over: {reason}",
    "refused": "{tool} (ticket {ticket}), asked by {asker}, was refused by {who}: {reason}. It was not run.",
}

#: How a handoff came about, for its note: by the kind of its transition.
HOW = {"tool": " by {trigger}", "then": " after its reply", "after": " after a silence", "limit": " at a limit"}


def tell(line: str, /, **fields: object) -> str:
    """Return the text of `line` with its fields filled in.

    Args:
        line: a key of `TEXTS`.
        fields: the values of the fields that text names.
    """
    return TEXTS[line].format(**fields)


def joined(*parts: str) -> str:
    """Return the parts that are not empty, each on a line of its own."""
    return "\n".join(part for part in parts if part)
