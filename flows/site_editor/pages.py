"""The site as files: a directory of Markdown pages, read and written as bytes.

A page is only what the listing finds, so no name leads out of the site. It is written whole or not at all. Whether the
file is still what was opened is asked just before; no file system can hold off a writer in the moment between.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import DirectoryPath, StringConstraints
from pydantic.dataclasses import dataclass

from handoff import Deps, ToolError

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(/[a-z0-9-]+)*$")]
"""A page's path without ``.md``, such as ``blog/first-loaf``."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a file's bytes."""

SUFFIX = ".md"
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | _SAFELY
NEAR = 5
"""How many candidates a refusal names."""


@dataclass(frozen=True)
class Pages(Deps):
    """The pages below a directory.

    Attributes:
        root: the site's directory; it must exist.
    """

    root: DirectoryPath

    def names(self) -> list[PageId]:
        """The pages there are, in order. Links are not followed; hidden files and other spellings are no pages."""
        return sorted(self._files())

    def layouts(self) -> list[str]:
        """The layouts of the site: the files in ``layouts``, without their suffix; empty if it keeps none."""
        with suppress(OSError), os.scandir(self.root / "layouts") as entries:
            return sorted(Path(entry.name).stem for entry in entries if entry.is_file(follow_symlinks=False))
        return []

    def read(self, page_id: PageId) -> str:
        """A page's text, byte for byte: line endings and byte order mark as they are.

        Raises:
            ToolError: there is no such page, or it is no UTF-8 text.
        """
        try:
            return self._bytes(page_id).decode()
        except UnicodeDecodeError as error:
            raise ToolError(f"{page_id} cannot be edited: byte {error.start} of its file is no UTF-8.") from None

    def read_as_opened(self, page_id: PageId, opened: Digest) -> str:
        """A page's text, if the file is as it was when it was opened.

        Raises:
            ToolError: it changed meanwhile, or cannot be read.
        """
        text = self.read(page_id)
        if digest(text) != opened:
            raise ToolError(
                f"Conflict: {page_id} was changed by someone else since it was opened. Nothing was written. "
                "Leave the page or drop the change, then open it again."
            )
        return text

    def write(self, page_id: PageId, text: str) -> None:
        """Replace a page's text: the file is the old one or the new one at every moment, also after a power cut.

        Raises:
            ToolError: there is no such page, or it cannot be written.
        """
        path = self._path(page_id)
        try:
            _replace(path, text.encode())
        except OSError as error:
            raise ToolError(f"{page_id} could not be written: {error.strerror}. It is as it was.") from error

    def _bytes(self, page_id: PageId) -> bytes:
        try:
            file = os.open(self._path(page_id), _READ)
            with os.fdopen(file, "rb") as stream:
                return stream.read()
        except OSError as error:
            raise ToolError(f"{page_id} could not be read: {error.strerror}.") from error

    def _path(self, page_id: PageId) -> Path:
        files = self._files()
        if page_id not in files:
            raise ToolError(f"There is no page {page_id!r}. {candidates('The pages are', page_id, sorted(files))}")
        return files[page_id]

    def _files(self) -> dict[PageId, Path]:
        return dict(_walk(self.root, ""))


def _walk(directory: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and _is_part(entry.name):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False) and entry.name.endswith(SUFFIX):
                name = entry.name.removesuffix(SUFFIX)
                if _is_part(name):
                    yield prefix + name, Path(entry.path)


def _is_part(name: str) -> bool:
    """Whether a name is one that `PageId` can spell."""
    return bool(name) and name.isascii() and name.replace("-", "a").isalnum() and name == name.lower()


def _replace(path: Path, content: bytes) -> None:
    # Named by its content: after a crash right here the next attempt takes up the file that was left, so none stays.
    beside = path.with_name(f".{path.name}.{hashlib.sha256(content).hexdigest()[:16]}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | _SAFELY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            beside.chmod(path.stat().st_mode & 0o7777)
            stream.write(content)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Make the new name durable, where the system lets directories be opened."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def digest(text: str) -> Digest:
    """The digest of a text as it stands in its file."""
    return hashlib.sha256(text.encode()).hexdigest()


def candidates(say: str, wanted: str, known: Iterable[str]) -> str:
    """A sentence that names what comes near, or all there is if nothing does.

    Args:
        say: how the sentence begins.
        wanted: what was asked for.
        known: what there is.
    """
    known = list(known)
    if not known:
        return f"{say} none."
    near = difflib.get_close_matches(wanted, known, n=NEAR)
    if near and len(known) > NEAR:
        return f"Near it: {', '.join(near)}."
    return f"{say} {', '.join(known)}."
