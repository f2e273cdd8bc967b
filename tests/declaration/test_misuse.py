"""Every misuse of a flow is refused where it is declared: file and line first, then what to do."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, PrivateAttr, StringConstraints

from handoff.declaration.flow import Assistant, Flow
from handoff.declaration.metadata import Deps, FromMetadata, Go, Metadata, Pending, ToolCall
from handoff.errors import DefinitionError
from handoff.limits import Limits

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]


class Address(BaseModel):
    city: str


class Named(Metadata):
    name: str | None = None


class Site(Named):
    page_id: PageId | None = None
    tags: list[str] | None = None
    visits: int = 0
    address: Address | None = None


class Order(Metadata):
    number: int | None = None


class Pages(Deps):
    pass


class Shops(Deps):
    pass


class Plain:
    pass


@dataclasses.dataclass
class Point:
    x: int


def fixed(site: Site) -> bool:
    """The page is fixed."""
    return site.page_id is not None


def new_flow() -> tuple[Flow[Site, Pages], Assistant[Site], Assistant[Site]]:
    flow = Flow("desk", metadata=Site, deps=Pages)
    return flow, flow.assistant("first", instructions="Ask."), flow.assistant("second", instructions="Answer.")


def declare(function: Callable[..., Any], **options: Any) -> None:
    """Declare a function as a tool of the first assistant, leading to the second where `to` says so."""
    _, first, second = new_flow()
    options = {name: second if value == "second" else value for name, value in options.items()}
    first.tool(**options)(function)


# -- names -------------------------------------------------------------------------------------------------------------


def assistant_named(name: Any) -> Callable[[], None]:
    return lambda: new_flow()[0].assistant(name, instructions="") and None


def tool_with_a_reserved_name() -> None:
    def state() -> str:
        """Say."""
        return ""

    declare(state)


def tool_named_like_nothing_a_backend_takes() -> None:
    def größe() -> str:  # noqa: PLC2401  (the name is what is refused)
        """Say."""
        return ""

    declare(größe)


def flow_named_like_no_identifier() -> None:
    Flow("my flow")


def assistant_declared_twice() -> None:
    flow, _, _ = new_flow()
    flow.assistant("first", instructions="")


def say() -> str:
    """Say something."""
    return "said"


def tool_declared_twice() -> None:
    _, first, _ = new_flow()
    first.tool()(say)
    first.tool()(say)


def tool_declared_for_one_and_for_all() -> None:
    flow, first, _ = new_flow()
    first.tool()(say)
    flow.tool()(say)
    flow.freeze()


# -- destinations ------------------------------------------------------------------------------------------------------


def destination_of_another_flow() -> None:
    other = Flow("shop", metadata=Order).assistant("seller", instructions="Sell.")
    declare(say, to=other)


def destination_of_a_twin() -> None:
    _, _, twin = new_flow()
    declare(say, to=twin)


def destination_that_is_a_name() -> None:
    declare(say, to="editor")


def no_destination_in_a_tuple() -> None:
    declare(say, to=())


def destination_twice() -> None:
    _, first, second = new_flow()
    first.tool(to=(second.when(fixed), second))(say)


def second_destination_without_a_condition() -> None:
    flow, first, second = new_flow()
    third = flow.assistant("third", instructions="")
    first.tool(to=(second, third))(say)


def destination_behind_one_without_a_condition() -> None:
    flow, first, second = new_flow()
    third = flow.assistant("third", instructions="")
    first.then(second, third.when(fixed))


def go_without_destinations() -> None:
    def route() -> Go:
        """Route."""
        raise AssertionError

    declare(route)


def owner_of_another_flow() -> None:
    flow, _, _ = new_flow()
    _, stranger, _ = new_flow()
    flow.tool(stranger)(say)


def tool_of_the_end() -> None:
    flow, _, _ = new_flow()
    flow.end.tool()(say)


def then_of_the_way_back() -> None:
    flow, first, _ = new_flow()
    flow.back.then(first)


def then_twice() -> None:
    _, first, second = new_flow()
    first.then(second)
    first.then(second)


def after_twice() -> None:
    _, first, second = new_flow()
    first.after(timedelta(minutes=1), to=second)
    first.after(timedelta(seconds=60), to=second)


def after(delay: Any) -> Callable[[], None]:
    def case() -> None:
        _, first, second = new_flow()
        first.after(delay, to=second)

    return case


def on_limit_twice() -> None:
    flow, first, second = new_flow()
    flow.on_limit(first)
    flow.on_limit(second)


def choice_without_destinations() -> None:
    def choose(who: Assistant[Site]) -> Go:
        """Choose."""
        return Go(who)

    declare(choose)


def choice_of_another_flow() -> None:
    def choose(who: Assistant[Order]) -> Go:
        """Choose."""
        return Go(who)

    declare(choose, to="second")


def choice_that_goes_nowhere() -> None:
    def choose(who: Assistant[Site]) -> str:
        """Choose."""
        return who.name

    declare(choose, to="second")


# -- guards ------------------------------------------------------------------------------------------------------------


def guard(function: Any) -> Callable[[], None]:
    def case() -> None:
        _, _, second = new_flow()
        second.when(function)

    return case


async def async_guard(site: Site) -> bool:
    return site.page_id is not None


def guard_of_orders(order: Order) -> bool:
    return order.number is not None


def guard_of_two(site: Site, order: Order) -> bool:
    return site is not order


def guard_that_returns_text(site: Site) -> str:
    return site.page_id or ""


def async_allow() -> None:
    declare(say, allow=async_guard)


def condition_without_a_condition() -> None:
    new_flow()[2].when()


def times(count: Any) -> Callable[[], None]:
    return lambda: new_flow()[2].when(times=count) and None


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


# -- functions ---------------------------------------------------------------------------------------------------------


def parameter_without_annotation() -> None:
    def show(page) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """Show."""
        return str(page)

    declare(show)


def return_without_annotation() -> None:
    def show(page: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
        """Show."""
        return page

    declare(show)


def annotation_of_nothing_defined() -> None:
    def show(page: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
        """Show."""
        return str(page)

    declare(show)


def no_docstring() -> None:
    def show(page: str) -> str:
        return page

    declare(show)


def open_ended_positions() -> None:
    def show(*pages: str) -> str:
        """Show."""
        return "".join(pages)

    declare(show)


def open_ended_keywords() -> None:
    def show(**pages: str) -> str:
        """Show."""
        return "".join(pages)

    declare(show)


def positional_only() -> None:
    def show(page: str, /) -> str:
        """Show."""
        return page

    declare(show)


def a_generator() -> None:
    def show(page: str) -> Iterator[str]:
        """Show."""
        yield page

    declare(show)


def an_async_generator() -> None:
    async def show(page: str) -> AsyncIterator[str]:
        """Show."""
        yield page

    declare(show)


def a_class() -> None:
    declare(Plain)


def a_dataclass() -> None:
    def mark(points: list[Point]) -> str:
        """Mark."""
        return str(points)

    declare(mark)


def deps_inside() -> None:
    def show(pages: list[Pages]) -> str:
        """Show."""
        return str(pages)

    declare(show)


def metadata_inside() -> None:
    def show(site: Site | None) -> str:
        """Show."""
        return str(site)

    declare(show)


def the_call_inside() -> None:
    def show(call: ToolCall | None) -> str:
        """Show."""
        return str(call)

    declare(show)


def reading_inside() -> None:
    def show(page_id: list[FromMetadata[str]]) -> str:
        """Show."""
        return str(page_id)

    declare(show)


def a_choice_inside() -> None:
    def show(who: Assistant[Site] | None) -> str:
        """Show."""
        return str(who)

    declare(show)


def metadata_of_another_flow() -> None:
    def show(order: Order) -> str:
        """Show."""
        return str(order)

    declare(show)


def deps_of_another_flow() -> None:
    def show(shops: Shops) -> str:
        """Show."""
        return str(shops)

    declare(show)


def deps_where_there_are_none() -> None:
    def show(pages: Pages) -> str:
        """Show."""
        return str(pages)

    Flow("bare").assistant("only", instructions="").tool()(show)


def a_plain_class() -> None:
    def show(plain: Plain) -> str:
        """Show."""
        return str(plain)

    declare(show)


def a_mutable_default() -> None:
    def show(pages: list[str] = []) -> str:  # noqa: B006
        """Show."""
        return str(pages)

    declare(show)


def a_default_of_another_type() -> None:
    def show(page: str = 3) -> str:  # type: ignore[assignment]
        """Show."""
        return page

    declare(show)


def a_field_as_default() -> None:
    def show(page: str = Field(default="x")) -> str:
        """Show."""
        return page

    declare(show)


def a_default_for_what_is_given() -> None:
    def show(site: Site = Site()) -> str:  # noqa: B008
        """Show."""
        return str(site)

    declare(show)


def returns(kind: Any) -> Callable[[], None]:
    def case() -> None:
        def show() -> None:
            """Show."""

        show.__annotations__["return"] = kind
        declare(show)

    return case


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


# -- metadata and deps -------------------------------------------------------------------------------------------------


def field(kind: Any, default: Any = None) -> Callable[[], None]:
    def case() -> None:
        made: Any = type("Made", (Metadata,), {"__annotations__": {"field": kind}, "field": default})
        Flow("desk", metadata=made)

    return case


def required_field() -> None:
    class Strict(Metadata):
        page_id: str

    Flow("desk", metadata=Strict)


def mutable_default_of_a_field() -> None:
    class Tagged(Metadata):
        tags: list[str] = []  # noqa: RUF012  (what is refused)

    Flow("desk", metadata=Tagged)


def private_attribute() -> None:
    class Secret(Metadata):
        _secret: str = PrivateAttr(default="")

    Flow("desk", metadata=Secret)


def loosened_metadata() -> None:
    class Loose(Metadata, extra="allow"):
        page_id: str | None = None

    Flow("desk", metadata=Loose)


def metadata_of_a_plain_class() -> None:
    Flow("desk", metadata=Plain)  # type: ignore[type-var]


def deps_of_a_plain_class() -> None:
    Flow("desk", deps=Plain)  # type: ignore[type-var]


def deps_missing() -> None:
    new_flow()[0].require_deps(None)


def deps_of_another_class() -> None:
    new_flow()[0].require_deps(Shops())


def deps_nobody_takes() -> None:
    Flow("bare").require_deps(Pages())


# -- instructions ------------------------------------------------------------------------------------------------------


def instructions(text: Any) -> Callable[[], None]:
    return lambda: new_flow()[0].assistant("third", instructions=text) and None


# -- the freeze --------------------------------------------------------------------------------------------------------


def no_assistants() -> None:
    Flow("empty").freeze()


def assistant_after_the_freeze() -> None:
    flow, _, _ = new_flow()
    flow.freeze()
    flow.assistant("third", instructions="")


def tool_after_the_freeze() -> None:
    flow, first, _ = new_flow()
    flow.freeze()
    first.tool()(say)


def function_after_the_freeze() -> None:
    flow, first, _ = new_flow()
    decorate = first.tool()
    flow.freeze()
    decorate(say)


def then_after_the_freeze() -> None:
    flow, first, second = new_flow()
    flow.freeze()
    first.then(second)


def on_limit_after_the_freeze() -> None:
    flow, first, _ = new_flow()
    flow.freeze()
    flow.on_limit(first)


def migration_after_the_freeze() -> None:
    flow, _, _ = new_flow()
    flow.freeze()
    flow.migration("0")(lambda thread: thread)


def migration_twice() -> None:
    flow, _, _ = new_flow()
    flow.migration("0")(lambda thread: thread)
    flow.migration("0")(lambda thread: thread)


MISUSES = [
    pytest.param(assistant_named("end"), "reserved: choose another", id="reserved-end"),
    pytest.param(assistant_named("user"), "reserved: choose another", id="reserved-speaker"),
    pytest.param(assistant_named("my editor"), "start with a letter", id="no-identifier"),
    pytest.param(assistant_named("état"), "in ASCII", id="name-a-backend-refuses"),
    pytest.param(assistant_named("a" * 65), "at most 64", id="name-too-long"),
    pytest.param(assistant_named(None), "start with a letter", id="name-of-another-type"),
    pytest.param(tool_with_a_reserved_name, "'state' is reserved", id="tool-name-reserved"),
    pytest.param(tool_named_like_nothing_a_backend_takes, "in ASCII", id="tool-name-a-backend-refuses"),
    pytest.param(flow_named_like_no_identifier, "'my flow' cannot be used", id="flow-name"),
    pytest.param(assistant_declared_twice, "has an assistant first already, declared at", id="assistant-twice"),
    pytest.param(tool_declared_twice, "first has a tool say already, declared at", id="tool-twice"),
    pytest.param(tool_declared_for_one_and_for_all, "first has a tool say already", id="tool-twice-at-the-freeze"),
    pytest.param(destination_of_another_flow, "seller of shop: give an assistant of this flow", id="other-flow"),
    pytest.param(destination_of_a_twin, "another flow that is also called desk", id="twin-flow"),
    pytest.param(destination_that_is_a_name, "'editor': give an assistant of desk", id="destination-as-text"),
    pytest.param(no_destination_in_a_tuple, "name one, or leave it out", id="no-destination"),
    pytest.param(destination_twice, "put both conditions in one guard", id="destination-twice"),
    pytest.param(second_destination_without_a_condition, "never gets to third", id="second-unguarded"),
    pytest.param(destination_behind_one_without_a_condition, "write second.when(...)", id="behind-unguarded"),
    pytest.param(go_without_destinations, "returns Go, but the tool has no to=", id="go-without-to"),
    pytest.param(owner_of_another_flow, "belongs to another flow", id="owner-of-another-flow"),
    pytest.param(tool_of_the_end, "only a destination", id="tool-of-the-end"),
    pytest.param(then_of_the_way_back, "only a destination", id="then-of-back"),
    pytest.param(then_twice, "give all destinations in one declaration", id="then-twice"),
    pytest.param(after_twice, "has after:60 already", id="after-twice"),
    pytest.param(after(timedelta(0)), "the silence to wait for", id="after-no-silence"),
    pytest.param(after(timedelta(seconds=-1)), "the silence to wait for", id="after-negative"),
    pytest.param(after(60), "give a timedelta above zero", id="after-a-number"),
    pytest.param(on_limit_twice, "desk has on_limit already", id="on-limit-twice"),
    pytest.param(choice_without_destinations, "name the choices there", id="choice-without-to"),
    pytest.param(choice_of_another_flow, "the metadata here is Site", id="choice-of-another-flow"),
    pytest.param(choice_that_goes_nowhere, "return Go(who, ...)", id="choice-without-go"),
    pytest.param(guard(async_guard), "is async: write a plain function", id="guard-async"),
    pytest.param(guard(guard_of_orders), "takes Order, but the metadata here is Site", id="guard-of-another-type"),
    pytest.param(guard(guard_of_two), "must take exactly one argument", id="guard-of-two"),
    pytest.param(guard(guard_that_returns_text), "must return bool", id="guard-returns-text"),
    pytest.param(guard(True), "give a function from Site to bool", id="guard-no-function"),
    pytest.param(async_allow, "allow of say, async_guard, is async", id="allow-async"),
    pytest.param(condition_without_a_condition, "give a guard or times=", id="when-nothing"),
    pytest.param(times(0), "give a whole number from 1", id="times-zero"),
    pytest.param(times(-1), "give a whole number from 1", id="times-negative"),
    pytest.param(times(1.5), "give a whole number from 1", id="times-fraction"),
    pytest.param(times(True), "give a whole number from 1", id="times-true"),
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
    pytest.param(parameter_without_annotation, "show(page) has no annotation", id="no-annotation"),
    pytest.param(return_without_annotation, "does not say what it returns", id="no-return-annotation"),
    pytest.param(annotation_of_nothing_defined, "names Nowhere, which is not defined here", id="undefined-annotation"),
    pytest.param(no_docstring, "show has no docstring", id="no-docstring"),
    pytest.param(open_ended_positions, "open-ended parameter pages", id="args"),
    pytest.param(open_ended_keywords, "open-ended parameter pages", id="kwargs"),
    pytest.param(positional_only, "positional-only parameter page", id="positional-only"),
    pytest.param(a_generator, "without yield", id="generator"),
    pytest.param(an_async_generator, "without yield", id="async-generator"),
    pytest.param(a_class, "is no plain function", id="class"),
    pytest.param(a_dataclass, "dataclass Point: use a pydantic model", id="dataclass"),
    pytest.param(deps_inside, "has Pages inside", id="deps-inside"),
    pytest.param(metadata_inside, "has Site inside", id="metadata-inside"),
    pytest.param(the_call_inside, "has ToolCall inside", id="call-inside"),
    pytest.param(reading_inside, "has FromMetadata inside", id="reading-inside"),
    pytest.param(a_choice_inside, "has Assistant inside", id="choice-inside"),
    pytest.param(metadata_of_another_flow, "takes Order, but the metadata of this flow is Site", id="other-metadata"),
    pytest.param(deps_of_another_flow, "takes Shops, but the deps of this flow are Pages", id="other-deps"),
    pytest.param(deps_where_there_are_none, "Flow(..., deps=Pages)", id="deps-undeclared"),
    pytest.param(a_plain_class, "lend it through a class derived from Deps", id="plain-class"),
    pytest.param(a_mutable_default, "mutable default", id="mutable-default"),
    pytest.param(a_default_of_another_type, "has the default 3, which its type refuses", id="wrong-default"),
    pytest.param(a_field_as_default, "write Annotated[..., Field(...)]", id="field-as-default"),
    pytest.param(a_default_for_what_is_given, "leave its default out", id="default-of-metadata"),
    pytest.param(returns(set[str]), "which is no output", id="returns-set"),
    pytest.param(returns(object), "which is no output", id="returns-object"),
    pytest.param(returns(Any), "which is no output", id="returns-any"),
    pytest.param(returns(Site), "which is no output", id="returns-metadata"),
    pytest.param(returns(str | bytes), "returns bytes", id="returns-union-with-bytes"),
    pytest.param(returns(list[Go]), "which is no output", id="returns-go-inside"),
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
    pytest.param(required_field, "write `str | None = None`", id="metadata-required-field"),
    pytest.param(mutable_default_of_a_field, "write Field(default_factory=...)", id="metadata-mutable-default"),
    pytest.param(private_attribute, "make them fields", id="metadata-private"),
    pytest.param(loosened_metadata, "leave it as Metadata has it", id="metadata-config"),
    pytest.param(metadata_of_a_plain_class, "derive it from handoff.Metadata", id="metadata-plain-class"),
    pytest.param(field(bytes | None), "which are no JSON: use str", id="metadata-bytes"),
    pytest.param(field(set[str] | None), "no order in JSON: use list", id="metadata-set"),
    pytest.param(field(Any), "name its type", id="metadata-any"),
    pytest.param(field(list[Any] | None), "name its type", id="metadata-any-inside"),
    pytest.param(field(Callable[[], int] | None), "lend it through Deps", id="metadata-function"),
    pytest.param(field(type[int] | None), "is no JSON: use its name", id="metadata-class"),
    pytest.param(field(int, default="x"), "has a default its own type refuses", id="metadata-wrong-default"),
    pytest.param(field(str | None, default=Field(default=None, alias="f")), "leave the alias out", id="metadata-alias"),
    pytest.param(
        field(str | None, default=Field(default=None, exclude=True)), "leave exclude= out", id="metadata-excluded"
    ),
    pytest.param(deps_of_a_plain_class, "derive it from handoff.Deps", id="deps-plain-class"),
    pytest.param(deps_missing, "needs deps=Pages(...), but none were given", id="deps-missing"),
    pytest.param(deps_of_another_class, "but Shops was given", id="deps-other-class"),
    pytest.param(deps_nobody_takes, "takes no deps", id="deps-unwanted"),
    pytest.param(instructions("a\nb {{ page }}"), "line 2: Site has no field 'page'", id="unknown-field"),
    pytest.param(instructions("{{ address.town }}"), "line 1: Address has no field 'town'", id="unknown-inner-field"),
    pytest.param(instructions("{{ address['town'] }}"), "Address has no field 'town'", id="unknown-inner-item"),
    pytest.param(instructions("\n\n{{ page_id | uper }}"), "line 3: there is no filter 'uper'", id="unknown-filter"),
    pytest.param(
        instructions("{% if name %}{{ page_id | uper }}{% endif %}"),
        "no filter 'uper'",
        id="unknown-filter-in-a-branch",
    ),
    pytest.param(instructions("{% if page_id is odder %}{% endif %}"), "there is no test 'odder'", id="unknown-test"),
    pytest.param(instructions("a\n{% if page_id %}"), "line 2: Unexpected end of template", id="syntax-error"),
    pytest.param(instructions("{% include 'x' %}"), "write the text itself", id="include"),
    pytest.param(instructions("{% filter upper %}{% endfilter %}"), "is not for instructions", id="filter-block"),
    pytest.param(instructions("{{ range(3) }}"), "has no field 'range'", id="no-globals"),
    pytest.param(instructions(Path("no/such.md")), "relative to the file that declares it", id="missing-file"),
    pytest.param(instructions(3), "give a text or a pathlib.Path", id="instructions-number"),
    pytest.param(no_assistants, "empty has no assistants", id="no-assistants"),
    pytest.param(assistant_after_the_freeze, "declare everything before that", id="frozen-assistant"),
    pytest.param(tool_after_the_freeze, "declare everything before that", id="frozen-tool"),
    pytest.param(function_after_the_freeze, "declare everything before that", id="frozen-function"),
    pytest.param(then_after_the_freeze, "declare everything before that", id="frozen-then"),
    pytest.param(on_limit_after_the_freeze, "declare everything before that", id="frozen-on-limit"),
    pytest.param(migration_after_the_freeze, "declare everything before that", id="frozen-migration"),
    pytest.param(migration_twice, "keep one", id="migration-twice"),
]


@pytest.mark.parametrize(("misuse", "words"), MISUSES)
def test_misuse_is_refused_at_definition(misuse: Callable[[], None], words: str) -> None:
    """The error names a line of this file first and then says what to do."""
    with pytest.raises(DefinitionError) as caught:
        misuse()

    assert __file__ == caught.value.file
    assert f"{__file__}:{caught.value.line}: {caught.value.problem}" == str(caught.value)
    assert words in caught.value.problem


@pytest.mark.parametrize(
    "misuse",
    [
        pytest.param(destination_of_a_twin, id="decorator"),
        pytest.param(no_docstring, id="function"),
        pytest.param(then_twice, id="declaration"),
        pytest.param(required_field, id="flow"),
    ],
)
def test_the_line_is_within_the_declaration(misuse: Callable[[], None]) -> None:
    """The line named lies in the function that declares wrongly, or in the helper it declares with."""
    with pytest.raises(DefinitionError) as caught:
        misuse()

    ranges = []
    for function in (misuse, declare, say):
        lines, first = inspect.getsourcelines(function)
        ranges.append(range(first, first + len(lines)))
    assert any(caught.value.line in lines for lines in ranges)


def test_a_refused_declaration_changes_nothing() -> None:
    """After a refusal the flow is as it was, and goes on being declared."""
    flow, first, second = new_flow()
    with pytest.raises(DefinitionError):
        first.tool(to=second, timeout=-1)(say)
    first.tool(to=second)(say)

    assert ("second",) == flow.destinations("first", "say")
    assert ["say"] == list(flow.tools_of("first"))


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        pytest.param({"handoffs": 0}, "a whole number above zero", id="zero"),
        pytest.param({"calls": -1}, "a whole number above zero", id="negative"),
        pytest.param({"runs": 1.5}, "a whole number above zero", id="fraction"),
        pytest.param({"factor": True}, "a whole number above zero", id="true"),
        pytest.param({"grace": math.inf}, "a number of seconds above zero", id="infinite"),
        pytest.param({"grace": 600.0}, "shorter than the deadline", id="grace-not-within-the-deadline"),
    ],
)
def test_bounds_that_bound_nothing_are_refused(bounds: dict[str, Any], words: str) -> None:
    """A bound is above zero, and grace lies within the deadline."""
    with pytest.raises(ValueError, match=words):
        Limits(**bounds)
