"""The offline rules of the site editor: what it understands where no model is configured.

A rule takes a whole message, so that half a sentence is never mistaken for a wish. The first line of the docstring of
each is what users are told they can ask for. The editor's rules are in `text_rules` and
`settings_rules`.
"""

from __future__ import annotations

import re

from flows.site_editor import editing
from flows.site_editor.flow import (
    drop,
    flow,
    go_on,
    list_pages,
    open_page,
    publish,
    reviewer,
    show_change,
    undo,
    welcome,
)
from flows.site_editor.phrases import CLOSING, GOOD, IT, NO, OPENING, UNQUOTED, YES, calling, quoted, whole
from handoff import Answer, RuleModel, call

rules = RuleModel(flow)

_KIND = r"(?:(?:blog )?(?:page|file|post|article) (?:about |on |called |named |with the title )?)"
_NAMED = rf"(?:the )?{_KIND}?{OPENING}(?P<page>.+?){CLOSING}(?: page| file| post| article)?"
_WORDS = rf"(?:the )?{_KIND}?(?P<page>{UNQUOTED}{{1,120}}?)(?: page| file| post| article)?"
_EDIT = r"(?:edit|change|step|one)"
_PATH = r"[^\s\"'“”‘’«»`!?,]+"
_LIST = (
    r"(?:list|show|name|find|search)(?: me)?(?: all)?(?: the)? (?:pages|posts|files)"
    r" (?:about|on|with|for|named|called|like)"
)
_OPEN = (
    r"(?:(?:edit|change|fix|update|improve) (?:something|some things|a few things) (?:on|in|about)"
    r"|(?:make )?(?:some )?changes (?:to|on|in)"
    r"|(?:start |begin )?(?:edit|open|chang|manag|updat|fix|improv|load|tak|select|choos|pick|pull|bring)(?:e|ing)?"
    r"(?: me to| up)?|work on|go to|switch to|start with|i (?:want|need)|i mean|(?:show|give) me|find"
    r"|the one (?:about|on|called)) "
)


# -- welcome -----------------------------------------------------------------------------------------------------------


@rules.when(
    welcome,
    *whole(
        r"(?:list|show|name)(?: me)?(?: all| us)?(?: of)?(?: the| your| my)? pages(?: of the site)?",
        r"(?:which|what) (?:pages|files|posts) (?:are there|do (?:you|we) have|does the site have|exist)",
        r"(?:which|what) (?:pages|files|posts) can (?:i|we|you) (?:edit|open|change)",
        r"(?:which|what) pages?",
        r"what can i (?:edit|open|change|work on)",
        r"(?:which|what) pages do i have",
        r"(?:tell me |say )?(?:which|what) pages there are",
        r"(?:list|show) everything",
        r"(?:show|see) the (?:site|pages)",
        r"(?:all |the )?pages",
        r"what is (?:there|on the site)",
        r"list(?: them)?",
        r"(?:(?:give|show) me |see |have )?(?:a|the) list of (?:all )?(?:the )?pages",
        r"table of contents",
        r"show me (?:the site|what there is)",
    ),
)
def ask_for_pages(_match: re.Match[str]) -> Answer:
    """List the pages."""
    return calling(list_pages)


@rules.when(
    welcome,
    *whole(
        rf"{_LIST} {quoted('words')}",
        rf"{_LIST} (?P<words>{UNQUOTED}+?)",
        rf"(?:search|look) for {quoted('words')}",
        rf"search for (?P<words>{UNQUOTED}+?)",
        rf"(?:is|are) there (?:a |any )?(?:page|post)s? (?:about|on|with|called) (?P<words>{UNQUOTED}+?)",
        rf"(?:which|what) (?:pages|posts) (?:mention|contain|speak of|talk about) (?P<words>{UNQUOTED}+?)",
        rf"(?:which|what) (?:pages|posts) (?:are|is) (?:about|on|called) (?P<words>{UNQUOTED}+?)",
    ),
)
def ask_for_some_pages(match: re.Match[str]) -> Answer:
    """List the pages about WORDS."""
    return calling(list_pages, words=match["words"])


@rules.when(
    welcome,
    *whole(
        rf"{_OPEN}{_NAMED}",
        rf"{_OPEN}{_WORDS}",
        rf"(?:the )?(?:page|post) {quoted('page')}",
        rf"(?:the )?(?:page|post) (?P<page>{UNQUOTED}{{1,120}}?)",
        rf"(?:the )?(?P<page>{_PATH}) (?:page|post|one)",
        r"(?P<page>\S+\.(?:md|mdx|markdown))",
        rf"(?P<page>[\w.-]+(?:/{_PATH})+)",
    ),
)
def ask_to_open(match: re.Match[str]) -> Answer:
    """Edit the page NAME."""
    return calling(open_page, page=match["page"])


@rules.after(welcome, list_pages)
def tell_pages(output: str) -> str:
    """Name the pages and ask for one."""
    return f"The pages are:\n{output}\nWhich one do you want to edit?"


