"""The command line: `handoff chat`, `run`, `demo` and `threads`. Exit codes stand in `handoff.cli.exits`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from handoff.cli.app import app
from handoff.errors import HandoffError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code.

    Args:
        arguments: what follows the program's name; None takes them from the process.
    """
    try:
        app(arguments, prog_name="handoff")
    except HandoffError as error:
        from handoff.cli.exits import exit_code  # noqa: PLC0415 - only where a command is refused
        from handoff.cli.printing import notice  # noqa: PLC0415 - as above

        notice(str(error))
        sys.exit(exit_code(error))
