"""Misuse of a flow as a whole: names, metadata and deps, instructions, bounds, what comes after the freeze."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, PrivateAttr

from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Metadata
from handoff.errors import DefinitionError
from handoff.limits import Limits
from tests.declaration.misuse import (
    Pages,
    Plain,
    Shops,
    assert_line_within,
    assert_refused,
    declare,
    new_flow,
    say,
)

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


def tool_declared_twice() -> None:
    _, first, _ = new_flow()
    first.tool()(say)
    first.tool()(say)


def tool_declared_for_one_and_for_all() -> None:
    flow, first, _ = new_flow()
    first.tool()(say)
    flow.tool()(say)
    flow.freeze()


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
    """The error names the line first and then says what to do."""
    assert_refused(misuse, words, __file__)


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


@pytest.mark.parametrize("misuse", [pytest.param(required_field, id="flow")])
def test_the_line_is_within_the_declaration(misuse: Callable[[], None]) -> None:
    """The line named lies in the function that declares wrongly, or in the helper it declares with."""
    assert_line_within(misuse)
