"""One call's body, bound to its values, and what its success does to the metadata.

The body works on a deep copy; what it returned and wrote is compared with what the tool declares, and only the declared
difference leaves, as a patch.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from handoff.declaration.guards import is_async
from handoff.declaration.metadata import Deps, Go, Metadata, Pending, ToolCall, dump, load, require_utf8
from handoff.declaration.signature import Signature, Source
from handoff.errors import EffectRefused, MetadataRefused

if TYPE_CHECKING:
    from handoff.declaration.consulting import Consultation, Inquiry
    from handoff.declaration.tools import Tool

DONE = "ok"
"""The output of a body that returns None."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a body's success comes to.

    Attributes:
        output: what the model reads.
        patch: metadata fields and their new JSON values.
        go: name of the destination the body chose.
        pending: the result comes later from outside; then the patch is empty until it does.
    """

    output: str
    patch: Mapping[str, Any]
    go: str | None = None
    pending: bool = False


class Bound:
    """A tool's body with everything it is called with.

    Attributes:
        is_async: `run` gives something to await.
    """

    def __init__(
        self, tool: Tool, values: Mapping[str, Any], metadata: Metadata, deps: Deps | None, call: ToolCall
    ) -> None:
        self._tool = tool
        self._values = values
        self._kind = type(metadata)
        self._before = dump(metadata)
        self._copy: Metadata | None = None
        self._call = call
        self._given = _given(tool.signature, values, lambda: self.copy, deps, call)
        self.is_async = tool.is_async

    @property
    def copy(self) -> Metadata:
        """The metadata the body may change; made when somebody asks for it, since most bodies have no use for it."""
        if self._copy is None:
            self._copy = load(self._kind, self._before)
        return self._copy

    def again(
        self,
        values: Mapping[str, Any],
        deps: Deps | None,
        *,
        report: Callable[[str, float | None], None],
        consulting: Callable[[Inquiry[Any]], Consultation[Any]] | None,
    ) -> Bound:
        """The same body, not run, with other dependencies.

        Args:
            values: what `Tool.parse` gave, anew: the body may have changed those it was given.
            deps: what the process lends now.
            report: where its progress goes now.
            consulting: who opens its side rooms now.
        """
        call = replace(self._call, report=report, consulting=consulting)
        return Bound(self._tool, values, load(self._kind, self._before), deps, call)

    def run(self) -> Any:
        """Call the body: its result, or something to await if it is async.

        Raises:
            ToolError: raised by the body for the model to read.
        """
        return self._tool.function(**self._given)

    def write(self, fields: Mapping[str, Any]) -> None:
        """Assign metadata as the body would have: for a body that does not run here.

        Args:
            fields: JSON values.

        Raises:
            EffectRefused: they are no valid metadata.
        """
        valid = load(self._kind, self._validated({**self._dump_copy(), **fields}))
        for name in fields:
            setattr(self.copy, name, getattr(valid, name))

    def finish(self, returned: object) -> Outcome:
        """Perform `sets` and `clears`, and judge what the body returned and wrote.

        Also finishes a call whose body did not run here: with the output that `Thread.resolve` or the probe gave.

        Args:
            returned: what `run` gave, awaited.

        Raises:
            EffectRefused: the body returned or wrote what the tool does not declare, or left a `sets` field unset.
        """
        if isinstance(returned, Pending):
            self._refuse_writes_of_pending()
            return Outcome(_utf8(returned.text), {}, pending=True)
        go = self._destination(returned.assistant.name, returned) if isinstance(returned, Go) else None
        output = self._text(returned.output if isinstance(returned, Go) else returned)
        return Outcome(output, self._patch(), go)

    def _patch(self) -> dict[str, Any]:
        tool = self._tool
        if self._copy is None and not (tool.sets or tool.clears):
            return {}
        arguments = {name: to_jsonable_python(self._values[name]) for name in tool.sets if name in self._values}
        after = self._validated({**self._dump_copy(), **arguments, **dict.fromkeys(tool.clears)})
        changed = {name for name, value in after.items() if not _same(value, self._before[name])}
        if undeclared := tuple(sorted(changed - {*tool.sets, *tool.clears})):
            listed = ", ".join(undeclared)
            raise EffectRefused(tool.name, f"wrote {listed} without declaring it: add sets= or clears=", undeclared)
        if unset := tuple(name for name in tool.sets if after[name] is None):
            raise EffectRefused(tool.name, f"declares that it sets {', '.join(unset)}, and did not", unset)
        return {name: after[name] for name in after if name in changed or name in arguments or name in tool.clears}

    def _validated(self, values: dict[str, Any]) -> dict[str, Any]:
        try:
            return dump(load(self._kind, values))
        except MetadataRefused as error:
            fields = tuple(field for field, _ in error.problems)
            raise EffectRefused(self._tool.name, f"left invalid metadata: {error}", fields) from error

    def _dump_copy(self) -> dict[str, Any]:
        if self._copy is None:
            return self._before
        try:
            return self._copy.model_dump(mode="json", round_trip=True, warnings="error")
        except PydanticSerializationError as error:
            reason = str(error).splitlines()[0]
            raise EffectRefused(self._tool.name, f"left metadata that is no JSON: {reason}") from error

    def _refuse_writes_of_pending(self) -> None:
        after = self._dump_copy()
        if written := tuple(name for name, value in after.items() if not _same(value, self._before[name])):
            listed = ", ".join(written)
            raise EffectRefused(
                self._tool.name, f"wrote {listed} and returned Pending: write when the result is there", written
            )

    def _destination(self, name: str, returned: Go) -> str:
        tool = self._tool
        allowed = {destination.assistant for destination in tool.to}
        if not tool.signature.may_choose or returned.assistant not in allowed:
            listed = ", ".join(destination.assistant.name for destination in tool.to) or "none"
            raise EffectRefused(tool.name, f"went to {name}, which is not among its destinations ({listed})")
        return name

    def _text(self, returned: object) -> str:
        if returned is None:
            return DONE
        if isinstance(returned, str):
            return _utf8(str.__str__(returned))
        if not isinstance(returned, (bool, int, float, BaseModel, dict, list, tuple)):
            kind = type(returned).__name__
            if inspect.iscoroutine(returned):
                returned.close()  # else Python warns of it later, far from here
                raise EffectRefused(
                    self._tool.name, "returned a coroutine, which nobody awaits here: write `async def` around it"
                )
            raise EffectRefused(self._tool.name, f"returned {kind}, which is no output: return text or JSON")
        try:
            return _utf8(json.dumps(to_jsonable_python(returned), ensure_ascii=False, allow_nan=False))
        except (ValueError, PydanticSerializationError) as error:
            raise EffectRefused(self._tool.name, f"returned what is no JSON: {error}") from error


class BoundProbe:
    """A tool's probe with everything it is called with: asked, after a crash, whether the call happened.

    Attributes:
        is_async: `run` gives something to await.
    """

    def __init__(
        self, tool: Tool, values: Mapping[str, Any], metadata: Metadata, deps: Deps | None, call: ToolCall
    ) -> None:
        if tool.probe is None or tool.probe_signature is None:
            raise ValueError(f"{tool.name} has no probe")
        self._tool = tool
        self._probe = tool.probe
        copy = metadata.model_copy(deep=True)
        self._given = _given(tool.probe_signature, values, lambda: copy, deps, call)
        self.is_async = is_async(tool.probe)

    def run(self) -> Any:
        """Call the probe: its answer, or something to await if it is async."""
        return self._probe(**self._given)

    def finish(self, returned: object) -> str | None:
        """The output of a call that happened (then `Bound.finish` takes it), or None if it did not.

        Raises:
            EffectRefused: the probe returned anything else.
        """
        if returned is None:
            return None
        if isinstance(returned, str):
            return _utf8(str.__str__(returned))
        raise EffectRefused(self._tool.name, f"has a probe that returned {type(returned).__name__}: return str or None")


def _given(
    signature: Signature, values: Mapping[str, Any], copy: Callable[[], Metadata], deps: Deps | None, call: ToolCall
) -> dict[str, Any]:
    def value(name: str, source: Source) -> Any:
        match source:
            case Source.METADATA:
                return copy()
            case Source.DEPS:
                return deps
            case Source.CALL:
                return call
            case Source.READS:
                return getattr(copy(), name)
            case Source.MODEL | Source.ASSISTANT:
                return values[name]

    return {parameter.name: value(parameter.name, parameter.source) for parameter in signature.parameters}


def _same(left: Any, right: Any) -> bool:
    """Whether two JSON values are written alike: 1, 1.0 and true are not."""
    if left is right or (isinstance(left, str) and isinstance(right, str)):
        return bool(left == right)
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _utf8(text: str) -> str:
    """The text as UTF-8 can hold it: pairs of surrogates joined, lone ones replaced."""
    try:
        require_utf8(text)
    except ValueError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
