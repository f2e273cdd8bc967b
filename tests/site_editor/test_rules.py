"""What the offline rules of the site editor understand, phrase by phrase, and that they do nothing about all else."""

from __future__ import annotations

from typing import Any

import pytest

from flows.site_editor import flow, rules
from handoff.core.items import Note, Output, Spoken, UserMessage
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.models import Answer
from tests.site_editor.phrases import PHRASES


def ask(assistant: str, *due: Any) -> Answer:
    """What the rules answer; every tool of the assistant is offered."""
    tools = tuple(OfferedTool(name, tool.description, tool.schema) for name, tool in flow.tools_of(assistant).items())
    return rules.answer(Prompt(assistant, "", tools, (Spoken(assistant, 1, "Yes?"),), due))


ROWS = [
    pytest.param(assistant, tool, text, arguments, id=f"{tool}-{number}")
    for (assistant, tool), phrases in PHRASES.items()
    for number, (text, arguments) in enumerate(phrases)
]


@pytest.mark.parametrize(("assistant", "tool", "text", "arguments"), ROWS)
def test_a_phrase_is_understood(assistant: str, tool: str, text: str, arguments: dict[str, Any]) -> None:
    """The phrase makes exactly this call, whose arguments the tool accepts."""
    (asked,) = ask(assistant, UserMessage("m1", text)).calls
    accepted = flow.tools_of(assistant)[asked.tool].parse(asked.arguments)

    said = {name: one for name, one in accepted.items() if one or name in arguments}

    assert (tool, {name: one for name, one in arguments.items() if one or name in said}) == (asked.tool, said)


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
        pytest.param("move " + "a before " * 500, id="many-places"),
        pytest.param("x = y", id="no-setting-of-pages"),
        pytest.param("make the oven bigger", id="a-wish-for-the-oven"),
        pytest.param("the oven should be bigger", id="another-wish-for-the-oven"),
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
        pytest.param("editor", [output("undo", "Left:\n+x"), HANDOFF], "Left:\n+x\nWhat else shall", id="undo"),
        pytest.param("reviewer", [output("move_section", "+x"), HANDOFF], "+x\nShall I publish it", id="move_section"),
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
