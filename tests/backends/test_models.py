"""Scripted models go by their script and say where a conversation did not; offline rules take whole messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage
from handoff.declaration.assistants import Assistant
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import ToolCall
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.errors import DefinitionError
from handoff.models import Answer, RuleModel, ScriptedModel, ScriptMismatch, call


def prompt(assistant: str, *transcript: Item, due: tuple[Item, ...] = (), tools: tuple[str, ...] = ()) -> Prompt:
    offered = tuple(OfferedTool(name, "", {}) for name in tools)
    return Prompt(assistant, "", offered, transcript, due)


def spoken(assistant: str, text: str = "said", *calls: Asked) -> Spoken:
    return Spoken(assistant, 1, text, calls)


def output(tool: str, text: str) -> Output:
    return Output(1, 1, "call_1", tool, text)


def user(text: str) -> UserMessage:
    return UserMessage("m1", text)


def open_page(page_id: str) -> str:
    """Open a page."""
    return page_id


# -- call --------------------------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"


class Size(BaseModel):
    width: int


def some_assistant(name: str = "editor") -> Assistant[Any]:
    return Flow("demo").assistant(name, instructions="Edit.")


@pytest.mark.parametrize(
    ("asked", "arguments"),
    [
        pytest.param(call(open_page, page_id="about"), {"page_id": "about"}, id="function"),
        pytest.param(call("open_page"), {}, id="name"),
        pytest.param(call("open_page", colour=Colour.RED), {"colour": "red"}, id="enum"),
        pytest.param(call("open_page", size=Size(width=3)), {"size": {"width": 3}}, id="model"),
        pytest.param(call("open_page", to=some_assistant()), {"to": "editor"}, id="assistant"),
        pytest.param(call("open_page", text="\ud800"), {"text": "\ud800"}, id="half-a-character"),
    ],
)
def test_call_writes_arguments_as_json(asked: Asked, arguments: dict[str, Any]) -> None:
    """A call is written as a model writes it: the tool's name, and one JSON object."""
    assert ("open_page", arguments) == (asked.tool, json.loads(asked.arguments))


def test_call_writes_raw_arguments_as_they_are() -> None:
    """Malformed arguments can be scripted."""
    assert '{"x":' == call("open_page", raw='{"x":').arguments


def test_call_refuses_raw_beside_arguments() -> None:
    """Raw text replaces the arguments, so both together are refused."""
    with pytest.raises(ValueError, match="raw= replaces the arguments page_id"):
        call("open_page", raw="{}", page_id="about")


# -- ScriptedModel -----------------------------------------------------------------------------------------------------

ASKED = call(open_page, page_id="about")


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        pytest.param("Which page?", Answer("Which page?"), id="reply"),
        pytest.param(ASKED, Answer(calls=(ASKED,)), id="call"),
        pytest.param((ASKED, ASKED), Answer(calls=(ASKED, ASKED)), id="batch"),
        pytest.param(Answer("I open it.", (ASKED,)), Answer("I open it.", (ASKED,)), id="both"),
    ],
)
def test_a_step_becomes_an_answer(step: Any, answer: Answer) -> None:
    """A step is a reply, a call, a batch or an answer with both."""
    model = ScriptedModel({"welcome": [step]})

    assert answer == model.answer(prompt("welcome", tools=("open_page",)))


def test_the_step_is_picked_by_the_assistants_own_turns() -> None:
    """A model made anew goes on where the transcript stands: only the assistant's own turns count."""
    model = ScriptedModel({"welcome": ["one", "two", "three"], "editor": ["other"]})

    answer = model.answer(
        prompt("welcome", spoken("welcome"), spoken("editor"), due=(spoken("welcome"), user("go on")))
    )

    assert Answer("three") == answer


def test_a_script_may_name_assistants_as_objects() -> None:
    """The key of a script is an assistant or its name."""
    model = ScriptedModel({some_assistant("welcome"): ["hello"]})

    assert Answer("hello") == model.answer(prompt("welcome"))


def test_an_exception_fails_the_request_once() -> None:
    """After a scripted failure the next request gets the step that follows it, although nothing was spoken."""
    model = ScriptedModel({"welcome": ["one", TimeoutError("slow"), "two"]})
    asked = prompt("welcome", spoken("welcome"))
    with pytest.raises(TimeoutError, match="slow"):
        model.answer(asked)

    assert Answer("two") == model.answer(asked)


