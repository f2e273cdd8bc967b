"""What `Threads` are given, looked at before anything is made of it: a wrong kind is refused by what should be written.

Types say the same to a checker; this is for who runs none, and would read an `AttributeError` of ours instead.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from handoff.declaration.flow import Flow
from handoff.errors import ConfigurationError, RunFailed


def require_parts(backend: object, store: object) -> None:
    """Refuse what is no backend or no store.

    Args:
        backend: as it was given; None stands for the flow's offline rules.
        store: as it was given; None stands for memory.

    Raises:
        ConfigurationError: it says what to write instead.
    """
    if backend is not None and not _has(backend, "open", "cancel", "close"):
        if isinstance(backend, str):
            instead = f"write connect(backend={backend!r}, model=…), or make a Chat, Responses or Assistants backend"
        elif _has(backend, "answer"):
            instead = f"a model object is asked by Embedded: write backend=Embedded({_short(backend)})"
        else:
            instead = "give one of handoff.backends, or what connect() returns"
        raise ConfigurationError(f"backend={_short(backend)} is no backend: {instead}")
    if store is not None and not _has(store, "append", "journal", "shared"):
        path = isinstance(store, str | PurePath)
        instead = f"write SqlStore({str(store)!r})" if path else "give a SqlStore or a MemoryStore"
        raise ConfigurationError(f"store={_short(store)} is no store: {instead}")


def require_opening(flow: Flow[Any, Any], thread: object, metadata: object) -> None:
    """Refuse an id that is no name for a thread, and initial metadata of another kind than the flow's.

    Args:
        flow: the declaration.
        thread: the id as it was given; None stands for a new one.
        metadata: as it was given; None stands for nothing known.

    Raises:
        ConfigurationError: it says what to give.
    """
    if thread is not None and not (isinstance(thread, str) and thread):
        raise ConfigurationError(f"thread={thread!r} is no id: give a text that is not empty, or None for a new id")
    if metadata is not None and not isinstance(metadata, flow.metadata):
        needed = flow.metadata.__name__
        raise ConfigurationError(f"metadata={_short(metadata)} is not of {flow.name}: give metadata={needed}(…)")


def stands(error: BaseException | None, closing: Exception) -> bool:
    """Return whether the error that ended a block goes on, with what the closing raised as a note on it.

    A script that was not played to its end is no news where the test failed before. The end of a failed turn is told
    better by the closing: it knows which step the model could not play.

    Args:
        error: what ended the block, if anything did.
        closing: what closing the threads raised.
    """
    if error is None or isinstance(error, RunFailed):
        return False
    error.add_note(f"Closing the threads raised {type(closing).__name__}: {closing}")
    return True


def _has(given: object, *names: str) -> bool:
    return not isinstance(given, type) and all(hasattr(given, name) for name in names)


def _short(given: object) -> str:
    """A value in a sentence: as it is written, if that is short."""
    written = repr(given)
    if isinstance(given, str | int | float | dict | PurePath):
        return written if len(written) <= 60 else f"{written[:59]}…"  # noqa: PLR2004 - as much as a sentence bears
    return given.__name__ if isinstance(given, type) else f"{type(given).__name__}(…)"
