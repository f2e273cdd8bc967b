"""A flow declares assistants, their tools and the transitions between them.

Declaring ends at the freeze, which happens at the latest when the flow is first asked anything (`Answers`); from then
on it is a value shared by all threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Never, Unpack, cast, get_args

from typing_extensions import TypeVar

from handoff.declaration.answers import NO_ASSISTANTS, Answers
from handoff.declaration.assistants import (
    BACK,
    END,
    TOOL_OPTIONS,
    Assistant,
    Denied,
    Destination,
    F,
    M,
    Options,
    To,
    ToolOptions,
    Transition,
)
from handoff.declaration.consults import check_closure, consulted_by
from handoff.declaration.hosted import Hosted, check_hosted
from handoff.declaration.metadata import Deps, Metadata
from handoff.declaration.metadata_class import check_metadata_class
from handoff.declaration.place import Place, Scope, as_given, caller_place, names_around, place_of, refuse_unknown
from handoff.declaration.prompt import NamedView, View
from handoff.declaration.reply_models import check_reply
from handoff.declaration.routes import Routes, is_assistant, require_source
from handoff.declaration.tool_building import build_tool, name_problem
from handoff.declaration.tools import Tool
from handoff.limits import Limits

if TYPE_CHECKING:
    from pydantic import BaseModel

    from handoff.declaration.frozen import Frozen
    from handoff.declaration.instructions import Instructions

__all__ = ["Assistant", "Denied", "Destination", "Flow", "Migration", "Transition"]

D_co = TypeVar("D_co", bound=Deps, default=Deps, covariant=True)

Migration = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes a stored thread fit: gets and returns ``{"assistant": str, "metadata": dict}``."""

_ASSISTANT_OPTIONS = (
    "instructions",
    "model",
    "description",
    "temperature",
    "tool_choice",
    "max_output_tokens",
    "view",
    "reply",
    "hosted",
)

RESERVED = frozenset({END, BACK, "state", "user", "system", "developer", "tool"})
"""Names an assistant cannot have: the special destinations, other speakers, and what the Machine keeps for itself."""


