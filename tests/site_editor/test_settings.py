"""Settings change in their own span only, in YAML and in TOML; they keep their kind, their quotes and neighbours."""

from __future__ import annotations

import pytest

from flows.site_editor import front_matter
from flows.site_editor.edits import apply
from flows.site_editor.settings import Given
from handoff import ToolError
from tests.site_editor.test_pages import naughty

PAGE = """---
# keep this comment
title: "About"   # and this one
draft: false
weight: 3
rate: 1.5
day: 2026-02-14
address: 'Rua da Rosa'
empty:
unknown_key: {a: 1}
tags: [one, two]
folded: >
  two
  lines
---
# About

A small bakery. Two bakers.
"""

# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        pytest.param("title", "About us", '"About"', '"About us"', id="double-quoted"),
        pytest.param("title", 'A "B" \\ C', '"About"', '"A \\"B\\" \\\\ C"', id="double-quotes-inside"),
        pytest.param("title", "true", '"About"', '"true"', id="text-that-looks-like-a-switch"),
        pytest.param("title", "two\nlines", '"About"', '"two\\nlines"', id="two-lines"),
        pytest.param("address", "L'Oven", "'Rua da Rosa'", "'L''Oven'", id="single-quoted"),
        pytest.param("draft", "true", "false", "true", id="switch"),
        pytest.param("draft", "Yes", "false", "true", id="switch-in-words"),
        pytest.param("weight", "12", "weight: 3", "weight: 12", id="whole-number"),
        pytest.param("rate", "2.25", "1.5", "2.25", id="number"),
        pytest.param("day", "2026-03-01", "2026-02-14", "2026-03-01", id="date"),
        pytest.param("day", "2026-03-01 08:00:00", "2026-02-14", "2026-03-01 08:00:00", id="date-and-time"),
        pytest.param("DAY", "2026-03-01", "2026-02-14", "2026-03-01", id="key-in-other-letters"),
        pytest.param("unknown_key.a", "2", "{a: 1}", "{a: 2}", id="in-a-group"),
        pytest.param("tags", "three", "[one, two]", "[three]", id="list-of-one"),
        pytest.param("tags", ["a, b", "c"], "[one, two]", "['a, b', c]", id="list"),
        pytest.param("tags", [], "[one, two]", "[]", id="empty-list"),
        pytest.param("empty", ["a", "1"], "empty:", "empty: [a, 1]", id="empty-becomes-a-list"),
        pytest.param("empty", "full", "empty:", "empty: full", id="empty"),
        pytest.param("empty", "true", "empty:", "empty: true", id="empty-becomes-a-switch"),
        pytest.param("folded", "one line", ">\n  two\n  lines\n", '"one line"\n', id="block"),
    ],
)
def test_only_the_value_of_a_setting_changes(key: str, value: Given, old: str, new: str) -> None:
    """Comments, other keys, their order and quoting stay byte for byte; the value keeps its kind and its quotes."""
    assert PAGE.replace(old, new, 1) == apply(PAGE, [front_matter.setting(PAGE, key, value)])


@pytest.mark.parametrize(
    ("page", "after"),
    [
        pytest.param("---\na: 1\n---\nText", "---\na: 1\nnew: x\n---\nText", id="last-line"),
        pytest.param("---\r\na: 1\r\n---\r\nText", "---\r\na: 1\r\nnew: x\r\n---\r\nText", id="crlf"),
        pytest.param("---\n---\nText", "---\nnew: x\n---\nText", id="empty-front-matter"),
        pytest.param("---\n# only this\n---\n", "---\n# only this\nnew: x\n---\n", id="comment-only"),
        pytest.param("Text", "---\nnew: x\n---\nText", id="none"),
        pytest.param("\ufeffText", "\ufeff---\nnew: x\n---\nText", id="byte-order-mark"),
        pytest.param("\ufeff---\na: 1\n---\n", "\ufeff---\na: 1\nnew: x\n---\n", id="byte-order-mark-and-front-matter"),
        pytest.param("---\na: 1\n...\nText", "---\na: 1\nnew: x\n...\nText", id="dots"),
        pytest.param("---\na: 1\n---", "---\na: 1\nnew: x\n---", id="nothing-after"),
        pytest.param("---\nText without an end", "---\nnew: x\n---\n---\nText without an end", id="rule-at-the-top"),
    ],
)
def test_a_new_setting_is_a_line_of_its_own(page: str, after: str) -> None:
    """A setting the page does not have is added at the end of the front matter, which is made if there is none."""
    assert after == apply(page, [front_matter.setting(page, "new", "x")])


