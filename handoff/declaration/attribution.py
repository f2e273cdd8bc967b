"""What an assistant is told about who speaks in its thread.

Its own name, the others, and who handed over to it last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.declaration.assistants import Assistant
from handoff.declaration.routes import ON_LIMIT


def attribute(
    assistant: str, assistants: Mapping[str, Assistant[Any]], previous: str | None, trigger: str | None
) -> str:
    """The lines for one assistant.

    Args:
        assistant: its name.
        assistants: all assistants of the flow by name.
        previous: name of the assistant that handed over last, if any did.
        trigger: the trigger of that handoff.
    """
    lines = [f"You are {assistant}."]
    others = [other for name, other in assistants.items() if name != assistant]
    if others:
        listed = "; ".join(f"{one.name} ({one.description})" if one.description else one.name for one in others)
        lines.append(f"Others who speak in this thread: {listed}. What they said is not yours.")
    if previous is not None and trigger is not None:
        lines.append(f"{previous} handed over to you {_occasion(trigger)}.")
    return "\n".join(lines)


def _occasion(trigger: str) -> str:
    """What set a handoff off."""
    if trigger == ON_LIMIT:
        return "because a limit was reached"
    if trigger == "then":
        return "after its reply"
    return "after silence" if trigger.startswith("after:") else f"by {trigger}"
