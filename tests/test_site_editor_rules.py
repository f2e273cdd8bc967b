"""What the offline rules of the site editor understand, phrase by phrase, and that they do nothing about all else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flows.site_editor import flow, rules
from handoff.backends.base import OfferedTool, Prompt
from handoff.core.items import Note, Output, Spoken, UserMessage
from handoff.models import Answer


def ask(assistant: str, *due: Any) -> Answer:
    """What the rules answer; every tool of the assistant is offered."""
    tools = tuple(OfferedTool(name, tool.description, tool.schema) for name, tool in flow.tools_of(assistant).items())
    return rules.answer(Prompt(assistant, "", tools, (Spoken(assistant, 1, "Yes?"),), due))


PHRASES: dict[tuple[str, str], list[tuple[str, dict[str, str]]]] = {
    ("welcome", "list_pages"): [
        (text, {})
        for text in (
            "List the pages",
            "list pages",
            "Show me the pages",
            "show me all pages",
            "Which pages are there?",
            "what pages do you have?",
            "Which pages can I edit?",
            "What can I edit?",
            "pages",
            "Which pages?",
            "Can you list the pages, please?",
            "Hello, which pages are there?",
            "give me a list of the pages",
            "What is on the site?",
            "list them",
            "name the pages of the site",
        )
    ],
    ("welcome", "open_page"): [
        (text, {"page_id": page})
        for text, page in (
            ("Edit the about page", "about"),
            ("edit about", "about"),
            ("Open about", "about"),
            ("please open the page about", "about"),
            ("I want to edit the about page.", "about"),
            ("I'd like to change the page blog/first-loaf", "blog/first-loaf"),
            ("Let's work on opening-hours", "opening-hours"),
            ("Can you update About.md, please?", "about"),
            ("the contact page", "contact"),
            ("contact page please", "contact"),
            ("page index", "index"),
            ("index.md", "index"),
            ("blog/first-loaf", "blog/first-loaf"),
            ('open "about"', "about"),
            ("go to the contact page", "contact"),
            ("I need the about page", "about"),
            ("make changes to the about page", "about"),
            ("Manage contact", "contact"),
        )
    ],
    ("editor", "read_page"): [
        (text, {})
        for text in (
            "Read the page",
            "read it",
            "Show me the page",
            "show it",
            "print the text",
            "What does it say?",
            "what does the page say?",
            "What is on the page?",
            "let me see it",
            "See the page",
            "How does it read now?",
            "Please read it to me",
            "display the contents",
        )
    ],
    ("editor", "leave_page"): [
        (text, {})
        for text in (
            "Leave the page",
            "leave",
            "close it",
            "Close the page",
            "go back",
            "Back to the list",
            "another page",
            "Open another page, please",
            "wrong page",
            "Oops, wrong page",
            "nothing",
            "Leave it as it is",
            "never mind",
            "cancel",
            "I'm done",
        )
    ],
    ("editor", "review"): [
        (text, {})
        for text in (
            "Review the change",
            "review it",
            "check my changes",
            "Have it reviewed",
            "Show me the changes",
            "show the diff",
            "see what changed",
            "What has changed?",
            "to the reviewer",
            "That's all",
            "that is it",
            "ready",
            "finished",
            "publish it",
            "Save",
        )
    ],
    ("editor", "set_layout"): [
        (text, {"layout": "wide"})
        for text in (
            "Use the wide layout",
            "use the layout wide",
            "set the layout to wide",
            "Change the layout to wide, please",
            "switch to the wide layout",
            "switch the layout to wide",
            "layout: wide",
            "layout = wide",
            "layout wide",
            "Make the layout wide",
            "Can you apply the wide layout?",
            'I want the "wide" layout',
            "the layout should be wide",
            "give it the WIDE layout",
            "lay it out as wide",
            "set the page's layout to wide",
        )
    ],
    ("editor", "change_setting"): [
        (text, {"key": key, "value": value})
        for text, key, value in (
            ("Set the title to Who we are", "title", "Who we are"),
            ('set title to "Who we are"', "title", "Who we are"),
            ("Change the title to Who we are.", "title", "Who we are"),
            ("update the phone to +351 21 111", "phone", "+351 21 111"),
            ("title: Who we are", "title", "Who we are"),
            ("title = Who we are", "title", "Who we are"),
            ("set draft = false", "draft", "false"),
            ("make the author Rui", "author", "Rui"),
            ("the author should be Rui", "author", "Rui"),
            ('Put "Rui" as the author', "author", "Rui"),
            ("Rename it to Who we are", "title", "Who we are"),
            ("call the page Who we are", "title", "Who we are"),
            ("Give it the title 'Who we are'", "title", "Who we are"),
            ("Mark it as a draft", "draft", "true"),
            ("make it a draft", "draft", "true"),
            ("mark it as no draft", "draft", "false"),
            ("it is no longer a draft", "draft", "false"),
            ("set the setting author to Rui", "author", "Rui"),
        )
    ],
    ("editor", "replace_text"): [
        (text, {"old": "a small oven", "new": new})
        for text, new in (
            ('Replace "a small oven" with "a big oven"', "a big oven"),
            ("replace 'a small oven' by 'a big oven'", "a big oven"),
            ("replace a small oven with a big oven", "a big oven"),
            ("Please replace the words “a small oven” with “a big oven”.", "a big oven"),
            ('change "a small oven" to "a big oven"', "a big oven"),
            ('Change the text "a small oven" into "a big oven"', "a big oven"),
            ('turn "a small oven" into "a big oven"', "a big oven"),
            ('rewrite "a small oven" as "a big oven"', "a big oven"),
            ('correct "a small oven" to "a big oven"', "a big oven"),
            ('swap "a small oven" for "a big oven"', "a big oven"),
            ('make "a small oven" read "a big oven"', "a big oven"),
            ('instead of "a small oven" write "a big oven"', "a big oven"),
            ('write "a big oven" instead of "a small oven"', "a big oven"),
            ('where it says "a small oven", put "a big oven"', "a big oven"),
            ('"a small oven" should be "a big oven"', "a big oven"),
            ('"a small oven" -> "a big oven"', "a big oven"),
            ("s/a small oven/a big oven/", "a big oven"),
            ('Replace "a small oven" with "one, or\ntwo ovens"', "one, or\ntwo ovens"),
            ('delete "a small oven"', ""),
            ('Remove the words "a small oven", please.', ""),
            ('get rid of "a small oven"', ""),
        )
    ],
    ("reviewer", "publish"): [
        (text, {})
        for text in (
            "Publish it",
            "publish",
            "Please publish the change",
            "yes",
            "Yes, publish it!",
            "OK",
            "go ahead",
            "Do it",
            "save it",
            "accept the change",
            "ship it",
            "approve",
            "Looks good to me",
            "it looks fine",
            "make it live",
            "put it online",
        )
    ],
    ("reviewer", "drop"): [
        (text, {})
        for text in (
            "Drop it",
            "drop",
            "discard the change",
            "undo that",
            "No",
            "no, drop it",
            "cancel",
            "reject it",
            "revert",
            "forget it",
            "never mind",
            "throw it away",
            "don't publish it",
            "I don't like it",
            "leave it as it was",
        )
    ],
    ("reviewer", "go_on"): [
        (text, {})
        for text in (
            "Go on",
            "go on editing",
            "keep editing",
            "continue",
            "carry on with the editing",
            "back to editing",
            "more changes",
            "I want more changes",
            "one more change",
            "another change, please",
            "change something else",
            "not yet",
            "Wait",
            "edit more",
            "one more thing",
        )
    ],
    ("reviewer", "show_change"): [
        (text, {})
        for text in (
            "Show it again",
            "show me",
            "show the change",
            "Show me the diff again",
            "what changed?",
            "What has changed?",
            "what did I change?",
            "diff",
            "the difference",
            "what is the change?",
            "review it again",
            "What will be published?",
            "display the changes",
        )
    ],
}

ROWS = [
    pytest.param(assistant, tool, text, arguments, id=f"{tool}-{number}")
    for (assistant, tool), phrases in PHRASES.items()
    for number, (text, arguments) in enumerate(phrases)
]


@pytest.mark.parametrize(("assistant", "tool", "text", "arguments"), ROWS)
def test_a_phrase_is_understood(assistant: str, tool: str, text: str, arguments: dict[str, str]) -> None:
    """The phrase makes exactly this call, whose arguments the tool accepts."""
    (asked,) = ask(assistant, UserMessage("m1", text)).calls
    accepted = flow.tools_of(assistant)[asked.tool].parse(asked.arguments)

    assert (tool, arguments, arguments) == (asked.tool, json.loads(asked.arguments), accepted)


@pytest.mark.parametrize(("assistant", "tool"), PHRASES)
def test_every_action_has_a_dozen_phrasings(assistant: str, tool: str) -> None:
    """No action is understood in one wording only."""
    assert len({text.lower() for text, _ in PHRASES[assistant, tool]}) >= 12


def test_every_tool_has_phrasings() -> None:
    """Whatever the flow can do, the offline rules can be asked for."""
    assert {(name, tool) for name in flow.assistants for tool in flow.tools_of(name)} == set(PHRASES)


@pytest.mark.parametrize("assistant", list(flow.assistants))
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hello", id="greeting"),
        pytest.param("What is the weather like?", id="off-topic"),
        pytest.param("", id="empty"),
        pytest.param("   \n", id="blank"),
        pytest.param("please", id="politeness"),
        pytest.param("I would not publish this, would you?", id="half-a-wish"),
        pytest.param("do not drop it", id="a-wish-denied"),
        pytest.param("If I said drop it and publish it, what then", id="two-wishes"),
        pytest.param("🍞" * 50, id="emoji"),
        pytest.param("\0", id="nul"),
        pytest.param("please " * 5000 + "x", id="long-politeness"),
        pytest.param('"' * 2000, id="many-quotes"),
        pytest.param("rewrite " + '"a" as ' * 500, id="many-keywords"),
    ],
)
def test_what_is_not_understood_changes_nothing(assistant: str, text: str) -> None:
    """An unknown phrasing makes no call; the reply names the abilities."""
    answer = ask(assistant, UserMessage("m1", text))

    assert ((), f"I did not understand that. {rules.abilities(assistant)}") == (answer.calls, answer.text)


def output(tool: str, text: str) -> Output:
    return Output(1, 1, "call_1", tool, text)


HANDOFF = Note("handoff", "You are someone.")


@pytest.mark.parametrize(
    ("assistant", "due", "text"),
    [
        pytest.param("welcome", [output("list_pages", "about")], "The pages are:\nabout\nWhich one", id="list_pages"),
        pytest.param("welcome", [output("open_page", "There is no page.")], "There is no page.", id="open_page-failed"),
        pytest.param("editor", [output("open_page", "a is open."), HANDOFF], "a is open. What shall", id="open_page"),
        pytest.param("editor", [output("read_page", "# About")], "# About", id="read_page"),
        pytest.param("editor", [output("set_layout", "No layout x.")], "No layout x.", id="set_layout-failed"),
        pytest.param("editor", [output("go_on", "Kept."), HANDOFF], "Kept. What else shall", id="go_on"),
        pytest.param("reviewer", [output("set_layout", "+x"), HANDOFF], "+x\nShall I publish it", id="set_layout"),
        pytest.param("reviewer", [output("publish", "Conflict.")], "Conflict.", id="publish-failed"),
        pytest.param("welcome", [output("publish", "Done."), HANDOFF], "Done. Which page is next?", id="publish"),
        pytest.param("welcome", [output("drop", "Dropped."), HANDOFF], "Dropped. Which page is next?", id="drop"),
        pytest.param("welcome", [output("leave_page", "Left."), HANDOFF], "Left. Which page is next?", id="leave_page"),
    ],
)
def test_outputs_are_told(assistant: str, due: list[Any], text: str) -> None:
    """What a tool gave is said by whoever is active, with the question that comes next; a failure as it is."""
    answer = ask(assistant, *due)

    assert ((), True) == (answer.calls, answer.text.startswith(text))


def test_a_reviewer_reminded_by_silence_shows_the_change() -> None:
    """Handed over to without an output, the reviewer looks at the change first."""
    answer = ask("reviewer", HANDOFF)

    assert ("There is an unpublished change.", ["show_change"]) == (answer.text, [one.tool for one in answer.calls])