@pytest.mark.parametrize(
    ("value", "line"),
    [
        pytest.param("true", "new: true", id="switch"),
        pytest.param("5", "new: 5", id="number"),
        pytest.param("12:30", "new: '12:30'", id="time-of-day"),
        pytest.param("007", "new: '007'", id="leading-zeros"),
        pytest.param("yes", "new: 'yes'", id="word"),
        pytest.param("a: b", "new: 'a: b'", id="colon"),
        pytest.param("# no comment", "new: '# no comment'", id="comment-sign"),
        pytest.param("[x]", "new: '[x]'", id="list-sign"),
        pytest.param("", "new: ''", id="nothing"),
        pytest.param("null", "new: 'null'", id="null"),
        pytest.param("2026-03-01", "new: 2026-03-01", id="date"),
        pytest.param("0o17", "new: '0o17'", id="number-of-yaml-1.2"),
        pytest.param("1e3", "new: '1e3'", id="number-with-exponent"),
        pytest.param("x" * 200 + " y", "new: " + "x" * 200 + " y", id="long"),
        pytest.param("pão 🍞", "new: pão 🍞", id="not-ascii"),
    ],
)
def test_a_new_setting_is_quoted_where_it_must_be(value: str, line: str) -> None:
    """Switches and numbers are written bare, a text is never read as anything else."""
    edit = front_matter.setting("---\na: 1\n---\n", "new", value)

    assert f"{line}\n" == edit.new


@pytest.mark.parametrize(
    ("page", "key", "value", "problem"),
    [
        pytest.param(PAGE, "unknown_key", "x", r"unknown_key is a group .* unknown_key\.NAME\. They are a", id="group"),
        pytest.param(PAGE, "title", ["x"], "title is a single value and no list", id="list-for-a-single-value"),
        pytest.param(PAGE, "day", "2026-02-31", "day is a date such as", id="no-day-of-the-month"),
        pytest.param(PAGE, "nav.order", "1", "There is no group 'nav' to add order to", id="no-such-group"),
        pytest.param(PAGE, "title.order", "1", "There is no group 'title' to add order to", id="no-group"),
        pytest.param(PAGE, "unknown_key.b", "1", "unknown_key is written on one line", id="group-on-one-line"),
        pytest.param('{\n  "title": "x"\n}\n', "title", "y", "The front matter is JSON", id="json"),
        pytest.param("+++\na = [\n+++\n", "a", "x", "cannot be read as TOML", id="no-toml"),
        pytest.param("+++\n[p]\n[p.q]\nb = 1\n+++\n", "p.a", "x", "p holds no setting yet", id="toml-empty-group"),
        pytest.param(PAGE, "draft", "maybe", "draft is true or false; 'maybe' is not", id="no-switch"),
        pytest.param(PAGE, "weight", "heavy", "weight is a whole number; 'heavy' is not", id="no-whole-number"),
        pytest.param(PAGE, "rate", "inf", "rate is a number; 'inf' is not", id="no-number"),
        pytest.param(PAGE, "day", "soon", "day is a date such as", id="no-date"),
        pytest.param(PAGE, "draft", "no", "draft is no already", id="same"),
        pytest.param(PAGE, "title", "a\0b", r"U\+0000", id="nul"),
        pytest.param("---\na: [\n---\n", "a", "x", "cannot be read as YAML", id="no-yaml"),
        pytest.param("---\n- a\n---\n", "a", "x", "no mapping", id="no-mapping"),
        pytest.param("---\n{a: 1}\n---\n", "b", "x", "cannot be changed in place|cannot be read", id="flow-mapping"),
        pytest.param("---\na: 1\na: 2\n---\n", "a", "x", "a stands 2 times", id="twice"),
        pytest.param("---\na: &x one\nb: *x\n---\n", "a", "y", "anchor", id="anchor"),
        pytest.param("---\na: &x one\nb: *x\n---\n", "b", "y", "anchor", id="alias"),
        pytest.param("---\na: !!str 1\n---\n", "a", "y", "tag", id="tag"),
        pytest.param("---\na: !x 1\n---\n", "a", "y", "cannot be read as YAML", id="unknown-tag"),
        pytest.param("---\n  a: 1\n---\n", "b", "x", "cannot be changed in place|cannot be read", id="indented"),
    ],
)
def test_a_setting_that_cannot_be_changed_is_refused(page: str, key: str, value: Given, problem: str) -> None:
    """The refusal gives the reason; nothing is guessed."""
    with pytest.raises(ToolError, match=problem):
        front_matter.setting(page, key, value)


