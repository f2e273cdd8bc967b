"""The offline rules of the editor for layout and settings: the title, the date, drafts, tags and any other key."""

from __future__ import annotations

import re

from flows.site_editor.editing import (
    COMMON,
    add_to_setting,
    change_setting,
    remove_from_setting,
    remove_setting,
    set_layout,
)
from flows.site_editor.flow import editor
from flows.site_editor.phrases import CLOSING, KEY, LISTS, OPENING, VALUE, calling, items, key, value, whole
from flows.site_editor.rules import rules
from handoff import Answer

_PAGE = r"(?:it|the page|this page|the post|this post)"
_LAYOUT = rf"{OPENING}?(?P<layout>[\w./-]+){CLOSING}?"
_LAYS = r"(?:layout|template)"
_COMMON = "|".join(sorted(COMMON - {"layout", "template"}, key=len, reverse=True))
_KNOWN = rf"(?:the )?(?:page'?s )?(?P<key>{_COMMON})"
_LIST = rf"(?:the )?(?P<key>{'|'.join(sorted(LISTS))})"
_ONE_OF = r"(?P<one>tag|category|keyword|author|alias)"
_LOSE = r"(?:remove|delete|drop|clear|unset|erase|take out|take away|take off|get rid of|detach|lose)"
_PLURAL = {"tag": "tags", "category": "categories", "keyword": "keywords", "author": "authors", "alias": "aliases"}


# -- layout ------------------------------------------------------------------------------------------------------------


@rules.when(
    editor,
    *whole(
        rf"(?:use|apply|take|choose|pick|try|give {_PAGE}|put {_PAGE} in|switch to|i want)(?: the)? {_LAYOUT} {_LAYS}",
        rf"(?:use|apply|take|choose|pick|switch to)(?: the| another| a different)? {_LAYS}:? {_LAYOUT}",
        rf"(?:set|change|switch|turn|make)(?: the)?(?: page'?s)? {_LAYS}(?: to| into| be)? {_LAYOUT}",
        rf"(?:the )?{_LAYS}(?: is| should be| must be|:| =|=)? {_LAYOUT}",
        rf"{_LAYS}[:=]{_LAYOUT}",
        rf"lay {_PAGE} out as {_LAYOUT}",
        rf"make {_PAGE} (?:a )?{_LAYOUT} {_LAYS}",
    ),
)
def ask_for_layout(match: re.Match[str]) -> Answer:
    """Use the layout NAME."""
    return calling(set_layout, layout=match["layout"].rstrip(".") or match["layout"])


# -- settings ----------------------------------------------------------------------------------------------------------


@rules.when(
    editor,
    *whole(
        rf"(?:mark|flag|save|keep)(?: {_PAGE})? as (?:a |an )?(?P<off>not |no )?draft",
        rf"(?:set|turn|switch) {_PAGE} (?:to|into) (?P<off>not |no )?(?:a )?draft",
        rf"unpublish(?: {_PAGE})?",
        rf"make {_PAGE} (?P<off>not |no )?(?:a )?draft",
        rf"(?:turn|change) {_PAGE} into a draft",
        r"it is (?P<off>not |no |no longer |not yet )?(?:a )?draft(?: any ?more)?",
        rf"{_PAGE} is (?P<off>not |no |no longer |not yet )?(?:a )?draft(?: any ?more)?",
        rf"(?P<off>unmark|take|remove) {_PAGE} (?:as|from|out of)(?: the)? (?:a )?drafts?",
        rf"(?:{_PAGE}|this) (?:is|should) (?P<off>no longer be|not be|no longer|not) (?:a )?draft(?: any ?more)?",
        rf"(?:{_PAGE}|this) (?P<off>isn['’]?t) (?:a )?draft(?: any ?more)?",
        r"make this (?:a )?draft",
        r"turn (?:the )?draft(?: mode)? (?:on|(?P<off>off))",
        r"(?P<off>no longer|not) (?:a )?draft(?: any ?more)?",
        r"draft(?: mode)? (?:on|(?P<off>off))",
    ),
)
def ask_for_draft(match: re.Match[str]) -> Answer:
    """Mark it as a draft (or as no draft)."""
    return calling(change_setting, key="draft", value="false" if match.groupdict().get("off") else "true")


@rules.when(
    editor,
    *whole(
        rf"(?:rename|retitle|name|call|title|entitle) {_PAGE}(?: to| as)? {VALUE}",
        rf"(?:give {_PAGE} the title|the title should (?:be|read)) {VALUE}",
    ),
)
def ask_for_title(match: re.Match[str]) -> Answer:
    """Rename it to TITLE."""
    return calling(change_setting, key="title", value=value(match))


