"""`python -m handoff` is the command `handoff`."""

from handoff.cli import main

main()