def test_an_exception_does_not_shift_the_steps_after_it() -> None:
    """A script with a failure in it goes on by turns spoken, also in a process that has not seen the failure."""
    model = ScriptedModel({"welcome": [TimeoutError("slow"), "one", "two"]})

    assert Answer("two") == model.answer(prompt("welcome", spoken("welcome")))


def test_the_model_keeps_the_prompts_it_was_shown() -> None:
    """A test can look at what was offered."""
    model = ScriptedModel({"welcome": ["hello"]})
    asked = prompt("welcome", tools=("open_page",))
    model.answer(asked)

    assert [asked] == model.prompts


def test_a_turn_without_a_step_fails_and_shows_what_was_offered() -> None:
    """A turn the script does not have is an error that says after what it came and which tools there were."""
    model = ScriptedModel({"welcome": ["hello"]})

    with pytest.raises(
        ScriptMismatch, match=r"editor has no step for its turn 1 after the user.s .*; it was offered open_page"
    ):
        model.answer(prompt("editor", user("hi"), tools=("open_page",)))


def test_a_call_of_a_tool_that_is_not_offered_fails() -> None:
    """A strict script calls only what it is offered."""
    model = ScriptedModel({"welcome": [ASKED]})

    with pytest.raises(
        ScriptMismatch, match="welcome calls open_page, which it is not offered; it was offered no tools"
    ):
        model.answer(prompt("welcome"))


def test_a_script_that_is_not_strict_calls_what_it_likes() -> None:
    """What a wayward model does can be scripted."""
    model = ScriptedModel({"welcome": [ASKED, "unused"]}, strict=False)
    model.answer(prompt("welcome"))
    model.close()

    assert 1 == len(model.prompts)


def test_close_reports_steps_nobody_came_to() -> None:
    """An unused step is an error at the end."""
    model = ScriptedModel({"welcome": ["hello", "bye"], "editor": []})
    model.answer(prompt("welcome"))

    with pytest.raises(ScriptMismatch, match=r"^welcome did not come to 'bye'$"):
        model.close()


def test_close_reports_a_turn_that_differed() -> None:
    """A mismatch that only ended a run as failed comes up again at the end."""
    model = ScriptedModel({})
    with pytest.raises(ScriptMismatch):
        model.answer(prompt("welcome"))

    with pytest.raises(ScriptMismatch, match="welcome has no step"):
        model.close()


def test_a_second_close_reports_nothing() -> None:
    """A model is closed once."""
    model = ScriptedModel({"welcome": ["hello"]})
    with pytest.raises(ScriptMismatch):
        model.close()

    model.close()


# -- RuleModel ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def rules() -> RuleModel:
    """Rules of a flow with two assistants."""
    flow = Flow("demo")
    welcome = flow.assistant("welcome", instructions="Ask.")
    editor = flow.assistant("editor", instructions="Edit.")
    model = RuleModel(flow)

    @model.when(welcome, r"edit (?P<page>[\w/-]+)", r"(?P<page>\w+) please")
    def ask_to_edit(match: Any) -> Asked:
        """Edit PAGE."""
        return call(open_page, page_id=match["page"])

    @model.when(welcome, r"edit .*")
    def ask_for_more(_match: Any) -> tuple[Asked, Asked]:
        """Edit PAGE."""
        return (call("one"), call("two"))

    @model.when(welcome, "hello")
    def greet(_match: Any) -> str:
        """Say hello.

        And more, for who reads the code.
        """
        return "Good day."

    @model.after(editor, open_page)
    def opened(text: str) -> str:
        return f"{text} What now?"

    @model.started(editor)
    def started(note: str) -> Answer:
        return Answer(f"({note})")

    return model


TOOLS = ("open_page", "one", "two")
HANDOFF = Note("handoff", "You are editor.")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("edit about", Answer(calls=(ASKED,)), id="first-pattern"),
        pytest.param("  EDIT about\n", Answer(calls=(ASKED,)), id="case-and-blanks"),
        pytest.param("about please", Answer(calls=(ASKED,)), id="second-pattern"),
        pytest.param("edit this and that", Answer(calls=(call("one"), call("two"))), id="later-rule"),
        pytest.param("hello", Answer("Good day."), id="reply"),
    ],
)
def test_the_first_rule_that_matches_answers(rules: RuleModel, text: str, answer: Answer) -> None:
    """Rules are tried in order, patterns in order, on the whole message."""
    assert answer == rules.answer(prompt("welcome", due=(user(text),), tools=TOOLS))