def test_naughty_values_are_kept_or_refused() -> None:
    """A naughty string becomes the value as it is, among unchanged others, or is refused."""
    before = front_matter.read(PAGE).values
    wrong: list[str] = []
    for text in naughty():
        for key in ("title", "new"):
            try:
                after = front_matter.read(apply(PAGE, [front_matter.setting(PAGE, key, text)]) or "").values
            except ToolError:
                continue
            value = after.pop(key)
            spelled = str(value).lower() if isinstance(value, bool) else str(value)
            if spelled != text or any(before[name] != after[name] for name in before if name != key):
                wrong.append(text)

    assert [] == wrong


# -- switches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        pytest.param("yes", "no", "no", id="word"),
        pytest.param("yes", "false", "no", id="keeps-its-words"),
        pytest.param("Off", "true", "On", id="keeps-its-case"),
        pytest.param("true", "off", "false", id="usual-words"),
    ],
)
def test_a_switch_keeps_its_words(old: str, value: str, new: str) -> None:
    """Whoever wrote yes goes on with no; other generators read these words in another way."""
    page = f"---\nopen: {old}\n---\n"

    assert page.replace(old, new) == apply(page, [front_matter.setting(page, "open", value)])


# -- lists -------------------------------------------------------------------------------------------------------------

BLOCK = """---
tags:
  - one   # the first
  - "two"
  # the last
  - three
other: x
---
"""
INDENTLESS = "---\ntags:\n- one\n- two\n---\n"
QUOTED = "---\ntags: ['one', 'two']\nempty: []\n---\n"
LINES = "---\ntags: [\n  one,  # the first\n  two, # the second\n  three\n]\n---\n"
TOML = """+++
# keep this comment
title = 'About'   # and this one
draft = false
weight = 3
day = 2026-02-14T10:00:00Z
tags = ["one", "two"]
lines = [
  "one",  # the first
  "two",
]
empty = []

[params]
  subtitle = "x"
  [params.deep]
  colour = "red"

[[images]]
src = "a.jpg"
+++
Text
"""


@pytest.mark.parametrize(
    ("page", "key", "item", "old", "new"),
    [
        pytest.param(PAGE, "tags", "three", "[one, two]", "[one, two, three]", id="flow"),
        pytest.param(PAGE, "tags", "a, b", "[one, two]", "[one, two, 'a, b']", id="flow-quoted-where-it-must-be"),
        pytest.param(PAGE, "new", "x", "  lines\n---", "  lines\nnew: [x]\n---", id="no-list-yet"),
        pytest.param(PAGE, "empty", "x", "empty:", "empty: [x]", id="no-value-yet"),
        pytest.param(BLOCK, "tags", "four", "- three\n", "- three\n  - four\n", id="block"),
        pytest.param(INDENTLESS, "tags", "x", "- two\n", "- two\n- x\n", id="block-without-indentation"),
        pytest.param(QUOTED, "tags", "x", "'two']", "'two', 'x']", id="quoted-like-the-others"),
        pytest.param(QUOTED, "empty", "x", "[]", "[x]", id="empty"),
        pytest.param(TOML, "tags", "x", '"two"]', '"two", "x"]', id="toml"),
        pytest.param(TOML, "lines", "x", '  "two",\n', '  "two",\n  "x",\n', id="toml-lines"),
        pytest.param(TOML, "empty", "x", "[]", '["x"]', id="toml-empty"),
    ],
)
def test_an_item_is_added_at_the_end_of_its_list(page: str, key: str, item: str, old: str, new: str) -> None:
    """The list keeps its form, its quotes and its comments."""
    assert page.replace(old, new, 1) == apply(page, [front_matter.with_item(page, key, item)])


@pytest.mark.parametrize(
    ("page", "key", "item", "old", "new"),
    [
        pytest.param(PAGE, "tags", "one", "[one, two]", "[two]", id="flow-first"),
        pytest.param(PAGE, "tags", "Two", "[one, two]", "[one]", id="flow-last-in-other-letters"),
        pytest.param(BLOCK, "tags", "one", "  - one   # the first\n", "", id="block-with-its-comment"),
        pytest.param(BLOCK, "tags", "two", '  - "two"\n', "", id="block-quoted"),
        pytest.param(BLOCK, "tags", "three", "  - three\n", "", id="block-last"),
        pytest.param("---\na:\n  - x\nb: 1\n---\n", "a", "x", "a:\n  - x\n", "a: []\n", id="block-only-one"),
        pytest.param("---\na: [x]\n---\n", "a", "x", "[x]", "[]", id="flow-only-one"),
        pytest.param(LINES, "tags", "one", "  one,  # the first\n", "", id="flow-on-its-own-line"),
        pytest.param(LINES, "tags", "three", "  three\n", "", id="flow-last-line"),
        pytest.param(TOML, "tags", "one", '["one", "two"]', '["two"]', id="toml"),
        pytest.param(TOML, "lines", "one", '  "one",  # the first\n', "", id="toml-lines-with-its-comment"),
        pytest.param(TOML, "lines", "two", '  "two",\n', "", id="toml-lines"),
    ],
)
def test_an_item_is_taken_out_of_its_list(page: str, key: str, item: str, old: str, new: str) -> None:
    """The other items and their comments stay as they are."""
    assert page.replace(old, new, 1) == apply(page, [front_matter.without_item(page, key, item)])


