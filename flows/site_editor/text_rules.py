"""The offline rules of the editor for the text and the sections of a page, and for what leads on from it."""

from __future__ import annotations

import re

from flows.site_editor.editing import (
    add_paragraph,
    delete_section,
    delete_text,
    insert_text,
    leave_page,
    move_section,
    read_page,
    replace_text,
    review,
    rewrite_section,
)
from flows.site_editor.flow import editor, go_on, open_page, undo
from flows.site_editor.phrases import (
    CLOSING,
    IT,
    OPENING,
    UNQUOTED,
    calling,
    quoted,
    whole,
)
from flows.site_editor.rules import rules
from handoff import Answer

_TEXT = r"(?: (?:the|this) (?:text|words?|sentence|paragraph|phrase|line|passage|typo|typing error))?"
_OLD, _NEW = quoted("old"), quoted("new", empty=True)
_NAME = rf"{OPENING}?(?P<section>{UNQUOTED}{{1,120}}?){CLOSING}?"
_NAMED = _NAME.replace("section", "named")
_SECTION = rf"(?:the )?(?:(?:whole |entire )?section (?:called |named |on |about )?{_NAME}|{_NAMED} section)"
_ANY = rf"(?:the )?(?:section )?{_NAME}(?: section)?"
_OTHER = rf"(?:the )?(?:section )?{OPENING}?(?P<other>{UNQUOTED}{{1,120}}?){CLOSING}?(?: section)?"
_BEFORE, _AFTER = r"before|above|ahead of|in front of", r"after|below|behind|under"
_BESIDE = rf"(?:(?P<before>{_BEFORE})|{_AFTER})"
_FIRST = r"first|top|start|beginning|front"
_LAST = r"last|end|bottom"
_MOVE = r"(?:move|put|shift|place|bring)"
_REWRITE = r"(?:rewrite|replace|change|update|redo|reword)"
_ADD = r"(?:add|append|insert|put|write|place)"
_PIECE = r"(?:(?:a|the|this|another) )?(?:new )?(?:paragraph|sentence|line|text|list)"


@rules.when(
    editor,
    *whole(
        r"(?:read|show|print|display)(?: me)?(?: it|(?: the| this)? (?:page|text|file|content|contents))(?: to me)?",
        r"(?:show me )?what (?:does )?(?:it|the page) (?:says?|looks? like|holds?|contains?)",
        r"what is (?:in it|on it|on the page|on this page|in the file|there now)",
        r"(?:let me |i want to )?see (?:it|the page|the text)",
        r"how does (?:it|the page) (?:read|look)(?: now)?",
        r"(?:read|show)",
    ),
)
def ask_to_read(_match: re.Match[str]) -> Answer:
    """Read the page."""
    return calling(read_page)


@rules.when(
    editor,
    *whole(
        r"(?:leave|close|quit)(?: it|(?: the| this) page)?",
        r"(?:go )?back(?: to the (?:pages|list|start|list of (?:the )?pages))?",
        r"(?:open |edit |take )?another page",
        r"(?:oops, )?(?:that is |this is |it is )?(?:the )?wrong page",
        r"(?:nothing|no changes?)(?: to change)?(?: here)?",
        r"(?:leave|keep) it (?:as it is|alone)",
        r"never ?mind|forget it|cancel|stop",
        r"(?:i am )?done",
    ),
)
def ask_to_leave(_match: re.Match[str]) -> Answer:
    """Leave the page."""
    return calling(leave_page)


@rules.when(
    editor,
    *whole(
        r"(?:review|check)(?: it|(?: the| my)? changes?)?",
        r"(?:have|get) it reviewed",
        r"(?:show|see)(?: me)? (?:what (?:has )?changed|(?:the|my) (?:changes?|diff|edits?))",
        r"(?:what has changed|what did (?:i|you) change|diff)",
        r"(?:go |back )?to (?:the )?(?:review|reviewer)",
        r"that is (?:all|it|everything)|(?:i am )?(?:ready|finished)",
        rf"(?:publish|save){IT}",
    ),
)
def ask_for_review(_match: re.Match[str]) -> Answer:
    """Review the change."""
    return calling(review)


# -- sections and paragraphs -------------------------------------------------------------------------------------------


@rules.when(
    editor,
    *whole(
        rf"(?:delete|remove|drop|cut|cut out|erase|take out|leave out|get rid of|strike|omit) {_SECTION}",
        rf"{_SECTION} (?:must|should|can) go",
        rf"(?:delete|remove|drop|take out|get rid of) {_SECTION} (?:entirely|completely|altogether)",
    ),
)
def ask_to_delete_section(match: re.Match[str]) -> Answer:
    """Delete the section A."""
    return calling(delete_section, section=_section(match))


