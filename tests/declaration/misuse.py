"""The flow that is misused, and what every refusal has: file and line first, then what to do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, StringConstraints

from handoff.declaration.flow import Assistant, Flow
from handoff.declaration.metadata import Deps, Metadata
from handoff.errors import DefinitionError

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


def new_flow() -> tuple[Flow[Site, Pages], Assistant[Site], Assistant[Site]]:
    flow = Flow("desk", metadata=Site, deps=Pages)
    return flow, flow.assistant("first", instructions="Ask."), flow.assistant("second", instructions="Answer.")


def declare(function: Callable[..., Any], **options: Any) -> None:
    """Declare a function as a tool of the first assistant, leading to the second where `to` says so."""
    _, first, second = new_flow()
    options = {name: second if value == "second" else value for name, value in options.items()}
    first.tool(**options)(function)


def say() -> str:
    """Say something."""
    return "said"


def assert_refused(misuse: Callable[[], None], words: str, file: str) -> None:
    """The error names a line of the file that misuses the flow, or of this one, and then says what to do."""
    with pytest.raises(DefinitionError) as caught:
        misuse()

    assert caught.value.file in (file, __file__)
    assert f"{caught.value.file}:{caught.value.line}: {caught.value.problem}" == str(caught.value)
    assert words in caught.value.problem


def assert_line_within(misuse: Callable[[], None]) -> None:
    """The line named lies in the function that declares wrongly, or in a helper of this module."""
    with pytest.raises(DefinitionError) as caught:
        misuse()

    ranges: list[tuple[str, range]] = []
    for function in (misuse, declare, say):
        lines, first = inspect.getsourcelines(function)
        ranges.append((inspect.getsourcefile(function) or "", range(first, first + len(lines))))
    assert any(caught.value.file == file and caught.value.line in lines for file, lines in ranges)
