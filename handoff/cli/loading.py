"""FLOW on the command line: `module`, `module:name`, a path to a .py file (also with `:name`), or an installed name.

A module is looked for where Python looks, the current directory first; a plain name that is no module is looked up
among the installed flows (entry point group `handoff.flows`). A module that holds one Flow needs no name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from handoff import DefinitionError, Flow, HandoffError
from handoff.cli.exits import UsageRefused

#: The entry point group of installed flows.
GROUP = "handoff.flows"

#: Where Python's own code and installed packages are: an error there is told of at the line that called it.
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


class ImportFailed(UsageRefused):
    """A module raises while it is imported.

    Attributes:
        file: the file it stands in.
        line: the line in it, from 1; 0 if it is not known.
        problem: the text without the place.
    """

    def __init__(self, problem: str, file: str = "", line: int = 0) -> None:
        super().__init__(f"{file}:{line}: {problem}" if file else problem)
        self.problem = problem
        self.file = file
        self.line = line


def load_flow(named: str) -> Flow[Any, Any]:
    """Return the flow of that name, its declaration finished.

    Args:
        named: as on the command line.

    Raises:
        UsageRefused: if there is no such module, file or flow, several to choose from, or an import that fails.
        DefinitionError: if the flow as declared cannot work.
    """
    place, name = _split(named)
    if place.endswith(".py") or "/" in place or "\\" in place:
        flow = _chosen(_file(Path(place)), name, place)
    else:
        module = _module(place)
        flow = _installed(place, name) if module is None else _chosen(module, name, place)
    flow.freeze()
    return flow


def installed_flow(name: str) -> Flow[Any, Any] | None:
    """Return the installed flow whose own name is that, as threads record it; None if there is none."""
    for point in entry_points(group=GROUP):
        flow = imported(point.load, f"the installed flow {point.name}")
        if isinstance(flow, Flow) and flow.name == name:
            return flow  # pyright: ignore[reportUnknownVariableType]
    return None


def _split(named: str) -> tuple[str, str]:
    """Return place and name; a colon right after a drive letter belongs to the place."""
    place, colon, name = named.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        place, name = named, ""
    if not place or (colon and not name and place != named):
        raise UsageRefused(f"{named!r} names no flow: write MODULE, MODULE:NAME or PATH.py")
    return place, name


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageRefused(f"there is no file {path}: give the path to the .py file that declares the flow")
    directory = str(path.resolve().parent)
    if directory not in sys.path:
        sys.path.insert(0, directory)  # as Python does for a script, so that it can import what stands beside it
    # A name of its own, so that a file called json.py does not take the place of a module of that name.
    name = f"_flow_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageRefused(f"{path} is no Python file: give the path to the .py file that declares the flow")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader
    try:
        imported(lambda: loader.exec_module(module), str(path), str(path))
    except HandoffError:
        del sys.modules[name]
        raise
    return module


def _module(name: str) -> ModuleType | None:
    """Import a module; None if there is none of that name."""
    if not all(part.isidentifier() for part in name.split(".")):
        return None  # what is no name of a module may be that of an installed flow
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)

    def found() -> ModuleType | None:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                return None
            raise
        # A directory without Python code in it is no module that anybody meant.
        return module if module.__spec__ is None or module.__spec__.origin is not None else None

    module: ModuleType | None = imported(found, name)
    return module


def _installed(place: str, name: str) -> Flow[Any, Any]:
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name or place not in points:
        known = f"; installed flows are {', '.join(sorted(points))}" if points else ""
        raise UsageRefused(
            f"there is no module {place!r}: run this where it can be imported, or give the path to its .py file{known}"
        )
    flow = imported(points[place].load, f"the installed flow {place}")
    if not isinstance(flow, Flow):
        raise UsageRefused(f"the installed flow {place} is a {type(flow).__name__}: its entry point must name a Flow")
    return flow  # pyright: ignore[reportUnknownVariableType]


def _chosen(module: ModuleType, name: str, place: str) -> Flow[Any, Any]:
    flows: dict[str, Flow[Any, Any]] = {key: one for key, one in vars(module).items() if isinstance(one, Flow)}
    if name:
        if name in flows:
            return flows[name]
        known = f"it has {', '.join(flows)}" if flows else "it has none"
        raise UsageRefused(f"{place} has no flow called {name}: {known}")
    distinct: dict[int, str] = {}
    for key, one in flows.items():
        distinct.setdefault(id(one), key)
    if not distinct:
        raise UsageRefused(f"{place} holds no flow: declare one at its top level, as in flow = Flow(...)")
    consulted = {id(one) for flow in flows.values() for one in flow.consulted}
    asking = [flows[key] for key in distinct.values() if id(flows[key]) not in consulted]
    if len(asking) == 1:
        return asking[0]  # the others are for its side rooms
    if len(distinct) > 1:
        choices = ", ".join(f"{place}:{key}" for key in distinct.values())
        raise UsageRefused(f"{place} holds several flows: say which, one of {choices}")
    return next(iter(flows.values()))


def imported(load: Callable[[], Any], what: str, file: str = "") -> Any:
    """Run an import; what it raises becomes a refusal that names the line.

    Args:
        load: the import.
        what: what is imported, for the text.
        file: its file, if that is known, for an error that names none.

    Raises:
        ImportFailed: if it raises anything but a DefinitionError, or ends the process.
        DefinitionError: if a flow is declared wrongly there.
    """
    try:
        with redirect_stdout(sys.stderr):  # what a module prints is no part of what the command writes
            return load()
    except (DefinitionError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        problem = f"{what} cannot be imported: {type(error).__name__}: {error.msg}"
        raise ImportFailed(problem, error.filename or file, error.lineno or 1) from error
    except BaseException as error:
        # SystemExit too: a module that ends the process must not make the command look as if all were well.
        frames = traceback.extract_tb(error.__traceback__)
        outside = [one for one in frames if one.filename != __file__ and "importlib" not in one.filename]
        own = [one for one in outside if not one.filename.startswith(_LIBRARIES)] or outside
        said = " ".join(str(error).split())  # one line, as the report has it
        problem = f"{what} cannot be imported: {type(error).__name__}{f': {said}' if said else ''}"
        where = (own[-1].filename, own[-1].lineno or 0) if own else (file, 1 if file else 0)
        raise ImportFailed(problem, *where) from error
