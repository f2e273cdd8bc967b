"""Whatever the front matter looks like and whatever is asked of a setting, nothing but that setting's lines changes."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.site_editor import front_matter
from flows.site_editor.edits import Edit, apply
from handoff import ToolError

COMMENTS = st.sampled_from(["", "  # a note"])
TEXTS = st.sampled_from(
    [
        "x",
        "plain words",
        "a: b",
        "# x",
        "yes",
        "12",
        "2026-03-01",
        "it's",
        'say "hi"',
        "pão 🍞",
        "- x",
        "[a]",
        "*a",
        "a, b",
    ]
)


def entry(syntax: str, key: str) -> st.SearchStrategy[str]:
    """The lines of a setting, in any of the ways that it may be written."""
    sign, quoted = (": ", ["'{}'", '"{}"', "{}"]) if syntax == "---" else (" = ", ["'{}'", '"{}"'])
    words = st.builds(str.format, st.sampled_from(quoted), st.sampled_from(["one", "two words", "3"]))
    if syntax == "+++":
        words = words | st.sampled_from(["1", "true", "2026-02-14"])
    lists = st.lists(words.filter(lambda one: one[0] in "'\""), min_size=1, max_size=3)
    single = st.builds(lambda one, note: f"{key}{sign}{one}{note}\n", words, COMMENTS)
    flow = st.builds(lambda items, note: f"{key}{sign}[{', '.join(items)}]{note}\n", lists, COMMENTS)
    rows = st.builds(
        lambda items, note: f"{key}{sign}[\n" + "".join(f"  {one},{note}\n" for one in items) + "]\n", lists, COMMENTS
    )
    block = st.builds(
        lambda items, note, lead: f"{key}:{note}\n" + "".join(f"{lead}- {one}{note}\n" for one in items),
        *(lists, COMMENTS, st.sampled_from(["", "  ", "    "])),
    )
    return single | flow | rows | block if syntax == "---" else single | flow | rows


@st.composite
def pages_with_a_setting(draw: st.DrawFn) -> tuple[str, str, str]:
    """The page before a setting, the setting's lines, and the page behind them."""
    syntax, newline = draw(st.sampled_from(["---", "+++"])), draw(st.sampled_from(["\n", "\r\n"]))
    others = [draw(entry(syntax, name)) for name in ("first", "last")]
    above, between = draw(st.sampled_from(["", "# above\n"])), draw(st.sampled_from(["", "# between\n", "\n"]))
    parts = (
        f"{syntax}\n{above}{others[0]}",
        draw(entry(syntax, "key")),
        f"{between}{others[1]}{syntax}\nText without an end",
    )
    head, lines, tail = (part.replace("\n", newline) for part in parts)
    return head, lines, tail


OPERATIONS: list[Callable[[str, str], Edit]] = [
    lambda page, text: front_matter.setting(page, "key", text),
    lambda page, text: front_matter.setting(page, "key", [text, "x"]),
    lambda page, text: front_matter.with_item(page, "key", text),
    lambda page, text: front_matter.without_item(page, "key", text),
    lambda page, _text: front_matter.without_item(page, "key", "one"),
    lambda page, _text: front_matter.without(page, "key"),
]


@given(pages_with_a_setting(), st.sampled_from(OPERATIONS), TEXTS)
@settings(max_examples=300, deadline=None)
def test_whatever_is_done_to_a_setting_all_else_is_left_alone(
    page: tuple[str, str, str], operation: Callable[[str, str], Edit], text: str
) -> None:
    """However it is written, an edit is refused or changes its lines only; a change of its value loses no comment."""
    head, lines, tail = page
    try:
        edit = operation(head + lines + tail, text)
    except ToolError:
        return
    after = apply(head + lines + tail, [edit]) or ""
    changed = after[len(head) : len(after) - len(tail)]
    loses_notes = operation in OPERATIONS[:3] and changed.count("# a note") < lines.count("# a note")

    assert (head, tail, False) == (after[: len(head)], after[len(after) - len(tail) :], loses_notes)