class Flow(Answers[M], Generic[M, D_co]):
    """The declaration of a state machine of assistants.

    Attributes:
        name: its name.
        metadata: its metadata class.
        deps: the class of what tools borrow, if they do.
        limits: its bounds.
        end: the destination that closes the thread.
        back: the destination that is whichever assistant was active before.
        routes: the declared routes that no tool triggers.
        instructions: the template put before those of every assistant, if there is one.
    """

    def __init__(
        self,
        name: str,
        *,
        metadata: type[M] | None = None,
        deps: type[D_co] | None = None,
        instructions: str | Path | None = None,
        limits: Limits | None = None,
        **unknown: Never,
    ) -> None:
        """Begin a flow.

        Args:
            name: an identifier.
            metadata: class derived from `Metadata`; without one, threads carry none.
            deps: class derived from `Deps`, an instance of which `Threads` is given.
            instructions: put before those of every assistant; a template, or a path relative to the declaring file.
            limits: bounds other than the usual ones.
            **unknown: refused.

        Raises:
            DefinitionError: an argument cannot work.
        """
        place = caller_place()
        refuse_unknown(unknown, ("metadata", "deps", "instructions", "limits"), place)
        if problem := name_problem(name, frozenset()):
            raise place.refuse(problem)
        given_deps = as_given(deps)
        if given_deps is not None and not (isinstance(given_deps, type) and issubclass(given_deps, Deps)):
            raise place.refuse(f"deps={given_deps!r} is no deps class: derive it from handoff.Deps")
        given_limits = as_given(limits)
        if given_limits is not None and not isinstance(given_limits, Limits):
            raise place.refuse(f"limits={given_limits!r}: give handoff.Limits(...)")
        kind = metadata if metadata is not None else cast("type[M]", Metadata)
        check_metadata_class(kind, place)
        self.name = name
        self.metadata: type[M] = kind
        self.deps = deps
        self.limits = limits or Limits()
        self.place = place
        self.instructions = self._template(instructions, f"flow {name}", place)
        self._assistants: dict[str, Assistant[M]] = {}
        self._tools: list[Tool] = []
        self._migrations: dict[str, Migration] = {}
        self._frozen: Frozen | None = None
        #: The model that answers where no backend is configured; a `RuleModel` of this flow puts itself here.
        self.offline: Any = None
        self.routes = Routes(self)
        self.end: Assistant[M] = Assistant(END, self, None, None, "", Options(), place)
        self.back: Assistant[M] = Assistant(BACK, self, None, None, "", Options(), place)

    # -- declaring -----------------------------------------------------------------------------------------------------

    def assistant(
        self,
        name: str,
        *,
        instructions: str | Path,
        model: str | None = None,
        description: str = "",
        temperature: float | None = None,
        tool_choice: str | None = None,
        max_output_tokens: int | None = None,
        view: View = "all",
        reply: type[BaseModel] | None = None,
        hosted: Sequence[Hosted] = (),
        **unknown: Never,
    ) -> Assistant[M]:
        """Declare an assistant; the first one is where threads start.

        Args:
            name: an identifier, unique in the flow.
            instructions: a template over the metadata, or a path relative to the declaring file.
            model: the model's name at the backend; None leaves it to the backend.
            description: one sentence the other assistants are told about it.
            temperature: randomness of the model's choice of words, from 0 to 2.
            tool_choice: ``auto``, ``none``, ``required``, the name of one of its tools, or the kind of a hosted one:
                ``web_search``, ``file_search``, ``code_interpreter``, ``mcp``.
            max_output_tokens: the longest answer, in tokens.
            view: what it sees of the thread: ``all``; ``own``, which leaves out what other assistants said and did;
                ``since_active``, what has come since it was active before; or how many turns, each from a user's
                message to the next. What answers it now is always seen.
            reply: a pydantic model that its answers fit: `Reply.value` is the model's instance. An answer that does
                not fit ends the turn with `ReplyUnfit`.
            hosted: tools that the server runs itself: `WebSearch`, `FileSearch`, `CodeInterpreter`, `MCP`. `Threads`
                refuses a backend that does not carry them.
            **unknown: refused.

        Raises:
            DefinitionError: an argument cannot work, or the flow is frozen.
        """
        place = caller_place()
        refuse_unknown(unknown, _ASSISTANT_OPTIONS, place)
        self.require_open(place)
        if problem := name_problem(name, RESERVED):
            raise place.refuse(problem)
        if name in self._assistants:
            raise place.refuse(
                f"{self.name} has an assistant {name} already, declared at {self._assistants[name].place}"
            )
        _check_options(name, temperature, max_output_tokens, view, place)
        template = self._template(instructions, name, place)
        answers = None if reply is None else check_reply(name, reply, place.refuse)
        tools = check_hosted(name, hosted, place.refuse)
        options = Options(temperature, tool_choice, max_output_tokens, view, answers, tools)
        assistant = Assistant(name, self, template, model, " ".join(description.split()), options, place)
        self._assistants[name] = assistant
        return assistant

    def tool(self, *owners: Assistant[M], **options: Unpack[ToolOptions[M]]) -> Callable[[F], F]:
        """Declare a function as a tool. The function is returned as it is.

        Args:
            *owners: the assistants that have it; none for every assistant but its destinations.
            **options: see `ToolOptions`.

        Raises:
            DefinitionError: the function or an option cannot work, or the flow is frozen.
        """
        place = caller_place()
        refuse_unknown(options, TOOL_OPTIONS, place)
        self.require_open(place)
        for owner in owners:
            self._require_own(owner, place)
            require_source(owner, place)

        def declare(function: F) -> F:
            own_place = place_of(function, place)
            self.require_open(own_place)
            names = tuple(dict.fromkeys(owner.name for owner in owners))
            scope = Scope(self.metadata, self.deps, names_around(function), own_place)
            tool = build_tool(self, function, names, options, scope)
            for other in self._tools:
                if other.name == tool.name and set(other.owners) & set(names):
                    shared = ", ".join(sorted(set(other.owners) & set(names)))
                    raise own_place.refuse(f"{shared} has a tool {tool.name} already, declared at {other.place}")
            self._tools.append(tool)
            return function

        return declare

    def on_limit(self, to: To[M]) -> Transition:
        """Declare where a thread goes when a bound stops its next run; once for a flow.

        Args:
            to: where to, as for `tool`.

        Returns:
            The transition, which `step` accepts as its trigger.

        Raises:
            DefinitionError: a destination cannot work, or it was declared before.
        """
        return self.routes.declare(None, "limit", to, place=caller_place())

    def migration(self, from_version: str) -> Callable[[Migration], Migration]:
        """Declare how a thread of an older version becomes one of this flow.

        Args:
            from_version: the older flow's `version`.

        Raises:
            DefinitionError: the flow is frozen, or that version has a migration.
        """
        place = caller_place()

        def declare(migrate: Migration) -> Migration:
            self.require_open(place)
            if from_version in self._migrations:
                raise place.refuse(f"there is a migration from {from_version} already: keep one")
            self._migrations[from_version] = migrate
            return migrate

        return declare

    def require_open(self, place: Place) -> None:
        """Refuse a registration after the freeze.

        Raises:
            DefinitionError: the flow is frozen.
        """
        if self.frozen:
            raise place.refuse(f"{self.name} is frozen since it was first used: declare everything before that")

    def require_deps(self, given: object) -> None:
        """Refuse to run the flow without what its tools borrow.

        Args:
            given: the deps `Threads` was given, or None.

        Raises:
            DefinitionError: they are missing or of another class.
        """
        needed = self.deps
        if needed is not None and not isinstance(given, needed):
            got = "none were given" if given is None else f"{type(given).__name__} was given"
            got = f"the class {given.__name__} itself was given" if isinstance(given, type) else got
            raise caller_place().refuse(f"{self.name} needs deps={needed.__name__}(...), but {got}")
        if needed is None and given is not None:
            raise caller_place().refuse(f"{self.name} takes no deps: declare Flow(..., deps={type(given).__name__})")

    # -- the freeze ----------------------------------------------------------------------------------------------------

    @property
    def frozen(self) -> bool:
        """Whether declaring has ended."""
        return self._frozen is not None

    def freeze(self) -> None:
        """End declaring: run the checks that need the whole flow, and build its Machine. Again, it does nothing.

        Raises:
            DefinitionError: the flow as a whole cannot work.
        """
        if self._frozen is not None:
            return
        if not self._assistants:
            raise self.place.refuse(NO_ASSISTANTS.format(self.name))
        check_closure(self)
        from handoff.declaration.frozen import build_frozen  # noqa: PLC0415  (transitions is needed only from here on)

        self._frozen = build_frozen(self._assistants, self._tools, self.routes, self.metadata)
        for consulted in self.consulted:
            consulted.freeze()

    # -- what was declared ---------------------------------------------------------------------------------------------

    @property
    def assistants(self) -> Mapping[str, Assistant[M]]:
        """The assistants by name, in the order they were declared."""
        return MappingProxyType(self._assistants)

    @property
    def declared_tools(self) -> tuple[Tool, ...]:
        """The tools as declared so far, each once."""
        return tuple(self._tools)

    @property
    def consulted(self) -> tuple[Flow[Any, Any], ...]:
        """The flows that its tools may ask in side rooms, each once."""
        return consulted_by(self._tools)

    @property
    def migrations(self) -> Mapping[str, Migration]:
        """The declared migrations by the version they start from."""
        return MappingProxyType(self._migrations)

    @property
    def frozen_form(self) -> Frozen:
        """The flow as a value: its tools, its transitions and its Machine. Freezes the flow."""
        self.freeze()
        return cast("Frozen", self._frozen)

    def _template(self, given: str | Path | None, owner: str, place: Place) -> Instructions | None:
        if given is None:
            return None
        from handoff.declaration.instructions import Instructions  # noqa: PLC0415  (jinja2 is slow to import)

        return Instructions(given, self.metadata, owner, place)

    def _require_own(self, assistant: Assistant[M], place: Place) -> None:
        if not is_assistant(as_given(assistant)):
            raise place.refuse(
                f"{assistant!r} is no assistant: write @flow.tool(...) with the owners, options as keywords"
            )
        if assistant.flow is not self:
            raise place.refuse(f"{assistant.name} belongs to another flow, not to this {self.name}")

    def __repr__(self) -> str:
        return f"<flow {self.name}>"


def _check_options(name: str, temperature: Any, max_output_tokens: Any, view: Any, place: Place) -> None:
    if temperature is not None and not (_is_number(temperature) and 0 <= temperature <= 2):  # noqa: PLR2004
        raise place.refuse(f"{name} has temperature={temperature!r}: give a number from 0 to 2")
    if max_output_tokens is not None and not (
        isinstance(max_output_tokens, int) and not isinstance(max_output_tokens, bool) and max_output_tokens > 0
    ):
        raise place.refuse(f"{name} has max_output_tokens={max_output_tokens!r}: give a whole number above zero")
    turns = isinstance(view, int) and not isinstance(view, bool) and view > 0
    if not turns and not (isinstance(view, str) and view in get_args(NamedView)):
        raise place.refuse(f"{name} has view={view!r}: give 'all', 'own', 'since_active' or how many turns, from 1")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
