"""The YAML front matter of a page, edited in place.

A YAML parser says where a value stands, and only that span changes. Every edit is read back before it is given out: the
key must have its new value and all others theirs.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, cast

import yaml
from pydantic import StringConstraints

from flows.site_editor.edits import Edit, apply, require_text
from flows.site_editor.pages import candidates
from handoff import ToolError

SettingName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,59}$")]
"""The key of a setting, such as ``title``."""

_BLOCK = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_YES = {"true", "yes", "on"}
_NO = {"false", "no", "off"}


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The front matter of a text.

    Attributes:
        text: the whole page.
        start: where the YAML begins, in characters.
        end: where it ends; the same as `start` if the page has none.
        present: whether the page has front matter.
        values: what the YAML says, by key.
    """

    text: str
    start: int
    end: int
    present: bool
    values: dict[str, Any]

    @property
    def body(self) -> int:
        """Where the page's own text begins, in characters."""
        match = _BLOCK.match(self.text)
        return self.start if match is None else match.end()


def read(text: str) -> FrontMatter:
    """The front matter of a page.

    Raises:
        ToolError: it is no YAML mapping.
    """
    match = _BLOCK.match(text)
    if match is None:
        return FrontMatter(text, (start := int(text.startswith("\ufeff"))), start, present=False, values={})
    start, end = match.span("yaml")
    return FrontMatter(text, start, end, present=True, values=_load(match["yaml"]))


def setting(text: str, key: str, value: str) -> Edit:
    """The edit that gives a setting a value, of the kind it has now; a setting that is not there is added.

    Args:
        text: the page.
        key: the setting.
        value: the value as people write it.

    Raises:
        ToolError: the value is not of that kind, the setting is no single value, or it cannot be changed in place.
    """
    require_text(value)
    front = read(text)
    yaml_text = text[front.start : front.end]
    found = _value_of(yaml_text, key)
    if found is None:
        edit, wanted = _added(front, key, value)
    else:
        wanted = _convert(key, front.values[key], value)
        if _same(wanted, front.values[key]):
            raise ToolError(f"{key} is {value} already: there is nothing to change.")
        begin, end = found.start_mark.index, found.end_mark.index
        old = yaml_text[begin:end]
        edit = Edit(at=front.start + begin, old=old, new=_written(wanted, found.style, old, yaml_text[:begin]))
    _check(front, edit, key, wanted)
    return edit


def _load(yaml_text: str) -> dict[str, Any]:
    try:
        values: object = yaml.safe_load(yaml_text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ToolError(f"The front matter cannot be read as YAML ({reason}): mend the file by hand.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ToolError("The front matter is no mapping of keys to values: mend the file by hand.")
    return cast("dict[str, Any]", values)


def _value_of(yaml_text: str, key: str) -> yaml.ScalarNode | None:
    """Where the value of a key stands; None if there is no such key.

    Raises:
        ToolError: the value is none that can be replaced where it stands.
    """
    root = yaml.compose(yaml_text, Loader=yaml.SafeLoader)
    if root is None:
        return None
    pairs: list[tuple[yaml.Node, yaml.Node]] = root.value
    found = [(name, value) for name, value in pairs if isinstance(name, yaml.ScalarNode) and name.value == key]
    if not found:
        return None
    name, value = found[-1]
    if len(found) > 1:
        raise ToolError(f"{key} stands {len(found)} times in the front matter: mend the file by hand first.")
    if not isinstance(value, yaml.ScalarNode):
        kind = "a list" if isinstance(value, yaml.SequenceNode) else "a group of settings"
        single = [str(one.value) for one, other in pairs if isinstance(other, yaml.ScalarNode)]
        raise ToolError(f"{key} is {kind}; only single values can be changed. {candidates('They are', key, single)}")
    written = yaml_text[value.start_mark.index : value.end_mark.index]
    if value.start_mark.index < name.end_mark.index or written[:1] in ("&", "!", "*"):
        raise ToolError(f"{key} is written with an anchor, an alias or a tag: change it in the file by hand.")
    return value


def _added(front: FrontMatter, key: str, value: str) -> tuple[Edit, Any]:
    """A line for a new setting, its kind as YAML reads it."""
    newline = "\r\n" if "\r\n" in front.text else "\n"
    wanted = _as_written(value)
    line = f"{key}: {_scalar(wanted, None)}{newline}"
    if not front.present:
        line = f"---{newline}{line}---{newline}"
    elif front.end > front.start and front.text[front.end - 1] != "\n":
        line = newline + line
    return Edit(at=front.end, old="", new=line), wanted


def _convert(key: str, now: object, value: str) -> Any:
    """The value in the kind the setting has now."""
    kinds: dict[type, tuple[str, Callable[[str], Any]]] = {
        bool: ("true or false", _boolean),
        int: ("a whole number", int),
        float: ("a number", _number),
        dt.datetime: ("a date and time such as 2026-03-01 12:00", dt.datetime.fromisoformat),
        dt.date: ("a date such as 2026-03-01", dt.date.fromisoformat),
    }
    if type(now) not in kinds:
        return _as_written(value) if now is None else value
    kind, convert = kinds[type(now)]
    try:
        return convert(value.strip())
    except (ValueError, OverflowError):
        raise ToolError(f"{key} is {kind}; {value!r} is not.") from None


def _as_written(value: str) -> Any:
    """A switch or a number if the value is spelled as one, else the text: YAML would take 12:30 for a number."""
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        with suppress(ValueError, OverflowError):
            if str(kind(value)) == value and math.isfinite(float(value)):
                return kind(value)
    return value


def _boolean(value: str) -> bool:
    if value.lower() not in _YES | _NO:
        raise ValueError(value)
    return value.lower() in _YES


def _number(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _written(value: Any, style: str | None, old: str, before: str) -> str:
    """The value as it is to stand in the place of `old`: quoted as that was."""
    if style in ("|", ">"):
        return _scalar(value, '"') + old[len(old.rstrip()) :]
    quote = style if isinstance(value, str) else None
    return ("" if old or before.endswith(" ") else " ") + _scalar(value, quote)


def _scalar(value: Any, quote: str | None) -> str:
    """A value in YAML, on one line."""
    if isinstance(value, str) and (quote is not None or not value.isprintable()):
        written = yaml.safe_dump(value, default_style=quote or '"', allow_unicode=True, width=math.inf)
        return written.rstrip("\n") if "\n" not in written.rstrip("\n") else _scalar(value, '"')
    return yaml.safe_dump({"k": value}, allow_unicode=True, width=math.inf).removeprefix("k: ").rstrip("\n")


def _check(front: FrontMatter, edit: Edit, key: str, wanted: object) -> None:
    """Refuse an edit that reads back as anything but the new value among the old ones.

    Raises:
        ToolError: it does.
    """
    after = read(apply(front.text, [edit]) or "")
    same = after.values.keys() == front.values.keys() | {key} and all(
        _same(after.values[name], wanted if name == key else front.values[name]) for name in after.values
    )
    if not same:
        raise ToolError(f"{key} cannot be changed in place without changing more: change it in the file by hand.")


def _same(left: object, right: object) -> bool:
    """Whether two values are alike and of one kind: 1 and true are not."""
    return repr(left) == repr(right)