@rules.after(welcome, publish, drop, editing.leave_page)
def tell_done(output: str) -> str:
    """Say what became of the page and ask for the next."""
    return f"{output} Which page is next?"


# -- reviewer ----------------------------------------------------------------------------------------------------------


@rules.when(
    reviewer,
    *whole(
        rf"{YES}(?:publish|save|keep|accept|approve|release|ship|commit|write|apply){IT}",
        rf"{GOOD}",
        rf"{YES}(?:go ahead|do it|do that|make it so)",
        r"(?:put it|make it|take it|bring it) (?:online|live)",
        r"go live",
    ),
)
def agree(_match: re.Match[str]) -> Answer:
    """Publish it."""
    return calling(publish)


@rules.when(
    reviewer,
    *whole(
        rf"{NO}(?:undo|take back|revert|reverse|remove|drop)(?: the| that| my)? (?:last|latest|previous) {_EDIT}",
        rf"(?:oops[,.! ]*)?{NO}undo(?: it| that| this| the {_EDIT}| last)?",
        r"roll(?: it| that| the (?:change|edit))? ?back",
        r"(?:that|it) was wrong[,.:;]* undo(?: it| that)?",
        rf"take (?:that|the last {_EDIT}) back",
        r"(?:go )?(?:one|a) step back|step back|back one step",
        r"not (?:that|the last) (?:one|edit|change)",
        r"(?:that|the last) (?:one |edit |change |step )?was (?:wrong|a mistake|not right|no good)",
        r"(?:everything|all) but the last (?:one|edit|change)",
    ),
)
def ask_to_undo(_match: re.Match[str]) -> Answer:
    """Undo the last edit."""
    return calling(undo)


@rules.when(
    reviewer,
    *whole(
        rf"{NO}(?:drop|discard|reject|scrap|delete|remove|revert|abandon|cancel|forget){IT}",
        rf"{NO}(?:undo|take back|revert) (?:everything|all(?: of it| changes| edits)?|the (?:whole change|changes))",
        r"no|nope|never ?mind",
        r"(?:no, )?do not (?:publish|save|keep)(?: it| this| that)?",
        r"throw (?:it|that|everything|it all|the changes?) away|take it (?:all )?back|leave it as it was|put it back",
        r"i do not (?:like|want) (?:it|that|this)",
    ),
)
def disagree(_match: re.Match[str]) -> Answer:
    """Drop it."""
    return calling(drop)


@rules.when(
    reviewer,
    *whole(
        r"(?:go on|keep on|carry on|continue|keep)(?: with)?(?: the)?(?: editing| edits?)?",
        r"(?:go )?back(?: to (?:the )?(?:edit|editing|editor))?",
        r"(?:make |i have |i want |there (?:are|is) )?(?:some |a few |one )?(?:more|another|other) (?:changes?|edits?)",
        r"(?:change|edit|add) (?:something else|something more|more|some more|further)",
        r"(?:i want to )?(?:change|edit) (?:it )?(?:more|further|again)",
        r"(?:not yet|wait|i am not (?:done|finished|ready)(?: yet)?)",
        r"(?:wait, )?(?:one|there is one|there is) more(?: thing| to do)?",
        r"(?:make|do) (?:another|one more|some more|more) (?:changes?|edits?)",
    ),
)
def ask_for_more(_match: re.Match[str]) -> Answer:
    """Go on editing."""
    return calling(go_on)


@rules.when(
    reviewer,
    *whole(
        r"(?:show|see|display|print|repeat)(?: me)?(?: it| that)?(?: once more| again)?",
        r"(?:show|see|display|print|repeat)(?: me)? (?:the |my )(?:changes?|diff|edits?|difference)(?: again)?",
        r"(?:what (?:has |is )?changed|what did (?:i|you|we) change|what is different)",
        r"(?:what is )?(?:the )?(?:diff|difference|change)",
        r"(?:review|check)(?: it| the change)?(?: again)?",
        r"what (?:will be|would be|is to be|gets) published",
    ),
)
def ask_to_show(_match: re.Match[str]) -> Answer:
    """Show the change."""
    return calling(show_change)


@rules.started(reviewer)
def remind_of_change(_note: str) -> Answer:
    """Look at the change before speaking of it."""
    return Answer("There is an unpublished change.", (call(show_change),))


@rules.after(
    reviewer,
    editing.replace_text,
    editing.insert_text,
    editing.delete_text,
    editing.add_paragraph,
    editing.rewrite_section,
    editing.delete_section,
    editing.move_section,
    editing.set_layout,
    editing.change_setting,
    editing.remove_setting,
    editing.add_to_setting,
    editing.remove_from_setting,
    editing.review,
    show_change,
)
def tell_change(output: str) -> str:
    """Show the change and ask what to do with it."""
    return f"{output}\nShall I publish it, undo the last edit, drop it all, or go on editing?"