@pytest.mark.parametrize(
    ("assistant", "text"),
    [
        pytest.param("welcome", "please do edit about", id="part-of-a-message"),
        pytest.param("welcome", "", id="empty"),
        pytest.param("editor", "edit about", id="of-another-assistant"),
    ],
)
def test_a_message_no_rule_takes_calls_nothing(rules: RuleModel, assistant: str, text: str) -> None:
    """What is not understood changes nothing; the reply names the abilities."""
    answer = rules.answer(prompt(assistant, due=(user(text),), tools=TOOLS))

    assert Answer(f"I did not understand that. {rules.abilities(assistant)}") == answer


def test_only_the_last_new_message_counts(rules: RuleModel) -> None:
    """Messages answered before, and earlier ones of several new, are left aside."""
    transcript = (user("edit about"), spoken("welcome"))
    answer = rules.answer(prompt("welcome", *transcript, due=(user("edit about"), user("hello")), tools=TOOLS))

    assert Answer("Good day.") == answer


def test_a_call_that_is_not_offered_is_not_made(rules: RuleModel) -> None:
    """A rule cannot call what the assistant is not offered now; the reply says so."""
    answer = rules.answer(prompt("welcome", due=(user("edit about"),)))

    assert ((), True) == (answer.calls, answer.text.startswith("That cannot be done now (open_page)."))


@pytest.mark.parametrize(
    ("assistant", "due", "text"),
    [
        pytest.param("editor", (output("open_page", "It is open."), HANDOFF), "It is open. What now?", id="after"),
        pytest.param(
            "editor", (output("open_page", "A"), output("open_page", "B"), HANDOFF), "A\nB What now?", id="after-two"
        ),
        pytest.param("welcome", (output("open_page", "No such page."),), "No such page.", id="output-no-rule-takes"),
        pytest.param("editor", (output("read_page", "Text."), HANDOFF), "Text.", id="output-before-started"),
        pytest.param("editor", (HANDOFF,), "(You are editor.)", id="started"),
        pytest.param("editor", (Note("late", "Result: 3"),), "Result: 3", id="late-result"),
        pytest.param("editor", (Note("late", "Result: 3"), HANDOFF), "Result: 3", id="late-result-before-started"),
        pytest.param("editor", (), "I have no rules for what users say here.", id="nothing-new"),
    ],
)
def test_what_is_new_besides_messages_is_answered(
    rules: RuleModel, assistant: str, due: tuple[Item, ...], text: str
) -> None:
    """Outputs go to their rule or are read out, results that come late are read out, a bare handoff starts."""
    assert Answer(text) == rules.answer(prompt(assistant, spoken("welcome"), due=due))


@pytest.fixture
def passing() -> RuleModel:
    """Rules of a flow whose second assistant takes up what was said to the first."""
    flow = Flow("demo")
    welcome = flow.assistant("welcome", instructions="Ask.")
    editor = flow.assistant("editor", instructions="Edit.")
    model = RuleModel(flow)
    model.hears(editor, open_page)

    @model.when(editor, ".*", offered=one)
    def ask_first(_match: Any) -> Asked:
        """SAY who you are."""
        return call(one)

    @model.when(editor, "shorten it")
    @model.when(welcome, "hello")
    def shorten(_match: Any) -> str:
        """I want it shorter."""
        return "It is shorter."

    return model


def one() -> str:
    """A tool."""
    return ""


def test_what_was_said_is_heard_again_after_a_handoff(passing: RuleModel) -> None:
    """After the calls named by `hears` the last user message counts as if it came just now."""
    said = (user("shorten it"), spoken("welcome"))
    answer = passing.answer(prompt("editor", *said, due=(output("open_page", "It is open."), HANDOFF)))

    assert Answer("It is shorter.") == answer


def test_without_a_user_message_nothing_is_heard(passing: RuleModel) -> None:
    """A handoff that no user brought about is answered with the abilities."""
    answer = passing.answer(prompt("editor", due=(output("open_page", "It is open."), HANDOFF)))

    assert answer.text.startswith("I did not understand that.")


@pytest.mark.parametrize(
    ("tools", "answer"),
    [
        pytest.param(("one",), Answer(calls=(call(one),)), id="offered"),
        pytest.param((), Answer("It is shorter."), id="not offered"),
    ],
)
def test_a_rule_may_apply_only_while_a_tool_is_offered(
    passing: RuleModel, tools: tuple[str, ...], answer: Answer
) -> None:
    """Else the rules behind it are tried."""
    assert answer == passing.answer(prompt("editor", due=(user("shorten it"),), tools=tools))


