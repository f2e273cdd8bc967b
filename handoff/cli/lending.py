"""What a command lends to the flow's tools: what `--dep` says, else a copy of the sample data the flow brings along.

The sample itself is never worked on. With `--store FILE` the copy lies beside the file and is found again with the
threads that speak of it; without, it goes when the command ends.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from handoff import ConfigurationError, Deps, Flow
from handoff.cli.printing import notice
from handoff.cli.values import build_deps, missing_deps


@contextmanager
def lent(flow: Flow[Any, Any], given: Sequence[str], store: Path | None) -> Generator[Deps | None]:
    """Lend the flow what its tools borrow for as long as the command runs; None if they borrow nothing.

    Args:
        flow: the flow.
        given: what `--dep` was given.
        store: the file the threads live in; None for memory.

    Raises:
        UsageRefused: if something is missing, unknown or does not fit, and the flow brings no sample along.
        ConfigurationError: if the class cannot be built from texts, or the sample cannot be copied.
    """
    if given or not missing_deps(flow):
        yield build_deps(flow, given)
        return
    if store is not None:
        directory = store.with_name(f"{store.name}.{flow.name}")
        deps = _sample(flow, directory)
        if deps is not None:
            notice(f"{flow.name} works on a copy of its sample data, in {directory}")
        yield deps or build_deps(flow, given)
        return
    with TemporaryDirectory(prefix="handoff-") as made:
        deps = _sample(flow, Path(made) / flow.name)
        if deps is not None:
            notice(f"{flow.name} works on a copy of its sample data that goes when this ends; --store FILE keeps it")
        yield deps or build_deps(flow, given)


def _sample(flow: Flow[Any, Any], directory: Path) -> Deps | None:
    assert flow.deps is not None
    try:
        deps: Deps | None = flow.deps.sample(directory)
    except Exception as error:
        raise ConfigurationError(f"the sample data of {flow.name} cannot be copied to {directory}: {error}") from error
    return deps
