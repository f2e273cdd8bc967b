"""`python -m handoff.cli` is `handoff`."""

from handoff.cli import main

main()
