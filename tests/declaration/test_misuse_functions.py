"""Misuse of the function that becomes a tool: its parameters, their types, what it returns."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import Field

from handoff.declaration.flow import Assistant, Flow
from handoff.declaration.metadata import FromMetadata, Go, ToolCall
from tests.declaration.misuse import (
    Order,
    Pages,
    Plain,
    Shops,
    Site,
    assert_line_within,
    assert_refused,
    declare,
)


@dataclasses.dataclass
class Point:
    x: int


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


MISUSES = [
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
]


@pytest.mark.parametrize(("misuse", "words"), MISUSES)
def test_misuse_is_refused_at_definition(misuse: Callable[[], None], words: str) -> None:
    """The error names the line first and then says what to do."""
    assert_refused(misuse, words, __file__)


@pytest.mark.parametrize("misuse", [pytest.param(no_docstring, id="function")])
def test_the_line_is_within_the_declaration(misuse: Callable[[], None]) -> None:
    """The line named lies in the function that declares wrongly, or in the helper it declares with."""
    assert_line_within(misuse)