@rules.when(
    editor,
    *whole(
        rf"{_REWRITE} {_SECTION}(?: to(?: say| read)?| as| with| into| so that it says)?:? {quoted('text')}",
        rf"{_REWRITE} {_SECTION}:\s*(?P<text>.+)",
        rf"(?:rewrite|redo|reword) the (?P<section>\w[\w -]{{0,80}}?) (?:to|as|with|so it says):? {quoted('text')}",
        rf"(?:let|make|have) {_SECTION} (?:say|read):? {quoted('text')}",
        rf"{_SECTION} (?:should|must) (?:say|read|be):? {quoted('text')}",
        rf"(?:write|put|use) {quoted('text')} (?:as|for) (?:the text of )?{_SECTION}",
        rf"give {_SECTION} the text {quoted('text')}",
    ),
)
def ask_to_rewrite_section(match: re.Match[str]) -> Answer:
    """Rewrite the section A as "TEXT"."""
    return calling(rewrite_section, section=_section(match), text=match["text"])


@rules.when(
    editor,
    *whole(
        r"(?:add|append|make|create|insert)(?: a| the)?(?: new)? section(?: called| named| titled)? "
        rf"{quoted('heading')}(?:,? (?:with(?: the text)?|saying|that says|reading):? {quoted('text')})?",
    ),
)
def ask_for_section(match: re.Match[str]) -> Answer:
    """Add a section "A" with the text "TEXT"."""
    return calling(add_paragraph, text=f"## {match['heading']}\n\n{match['text'] or ''}".rstrip())


# Before the paragraphs: of two texts in quotes neither is a part of the other.
@rules.when(
    editor,
    *whole(
        rf"{_ADD}{_TEXT} {quoted('text')} (?:right |just )?{_BESIDE}{_TEXT} {quoted('anchor')}",
        rf"append{_TEXT} {quoted('text')} to{_TEXT} {quoted('anchor')}",
        rf"(?P<before>prepend){_TEXT} {quoted('text')} to{_TEXT} {quoted('anchor')}",
        rf"(?:right )?{_BESIDE}{_TEXT} {quoted('anchor')},? {_ADD}{_TEXT} {quoted('text')}",
        rf"{quoted('text')} (?:should|must) (?:come|go|stand|be) (?:right )?{_BESIDE} {quoted('anchor')}",
        rf"(?:insert|add) (?P<text>{UNQUOTED}+?) {_BESIDE} (?P<anchor>{UNQUOTED}+?)",
        rf"let {quoted('text')} (?P<before>precede|lead) {quoted('anchor')}",
        rf"let {quoted('text')} follow {quoted('anchor')}",
    ),
)
def ask_to_insert(match: re.Match[str]) -> Answer:
    """Insert "NEW" before (or after) "TEXT"."""
    place = "before" if match.groupdict().get("before") else "after"
    return calling(insert_text, text=match["text"], place=place, anchor=match["anchor"])


@rules.when(
    editor,
    *whole(
        rf"{_ADD}(?: {_PIECE})?:? {quoted('text')} (?:at|to) the (?:(?P<start>{_FIRST})|{_LAST})"
        rf"(?: of (?:the (?:page|text|post)|{_SECTION}))?",
        rf"{_ADD}(?: {_PIECE})?:? {quoted('text')} (?:to|in|into|under|below) {_SECTION}",
        rf"{_ADD} {_PIECE}:? {quoted('text')} (?:to|at the end of) (?:the page|the post|it)",
        rf"{_ADD} {_PIECE}:? {quoted('text')}",
        rf"{_ADD} {_PIECE},? (?:saying|that says|reading|with):? {quoted('text')}",
        rf"(?:a |another )?new (?:paragraph|sentence):? {quoted('text')}",
        rf"{_ADD} {_PIECE} (?:at|to) the (?:(?P<start>{_FIRST})|{_LAST})(?: of the page)?,?"
        rf" (?:saying|that says|reading|with):? {quoted('text')}",
        rf"append(?: the text)?:? {quoted('text')}(?: to (?:the page|the text|it))?",
        rf"(?:add|append)(?: the text)? {quoted('text')} to (?:the page|the text|it|the post)",
        rf"(?:end|close|finish) (?:the page|it|the post) with {quoted('text')}",
        rf"(?P<start>begin|start|open) (?:the page|it|the post) with {quoted('text')}",
    ),
)
def ask_for_paragraph(match: re.Match[str]) -> Answer:
    """Add the paragraph "TEXT" to the section A (or to the page)."""
    place = "start" if match.groupdict().get("start") else "end"
    return calling(add_paragraph, text=match["text"], section=_section(match), place=place)


