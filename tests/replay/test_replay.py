"""Recorded conversations come out on every backend as they were recorded: who spoke, what ran, what is known, in order.

In process all of them are played here, and a sample on each backend that speaks to a server; all of them there under
`python -m tests.campaign`.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from handoff.checks import check
from tests.conftest import PATIENCE
from tests.contract.backdrop import Backdrop, Server
from tests.contract.forms import FORMS, Form, cases
from tests.replay.replay import replay
from tests.replay.script import Script

SEED = int(os.environ.get("HANDOFF_TEST_SEED") or random.SystemRandom().randrange(1, 10**6))
WHOLE = "HANDOFF_CAMPAIGN_MINUTES" in os.environ
#: How many conversations of each kind are played on a backend that speaks to a server.
SAMPLE = 4
KINDS = ("dialogues", "tasks")
EMBEDDED = next(form for form in FORMS if form.connect is None)
#: Without the cached layout: it refuses the recorded assistants, which have tools of one name that differ.
SERVED = [case for case in cases(served=True) if "layout" not in case.values[0][0].options]


@pytest.mark.parametrize("kind", KINDS)
def test_all_are_replayed_in_process(
    kind: str,
    recorded: dict[str, list[Script]],
    server: Server,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """A model object in this process plays the assistants' side."""
    scripts = recorded[kind]

    found = play(scripts, EMBEDDED, server, tmp_path, stream=True)

    record_property("conversations", len(scripts))
    assert (True, []) == (len(scripts) > 0, found)


@pytest.mark.campaign
@pytest.mark.parametrize("case", SERVED)
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_replayed_on_a_server(
    kind: str,
    case: tuple[Form, bool],
    recorded: dict[str, list[Script]],
    server: Server,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """The same over a socket: the transcript that the server has is whole, in order, answered and unlocked."""
    form, stream = case
    scripts = recorded[kind]
    if not WHOLE:
        chosen = random.Random(f"{SEED} {kind} {form.name} {stream}")  # noqa: S311 - a sample
        scripts = chosen.sample(scripts, min(SAMPLE, len(scripts)))
        print(f"proof: replay of {SAMPLE} {kind} on each backend, HANDOFF_TEST_SEED={SEED}")  # noqa: T201 - to have it again

    found = play(scripts, form, server, tmp_path, stream=stream)

    record_property("conversations", len(scripts))
    assert (True, []) == (len(scripts) > 0, found)


def test_the_flows_of_recorded_conversations_are_found_clean(recorded: dict[str, list[Script]]) -> None:
    """Nothing is said against a flow whose every conversation comes out as it should."""
    flows = {id(script.flow): script.flow for scripts in recorded.values() for script in scripts}

    assert [] == [one for flow in flows.values() for one in (*check(flow).findings, *check(flow).unknown)]


def play(scripts: list[Script], form: Form, server: Server, path: Path, *, stream: bool) -> list[str]:
    """Play scripts one after the other; return all that did not come out as recorded."""
    found: list[str] = []
    for script in scripts:
        playing = replay(Backdrop(form, server, path, stream=stream), script)
        try:
            found += asyncio.run(asyncio.wait_for(playing, PATIENCE))
        except TimeoutError:
            found.append(f"{script.name}: not over after {PATIENCE:.0f} seconds")
    return found
