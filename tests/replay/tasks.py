"""Gold tasks (tau-bench): each state an assistant with its tools, each tool a cassette of what was recorded.

A tool takes what its recorded calls have, typed by their values. One that has left a database behind writes its hash to
the metadata, so that each write is one change, in order.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue, create_model

from handoff import Flow, Limits, Metadata
from tests.replay.script import Called, Recorded, Said, Script, Tape, Turn
from tests.support.shaped import shaped


class Database(Metadata):
    """What the database is after the latest write."""

    database: str | None = None


class Part(BaseModel):
    """Base of the objects that arguments hold."""


def read_scripts(directory: Path) -> list[Script]:
    """Return all recorded tasks.

    Args:
        directory: of the recorded data; tasks are in `tau_*_cassettes.jsonl`, one domain in each file.
    """
    found: list[Script] = []
    for path in sorted(directory.glob("tau_*_cassettes.jsonl")):
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
        flows: dict[str, Flow[Any, Tape]] = {}
        for row in rows:
            key = json.dumps([_first(row), row["states"]])
            if key not in flows:
                flows[key] = flow_of(row, rows)
            found.append(script_of(row, flows[key]))
    return found


def script_of(row: Mapping[str, Any], flow: Flow[Any, Tape]) -> Script:
    """Return a task as it is played: the user says it all at once, and is told what was asked for.

    Args:
        row: as recorded.
        flow: of its states.
    """
    said: list[Said] = []
    states = [_first(row)]
    recorded: list[Recorded] = []
    for step in row["steps"]:
        if "handoff" in step:
            said.append(Said(step["state"], (_handoff(step["handoff"]),)))
            states.append(step["handoff"])
        else:
            said.append(Said(step["state"], (Called(step["tool"], step["args"], step["output"]),)))
            recorded.append(Recorded(step["tool"], step["args"], step["output"], step.get("db_after")))
    said.append(Said(states[-1], text=" ".join(["That is done.", *map(str, row["outputs"])])))
    return Script(
        name=row["id"],
        flow=flow,
        turns=(Turn(row["instruction"], tuple(said)),),
        states=tuple(states),
        lends=lambda: Tape(recorded),
        first={"database": row["db_before"]},
        final={"database": row["db_gold"]},
    )


def flow_of(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Flow[Any, Tape]:
    """Return the flow of a task's states.

    Args:
        row: the task.
        rows: all tasks of its domain, by whose calls the tools are typed and the bounds are set.
    """
    steps = [step for one in rows for step in one["steps"]]
    most = {kind: max(sum(kind in step for step in one["steps"]) for one in rows) for kind in ("handoff", "tool")}
    usual = Limits()
    limits = Limits(
        handoffs=max(usual.handoffs, most["handoff"]),
        calls=max(usual.calls, most["handoff"] + most["tool"]),
        runs=max(usual.runs, most["handoff"] + 1),
    )
    flow = Flow("tasks", metadata=Database, deps=Tape, limits=limits)
    first = _first(row)
    for name in dict.fromkeys([first, *row["states"]]):
        text = f"You do what belongs to this: {name}. For anything else, hand over."
        flow.assistant(name, instructions=text + "{% if database %} The database: {{ database }}.{% endif %}")
    for name, assistant in flow.assistants.items():
        output = _handoff(name).output
        go = shaped(lambda output=output: output, f"go_to_{name}", f"Hand over to {name}.", {})
        flow.tool(to=assistant)(go)
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for name, tools in row["states"].items():
        for tool in tools:
            owners[tool].append(name)
    for tool, names in owners.items():
        calls = [step for step in steps if step.get("tool") == tool]
        writes = any("db_after" in call for call in calls)
        declare = flow.tool(
            *(flow.assistants[name] for name in names), sets="database" if writes else (), idempotent=not writes
        )
        declare(_cassette(tool, [call["args"] for call in calls], writes=writes))
    return flow


def _first(row: Mapping[str, Any]) -> str:
    """The state a task begins in."""
    return str(row["steps"][0]["state"] if row["steps"] else next(iter(row["states"])))


def _handoff(state: str) -> Called:
    return Called(f"go_to_{state}", {}, f"{state} takes over", moves=True)


# -- tools -------------------------------------------------------------------------------------------------------------


def _cassette(tool: str, examples: Sequence[Mapping[str, Any]], *, writes: bool) -> Any:
    """The tool that plays its recorded calls."""
    kinds = dict(_fields(tool, examples))
    defaults = {name: default for name, (_, default) in kinds.items() if default is not ...}

    async def play(tape: Tape, facts: Database | None = None, **arguments: Any) -> str:
        given = {name: _plain(value) for name, value in arguments.items()}
        recorded = tape.play(tool, given, defaults)
        if facts is not None and recorded.after is not None:
            facts.database = recorded.after
        return str(recorded.output)

    lent: dict[str, Any] = {"tape": Tape, "facts": Database} if writes else {"tape": Tape}
    parameters = {name: kind for name, (kind, _) in kinds.items()}
    return shaped(play, tool, f"Do this: {tool.replace('_', ' ')}.", {**lent, **parameters}, defaults=defaults)


def _fields(name: str, examples: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The type and the default of each key that the examples have; `...` for none."""
    for key in dict.fromkeys(key for example in examples for key in example):
        values = [example[key] for example in examples if key in example]
        kind = _kind(f"{name}_{key}", values)
        yield key, (kind, ...) if len(values) == len(examples) else (kind | None, None)


def _kind(name: str, values: Sequence[Any]) -> Any:
    """The type that all these values have."""
    kinds: list[Any] = []
    if objects := [value for value in values if isinstance(value, Mapping)]:
        kinds.append(create_model(name, __base__=Part, **dict(_fields(name, objects))))
    if lists := [value for value in values if isinstance(value, list)]:
        kinds.append(list[_kind(name, [part for one in lists for part in one])])  # type: ignore[misc]
    kinds += dict.fromkeys(type(value) for value in values if not isinstance(value, (Mapping, list)))
    made: Any = kinds[0] if kinds else JsonValue
    for kind in kinds[1:]:
        made |= kind
    return made


def _plain(value: Any) -> Any:
    """An argument as it was given."""
    if isinstance(value, Part):
        return value.model_dump(mode="json", exclude_unset=True)
    return [_plain(part) for part in value] if isinstance(value, list) else value
