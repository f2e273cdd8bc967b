"""Exit codes, and which error ends the command with which: 0 done, 1 flow, 2 usage, 3 backend or configuration.

Ctrl-C ends it with 130. `exit_code` is the table; a command raises and never exits by itself.
"""

from __future__ import annotations

from enum import IntEnum

from handoff.errors import (
    CallRefused,
    ConfigurationError,
    DefinitionError,
    FlowChanged,
    HandoffError,
    StoreError,
    ThreadClosed,
)


class Exit(IntEnum):
    """What the process ends with."""

    DONE = 0  #: all that was asked for is done
    FAILED = 1  #: the flow failed: a turn ended without a reply, or the thread takes no more messages
    USAGE = 2  #: the command cannot be carried out as written, or the flow as declared
    CONFIGURATION = 3  #: no backend, or a store or stored thread that does not fit
    INTERRUPTED = 130  #: Ctrl-C


class UsageRefused(CallRefused):
    """The command cannot be carried out as written; the text says what to write instead."""


#: The first class an error belongs to decides.
CODES: tuple[tuple[type[HandoffError], Exit], ...] = (
    (DefinitionError, Exit.USAGE),
    (FlowChanged, Exit.CONFIGURATION),
    (ConfigurationError, Exit.CONFIGURATION),
    (StoreError, Exit.CONFIGURATION),
    (ThreadClosed, Exit.FAILED),
    (CallRefused, Exit.USAGE),
    (HandoffError, Exit.FAILED),
)


def exit_code(error: HandoffError) -> Exit:
    """Return what the process ends with after that error."""
    return next(code for kind, code in CODES if isinstance(error, kind))
