"""The thread as a pure state machine: events in, commands out. Standard library only; no clock, no I/O, no randomness.

`receive(state, event)` is the one door; `todo(state)` is what is outstanding, and `fold` is `receive` without it. The
driver appends an event to the journal before it executes what follows from it, so a crash leads to the same commands.
"""

from handoff.core.receive import fold, receive
from handoff.core.state import State
from handoff.core.todo import todo

__all__ = ["State", "fold", "receive", "todo"]