# -- text --------------------------------------------------------------------------------------------------------------


@rules.when(
    editor,
    *whole(
        rf"(?:replace|exchange|swap(?: out)?|switch){_TEXT} {_OLD} (?:with|by|for|against) {_NEW}",
        rf"substitute{_TEXT} {_OLD} (?:with|by) {_NEW}",
        rf"substitute{_TEXT} {_NEW} for{_TEXT} {_OLD}",  # the new one comes first here
        rf"(?:it|that) should (?:be|say|read) {_NEW} (?:instead of|and not|not) {_OLD}",
        rf"make (?:it|that) {_NEW} (?:instead of|and not) {_OLD}",
        rf"(?:rephrase|reword){_TEXT} {_OLD} (?:to|into|as) {_NEW}",
        rf"(?:change|turn|rewrite|correct|reword|shorten|fix|edit|update){_TEXT} {_OLD} (?:to|into|as) {_NEW}",
        rf"make {_OLD} (?:read|say|into)? ?{_NEW}",
        rf"(?:instead of|for|where it says) {_OLD}:?,? (?:write|put|say|use|it should say) {_NEW}",
        rf"(?:write|put|say|use) {_NEW} (?:instead of|for|in place of|where it says) {_OLD}",
        rf"{_OLD} (?:should|must) (?:be|read|say|become) {_NEW}",
        rf"(?:(?:fix|correct|change|replace){_TEXT}:? )?{_OLD} ?(?:->|=>|→) ?{_NEW}",
        r"s/(?P<old>[^/]+)/(?P<new>[^/]*)/?",
        rf"replace (?P<old>(?!the section){UNQUOTED}*?) (?:with|by) (?P<new>{UNQUOTED}*?)",
    ),
)
def ask_to_replace(match: re.Match[str]) -> Answer:
    """Replace "OLD" with "NEW"."""
    return calling(replace_text, old=match["old"], new=match["new"])


@rules.when(
    editor,
    *whole(
        rf"(?:delete|remove|cut|cut out|erase|strike|drop|take out|leave out|get rid of|omit|kill|scrap){_TEXT} {_OLD}",
        rf"(?:the (?:text|words?|sentence|paragraph|phrase|line) )?{_OLD} (?:must|should|can) go",
        rf"take{_TEXT} {_OLD} out",
    ),
)
def ask_to_delete(match: re.Match[str]) -> Answer:
    """Delete "TEXT"."""
    return calling(delete_text, text=match["old"])


# -- the order of the sections: behind the text, for "put X after Y" in quotes is about words --------------------------


@rules.when(
    editor,
    *whole(
        rf"{_MOVE} {_ANY} {_BESIDE} {_OTHER}",
        rf"{_ANY} (?:should|must) (?:come|go|stand|be) {_BESIDE} {_OTHER}",
    ),
)
def ask_to_move_beside(match: re.Match[str]) -> Answer:
    """Move the section A before (or after) B."""
    where = "before" if match["before"] else "after"
    return calling(move_section, section=match["section"], where=where, other=match["other"])


@rules.when(
    editor,
    *whole(
        rf"{_MOVE} {_ANY} (?:(?:(?:up |down )?to|at) (?:the )?)?(?:(?P<first>{_FIRST})|{_LAST})(?: of the page)?",
        rf"i want {_ANY} (?:(?:at|to) the )?(?:(?P<first>{_FIRST})|{_LAST})",
        rf"make {_ANY} the (?:(?P<first>{_FIRST})|{_LAST})(?: section| one)?",
        rf"{_ANY} (?:should|must) (?:come|go|be|stand) (?:at the )?(?:(?P<first>{_FIRST})|{_LAST})",
    ),
)
def ask_to_move_away(match: re.Match[str]) -> Answer:
    """Move the section A to the top (or the end)."""
    return calling(move_section, section=match["section"], where="first" if match["first"] else "last")


@rules.after(editor, open_page)
def tell_opened(output: str) -> str:
    """Ask what to change."""
    return f"{output} What shall I change?"


@rules.after(editor, go_on, undo)
def tell_going_on(output: str) -> str:
    """Ask what else to change."""
    return f"{output}{chr(10) if chr(10) in output else ' '}What else shall I change?"


def _section(match: re.Match[str]) -> str:
    """The section in a match, whether its name stands before or after the word; empty if none is named."""
    found = match.groupdict()
    return str(found.get("section") or found.get("named") or "")
