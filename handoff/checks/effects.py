"""What a tool's declared effects make of the metadata fields: the values each can have after the call."""

from __future__ import annotations

from collections.abc import Mapping

from handoff.checks.bodies import Use, use_of
from handoff.checks.values import Domain
from handoff.declaration.metadata import Metadata
from handoff.declaration.signature import Source
from handoff.declaration.tools import Tool


def written(tool: Tool, kind: type[Metadata], known: Mapping[str, Domain]) -> tuple[dict[str, int], frozenset[str]]:
    """The cases of each field in `sets` and `clears` after a call, and the fields that may also stay as they were.

    Args:
        tool: the tool.
        kind: the metadata class.
        known: the domain of each field.
    """
    effects = {name: known[name].unset for name in tool.clears}
    arguments = {one.name: one.annotation for one in tool.signature.parameters if one.source is Source.MODEL}
    own = set(tool.sets) - set(arguments)
    use = metadata_use(tool, kind) if own else Use()
    for name in tool.sets:
        if name in arguments:
            effects[name] = known[name].of(arguments[name])
        else:
            effects[name] = _assigned(use, name, known[name])
    return effects, frozenset(own - use.always)


def metadata_use(tool: Tool, kind: type[Metadata]) -> Use:
    """What a tool's body does with its copy of the metadata."""
    return use_of(tool.function, tool.signature.named(Source.METADATA), kind)


def _assigned(use: Use, name: str, domain: Domain) -> int:
    """The cases of a field that the body assigns; all that are set, unless it assigns constants only."""
    values = use.writes.get(name, [])
    if use.escapes or name in use.touches or not values or None in values:
        return domain.set
    mask = 0
    for constant in values:
        mask |= domain.mask(constant.value) if constant is not None else 0
    return mask & domain.set or domain.set
