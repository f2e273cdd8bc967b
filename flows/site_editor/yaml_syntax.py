"""YAML front matter: the parser says where a value stands, and only that span changes.

All edits are relative to the block. What cannot be located for certain (anchors, aliases, tags) is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import yaml

from flows.site_editor.edits import NEWLINE, Edit, newline_of
from flows.site_editor.settings import Wanted, is_list
from handoff import ToolError

_REST_OF_ITEM = re.compile(r"[ \t]*,?[ \t]*(?:#.*)?\r?\n")
_NUMBER = re.compile(r"[-+]?(?:0o[0-7]+|0x[0-9a-fA-F]+|\.?\d[\d_.]*(?:[eE][-+]?\d+)?)")
"""Also what YAML 1.2 takes for a number and YAML 1.1 for text."""


Value = yaml.ScalarNode | yaml.SequenceNode | yaml.MappingNode
"""A value as the parser located it."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key and its value, and the group they stand in."""

    name: yaml.ScalarNode
    value: Value
    group: yaml.MappingNode


def load(block: str) -> object:
    """What the block says.

    Raises:
        ToolError: it is no YAML.
    """
    try:
        return yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ToolError(f"The front matter cannot be read as YAML ({reason}): mend the file by hand.") from None


def parse(text: str) -> Any:
    """What a bare text means.

    Raises:
        ValueError: it means nothing.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(text) from error


def written(block: str, path: Sequence[str]) -> str:
    """How a value is written."""
    value = _entry(block, path).value
    return block[value.start_mark.index : _end(block, value)]


def replaced(block: str, path: Sequence[str], wanted: Wanted) -> Edit:
    """The edit that gives a setting its new value."""
    entry = _entry(block, path)
    value = entry.value
    begin, end = value.start_mark.index, value.end_mark.index
    if isinstance(value, yaml.ScalarNode):
        old = block[begin:end]
        lead = "" if old or block[:begin].endswith(" ") else " "
        if value.style in ("|", ">"):
            return Edit(at=begin, old=old, new=_scalar(wanted.value, '"') + old[len(old.rstrip()) :])
        if wanted.bare is not None and value.style is None:
            return Edit(at=begin, old=old, new=lead + wanted.bare)
        quote = value.style if isinstance(wanted.value, str) else None
        write = _in_list if entry.group.flow_style and not is_list(wanted.value) else _value
        return Edit(at=begin, old=old, new=lead + write(wanted.value, quote))
    present, items = _items(value), list(wanted.value)
    quote = _quote(present)
    ends = [begin, *(_end(block, one) for one in present)]
    begins = [*(one.start_mark.index for one in present), end if value.flow_style else ends[-1]]
    for left, right in zip(ends, begins, strict=True):
        if "#" in block[left:right]:
            raise ToolError(f"{'.'.join(path)} has comments between its items: add and remove items one by one.")
    if value.flow_style or not items:
        begin = begin if value.flow_style else _colon(block, entry)
        lead = "" if value.flow_style else " "
        return Edit(at=begin, old=block[begin : _end(block, value)], new=lead + _flow(items, quote))
    between = newline_of(block) + " " * value.start_mark.column + "- "
    begin, end = present[0].start_mark.index, _end(block, value)
    return Edit(at=begin, old=block[begin:end], new=between.join(_value(one, quote) for one in items))


def added(block: str, path: Sequence[str], wanted: Wanted) -> Edit:
    """The edit that adds a setting: at the end of the block, or of the group it belongs to."""
    newline = newline_of(block)
    line = f"{path[-1]}: {wanted.bare if wanted.bare is not None else _value(wanted.value, None)}{newline}"
    if len(path) == 1:
        lead = newline if block and not NEWLINE.match(block[-1]) else ""
        return Edit(at=len(block), old="", new=lead + line)
    group = _entry(block, path[:-1]).value
    if not isinstance(group, yaml.MappingNode) or group.flow_style:
        raise ToolError(f"{'.'.join(path[:-1])} is written on one line: add {path[-1]} to it in the file by hand.")
    indent = " " * _pairs(group)[0][0].start_mark.column
    return Edit(at=_line_end(block, _end(block, group)), old="", new=indent + line)


def removed(block: str, path: Sequence[str]) -> Edit:
    """The edit that takes the lines of a setting away."""
    entry = _entry(block, path)
    begin, end = _line_start(block, entry.name.start_mark.index), _line_end(block, _end(block, entry.value))
    if entry.group.flow_style or block[begin : entry.name.start_mark.index].strip():
        raise ToolError(f"{'.'.join(path)} shares its line with other settings: remove it in the file by hand.")
    return Edit(at=begin, old=block[begin:end], new="")


def with_item(block: str, path: Sequence[str], item: Any) -> Edit:
    """The edit that adds an item at the end of a list."""
    value = _list(block, path)
    present = _items(value)
    new = _in_list(item, _quote(present)) if value.flow_style else _value(item, _quote(present))
    if not present:
        return Edit(at=value.start_mark.index + 1, old="", new=new)
    at = _end(block, present[-1])
    if value.flow_style:
        return Edit(at=at, old="", new=f", {new}")
    line = " " * value.start_mark.column + "- " + new
    at = _line_end(block, at)
    return Edit(at=at, old="", new=line + newline_of(block))


def without_item(block: str, path: Sequence[str], index: int) -> Edit:
    """The edit that takes an item out of a list."""
    value = _list(block, path)
    present = _items(value)
    if len(present) == 1:
        return replaced(block, path, Wanted([]))
    begin, end = present[index].start_mark.index, _end(block, present[index])
    first, last = _line_start(block, begin), _line_end(block, end)
    alone = not block[first:begin].strip() and _REST_OF_ITEM.fullmatch(block[end:last])
    if not value.flow_style or alone:
        begin, end = first, last
    elif index:
        begin = _end(block, present[index - 1])
    else:
        end = present[1].start_mark.index
    if "#" in block[begin:end] and not alone and value.flow_style:
        raise ToolError(f"{'.'.join(path)} has a comment beside this item: remove it in the file by hand.")
    return Edit(at=begin, old=block[begin:end], new="")


def _entry(block: str, path: Sequence[str]) -> _Entry:
    """Where a setting stands.

    Raises:
        ToolError: it stands there twice, or is written in a way that leaves its place in doubt.
    """
    group: Any = yaml.compose(block, Loader=yaml.SafeLoader)
    entry: _Entry | None = None
    for key in path:
        found = [(name, value) for name, value in _pairs(group) if name.value == key]
        if len(found) > 1:
            raise ToolError(f"{key} stands {len(found)} times in the front matter: mend the file by hand first.")
        name, value = found[0]
        at = value.start_mark.index
        if at < name.end_mark.index or block[at : value.end_mark.index][:1] in ("&", "!", "*"):
            raise ToolError(f"{key} is written with an anchor, an alias or a tag: change it in the file by hand.")
        entry = _Entry(name, value, group)
        group = value
    assert entry is not None
    return entry


def _list(block: str, path: Sequence[str]) -> yaml.SequenceNode:
    value = _entry(block, path).value
    assert isinstance(value, yaml.SequenceNode)
    return value


def _pairs(group: Any) -> list[tuple[yaml.ScalarNode, Value]]:
    pairs: list[tuple[Any, Any]] = group.value
    return [(name, value) for name, value in pairs if isinstance(name, yaml.ScalarNode)]


def _items(value: Any) -> list[Value]:
    items: list[Value] = value.value
    return items


def _end(block: str, value: Value) -> int:
    """Where a value ends: the parser counts the blank lines and comments behind a group as part of it."""
    if isinstance(value, yaml.MappingNode) and not value.flow_style and _pairs(value):
        return _end(block, _pairs(value)[-1][1])
    if isinstance(value, yaml.SequenceNode) and not value.flow_style and _items(value):
        return _end(block, _items(value)[-1])
    return value.start_mark.index + len(block[value.start_mark.index : value.end_mark.index].rstrip())


def _colon(block: str, entry: _Entry) -> int:
    """Where the value of a list written line by line begins: behind the colon, if only blanks follow there."""
    at = block.index(":", entry.name.end_mark.index) + 1
    if block[at : entry.value.start_mark.index].strip():
        raise ToolError(f"{entry.name.value} has a comment above its first item: empty it in the file by hand.")
    return at


def _line_start(block: str, at: int) -> int:
    return block.rfind("\n", 0, at) + 1


def _line_end(block: str, at: int) -> int:
    return block.find("\n", at) + 1 or len(block)


def _quote(present: Sequence[Value]) -> str | None:
    """How all items of a list are quoted."""
    styles = {one.style for one in present if isinstance(one, yaml.ScalarNode)}
    return styles.pop() if len(styles) == 1 else None


def _value(value: Any, quote: str | None) -> str:
    return _flow(value, quote) if is_list(value) else _scalar(value, quote)


def _flow(items: list[Any], quote: str | None) -> str:
    """A list on one line."""
    return f"[{', '.join(_in_list(one, quote) for one in items)}]"


def _in_list(value: Any, quote: str | None) -> str:
    """A value as it stands among others on one line."""
    new = _scalar(value, quote)
    return _scalar(value, "'") if new == value and set(new) & set(",[]{}") else new


def _scalar(value: Any, quote: str | None) -> str:
    """A value on one line."""
    quote = quote if isinstance(value, str) else None
    if isinstance(value, str) and quote is None and _NUMBER.fullmatch(value):
        quote = "'"
    if isinstance(value, str) and (quote is not None or not value.isprintable()):
        line = _dumped(value, default_style=quote or '"').rstrip("\n")
        return _scalar(value, '"') if "\n" in line else line
    return _dumped({"k": value}).removeprefix("k: ").rstrip("\n")


def _dumped(value: Any, *, default_style: str | None = None) -> str:
    dump = cast("Callable[..., str]", yaml.safe_dump)  # pyright: ignore[reportUnknownMemberType]  (its stubs: width)
    return dump(value, default_style=default_style, allow_unicode=True, width=math.inf)
