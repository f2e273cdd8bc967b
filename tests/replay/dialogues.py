"""Dialogues over several services (SGD): each service an assistant, each change of the service a handoff.

What the user says is written to the metadata, a record for each service: by a call of the assistant whose service it
is, or by the program where it is nobody's who speaks. What the user has said to one service and means for the next is
named by no argument: the handoff finds it in the metadata, and the next assistant in its instructions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from handoff import Assistant, Flow, Metadata
from tests.replay.script import Called, Copy, Recorded, Said, Script, Shown, Tape, Turn, lines
from tests.support.shaped import shaped

Facts = dict[str, dict[str, list[str]]]
"""What is known: by service, by slot."""


class Record(BaseModel):
    """What is known of one service."""

    model_config = ConfigDict(extra="forbid")


class Services:
    """The schemas of services, and the flows that are made of them."""

    def __init__(self, schemas: Iterable[Mapping[str, Any]]) -> None:
        self._schemas = {schema["service_name"]: schema for schema in schemas}
        #: The flow of these services, in this order; each is made once.
        self.flow = cache(self._flow)

    @property
    def names(self) -> tuple[str, ...]:
        """All services."""
        return tuple(self._schemas)

    def _flow(self, names: tuple[str, ...]) -> Flow[Any, Tape]:
        schemas = [self._schemas[name] for name in names]
        records: dict[str, Any] = {schema["service_name"]: _record(schema) for schema in schemas}
        facts = create_model("Facts", __base__=Metadata, **{name: (one | None, None) for name, one in records.items()})
        flow = Flow("services", metadata=facts, deps=Tape)
        for schema in schemas:
            name = schema["service_name"]
            assistant = flow.assistant(name, instructions=_instructions(schema), description=schema["description"])
            _offer_memory(assistant, facts, records[name])
            slots = {slot["name"]: slot["description"] for slot in schema["slots"]}
            for intent in schema["intents"]:
                _offer_method(assistant, intent, slots)
        for name, assistant in flow.assistants.items():
            _offer_handoff(flow, assistant, facts, records[name])
        return flow


def script_of(row: Mapping[str, Any], services: Services) -> Script:
    """Return a dialogue as it is played.

    Args:
        row: as recorded.
        services: the schemas of its services.
    """
    flow = services.flow(tuple(dict.fromkeys([*row["states"], *row["services"]])))
    known: Facts = {}
    turns: list[Turn] = []
    recorded: list[Recorded] = []
    active = row["states"][0]
    for user, answers in _exchanges(row["turns"]):
        writing = _Writing(known, user, active)
        said: list[Said] = []
        if user["svc"] != active:
            said.append(Said(active, (*writing.by(active), _handoff(user["svc"]))))
            active = user["svc"]
        first = writing.by(active)
        for answer in answers:
            called = ()
            if "call" in answer:
                call = answer["call"]
                called = (Called(call["method"], call["args"], answer["result"]),)
                recorded.append(Recorded(call["method"], call["args"], answer["result"]))
            if first or called:
                said.append(Said(active, (*first, *called)))
            first = ()
        said.append(Said(active, text=" ".join(answer["s"] for answer in answers)))
        turns.append(Turn(user["u"], tuple(said), writing.edit, writing.copies, writing.shown))
        known = writing.after
    return Script(
        name=row["id"],
        flow=flow,
        turns=tuple(turns),
        states=tuple(row["states"]),
        lends=lambda: Tape(recorded),
        first={},
        final={name: record for name, record in row["final"].items() if record},
    )


class _Writing:
    """What one row of the user writes to the metadata, and who writes it.

    A slot that is carried into the service that is entered is copied there by the handoff. All else the service's own
    assistant writes, if it speaks in this turn; else the program does, before the message.
    """

    def __init__(self, known: Facts, user: Mapping[str, Any], active: str) -> None:
        entered = user["svc"]
        given: Facts = user.get("set", {})
        carried = [(service, slot) for service, slot in user.get("carried", ())]
        dropped = list(_pairs(user.get("dropped", ())))
        self._calls: dict[str, list[Called]] = {active: [], entered: []}
        self.after = _with(known, given, dropped)
        # The handoff finds what the assistant that is left has written in the same batch.
        found = _with(known, {active: given.get(active, {})}, ()) if entered != active else known
        sources = {
            slot: source
            for service, slot in carried
            if service == entered != active
            and (source := _source(found, service, self.after[service][slot])) is not None
        }
        self.copies: tuple[Copy, ...] = tuple(sources.items())
        copied = {slot: found[service][name] for slot, (service, name) in sources.items()}
        edited: set[str] = set()
        for service, record in given.items():
            for slot, values in record.items():
                if service not in self._calls or ((service, slot) in carried and slot not in sources):
                    edited.add(service)
                elif service != entered or copied.get(slot) != values:
                    self._calls[service].append(_remember(slot, values))
        for service, slot in dropped:
            if service in self._calls:
                self._calls[service].append(_forget(slot))
            else:
                edited.add(service)
        told = {name: {call.arguments["slot"] for call in calls} for name, calls in self._calls.items()}
        self.edit = {name: self._edited(name, known, told.get(name, set()), copied) for name in sorted(edited)}
        self.shown = tuple(
            Shown(entered, slot, copied[slot] if slot in sources else self.after[service][slot])
            for service, slot in carried
            if service == entered
        )

    def by(self, assistant: str) -> tuple[Called, ...]:
        """The calls by which an assistant writes what is its own; once."""
        return tuple(self._calls.pop(assistant, ()))

    def _edited(self, service: str, known: Facts, told: set[str], copied: Mapping[str, Any]) -> dict[str, list[str]]:
        """What the program writes of a service: all that no call and no handoff will write."""
        later = told | set(copied)
        before = {slot: values for slot, values in known.get(service, {}).items() if slot in later}
        return before | {slot: values for slot, values in self.after[service].items() if slot not in later}


#: Stands in where a dialogue ends with the user.
_UNANSWERED = {"s": "Goodbye."}

# -- rows --------------------------------------------------------------------------------------------------------------


def _exchanges(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """The rows of the user, each with those of the system that answer it."""
    starts = [index for index, row in enumerate(rows) if "u" in row]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield rows[start], list(rows[start + 1 : end]) or [_UNANSWERED]


def _pairs(given: Any) -> Iterator[tuple[str, str]]:
    """(service, slot) of a table of slots by service, or of a list of pairs."""
    if isinstance(given, Mapping):
        yield from ((service, slot) for service, slots in given.items() for slot in slots)
    else:
        yield from ((service, slot) for service, slot in given)


def _with(known: Facts, given: Facts, dropped: Iterable[tuple[str, str]]) -> Facts:
    """What is known after a change."""
    after = {service: dict(record) for service, record in known.items()}
    for service, record in given.items():
        if record:
            after.setdefault(service, {}).update(record)
    for service, slot in dropped:
        after.get(service, {}).pop(slot, None)
    return after


def _source(known: Facts, entered: str, values: Sequence[str]) -> tuple[str, str] | None:
    """The slot of another service that holds these values, or most of them; None if there is none."""
    others = [
        (list(held) == list(values), len({*values} & {*held}), (service, slot))
        for service, record in known.items()
        if service != entered
        for slot, held in record.items()
        if {*values} & {*held}
    ]
    return max(others)[2] if others else None


# -- calls, and what they return ---------------------------------------------------------------------------------------


def _remember(slot: str, values: Sequence[str]) -> Called:
    return Called("remember", {"slot": slot, "values": list(values)}, f"{slot} is noted")


def _forget(slot: str) -> Called:
    return Called("forget", {"slot": slot}, f"{slot} is forgotten")


def _handoff(service: str) -> Called:
    return Called(f"go_to_{service}", {}, f"{service} takes over", moves=True)


# -- the flow ----------------------------------------------------------------------------------------------------------


def _record(schema: Mapping[str, Any]) -> type[Record]:
    fields: dict[str, Any] = {
        slot["name"]: (list[str] | None, Field(None, description=slot["description"])) for slot in schema["slots"]
    }
    return create_model(schema["service_name"], __base__=Record, **fields)


def _instructions(schema: Mapping[str, Any]) -> str:
    name = schema["service_name"]
    known = (
        f"{{% if {name}.{slot['name']} %}}{slot['name']}: {{{{ {name}.{slot['name']} }}}}\n{{% endif %}}"
        for slot in schema["slots"]
    )
    return lines(
        [
            f"You are an assistant for this: {schema['description']}.",
            "Remember what the user wants of it; for anything else, hand over.",
            f"{{% if {name} %}}What you know:",
            "".join(known) + "{% endif %}",
        ]
    )


def _offer_memory(assistant: Assistant[Any], facts: Any, record: type[Record]) -> None:
    """The tools by which an assistant writes what the user says of its service."""
    service = assistant.name
    slots = Literal[tuple(record.model_fields)]  # type: ignore[valid-type]

    def write(facts: Any, slot: str, values: list[str] | None) -> None:
        known = getattr(facts, service) or record()
        setattr(known, slot, values)
        setattr(facts, service, known)

    def remember(facts: Any, slot: str, values: list[str]) -> str:
        write(facts, slot, values)
        return f"{slot} is noted"

    def forget(facts: Any, slot: str) -> str:
        write(facts, slot, None)
        return f"{slot} is forgotten"

    text = "Write down what the user wants."
    given = {"facts": facts, "slot": slots}
    assistant.tool(sets=service)(shaped(remember, "remember", text, {**given, "values": list[str]}))
    assistant.tool(sets=service)(shaped(forget, "forget", "Strike out what the user no longer wants.", given))


def _offer_method(assistant: Assistant[Any], intent: Mapping[str, Any], slots: Mapping[str, str]) -> None:
    """The tool that plays the recorded calls of a method."""
    name, optional = intent["name"], intent["optional_slots"]

    def method(tape: Tape, **arguments: Any) -> Any:
        return tape.play(name, arguments, optional).output

    taken = [*intent["required_slots"], *optional]
    text = lines([f"{intent['description']}.", "", "Args:", *(f"    {slot}: {slots[slot]}." for slot in taken)])
    parameters = {"tape": Tape, **dict.fromkeys(taken, str)}
    made = shaped(method, name, text, parameters, defaults=optional, returns=JsonValue)
    assistant.tool(idempotent=not intent["is_transactional"])(made)


def _offer_handoff(flow: Flow[Any, Tape], entered: Assistant[Any], facts: Any, record: type[Record]) -> None:
    """The tool by which all others hand over to a service; what is known of it already goes along."""
    service = entered.name

    def go(facts: Any, tape: Tape) -> str:
        known = getattr(facts, service) or record()
        for slot, (other, name) in tape.copies:
            setattr(known, slot, getattr(getattr(facts, other), name))
        setattr(facts, service, known)
        return f"{service} takes over"

    text = f"Hand over to {service}: {entered.description}."
    # It may run again: it only copies what the metadata holds.
    declare = flow.tool(to=entered, sets=service, idempotent=True)
    declare(shaped(go, f"go_to_{service}", text, {"facts": facts, "tape": Tape}))


# -- files -------------------------------------------------------------------------------------------------------------


def read_scripts(directory: Path) -> list[Script]:
    """Return all recorded dialogues.

    Args:
        directory: of the recorded data; each split has its dialogues in `sgd_SPLIT_*.jsonl` and the schemas of its
            services in `sgd_SPLIT_schema.json`.
    """
    found: list[Script] = []
    for path in sorted(directory.glob("sgd_*_schema.json")):
        services = Services(json.loads(path.read_text("utf-8")))
        for rows in sorted(directory.glob(path.name.replace("_schema.json", "_*.jsonl"))):
            found += [script_of(json.loads(line), services) for line in rows.read_text("utf-8").splitlines() if line]
    return found