@pytest.mark.parametrize(
    ("key", "item", "problem"),
    [
        pytest.param("tags", "three", r"tags does not hold 'three'\. It holds one, two\.", id="not-there"),
        pytest.param("title", "x", "title is no list: give its value with change_setting", id="no-list"),
        pytest.param("tgas", "x", r"The page has no setting 'tgas'\. Near it: tags", id="no-setting"),
    ],
)
def test_an_item_that_is_not_there_is_refused(key: str, item: str, problem: str) -> None:
    """The refusal says what the list holds, or which settings there are."""
    with pytest.raises(ToolError, match=problem):
        front_matter.without_item(PAGE, key, item)


@pytest.mark.parametrize(
    ("page", "key"), [(BLOCK, "tags"), (LINES, "tags"), (TOML, "lines")], ids=["block", "flow", "toml"]
)
def test_a_list_with_comments_is_not_written_anew(page: str, key: str) -> None:
    """The comments would be lost; its items can be added and removed one by one."""
    with pytest.raises(ToolError, match="has comments between its items"):
        front_matter.setting(page, key, ["a", "b"])


def test_a_comment_between_items_is_not_lost() -> None:
    """Where an item cannot be taken out without a comment of another, it is left."""
    with pytest.raises(ToolError, match="tags has a comment beside this item"):
        front_matter.without_item("---\ntags: [one, # the first\n  two, three]\n---\n", "tags", "two")


@pytest.mark.parametrize(
    ("key", "item", "problem"),
    [
        pytest.param("tags", "one", "tags holds 'one' already", id="there-already"),
        pytest.param("title", "x", "title is no list", id="no-list"),
        pytest.param("tags", "\0", r"U\+0000", id="nul"),
    ],
)
def test_an_item_that_cannot_be_added_is_refused(key: str, item: str, problem: str) -> None:
    """Nothing is added twice, and nothing to what is no list."""
    with pytest.raises(ToolError, match=problem):
        front_matter.with_item(PAGE, key, item)


# -- removing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "key", "gone"),
    [
        pytest.param(PAGE, "title", 'title: "About"   # and this one\n', id="with-its-comment"),
        pytest.param(PAGE, "folded", "folded: >\n  two\n  lines\n", id="block-of-text"),
        pytest.param(PAGE, "tags", "tags: [one, two]\n", id="list"),
        pytest.param(PAGE, "empty", "empty:\n", id="empty"),
        pytest.param(BLOCK, "tags", BLOCK[4 : BLOCK.index("other")], id="list-line-by-line"),
        pytest.param(TOML, "title", "title = 'About'   # and this one\n", id="toml"),
        pytest.param(TOML, "lines", 'lines = [\n  "one",  # the first\n  "two",\n]\n', id="toml-list"),
        pytest.param(TOML, "params.deep.colour", '  colour = "red"\n', id="toml-in-a-group"),
    ],
)
def test_a_setting_is_removed_with_its_lines(page: str, key: str, gone: str) -> None:
    """What stands before and behind it stays as it is."""
    assert page.replace(gone, "", 1) == apply(page, [front_matter.without(page, key)])


@pytest.mark.parametrize(
    ("page", "key", "problem"),
    [
        pytest.param(PAGE, "titel", r"The page has no setting 'titel'\. Near it: title", id="not-there"),
        pytest.param(PAGE, "unknown_key.a", "unknown_key.a shares its line with other settings", id="on-one-line"),
        pytest.param("---\na:\n  b: 1\n---\n", "a.b", "cannot be changed in place", id="the-only-one-of-a-group"),
        pytest.param("Text", "title", "The page has no setting 'title'. Its settings are none", id="no-front-matter"),
        pytest.param(TOML, "images", "cannot be changed in place", id="toml-tables"),
    ],
)
def test_a_setting_that_cannot_be_removed_is_refused(page: str, key: str, problem: str) -> None:
    """The refusal gives the reason, and the settings there are."""
    with pytest.raises(ToolError, match=problem):
        front_matter.without(page, key)


