"""The front matter of a page, YAML or TOML, edited in place.

A parser says where a value stands, and only that span changes. Every edit is read back before it is given out: what was
asked for must be there, and everything else as it was.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import StringConstraints

from flows.site_editor import toml_syntax, yaml_syntax
from flows.site_editor.edits import Edit, apply, newline_of, require_text, with_ends
from flows.site_editor.pages import candidates
from flows.site_editor.settings import Given, Wanted, converted, is_group, is_list, item, same
from flows.site_editor.settings import added as as_added
from handoff import ToolError

SettingName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$")]
"""The key of a setting, such as ``title``; in a group, ``group.key``."""


class Syntax(Protocol):
    """A language of front matter; a module is one. Edits are relative to the block; a path is the keys to a setting."""

    # ruff: disable[D102]  (the modules say what each does)
    def load(self, block: str) -> object: ...
    def parse(self, text: str) -> Any: ...
    def written(self, block: str, path: Sequence[str]) -> str: ...
    def replaced(self, block: str, path: Sequence[str], wanted: Wanted) -> Edit: ...
    def added(self, block: str, path: Sequence[str], wanted: Wanted) -> Edit: ...
    def removed(self, block: str, path: Sequence[str]) -> Edit: ...
    def with_item(self, block: str, path: Sequence[str], item: Any) -> Edit: ...
    def without_item(self, block: str, path: Sequence[str], index: int) -> Edit: ...

    # ruff: enable[D102]


_YAML = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?P<block>.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_TOML = re.compile(r"\A\ufeff?\+\+\+[ \t]*\r?\n(?P<block>.*?)^\+\+\+[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_JSON = re.compile(r"\A\ufeff?\{\s*[\"}]")
_SYNTAXES: list[tuple[re.Pattern[str], Syntax]] = [(_YAML, yaml_syntax), (_TOML, toml_syntax)]


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The front matter of a text.

    Attributes:
        text: the whole page.
        start: where the block begins, in characters.
        end: where it ends; the same as `start` if the page has none.
        body: where the page's own text begins.
        present: whether the page has front matter.
        syntax: its language.
        values: what it says, by key.
    """

    text: str
    start: int
    end: int
    body: int
    present: bool
    syntax: Syntax
    values: dict[str, Any]

    @property
    def block(self) -> str:
        """The front matter without its fences."""
        return self.text[self.start : self.end]


def read(text: str) -> FrontMatter:
    """The front matter of a page.

    Raises:
        ToolError: it cannot be read, or is no mapping.
    """
    for pattern, syntax in _SYNTAXES:
        match = pattern.match(text)
        if match is not None:
            start, end = match.span("block")
            return FrontMatter(text, start, end, match.end(), True, syntax, _mapping(syntax.load(match["block"])))
    start = int(text.startswith("\ufeff"))
    return FrontMatter(text, start, start, start, present=False, syntax=yaml_syntax, values={})


def body_of(text: str) -> int:
    """Where a page's own text begins, in characters; also where the front matter cannot be read."""
    found = (match for pattern, _ in _SYNTAXES if (match := pattern.match(text)))
    return next((match.end() for match in found), int(text.startswith("\ufeff")))


def setting(text: str, key: str, given: Given) -> Edit:
    """The edit that gives a setting a value, of the kind it has now; a setting that is not there is added.

    Args:
        text: the page.
        key: the setting.
        given: the value as people write it, or the items of a list.

    Raises:
        ToolError: the value is not of that kind, or cannot be changed in place.
    """
    for one in [given] if isinstance(given, str) else given:
        require_text(one)
    front = read(text)
    path = path_of(front, key)
    if path is None:
        return _added(front, key, given)
    now = _value(front.values, path)
    wanted = converted(".".join(path), now, front.syntax.written(front.block, path), given, front.syntax.parse)
    if same(wanted.value, now):
        raise ToolError(f"{'.'.join(path)} is {_told(given)} already: there is nothing to change.")
    edit = front.syntax.replaced(front.block, path, wanted)
    return _checked(front, edit, path, wanted.value)


def with_item(text: str, key: str, given: str) -> Edit:
    """The edit that adds an item to a list; a list that is not there is made.

    Raises:
        ToolError: the setting is no list, holds the item already, or cannot be changed in place.
    """
    require_text(given)
    front = read(text)
    path = path_of(front, key)
    if path is None or _value(front.values, path) is None:
        return setting(text, key, [given])
    items = _list(front, path)
    new = item(items, given)
    if any(same(new, one) for one in items):
        raise ToolError(f"{'.'.join(path)} holds {given!r} already: there is nothing to change.")
    return _checked(front, front.syntax.with_item(front.block, path, new), path, [*items, new])


