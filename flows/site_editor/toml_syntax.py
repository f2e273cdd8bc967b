"""TOML front matter: a parser that keeps every byte says where a value stands, and only that span changes.

A value is found by putting a mark in its place and looking for it in what is written then. All edits are relative to
the block.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import MutableMapping, Sequence
from typing import Any, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable, AoT, Array, Item

from flows.site_editor.edits import Edit, newline_of
from flows.site_editor.settings import Wanted, is_list
from handoff import ToolError

_TEXTS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'")
_MARK = "mark-of-a-value"


def load(block: str) -> object:
    """What the block says.

    Raises:
        ToolError: it is no TOML.
    """
    try:
        return tomllib.loads(block)
    except (ValueError, RecursionError) as error:
        raise ToolError(f"The front matter cannot be read as TOML ({error}): mend the file by hand.") from None


def parse(text: str) -> Any:
    """What a bare text means.

    Raises:
        ValueError: it means nothing.
    """
    return tomllib.loads(f"k = {text}")["k"]


def written(block: str, path: Sequence[str]) -> str:
    """How a value is written."""
    value = _group(_document(block), path)[path[-1]]
    if isinstance(value, AbstractTable):
        return ""
    begin, end = _span(block, path)
    return block[begin:end]


def replaced(block: str, path: Sequence[str], wanted: Wanted) -> Edit:
    """The edit that gives a setting its new value."""
    begin, end = _span(block, path)
    old = block[begin:end]
    if wanted.bare is not None:
        return Edit(at=begin, old=old, new=wanted.bare)
    if is_list(wanted.value):
        array = cast("Array", _group(_document(block), path)[path[-1]])
        quote = _quote(array)
        if "#" in _TEXTS.sub("", old):
            raise ToolError(f"{'.'.join(path)} has comments between its items: add and remove items one by one.")
        array.clear()
        for one in wanted.value:
            _append(array, _item(one, quote))
        return Edit(at=begin, old=old, new=array.as_string())
    return Edit(at=begin, old=old, new=_item(wanted.value, old[:1]).as_string())


def added(block: str, path: Sequence[str], wanted: Wanted) -> Edit:
    """The edit that adds a setting: behind the last one of its group, before other groups begin."""
    new = wanted.bare if wanted.bare is not None else _item(wanted.value, '"').as_string()
    newline = newline_of(block)
    group = _group(_document(block), path)
    single = [key for key, value in group.items() if not _is_group(value)]
    if single:
        _, end = _span(block, [*path[:-1], single[-1]])
        end = block.find("\n", end) + 1 or len(block)
        begin = block.rfind("\n", 0, end - 1) + 1
        indent = block[begin : len(block[:begin]) + len(block[begin:end]) - len(block[begin:end].lstrip(" \t"))]
        return Edit(at=end, old="", new=f"{indent}{path[-1]} = {new}{newline}")
    if len(path) > 1:
        raise ToolError(f"{'.'.join(path[:-1])} holds no setting yet: add {path[-1]} to it in the file by hand.")
    return Edit(at=0 if group else len(block), old="", new=f"{path[-1]} = {new}{newline}")


def removed(block: str, path: Sequence[str]) -> Edit:
    """The edit that takes the lines of a setting away."""
    begin, end = _span(block, path)
    begin, end = block.rfind("\n", 0, begin) + 1, block.find("\n", end) + 1 or len(block)
    return Edit(at=begin, old=block[begin:end], new="")


def with_item(block: str, path: Sequence[str], item: Any) -> Edit:
    """The edit that adds an item at the end of a list."""
    begin, end = _span(block, path)
    array = cast("Array", _group(_document(block), path)[path[-1]])
    _append(array, _item(item, _quote(array)))
    return Edit(at=begin, old=block[begin:end], new=array.as_string())


def without_item(block: str, path: Sequence[str], index: int) -> Edit:
    """The edit that takes an item out of a list."""
    begin, end = _span(block, path)
    array = cast("Array", _group(_document(block), path)[path[-1]])
    del array[index]
    return Edit(at=begin, old=block[begin:end], new=array.as_string())


def _document(block: str) -> tomlkit.TOMLDocument:
    try:
        document = tomlkit.parse(block)
    except (TOMLKitError, ValueError) as error:
        raise ToolError(f"The front matter cannot be changed here ({error}): change it by hand.") from None
    if document.as_string() != block:
        raise ToolError("The front matter cannot be kept byte for byte: change it in the file by hand.")
    return document


def _group(document: tomlkit.TOMLDocument, path: Sequence[str]) -> MutableMapping[str, Any]:
    group: MutableMapping[str, Any] = document
    for key in path[:-1]:
        group = group[key]
    return group


def _span(block: str, path: Sequence[str]) -> tuple[int, int]:
    """Where a value stands.

    Raises:
        ToolError: it cannot be told.
    """
    document = _document(block)
    _group(document, path)[path[-1]] = _MARK
    before, mark, after = document.as_string().partition(f'"{_MARK}"')
    begin, end = len(before), len(block) - len(after)
    if not mark or not begin <= end or block[:begin] != before or block[end:] != after:
        raise ToolError(f"{'.'.join(path)} cannot be changed in place: change it in the file by hand.")
    return begin, end


def _append(array: Array, item: Item) -> None:
    array.append(item)  # pyright: ignore[reportUnknownMemberType]  (its argument is untyped)


def _is_group(value: object) -> bool:
    """Whether a value is a table or a list of tables, which stand behind all single settings."""
    return isinstance(value, (AbstractTable, AoT))


def _quote(array: Array) -> str:
    """How the first item of a list is quoted."""
    return cast("Item", array[0]).as_string()[:1] if array else '"'


def _item(value: Any, quote: str) -> Item:
    """A value as TOML writes it, a text in the quotes given where it can stand in them."""
    if isinstance(value, str):
        return tomlkit.string(value, literal=quote == "'" and "'" not in value and value.isprintable())
    return cast("Item", tomlkit.item(value))  # pyright: ignore[reportUnknownMemberType]  (its argument is untyped)
