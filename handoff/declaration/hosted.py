"""Tools that the server runs itself, declared on an assistant: searches, code, and MCP servers.

They are values: what is wrong with one is refused where it is written, and what is secret in one is never part of its
text or its hash. Which backend carries which is declared by the backends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeAlias, cast

from handoff.core.answers import HostedKind
from handoff.declaration.guards import is_async, name_of
from handoff.declaration.place import caller_place

_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
#: The most results OpenAI returns of one search.
MOST_RESULTS: Final = 50


@dataclass(frozen=True, slots=True)
class WebSearch:
    """The server searches the web.

    Raises:
        DefinitionError: an argument cannot work.
    """

    kind: ClassVar[HostedKind] = "web_search"

    #: Domains to stay within, such as `example.com`; none for all of the web.
    domains: Sequence[str] = ()
    #: How much of what is found the model reads; None leaves it to the server.
    size: Literal["low", "medium", "high"] | None = None
    #: Where the user is, for searches that depend on it: a country's two letters.
    country: str | None = None
    #: City of the user.
    city: str | None = None
    #: Time zone of the user, as IANA names it.
    timezone: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "domains", _texts("WebSearch", "domains", self.domains))
        if self.size not in (None, "low", "medium", "high"):
            raise caller_place().refuse(f"WebSearch(size={self.size!r}): give 'low', 'medium' or 'high'")


@dataclass(frozen=True, slots=True)
class FileSearch:
    """The server searches files that were put into its vector stores.

    Raises:
        DefinitionError: an argument cannot work.
    """

    kind: ClassVar[HostedKind] = "file_search"

    #: Ids of the vector stores, at least one.
    vector_store_ids: Sequence[str]
    #: The most results the model reads, from 1 to 50; None leaves it to the server.
    max_results: int | None = None

    def __post_init__(self) -> None:
        ids = _texts("FileSearch", "vector_store_ids", self.vector_store_ids)
        if not ids:
            raise caller_place().refuse("FileSearch has no vector stores: give vector_store_ids=['vs_…']")
        object.__setattr__(self, "vector_store_ids", ids)
        most = self.max_results
        if most is not None and (isinstance(most, bool) or not 1 <= most <= MOST_RESULTS):
            raise caller_place().refuse(f"FileSearch(max_results={most!r}): give a number from 1 to {MOST_RESULTS}")


@dataclass(frozen=True, slots=True)
class CodeInterpreter:
    """The server runs code the model writes.

    Raises:
        DefinitionError: an argument cannot work.
    """

    kind: ClassVar[HostedKind] = "code_interpreter"

    #: Ids of uploaded files the code may read.
    file_ids: Sequence[str] = ()
    #: Id of a container to run in; None has the server make one.
    container: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "file_ids", _texts("CodeInterpreter", "file_ids", self.file_ids))
        if self.container is not None and self.file_ids:
            raise caller_place().refuse("CodeInterpreter got container= and file_ids=: a container has its own files")


Approval: TypeAlias = Literal["never"] | Callable[[str, str], bool]
"""Who approves the calls of an MCP server: nobody needs to; or a function of the tool's name and its arguments, as the
JSON the model wrote, that says whether the call may be made. It is asked on the event loop, so it must not wait."""


@dataclass(frozen=True, slots=True)
class MCP:
    """The server calls the tools of an MCP server.

    Raises:
        DefinitionError: an argument cannot work.
    """

    kind: ClassVar[HostedKind] = "mcp"

    #: What the MCP server is called; a letter, then letters, digits, `_` and `-`.
    server_label: str
    #: Where it is; or give `connector_id`.
    server_url: str | None = None
    #: One of the provider's own connectors, such as `connector_gmail`.
    connector_id: str | None = None
    #: What it is for; the model reads it.
    description: str = ""
    #: Names of the tools the model may call; none for all.
    allowed_tools: Sequence[str] = ()
    #: Sent to the MCP server with each call. Secret: never journaled, logged or shown.
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    #: An OAuth access token for it. Secret, as `headers`.
    authorization: str | None = field(default=None, repr=False)
    #: Who approves its calls. A call that is asked about although nobody needs to approve is refused.
    approval: Approval = "never"

    def __post_init__(self) -> None:
        if not isinstance(self.server_label, str) or not _LABEL.fullmatch(self.server_label):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise caller_place().refuse(
                f"MCP(server_label={self.server_label!r}): a letter, then letters, digits, _, -"
            )
        what = f"MCP {self.server_label}"
        if (self.server_url is None) == (self.connector_id is None):
            raise caller_place().refuse(f"{what} needs one of server_url= and connector_id=")
        if self.server_url is not None and not self.server_url.startswith(("http://", "https://")):
            raise caller_place().refuse(f"{what} has no http or https URL: give server_url='https://…'")
        object.__setattr__(self, "allowed_tools", _texts(what, "allowed_tools", self.allowed_tools))
        object.__setattr__(self, "headers", dict(self.headers))
        if not all(isinstance(one, str) for pair in self.headers.items() for one in pair):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise caller_place().refuse(f"{what} has headers that are no texts: give a dict of str")
        if callable(self.approval) and is_async(self.approval):
            raise caller_place().refuse(
                f"{what} has an approval that waits: write `def`, it is asked on the event loop"
            )
        if self.approval != "never" and not callable(self.approval):
            problem = (
                f"{what} has approval={self.approval!r}: give 'never', or a function of the tool's name and arguments"
            )
            raise caller_place().refuse(problem)


Hosted: TypeAlias = WebSearch | FileSearch | CodeInterpreter | MCP


def described(tool: Hosted) -> dict[str, Any]:
    """Return what a tool is made of as JSON, without its secrets: for hashes, and for people.

    Args:
        tool: the tool.
    """
    names = [name for name in tool.__dataclass_fields__ if name not in ("headers", "authorization")]
    known = {name: getattr(tool, name) for name in names}
    if callable(known.get("approval")):
        known["approval"] = name_of(known["approval"])
    return {"kind": tool.kind, **{name: value for name, value in known.items() if value not in (None, "", ())}}


def secrets_of(tools: Sequence[Hosted]) -> list[str]:
    """Return what must never be told of these tools, the longest first.

    Args:
        tools: any tools.
    """
    given = [
        one for tool in tools if isinstance(tool, MCP) for one in (*tool.headers.values(), tool.authorization or "")
    ]
    parts = [word for one in given for word in (one, *one.split())]
    return sorted({word for word in parts if len(word) >= _SECRET and word not in _SCHEMES}, key=len, reverse=True)


#: A shorter text is no secret, and would be found everywhere.
_SECRET = 6
#: Words before a secret that are none.
_SCHEMES = frozenset({"Bearer", "Digest", "Negotiate"})


def check_hosted(name: str, given: object, refuse: Callable[[str], Exception]) -> tuple[Hosted, ...]:
    """Return the tools an assistant declares.

    Args:
        name: the assistant's name.
        given: what was given as `hosted`.
        refuse: makes the error to raise.

    Raises:
        DefinitionError: it is no sequence of tools, or holds two of a kind or label.
    """
    if isinstance(given, Hosted):
        raise refuse(
            f"{name} has hosted={type(given).__name__}(…): give a list, as in hosted=[{type(given).__name__}(…)]"
        )
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise refuse(f"{name} has hosted={given!r}: give a list of WebSearch, FileSearch, CodeInterpreter and MCP")
    seen: set[str] = set()
    tools: list[Hosted] = []
    for tool in cast("Sequence[object]", given):
        if not isinstance(tool, Hosted):
            raise refuse(f"{name} has hosted {tool!r}: give WebSearch(…), FileSearch(…), CodeInterpreter(…) or MCP(…)")
        key = f"the MCP server {tool.server_label}" if isinstance(tool, MCP) else type(tool).__name__
        if key in seen:
            raise refuse(f"{name} has {key} twice in hosted=: keep one")
        seen.add(key)
        tools.append(tool)
    return tuple(tools)


def _texts(what: str, name: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise caller_place().refuse(f"{what} has {name}={given!r}: give a list of texts")
    texts = [one for one in cast("Sequence[object]", given) if isinstance(one, str) and one]
    if len(texts) != len(cast("Sequence[object]", given)):
        raise caller_place().refuse(f"{what} has {name}={given!r}: give a list of texts, none of them empty")
    return tuple(texts)
