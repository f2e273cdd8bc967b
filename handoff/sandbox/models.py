"""Models: the sandbox lists one, and takes any name in a request."""

from __future__ import annotations

from typing import Final

from handoff.sandbox.calls import Call
from handoff.sandbox.rules import refused
from handoff.sandbox.world import Wire

#: The one model that is listed. Not deletable.
NAME: Final = "handoff-sandbox"
_MODEL: Final[Wire] = {"id": NAME, "object": "model", "created": 1_700_000_000, "owned_by": "handoff"}


async def listed(call: Call) -> Wire:
    """Return the list of the one.

    Args:
        call: the request.
    """
    del call
    return {"object": "list", "data": [_MODEL]}


async def retrieve(call: Call) -> Wire:
    """Return it.

    Args:
        call: the request.
    """
    if call.path["model"] != NAME:
        raise refused("no_model", id=call.path["model"])
    return _MODEL
