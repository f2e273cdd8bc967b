"""`--set` and `--dep`: texts become metadata and Deps, validated before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Commands, handoff

__all__ = ["handoff"]  # the fixture

DEPS = '''
import dataclasses
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic.dataclasses import dataclass as validated

from handoff import Deps, Flow, RuleModel, call

class Client: ...

@dataclasses.dataclass
class Plain(Deps):
    root: Path
    count: int = 1

@validated
class Checked(Deps):
    root: pydantic.DirectoryPath
    count: Annotated[int, pydantic.Field(ge=1)] = 1

class Model(pydantic.BaseModel, Deps):
    root: Path
    tags: list[str] = []
    count: int = 1

class Initialised(Deps):
    def __init__(self, root: Path, *, count: int = 1) -> None:
        self.root, self.count = root, count

class Broken(Deps):
    def __init__(self, root: Path) -> None:
        raise OSError("no such server")

class Unwritable(Deps):
    def __init__(self, client: Client) -> None:
        self.client = client

class Empty(Deps):
    root, count = None, 1

def flow_with(kind: type[Deps]) -> Flow[Any, Any]:
    flow = Flow(kind.__name__.lower(), deps=kind)
    one = flow.assistant("one", instructions="Hello.")
    rules = RuleModel(flow)

    @one.tool()
    def look(deps: kind) -> str:
        """Look."""
        return f"{deps.root!r} {getattr(deps, 'tags', [])} {deps.count!r}"

    @rules.when(one, "look")
    def looks(match):
        """look."""
        return call(look)

    return flow

plain, checked, model, initialised, broken, unwritable, empty = map(
    flow_with, (Plain, Checked, Model, Initialised, Broken, Unwritable, Empty)
)
'''


@pytest.mark.parametrize(
    ("given", "metadata"),
    [
        pytest.param(["item=a pen"], {"item": "a pen", "count": None}, id="text"),
        pytest.param(['item="a pen"'], {"item": "a pen", "count": None}, id="JSON text"),
        pytest.param(["item=007"], {"item": "007", "count": None}, id="a number by its looks"),
        pytest.param(["item=12"], {"item": "12", "count": None}, id="a number where text belongs"),
        pytest.param(["count=12", "item=12"], {"item": "12", "count": 12}, id="a number where one belongs"),
        pytest.param(["item=a=b"], {"item": "a=b", "count": None}, id="equals sign in the value"),
        pytest.param(["item=null"], {"item": None, "count": None}, id="unset"),
        pytest.param(["item="], {"item": "", "count": None}, id="empty text"),
    ],
)
def test_set(handoff: Commands, given: list[str], metadata: dict[str, Any]) -> None:
    """A value is JSON where it parses and fits, else text."""
    options = [part for one in given for part in ("--set", one)]
    handoff("run", "desk.py", "hello", "--store", handoff.store, *options)

    (found,) = handoff("threads", "ls", "--store", handoff.store, "--json").events

    assert metadata == found["metadata"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(["count=many"], "--set does not fit desk: count:", id="wrong type"),
        pytest.param(["colour=red"], "Its fields are item, count", id="no such field"),
        pytest.param(["item=1", "item=2"], "--set item=… is given twice", id="twice"),
        pytest.param(["=1"], "write --set KEY=VALUE", id="no key"),
    ],
)
def test_set_refused(handoff: Commands, given: list[str], problem: str) -> None:
    """What does not fit ends with exit code 2 before anything starts."""
    options = [part for one in given for part in ("--set", one)]

    found = handoff("run", "desk.py", "hello", *options)

    assert (2, "") == (found.code, found.out)
    assert problem in found.err


@pytest.mark.parametrize(
    ("flow", "given", "seen"),
    [
        pytest.param("plain", ["root=."], f"{Path()!r} [] 1", id="dataclass"),
        pytest.param("plain", ["root=12", "count=2"], f"{Path('12')!r} [] 2", id="dataclass, all given"),
        pytest.param("checked", ["root=."], f"{Path()!r} [] 1", id="pydantic dataclass"),
        pytest.param("model", ["root=.", 'tags=["a","b"]'], f"{Path()!r} ['a', 'b'] 1", id="pydantic model, JSON"),
        pytest.param("initialised", ["root=.", "count=3"], f"{Path()!r} [] 3", id="annotated __init__"),
        pytest.param("empty", [], "None [] 1", id="nothing to give"),
    ],
)
def test_dep(handoff: Commands, flow: str, given: list[str], seen: str) -> None:
    """Whatever kind of class the Deps are, they are built from texts of the right type."""
    handoff.write("lends.py", DEPS)
    options = [part for one in given for part in ("--dep", one)]

    found = handoff("run", f"lends.py:{flow}", "look", "--json", *options)

    assert [seen] == [one["output"] for one in found.told("tool.finished")]


@pytest.mark.parametrize(
    ("flow", "given", "code", "problem"),
    [
        pytest.param("plain", [], 2, "Plain of plain needs root: give --dep root=PATH [--dep count=INT]", id="missing"),
        pytest.param("plain", ["path=."], 2, "Plain of plain has no path: give --dep root=PATH", id="unknown"),
        pytest.param(
            "plain", ["root=.", "count=two"], 2, "--dep count=two: Input should be a valid int", id="wrong type"
        ),
        pytest.param(
            "checked", ["root=missing"], 2, "--dep root=missing: Path does not point to a dir", id="no directory"
        ),
        pytest.param("checked", ["root=.", "count=0"], 2, "--dep count=0: Input should be greater", id="too small"),
        pytest.param(
            "broken", ["root=."], 3, "Broken could not be built: OSError: no such server", id="its own failure"
        ),
        pytest.param("unwritable", ["client=x"], 3, "which no text can be: run this flow from Python", id="no text"),
        pytest.param("empty", ["root=."], 2, "Empty of empty has no root: give no --dep", id="takes none"),
    ],
)
def test_dep_refused(handoff: Commands, flow: str, given: list[str], code: int, problem: str) -> None:
    """What is missing, unknown or does not fit is listed, and nothing starts."""
    handoff.write("lends.py", DEPS)
    options = [part for one in given for part in ("--dep", one)]

    found = handoff("run", f"lends.py:{flow}", "look", *options)

    assert (code, "") == (found.code, found.out)
    assert problem in found.err
