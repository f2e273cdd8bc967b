"""The offline rules of the site editor: what it understands where no model is configured.

A rule takes a whole message, so that half a sentence is never mistaken for a wish. The first line of the docstring of
each is what users are told they can ask for.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flows.site_editor.flow import (
    change_setting,
    drop,
    editor,
    flow,
    go_on,
    leave_page,
    list_pages,
    open_page,
    publish,
    read_page,
    replace_text,
    review,
    reviewer,
    set_layout,
    show_change,
    welcome,
)
from flows.site_editor.pages import SUFFIX
from handoff import Answer, RuleModel, call

rules = RuleModel(flow)

_POLITE = (
    r"(?:(?:please|ok|okay|now|then|hi|hello|can you|could you|will you"
    r"|i want to|i(?:'d| would) like to|let'?s|let me)[, ]+)*"
)
_END = r"(?:,? please)?\s*[.!?]*"
_OPENING, _CLOSING = r"[\"'“‘«`]", r"[\"'”’»`]"
_QUOTED_OLD = rf"{_OPENING}(?P<old>.+?){_CLOSING}"
_QUOTED_NEW = rf"{_OPENING}(?P<new>.*){_CLOSING}"
_PAGE = rf"(?:the )?(?:page )?{_OPENING}?(?P<page>[^\s\"'“”‘’«»`.!?,]+(?:\.md)?){_CLOSING}?(?: page)?"
_LAYOUT = rf"{_OPENING}?(?P<layout>[\w-]+){_CLOSING}?"
_VALUE = rf"(?:{_OPENING}(?P<quoted>.*){_CLOSING}|(?P<value>\S.*?))"
_KEY = r"(?:the )?(?:page'?s )?(?:setting )?(?P<key>[A-Za-z_][\w-]*)"
_TEXT = r"(?: the (?:text|words?|sentence))?"
_YES, _NO = r"(?:yes|yep|sure|fine|good|great)?[, ]*", r"(?:no|nope)?[, ]*"
_IT = r"(?: (?:it|this|that|them|all|everything|(?:the|this|that|my) (?:change|changes|edit|edits|page|draft)))?"


def _whole(*phrases: str) -> tuple[str, ...]:
    """The phrases as patterns for a whole message, politeness before and after them allowed."""
    return tuple(f"(?s:{_POLITE}(?:{phrase}){_END})" for phrase in phrases)


def _call(tool: Callable[..., str], **arguments: str) -> Answer:
    """The answer that calls a tool and says nothing beside it."""
    return Answer(calls=(call(tool, **arguments),))


# -- welcome -----------------------------------------------------------------------------------------------------------


@rules.when(
    welcome,
    *_whole(
        r"(?:list|show|name)(?: me)?(?: all| us)?(?: of)?(?: the| your| my)? pages(?: of the site)?",
        r"(?:which|what) pages (?:are there|do you have|does the site have|can i (?:edit|open|change)|exist)",
        r"(?:which|what) pages?",
        r"what can i (?:edit|open|change|work on)",
        r"(?:all |the )?pages",
        r"what is (?:there|on the site)",
        r"list(?: them)?",
        r"(?:give me )?(?:a|the) list of (?:the )?pages",
        r"table of contents",
        r"show me (?:the site|what there is)",
    ),
)
def ask_for_pages(_match: re.Match[str]) -> Answer:
    """List the pages."""
    return _call(list_pages)


@rules.when(
    welcome,
    *_whole(
        r"(?:open|edit|change|manage|update|fix|improve|load|take|work on|go to|switch to|start with|choose) (?:up )?"
        + _PAGE,
        rf"(?:i )?(?:want|need) (?:to (?:edit|change|open|see) )?{_PAGE}",
        rf"make changes (?:to|on|in) {_PAGE}",
        rf"{_PAGE.replace('(?: page)?', ' page')}",
        rf"page {_PAGE}",
        r"(?P<page>[\w/-]+\.md)",
        r"(?P<page>[\w-]+(?:/[\w-]+)+)",
    ),
)
def ask_to_open(match: re.Match[str]) -> Answer:
    """Edit the page NAME."""
    return _call(open_page, page_id=match["page"].lower().removesuffix(SUFFIX).strip("/"))


@rules.after(welcome, list_pages)
def tell_pages(output: str) -> str:
    """Name the pages and ask for one."""
    return f"The pages are:\n{output}\nWhich one do you want to edit?"


@rules.after(welcome, publish, drop, leave_page)
def tell_done(output: str) -> str:
    """Say what became of the page and ask for the next."""
    return f"{output} Which page is next?"


# -- editor ------------------------------------------------------------------------------------------------------------


@rules.when(
    editor,
    *_whole(
        r"(?:read|show|print|display)(?: me)?(?: it|(?: the| this)? (?:page|text|file|content|contents))(?: to me)?",
        r"what does (?:it|the page) (?:say|look like|hold|contain)",
        r"what is (?:in it|on it|on the page|in the file)",
        r"(?:let me |i want to )?see (?:it|the page|the text)",
        r"how does (?:it|the page) (?:read|look)(?: now)?",
        r"(?:read|show)",
    ),
)
def ask_to_read(_match: re.Match[str]) -> Answer:
    """Read the page."""
    return _call(read_page)


@rules.when(
    editor,
    *_whole(
        r"(?:leave|close|quit)(?: it|(?: the| this) page)?",
        r"(?:go )?back(?: to the (?:pages|list|start))?",
        r"(?:open |edit |take )?another page",
        r"(?:that is |this is |it's |oops, )?(?:the )?wrong page",
        r"(?:nothing|no changes?)(?: to change)?(?: here)?",
        r"(?:leave|keep) it (?:as it is|alone)",
        r"never ?mind|forget it|cancel|stop",
        r"i am done|i'm done|done",
    ),
)
def ask_to_leave(_match: re.Match[str]) -> Answer:
    """Leave the page."""
    return _call(leave_page)


@rules.when(
    editor,
    *_whole(
        r"(?:review|check)(?: it|(?: the| my)? changes?)?",
        r"(?:have|get) it reviewed",
        r"(?:show|see)(?: me)? (?:what (?:has )?changed|(?:the|my) (?:changes?|diff|edits?))",
        r"(?:what has changed|what did (?:i|you) change|diff)",
        r"(?:go |back )?to (?:the )?(?:review|reviewer)",
        r"that(?:'s| is) (?:all|it)|(?:i(?:'m| am) )?ready|finished",
        rf"(?:publish|save){_IT}",
    ),
)
def ask_for_review(_match: re.Match[str]) -> Answer:
    """Review the change."""
    return _call(review)


@rules.when(
    editor,
    *_whole(
        rf"(?:use|apply|take|choose|pick|give it|put it in|switch to|i want)(?: the)? {_LAYOUT} layout",
        rf"(?:use|apply|take|choose|pick|switch to)(?: the)? layout {_LAYOUT}",
        rf"(?:set|change|switch|turn|make)(?: the)?(?: page'?s)? layout(?: to| into| be)? {_LAYOUT}",
        rf"(?:the )?layout(?: is| should be| must be|:| =|=)? {_LAYOUT}",
        rf"layout[:=]{_LAYOUT}",
        rf"lay it out as {_LAYOUT}",
        rf"make it (?:a )?{_LAYOUT} layout",
    ),
)
def ask_for_layout(match: re.Match[str]) -> Answer:
    """Use the layout NAME."""
    return _call(set_layout, layout=match["layout"].lower())


@rules.when(
    editor,
    *_whole(
        r"(?:mark|flag) (?:it|the page|this page) as (?:a |an )?(?P<off>not |no )?draft",
        r"make (?:it|the page|this page) (?P<off>not |no )?(?:a )?draft",
        r"(?:it|the page|this page) is (?P<off>not |no |no longer |not yet )?(?:a )?draft(?: any ?more)?",
        r"(?P<off>unmark|take|remove) (?:it|the page) (?:as|from)(?: the)? (?:a )?drafts?",
    ),
)
def ask_for_draft(match: re.Match[str]) -> Answer:
    """Mark it as a draft."""
    return _call(change_setting, key="draft", value="false" if match["off"] else "true")


@rules.when(
    editor,
    *_whole(
        rf"(?:rename|retitle|name|call) (?:it|the page|this page)(?: to| as)? {_VALUE}",
        rf"(?:give it the title|the title should (?:be|read)|title it) {_VALUE}",
    ),
)
def ask_for_title(match: re.Match[str]) -> Answer:
    """Rename it to TITLE."""
    return _call(change_setting, key="title", value=_value(match))


@rules.when(
    editor,
    *_whole(
        rf"(?:replace|exchange|swap|substitute){_TEXT} {_QUOTED_OLD} (?:with|by|for|against) {_QUOTED_NEW}",
        rf"(?:change|turn|rewrite|correct|reword|shorten|fix){_TEXT} {_QUOTED_OLD} (?:to|into|as) {_QUOTED_NEW}",
        rf"make {_QUOTED_OLD} (?:read|say|into)? ?{_QUOTED_NEW}",
        rf"(?:instead of|for|where it says) {_QUOTED_OLD}:?,? (?:write|put|say|use) {_QUOTED_NEW}",
        rf"(?:write|put|say|use) {_QUOTED_NEW} (?:instead of|for|in place of) {_QUOTED_OLD}",
        rf"{_QUOTED_OLD} (?:should|must) (?:be|read|say|become) {_QUOTED_NEW}",
        rf"{_QUOTED_OLD} ?(?:->|=>|→) ?{_QUOTED_NEW}",
        r"s/(?P<old>[^/]+)/(?P<new>[^/]*)/?",
        r"replace (?P<old>[^\"'“‘«`].*?) (?:with|by) (?P<new>[^\"'“‘«`].*?)",
    ),
)
def ask_to_replace(match: re.Match[str]) -> Answer:
    """Replace "OLD" with "NEW"."""
    return _call(replace_text, old=match["old"], new=match["new"])


@rules.when(
    editor,
    *_whole(
        rf"(?:delete|remove|cut|erase|strike|drop|take out|leave out|get rid of|omit){_TEXT} {_QUOTED_OLD}",
        rf"{_QUOTED_OLD} (?:must|should|can) go",
    ),
)
def ask_to_delete(match: re.Match[str]) -> Answer:
    """Delete "OLD"."""
    return _call(replace_text, old=match["old"], new="")


@rules.when(
    editor,
    *_whole(
        rf"(?:set|change|switch|update|turn) {_KEY}(?: to| =|:|=) ?{_VALUE}",
        rf"make {_KEY} (?:be )?{_VALUE}",
        rf"{_KEY} (?:should|must) (?:be|read) {_VALUE}",
        rf"(?:put|use|write) {_OPENING}(?P<quoted>.*){_CLOSING} (?:as|for|in) {_KEY}",
        rf"(?P<key>[A-Za-z_][\w-]*) ?[:=] ?{_VALUE}",
    ),
)
def ask_for_setting(match: re.Match[str]) -> Answer:
    """Set KEY to VALUE."""
    return _call(change_setting, key=match["key"].lower(), value=_value(match))


@rules.after(editor, open_page)
def tell_opened(output: str) -> str:
    """Ask what to change."""
    return f"{output} What shall I change?"


@rules.after(editor, go_on)
def tell_going_on(output: str) -> str:
    """Ask what else to change."""
    return f"{output} What else shall I change?"


# -- reviewer ----------------------------------------------------------------------------------------------------------


@rules.when(
    reviewer,
    *_whole(
        rf"{_YES}(?:publish|save|keep|accept|approve|release|ship|commit|write|apply){_IT}",
        r"(?:yes|yep|yeah|sure|ok|okay|fine|agreed|perfect|great)",
        r"(?:yes, )?(?:go ahead|do it|that is right|that's right|make it so)",
        r"(?:it |that |this )?looks (?:good|fine|right|great)(?: to me)?",
        r"(?:put it|make it|take it|bring it) (?:online|live)",
        r"go live",
    ),
)
def agree(_match: re.Match[str]) -> Answer:
    """Publish it."""
    return _call(publish)


@rules.when(
    reviewer,
    *_whole(
        rf"{_NO}(?:drop|discard|undo|reject|scrap|delete|remove|revert|abandon|cancel|forget){_IT}",
        r"no|nope|never ?mind",
        r"(?:no, )?(?:do not|don't) (?:publish|save|keep)(?: it)?",
        r"throw it away|take it back|leave it as it was|put it back",
        r"i (?:do not|don't) (?:like|want) it",
    ),
)
def disagree(_match: re.Match[str]) -> Answer:
    """Drop it."""
    return _call(drop)


@rules.when(
    reviewer,
    *_whole(
        r"(?:go on|keep on|carry on|continue|keep)(?: with)?(?: the)?(?: editing| edits?)?",
        r"(?:go )?back(?: to (?:the )?(?:edit|editing|editor))?",
        r"(?:make |i have |i want |there (?:are|is) )?(?:some |a few |one )?(?:more|another|other) (?:changes?|edits?)",
        r"(?:change|edit|add) (?:something else|something more|more|some more|further)",
        r"(?:i want to )?(?:change|edit) (?:it )?(?:more|further|again)",
        r"(?:not yet|wait|i(?:'m| am) not done(?: yet)?)",
        r"one more(?: thing)?",
    ),
)
def ask_for_more(_match: re.Match[str]) -> Answer:
    """Go on editing."""
    return _call(go_on)


@rules.when(
    reviewer,
    *_whole(
        r"(?:show|see|display|print|repeat)(?: me)?(?: it| that)?(?: again)?(?: please)?",
        r"(?:show|see|display|print|repeat)(?: me)? (?:the |my )(?:changes?|diff|edits?|difference)(?: again)?",
        r"(?:what (?:has |is )?changed|what did (?:i|you|we) change|what is different)",
        r"(?:what is )?(?:the )?(?:diff|difference|change)",
        r"(?:review|check)(?: it| the change)?(?: again)?",
        r"what (?:will be|would be|is to be|gets) published",
    ),
)
def ask_to_show(_match: re.Match[str]) -> Answer:
    """Show the change."""
    return _call(show_change)


@rules.started(reviewer)
def remind_of_change(_note: str) -> Answer:
    """Look at the change before speaking of it."""
    return Answer("There is an unpublished change.", (call(show_change),))


@rules.after(reviewer, replace_text, set_layout, change_setting, review, show_change)
def tell_change(output: str) -> str:
    """Show the change and ask what to do with it."""
    return f"{output}\nShall I publish it, drop it, or do you want to go on editing?"


def _value(match: re.Match[str]) -> str:
    """The value in a match, quoted or not."""
    found = match.groupdict()
    return str(found.get("quoted") or found.get("value") or "")
