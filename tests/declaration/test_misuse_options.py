"""Misuse of the options of a tool or an assistant: what it sets and clears, when, how long, with whose leave."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from handoff.declaration.flow import Flow
from handoff.declaration.metadata import FromMetadata, Pending
from tests.declaration.misuse import (
    Named,
    PageId,
    Site,
    assert_refused,
    declare,
    new_flow,
    say,
)

# -- effects on metadata -----------------------------------------------------------------------------------------------


def set_page(page_id: PageId) -> str:
    """Set the page."""
    return page_id


def sets_no_field() -> None:
    declare(set_page, sets="page")


def clears_no_field() -> None:
    declare(set_page, clears=("page_id", "page"))


def sets_a_field_of_another_type() -> None:
    def count(visits: str) -> str:
        """Count."""
        return visits

    declare(count, sets="visits")


def clears_a_field_that_cannot_be_none() -> None:
    declare(say, clears="visits")


def sets_and_clears_the_same() -> None:
    declare(set_page, sets="page_id", clears="page_id")


def sets_what_nobody_can_assign() -> None:
    declare(say, sets="page_id")


def sets_what_the_base_does_not_have() -> None:
    def rename(named: Named) -> str:
        """Rename."""
        return named.name or ""

    declare(rename, sets="page_id")


def sets_what_a_pending_body_cannot_assign() -> None:
    def later(site: Site) -> Pending:
        """Do it later."""
        return Pending(site.page_id or "")

    declare(later, sets="page_id")


def reads_no_field() -> None:
    def show(page: FromMetadata[str]) -> str:
        """Show."""
        return page

    declare(show)


def reads_a_field_of_another_type() -> None:
    def show(visits: FromMetadata[str]) -> str:
        """Show."""
        return visits

    declare(show)


# -- options -----------------------------------------------------------------------------------------------------------


def option_of_a_flow() -> None:
    Flow("desk", metdata=Site)  # type: ignore[arg-type]


def option_of_an_assistant() -> None:
    new_flow()[0].assistant("third", instructions="", temprature=1)  # type: ignore[arg-type]


def option_of_a_tool() -> None:
    declare(say, approve=True)


def option_of_then() -> None:
    _, first, second = new_flow()
    first.then(second, speek=False)  # type: ignore[arg-type]


def option_of_after() -> None:
    _, first, second = new_flow()
    first.after(timedelta(1), to=second, times=3)  # type: ignore[arg-type]


def tool_without_parentheses() -> None:
    new_flow()[1].tool(say)  # type: ignore[arg-type]


def flow_tool_without_parentheses() -> None:
    new_flow()[0].tool(say)  # type: ignore[arg-type]


def timeout(seconds: Any) -> Callable[[], None]:
    return lambda: declare(say, timeout=seconds)


def idempotent_maybe() -> None:
    declare(say, idempotent="yes")


def speak_without_destination() -> None:
    declare(say, speak=False)


def speak_of_another_kind() -> None:
    declare(say, to="second", speak="loud")


def speak_the_output_of_silence() -> None:
    _, first, second = new_flow()
    first.after(timedelta(1), to=second, speak="output")  # type: ignore[arg-type]


def temperature_too_high() -> None:
    new_flow()[0].assistant("third", instructions="", temperature=3)


def no_output_tokens() -> None:
    new_flow()[0].assistant("third", instructions="", max_output_tokens=0)


def choice_of_a_tool_it_does_not_have() -> None:
    flow, _, _ = new_flow()
    flow.assistant("third", instructions="", tool_choice="sya")
    flow.freeze()


def limits_of_another_kind() -> None:
    Flow("desk", limits=10)  # type: ignore[arg-type]


def approval(policy: Any) -> Callable[[], None]:
    return lambda: declare(set_page, approval=policy)


async def async_policy(page_id: str) -> bool:
    return page_id == ""


def policy_of_another_parameter(page: str) -> bool:
    return page == ""


def policy_of_another_type(page_id: int) -> bool:
    return page_id == 0


def policy_that_returns_text(page_id: str) -> str:
    return page_id


def probe_that_returns_a_bool() -> None:
    def happened(page_id: str) -> bool:
        return page_id == ""

    declare(set_page, probe=happened)


MISUSES = [
    pytest.param(sets_no_field, "has no such field: its fields are name, page_id", id="sets-no-field"),
    pytest.param(clears_no_field, "clears='page', but Site has no such field", id="clears-no-field"),
    pytest.param(sets_a_field_of_another_type, "sets visits from str, but the field is int", id="sets-other-type"),
    pytest.param(clears_a_field_that_cannot_be_none, "declare it `int | None`", id="clears-no-none"),
    pytest.param(sets_and_clears_the_same, "keep one", id="sets-and-clears"),
    pytest.param(sets_what_nobody_can_assign, "take `metadata: Site` and assign it", id="sets-unassignable"),
    pytest.param(sets_what_the_base_does_not_have, "take `metadata: Site`", id="sets-not-in-the-base"),
    pytest.param(sets_what_a_pending_body_cannot_assign, "make it an argument", id="sets-and-pending"),
    pytest.param(reads_no_field, "reads a field that Site does not have", id="reads-no-field"),
    pytest.param(reads_a_field_of_another_type, "reads str, but Site.visits is int", id="reads-other-type"),
    pytest.param(option_of_a_flow, "did you mean metadata=?", id="option-of-flow"),
    pytest.param(option_of_an_assistant, "did you mean temperature=?", id="option-of-assistant"),
    pytest.param(option_of_a_tool, "no option approve=", id="option-of-tool"),
    pytest.param(option_of_then, "did you mean speak=?", id="option-of-then"),
    pytest.param(option_of_after, "no option times=", id="option-of-after"),
    pytest.param(tool_without_parentheses, "write @first.tool() with parentheses", id="no-parentheses"),
    pytest.param(flow_tool_without_parentheses, "write @flow.tool(...)", id="flow-no-parentheses"),
    pytest.param(timeout(-1), "give seconds above zero", id="timeout-negative"),
    pytest.param(timeout(0), "give seconds above zero", id="timeout-zero"),
    pytest.param(timeout(math.nan), "give seconds above zero", id="timeout-nan"),
    pytest.param(timeout(True), "give seconds above zero", id="timeout-true"),
    pytest.param(idempotent_maybe, "give True or False", id="idempotent-text"),
    pytest.param(speak_without_destination, "no new assistant to speak", id="speak-without-to"),
    pytest.param(speak_of_another_kind, "give True, False or 'output'", id="speak-loud"),
    pytest.param(speak_the_output_of_silence, "has no output to speak", id="speak-output-of-silence"),
    pytest.param(temperature_too_high, "a number from 0 to 2", id="temperature"),
    pytest.param(no_output_tokens, "a whole number above zero", id="max-output-tokens"),
    pytest.param(choice_of_a_tool_it_does_not_have, "give one of auto, none, required", id="tool-choice"),
    pytest.param(limits_of_another_kind, "give handoff.Limits", id="limits"),
    pytest.param(approval(async_policy), "is async: write a plain function", id="approval-async"),
    pytest.param(approval(policy_of_another_parameter), "which set_page itself does not take", id="approval-parameter"),
    pytest.param(approval(policy_of_another_type), "as int, but there it is str", id="approval-type"),
    pytest.param(approval(policy_that_returns_text), "must return bool", id="approval-return"),
    pytest.param(approval("yes"), "give a function of some of its parameters", id="approval-text"),
    pytest.param(probe_that_returns_a_bool, "must return str | None", id="probe-return"),
]


@pytest.mark.parametrize(("misuse", "words"), MISUSES)
def test_misuse_is_refused_at_definition(misuse: Callable[[], None], words: str) -> None:
    """The error names the line first and then says what to do."""
    assert_refused(misuse, words, __file__)
