"""What an answer holds beside its text and its calls: what the server's own tools did, its sources, its refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

HostedKind: TypeAlias = Literal["web_search", "file_search", "code_interpreter", "mcp"]


@dataclass(frozen=True, slots=True)
class HostedCall:
    """What a tool did that the server ran itself; nobody answers it."""

    #: Which kind of tool.
    tool: HostedKind
    #: The server's id of the call.
    id: str = ""
    #: How it ended, as the server says: `completed`, `failed`, `incomplete`; `refused` for an MCP call not approved.
    status: str = "completed"
    #: Of MCP: the server's label and the tool, as in `shop.order`.
    name: str = ""
    #: What it was given: the query, the code, the arguments as JSON.
    input: str = ""
    #: What came of it, as far as the server tells.
    output: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of what was said."""

    #: Title of the page, or name of the file.
    title: str = ""
    #: Where the page is; empty for a file.
    url: str = ""
    #: Id of the file; empty for a page.
    file_id: str = ""
    #: Where in the text it is cited, in characters; None where the server does not say.
    start: int | None = None
    #: Where the cited passage ends.
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Extra:
    """All of it, for one answer."""

    #: What the server's own tools did, in order.
    hosted: tuple[HostedCall, ...] = ()
    #: The sources of the text, in order.
    citations: tuple[Citation, ...] = ()
    #: The model refused, and the text says so.
    refused: bool = False
    #: The text was to fit the assistant's `reply`, and does not.
    unfit: bool = False
