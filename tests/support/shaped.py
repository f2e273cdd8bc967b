"""Functions whose parameters are known only when the tests run: tools made from recorded calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

#: The default of a parameter that has none.
REQUIRED: Any = inspect.Parameter.empty


def shaped(
    body: Callable[..., Any],
    name: str,
    text: str,
    parameters: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    returns: Any = str,
) -> Callable[..., Any]:
    """Return a function of its own that passes all it is given to `body`, by name.

    Args:
        body: what it does; an `async def` gives one.
        name: its name.
        text: its docstring.
        parameters: the annotation of each parameter, by name.
        defaults: the defaults of those that have one.
        returns: what it returns.
    """

    def plain(**given: Any) -> Any:
        return body(**given)

    async def awaited(**given: Any) -> Any:
        return await body(**given)

    function: Any = awaited if inspect.iscoroutinefunction(body) else plain
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    function.__annotations__ = {**parameters, "return": returns}
    keyword = inspect.Parameter.KEYWORD_ONLY
    found = [
        inspect.Parameter(one, keyword, annotation=kind, default=(defaults or {}).get(one, REQUIRED))
        for one, kind in parameters.items()
    ]
    function.__signature__ = inspect.Signature(found, return_annotation=returns)
    return function