# -- groups and TOML ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        pytest.param("title", "Us", "'About'", "'Us'", id="literal"),
        pytest.param("title", "Us' own", "'About'", '"Us\' own"', id="literal-that-must-change-its-quotes"),
        pytest.param("draft", "yes", "draft = false", "draft = true", id="switch"),
        pytest.param("weight", "12", "weight = 3", "weight = 12", id="number"),
        pytest.param("day", "2026-03-01", "2026-02-14T10:00:00Z", "2026-03-01", id="date"),
        pytest.param("day", "2026-03-01 09:30:00", "2026-02-14T10:00:00Z", "2026-03-01 09:30:00", id="date-and-time"),
        pytest.param("tags", ["a", "b"], '["one", "two"]', '["a", "b"]', id="list"),
        pytest.param("params.subtitle", 'a "b"', '"x"', '"a \\"b\\""', id="in-a-group"),
        pytest.param("params.deep.colour", "blue", '"red"', '"blue"', id="deep"),
        pytest.param("new", "x", "empty = []\n", 'empty = []\nnew = "x"\n', id="added"),
        pytest.param("new", "2026-03-01", "empty = []\n", "empty = []\nnew = 2026-03-01\n", id="date-added"),
        pytest.param("params.new", "5", '"x"\n', '"x"\n  new = 5\n', id="added-to-a-group"),
    ],
)
def test_only_the_value_of_a_toml_setting_changes(key: str, value: Given, old: str, new: str) -> None:
    """Comments, other keys, groups and quoting stay byte for byte."""
    assert TOML.replace(old, new, 1) == apply(TOML, [front_matter.setting(TOML, key, value)])


@pytest.mark.parametrize(
    ("page", "after"),
    [
        pytest.param("+++\n+++\n", '+++\nnew = "x"\n+++\n', id="empty"),
        pytest.param("+++\n[a]\nb = 1\n+++\n", '+++\nnew = "x"\n[a]\nb = 1\n+++\n', id="groups-only"),
        pytest.param("+++\r\na = 1\r\n+++\r\n", '+++\r\na = 1\r\nnew = "x"\r\n+++\r\n', id="crlf"),
        pytest.param("\ufeff+++\na = 1\n+++", '\ufeff+++\na = 1\nnew = "x"\n+++', id="byte-order-mark"),
    ],
)
def test_a_new_toml_setting_comes_before_the_groups(page: str, after: str) -> None:
    """A line behind a group's head would belong to the group."""
    assert after == apply(page, [front_matter.setting(page, "new", "x")])


def test_a_setting_is_added_to_a_group_with_its_indentation() -> None:
    """The new line stands behind the last one of the group."""
    page = "---\na:\n    b: 1\n    c:\n      - 2   # two\nd: 3\n---\n"

    assert page.replace("# two\n", "# two\n    e: 4\n") == apply(page, [front_matter.setting(page, "a.e", "4")])


@pytest.mark.parametrize(
    "old",
    [
        pytest.param("2026-02-10 09:30:00 +0100", id="text-for-the-parser"),
        pytest.param("2026-02-10T09:30:00+01:00", id="iso"),
        pytest.param("2026-02-10", id="day"),
    ],
)
def test_a_date_is_written_as_it_is_given(old: str) -> None:
    """Each generator has its own form of dates: the given one is kept."""
    page, given = f"---\ndate: {old}   # when\n---\n", "2026-03-01 12:00:00"

    assert page.replace(old, given) == apply(page, [front_matter.setting(page, "date", given)])


SMALL = "+++\ntitle = 'About'\nother = 1\n\n[params]\nsubtitle = \"x\"\n+++\n"


def test_naughty_values_are_kept_or_refused_in_toml() -> None:
    """A naughty string becomes the value as it is, among unchanged others, or is refused."""
    before = front_matter.read(SMALL).values
    wrong: list[str] = []
    for text in naughty():
        for key in ("title", "new", "params.subtitle"):
            try:
                edit = front_matter.setting(SMALL, key, text)
            except ToolError:
                continue
            after = front_matter.read(apply(SMALL, [edit]) or "").values
            group, name = (after["params"], "subtitle") if "." in key else (after, key)
            value = group.pop(name)
            expected = {name: one for name, one in before.items() if name not in (key, "params")}
            spelled = str(value).lower() if isinstance(value, bool) else str(value)
            if spelled != text or any(after[name] != one for name, one in expected.items()):
                wrong.append(text)

    assert [] == wrong
