"""The site as files: a directory of Markdown pages, read and written as bytes.

A page is only what the listing finds, so no name leads out of the site, however it is spelled. It is written whole or
not at all. Whether the file is still what was opened is asked just before; no file system can hold off a writer in the
moment between.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import DirectoryPath, StringConstraints
from pydantic.dataclasses import dataclass

from handoff import Deps, ToolError

PageId = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""A page's path as the listing spells it: without ``.md``, such as ``blog/first-loaf``; other suffixes stay."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a file's bytes."""

SUFFIX = ".md"
SUFFIXES = (SUFFIX, ".markdown", ".mdx")
"""What the names of pages end in, in small letters."""
FOREIGN = frozenset({"node_modules", "vendor", "themes", "_site", "public", "dist"})
"""Folders of a site, at its top, that hold what others wrote or what was built."""
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | _SAFELY
SAMPLE = Path(__file__).parent / "sample"
"""The sample site that is installed with the flow."""
NEAR = 5
"""How many candidates a refusal names."""


@dataclass(frozen=True)
class Pages(Deps):
    """The pages below a directory.

    Attributes:
        root: the site's directory; it must exist.
    """

    root: DirectoryPath

    @classmethod
    def sample(cls, directory: Path) -> Pages:
        """Lend a copy of the sample site, whole or not at all.

        Args:
            directory: where the copy belongs; what is there already is taken as it is.

        Raises:
            OSError: it cannot be written.
        """
        if not directory.exists():
            beside = directory.with_name(f".{directory.name}.part")
            shutil.copytree(SAMPLE, beside, dirs_exist_ok=True)  # one that a crash left is completed
            beside.replace(directory)
        return cls(directory)

    def names(self) -> list[PageId]:
        """The pages there are, in order. Links are not followed; what is hidden, built or others' is no page."""
        return sorted(self._files())

    def texts(self) -> dict[PageId, str]:
        """All pages that can be read, in order, by their ids."""
        found = ((page_id, _text(path)) for page_id, path in sorted(self._files().items()))
        return {page_id: text for page_id, text in found if text is not None}

    def file(self, page_id: PageId) -> str:
        """A page's file, as a path in the site; parts separated by ``/``.

        Raises:
            ToolError: there is no such page.
        """
        return self._path(page_id).relative_to(self.root).as_posix()

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
        path, content = self._path(page_id), text.encode()
        try:
            _replace(path, content)
        except OSError as error:
            # Two bodies that overlap write the same file beside it: who comes second finds the work done.
            with suppress(OSError):
                if _content(path) == content:
                    return
            raise ToolError(f"{page_id} could not be written: {error.strerror}. It is as it was.") from error

    def _bytes(self, page_id: PageId) -> bytes:
        try:
            return _content(self._path(page_id))
        except OSError as error:
            raise ToolError(f"{page_id} could not be read: {error.strerror}.") from error

    def _path(self, page_id: PageId) -> Path:
        files = self._files()
        if page_id not in files:
            raise ToolError(f"There is no page {page_id!r}. {candidates('The pages are', page_id, sorted(files))}")
        return files[page_id]

    def _files(self) -> dict[PageId, Path]:
        return dict(_walk(self.root, ""))


def _walk(directory: Path, prefix: str) -> Iterator[tuple[PageId, Path]]:
    with suppress(PermissionError), os.scandir(directory) as entries:
        for entry in entries:
            if not _is_spelled(entry.name) or (not prefix and entry.name in FOREIGN) or entry.name == "node_modules":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(SUFFIXES):
                yield prefix + _short(entry.name), Path(entry.path)


def _is_spelled(name: str) -> bool:
    """Whether a name is shown by listings and can be written in one line of text."""
    return not name.startswith(".") and name.isprintable()


def _short(name: str) -> str:
    """The name of a page's file as its id spells it: no two files of a folder have the same."""
    stem = name.removesuffix(SUFFIX)
    return name if stem.lower().endswith(SUFFIXES) else stem


def _content(path: Path) -> bytes:
    with os.fdopen(os.open(path, _READ), "rb") as stream:
        return stream.read()


def _text(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return _content(path).decode()
    return None


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
