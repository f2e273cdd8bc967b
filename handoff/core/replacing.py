"""`replace`, as in `dataclasses`, for the values of a thread that change with every event.

The standard one reads every field of a `State` and gives it to the constructor: a sixth of all that a handoff cost.
This one copies the instance's dictionary, and so needs classes without slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import replace  # so that checkers know which fields there are
else:

    def replace(value: T, /, **changes: Any) -> T:
        """Return a copy of a frozen dataclass with some fields changed.

        Args:
            value: an instance of a dataclass without slots, whose `__init__` does no more than to set its fields.
            changes: the fields and their new values.

        Raises:
            TypeError: if there is no such field.
        """
        made = object.__new__(value.__class__)
        fields = made.__dict__
        fields.update(value.__dict__)
        fields.update(changes)
        if len(fields) != len(value.__dict__):
            unknown = ", ".join(changes.keys() - value.__dict__.keys())
            raise TypeError(f"{type(value).__name__} has no field {unknown}")
        return made


__all__ = ["replace"]