def without_item(text: str, key: str, given: str) -> Edit:
    """The edit that takes an item out of a list.

    Raises:
        ToolError: the setting is no list, does not hold the item, or cannot be changed in place.
    """
    front = read(text)
    path = _existing(front, key)
    items = _list(front, path)
    spelled = [str(one).casefold() for one in items]
    if given.casefold() not in spelled:
        raise ToolError(f"{'.'.join(path)} does not hold {given!r}. {candidates('It holds', given, map(str, items))}")
    index = spelled.index(given.casefold())
    edit = front.syntax.without_item(front.block, path, index)
    return _checked(front, edit, path, items[:index] + items[index + 1 :])


def without(text: str, key: str) -> Edit:
    """The edit that takes a setting away.

    Raises:
        ToolError: it is not there, or cannot be taken away without changing more.
    """
    front = read(text)
    path = _existing(front, key)
    return _checked(front, front.syntax.removed(front.block, path), path, None, gone=True)


def path_of(front: FrontMatter, key: str) -> list[str] | None:
    """The keys that lead to a setting, as they are spelled there; None if it is not there.

    Args:
        front: the front matter.
        key: the setting; upper and lower case are the same where only one spelling is there.
    """
    group: Any = front.values
    if key in front.values:
        return [key]
    path: list[str] = []
    for part in key.split("."):
        if not is_group(group):
            return None
        found = [str(name) for name in group if str(name).casefold() == part.casefold()]
        name = part if part in found else found[0] if len(found) == 1 else None
        if name is None:
            return None
        path.append(name)
        group = group[name]
    return path


def names(front: FrontMatter) -> list[str]:
    """The settings of a page, those in groups as ``group.key``."""
    return list(_names(front.values, ""))


def _names(group: dict[str, Any], prefix: str) -> list[str]:
    found: list[str] = []
    for key, value in group.items():
        found += _names(value, f"{prefix}{key}.") if is_group(value) and value else [f"{prefix}{key}"]
    return found


def _added(front: FrontMatter, key: str, given: Given) -> Edit:
    """A line for a new setting; front matter is made where there is none."""
    if not front.present and _JSON.match(front.text):
        raise ToolError("The front matter is JSON, which cannot be changed here: change it in the file by hand.")
    wanted = as_added(given, front.syntax.parse)
    path = key.split(".")
    above = path_of(front, ".".join(path[:-1])) if len(path) > 1 else []
    if above is None or (above and not is_group(_value(front.values, above))):
        raise ToolError(f"There is no group {'.'.join(path[:-1])!r} to add {path[-1]} to: add it in the file by hand.")
    path = [*above, path[-1]]
    edit = front.syntax.added(front.block, path, wanted)
    if not front.present:
        edit = Edit(at=0, old="", new=f"---\n{edit.new}---\n")
    return _checked(front, edit, path, wanted.value)


def _existing(front: FrontMatter, key: str) -> list[str]:
    path = path_of(front, key)
    if path is None:
        raise ToolError(f"The page has no setting {key!r}. {candidates('Its settings are', key, names(front))}")
    return path


def _list(front: FrontMatter, path: Sequence[str]) -> list[Any]:
    value = _value(front.values, path)
    if not is_list(value):
        raise ToolError(f"{'.'.join(path)} is no list: give its value with change_setting.")
    return value


def _mapping(values: object) -> dict[str, Any]:
    if values is None:
        return {}
    if not is_group(values):
        raise ToolError("The front matter is no mapping of keys to values: mend the file by hand.")
    return values


def _value(values: dict[str, Any], path: Sequence[str]) -> Any:
    value: Any = values
    for key in path:
        value = value[key]
    return value


def _told(given: Given) -> str:
    return given if isinstance(given, str) else ", ".join(given)


def _checked(front: FrontMatter, edit: Edit, path: Sequence[str], wanted: object, *, gone: bool = False) -> Edit:
    """The edit, in its place in the page, if it reads back as what was asked for among what was there.

    Raises:
        ToolError: it does not.
    """
    edit = Edit(at=front.start + edit.at, old=edit.old, new=with_ends(edit.new, newline_of(front.text)))
    expected = copy.deepcopy(front.values)
    group = _value(expected, path[:-1])
    if gone:
        del group[path[-1]]
    else:
        group[path[-1]] = wanted
    after = apply(front.text, [edit])
    if after is None or not same(_sorted(read(after).values), _sorted(expected)):
        raise ToolError(f"{'.'.join(path)} cannot be changed in place without changing more: change it by hand.")
    return edit


def _sorted(value: Any) -> Any:
    """A value without the order of its keys: TOML's groups come last whatever was added."""
    if is_group(value):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(one) for one in value] if is_list(value) else value