@rules.when(
    editor,
    *whole(
        rf"(?:add|attach|assign|give {_PAGE}|put on)(?: the| a| another)?(?: new)? {_ONE_OF}:? {VALUE}(?: to {_PAGE})?",
        rf"(?P<one>tag) {_PAGE} (?:as |with )?{VALUE}",
        rf"(?:add|append|put) {VALUE} (?:to|in|into|among) {_LIST}",
        rf"(?:new|another) {_ONE_OF}:? {VALUE}",
        rf"(?:add|put|use|set) {VALUE} as an? {_ONE_OF}",
        rf"(?:put|file|list) {_PAGE} (?:in|under) the (?P<one>category) {VALUE}",
        rf"{_LIST}:? ?\+ ?{VALUE}",
    ),
)
def ask_to_add_item(match: re.Match[str]) -> Answer:
    """Add the tag NAME."""
    return calling(add_to_setting, key=_list_key(match), item=value(match))


@rules.when(
    editor,
    *whole(
        rf"{_LOSE}(?: the)? {_ONE_OF}:? {VALUE}(?: from {_PAGE})?",
        rf"{_LOSE} the (?P<value>[\w-]+) {_ONE_OF}",
        rf"un(?P<one>tag)(?: {_PAGE})?(?: as| from)? {VALUE}",
        rf"(?:remove|delete|drop|take|strike) {VALUE} (?:from|out of|off) {_LIST}",
        rf"(?:remove|delete|drop|take|strike) {VALUE} (?:from|out of|off) {KEY}",
        rf"take(?: the)? {_ONE_OF} {VALUE} (?:off|away|out)",
        rf"no(?: more)? {_ONE_OF} {VALUE}(?: any ?more)?",
        rf"{_LIST}:? ?[-−] ?{VALUE}",
    ),
)
def ask_to_remove_item(match: re.Match[str]) -> Answer:
    """Remove the tag NAME."""
    return calling(remove_from_setting, key=_list_key(match), item=value(match))


@rules.when(
    editor,
    *whole(
        rf"{_LOSE} (?:the )?(?:setting|key|field|metadata key) {OPENING}?(?P<key>[A-Za-z_][\w.-]*){CLOSING}?",
        rf"{_LOSE} (?:the )?(?P<key>[A-Za-z_][\w.-]*) setting",
        rf"{_LOSE} {_KNOWN}",
        rf"unset {KEY}",
        rf"(?:no|without(?: a| the)?) {_KNOWN}",
        rf"{_PAGE} (?:needs|should have|must have) no {_KNOWN}",
    ),
)
def ask_to_remove_setting(match: re.Match[str]) -> Answer:
    """Remove the setting KEY."""
    return calling(remove_setting, key=key(match))


@rules.when(
    editor,
    *whole(
        rf"(?:add|make|create|introduce) (?:a |the )?(?:new )?setting (?P<key>[A-Za-z_][\w.-]*)"
        rf"(?: with(?: the value)?| of| as| to|:| =|=)? {VALUE}",
    ),
)
def ask_for_new_setting(match: re.Match[str]) -> Answer:
    """Add the setting KEY with VALUE."""
    return calling(change_setting, key=key(match), value=_given(match), new=True)


@rules.when(
    editor,
    *whole(
        rf"(?:set|change|switch|update|turn) {KEY}(?: to| =|:|=) ?{VALUE}",
        rf"make {_KNOWN} (?:be )?{VALUE}",
        rf"{_KNOWN} (?:should|must) (?:be|read) {VALUE}",
        rf"(?:put|use|write) {OPENING}(?P<quoted>.*){CLOSING} (?:as|for|in) {KEY}",
        rf"{_KNOWN} ?[:=] ?{VALUE}",
        rf"date {_PAGE} (?P<value>\d{{4}}-\d\d-\d\d.*?)",
        rf"(?:set|change|move) the (?:publish(?:ing|ed)?|publication) date to {VALUE}",
    ),
)
def ask_for_setting(match: re.Match[str]) -> Answer:
    """Set KEY to VALUE."""
    if "key" not in match.groupdict():
        return calling(change_setting, key="date", value=value(match))
    return calling(change_setting, key=key(match), value=_given(match))


def _list_key(match: re.Match[str]) -> str:
    found = match.groupdict()
    return str(found.get("key") or _PLURAL[str(found["one"]).lower()]).lower()


def _given(match: re.Match[str]) -> str | list[str]:
    """The value in a match: several for a setting that is a list."""
    return items(value(match)) if key(match).lower() in LISTS else value(match)