def test_assistants_of_a_consulted_flow_go_by_the_rules_of_that_flow() -> None:
    """A server asks one model for all assistants it is told of, those of side rooms included."""
    law, legal, shop = Flow("law"), Flow("legal"), Flow("shop")
    judge = law.assistant("judge", instructions="Decide.")
    clerk = legal.assistant("clerk", instructions="Ask the judge.")
    seller = shop.assistant("seller", instructions="Ask the clerk.")

    def ask(asked: ToolCall) -> str:
        """Ask."""
        return asked.id

    clerk.tool(consults=law)(ask)
    seller.tool(consults=legal)(ask)
    for flow, assistant in ((law, judge), (legal, clerk), (shop, seller)):
        RuleModel(flow).when(assistant, "who")(_named(assistant.name))

    names = [shop.offline.answer(prompt(name, due=(user("who"),))).text for name in ("seller", "clerk", "judge")]

    assert ["seller", "clerk", "judge"] == names


def _named(name: str) -> Callable[[Any], str]:
    def say(_match: Any) -> str:
        """Who."""
        return name

    return say


def test_hearing_after_no_tool_is_refused(passing: RuleModel) -> None:
    """A declaration that can have no effect is a mistake."""
    flow = Flow("demo")
    only = flow.assistant("only", instructions="Ask.")
    with pytest.raises(DefinitionError, match="only hears after no tool"):
        RuleModel(flow).hears(only)
    with pytest.raises(DefinitionError, match="is of another flow"):
        passing.hears(only, one)


def test_words_in_capitals_stay_so_within_a_sentence(passing: RuleModel) -> None:
    """What stands for something else, and the word I, are not made small."""
    assert "I understand: SAY who you are; I want it shorter." == passing.abilities("editor")


def test_a_message_counts_before_outputs(rules: RuleModel) -> None:
    """A message that arrives with outputs is what is answered."""
    answer = rules.answer(prompt("welcome", due=(output("open_page", "No."), user("hello"))))

    assert Answer("Good day.") == answer


def test_abilities_are_named_once_each(rules: RuleModel) -> None:
    """The first lines of the rules' docstrings are the abilities, without repeats."""
    assert "I understand: edit PAGE; say hello." == rules.abilities("welcome")


def test_rules_say_that_they_are_no_ai(rules: RuleModel) -> None:
    """The description says what answers, and what it understands of each assistant that has rules."""
    first, _, *rest = rules.describe().splitlines()

    assert ("demo answers by fixed rules here, not by an AI.", ["welcome:", "  - Edit PAGE", "  - Say hello"]) == (
        first,
        rest,
    )


def test_rules_register_with_their_flow() -> None:
    """The flow knows its offline rules."""
    flow: Any = Flow("demo")
    flow.assistant("welcome", instructions="Ask.")
    model = RuleModel(flow)

    assert model is flow.offline


def documented(_match: Any) -> str:
    """Say something."""
    return ""


def undocumented(_match: Any) -> str:
    return ""


def twice(model: RuleModel, assistant: Any) -> None:
    model.started(assistant)(str)
    model.started(assistant)


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        pytest.param(lambda model, own, _: model.when(own, "(")(documented), "is no regular expression", id="pattern"),
        pytest.param(lambda model, own, _: model.when(own)(documented), "has no pattern", id="no-pattern"),
        pytest.param(lambda model, own, _: model.when(own, "x")(undocumented), "has no docstring", id="no-docstring"),
        pytest.param(lambda model, _, other: model.when(other, "x"), "is of another flow", id="when-elsewhere"),
        pytest.param(lambda model, _, other: model.after(other, open_page), "is of another flow", id="after-elsewhere"),
        pytest.param(lambda model, _, other: model.started(other), "is of another flow", id="started-elsewhere"),
        pytest.param(lambda model, own, _: model.after(own), "names no tool", id="no-tool"),
        pytest.param(lambda model, own, _: twice(model, own), "has a started rule already", id="started-twice"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(declare: Callable[..., object], problem: str) -> None:
    """A misdeclared rule is refused where it is written, with file and line."""
    flow = Flow("demo")
    own, other = flow.assistant("welcome", instructions="Ask."), some_assistant()

    with pytest.raises(DefinitionError, match=rf"test_models\.py:\d+: .*{problem}"):
        declare(RuleModel(flow), own, other)
