"""The core under proof, as a value: its modules, loaded as they stand or with patches applied to their source.

A mutant is loaded beside the original: every module of the core and the turn is imported afresh under its own name,
handed over, and the originals are put back. So one process can search many mutants, and no file is ever written.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

CORE = tuple(sorted(path.stem for path in (ROOT / "handoff" / "core").glob("[a-z]*.py")))

#: Path of a source file below the project, e.g. `handoff/core/todo.py` -> pairs of (old text, new text).
Patches = Mapping[str, Sequence[tuple[str, str]]]


class Core:
    """The modules of one core, original or mutated, and what the environment calls most."""

    def __init__(self, modules: Mapping[str, ModuleType]) -> None:
        self.events: Any = modules["handoff.core.events"]
        self.state: Any = modules["handoff.core.state"]
        self.items: Any = modules["handoff.core.items"]
        self.commands: Any = modules["handoff.core.commands"]
        self.turn: Any = modules["handoff.driving.turn"]
        self.status: Any = modules["handoff.core.status"].Status
        self.receive: Any = modules["handoff.core.receive"].receive
        self.todo: Any = modules["handoff.core.todo"].todo
        self.stored_by: Any = modules["handoff.core.transcript"].stored_by
        self.blocked: Any = modules["handoff.core.bounds"].blocked
        self.ends_round: Any = modules["handoff.core.bounds"].ends_round
        self.renewed: Any = modules["handoff.core.batch"].renewed
        self.winner: Any = modules["handoff.core.batch"].winner
        self.working_metadata: Any = modules["handoff.core.batch"].working_metadata
        self.start_refusal: Any = modules["handoff.core.bounds"].start_refusal


class _Patched(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, patches: Sequence[tuple[str, str]]) -> None:
        super().__init__(name, path)
        self.patches = patches

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        source = Path(self.path).read_text(encoding="utf-8")
        for old, new in self.patches:
            found = source.count(old)
            if found != 1:
                raise ValueError(f"{self.path}: a mutant's text must occur exactly once, found {found}: {old!r}")
            source = source.replace(old, new)
        return compile(source, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, patches: Patches) -> None:
        self.patches = {path.removesuffix(".py").replace("/", "."): pairs for path, pairs in patches.items()}

    def find_spec(self, fullname: str, path: object, target: object = None) -> Any:
        del path, target
        if fullname not in self.patches:
            return None
        file = str(ROOT / (fullname.replace(".", "/") + ".py"))
        return importlib.util.spec_from_file_location(
            fullname, file, loader=_Patched(fullname, file, self.patches[fullname])
        )


def load(patches: Patches | None = None) -> Core:
    """Return the core, with the patches applied to fresh copies of its modules if there are any.

    Args:
        patches: by path below the project, pairs of a text that occurs exactly once there and what replaces it.

    Raises:
        ValueError: if a text does not occur exactly once, or a path is no module of the core.
    """
    names = ["handoff.core", *(f"handoff.core.{name}" for name in CORE), "handoff.driving.turn"]
    if not patches:
        return Core({name: importlib.import_module(name) for name in names})
    finder = _Finder(patches)
    unknown = set(finder.patches) - set(names)
    if unknown:
        raise ValueError(f"only the core and the turn can be mutated, not {sorted(unknown)}")
    package = importlib.import_module("handoff")
    saved = {name: importlib.import_module(name) for name in names}
    for name in names:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        return Core({name: importlib.import_module(name) for name in names})
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(saved)
        package.core = saved["handoff.core"]  # type: ignore[attr-defined]
        package.turn = saved["handoff.driving.turn"]  # type: ignore[attr-defined]
