"""Random conversations on every server backend while everything goes wrong; the campaign plays a thousand on each."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from handoff.core.items import Asked, Item, Output, Spoken, UserMessage
from handoff.sandbox import Faults
from handoff.sandbox.world import Wire
from tests.support.faulty import FAULTY, Told, Watched, wrong_items, wrong_requests
from tests.support.mixed_faults import RATES, Played, played

SEED = int(os.environ.get("HANDOFF_TEST_SEED") or random.SystemRandom().randrange(10**6))


@pytest.mark.campaign
@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("backend", list(FAULTY))
def test_whatever_fails_nothing_is_lost_said_twice_or_left_locked(
    backend: str, number: int, tmp_path: Path, record_property: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Refusals, lost answers, silent streams, expiry, races, stops and restarts: the thread comes out whole."""
    caplog.set_level("CRITICAL")
    found = played(backend, SEED + number, tmp_path)
    _record(found, record_property)

    assert [] == found.problems, f"seed {SEED + number}"
    assert 1 == found.counts["conversations"]


@pytest.mark.campaign
@pytest.mark.parametrize("backend", list(FAULTY))
def test_each_fault_alone_loses_nothing(
    backend: str, tmp_path: Path, record_property: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """With one fault, however often, the thread comes out whole: no other fault hides what this one does."""
    caplog.set_level("CRITICAL")
    chance = random.Random(SEED)  # noqa: S311 - to be repeatable
    fault = chance.choice(list(FAULTY[backend].shares))
    found = played(backend, SEED, tmp_path, only=fault, rate=RATES[-1])
    _record(found, record_property)

    assert [] == found.problems, f"seed {SEED}, {fault}"


def _record(found: Played, record_property: Any) -> None:
    for name, count in found.counts.items():
        record_property(name, count)


# -- a judge that sees nothing proves nothing --------------------------------------------------------------------------


def user(text: str) -> Wire:
    return {"type": "message", "role": "user", "content": [{"text": text}]}


def called(call: str) -> Wire:
    return {"type": "function_call", "call_id": call}


def returned(call: str) -> Wire:
    return {"type": "function_call_output", "call_id": call, "output": "done"}


@pytest.mark.parametrize(
    ("items", "wrong"),
    [
        pytest.param([user("a"), called("1"), returned("1"), user("b")], 0, id="all is well"),
        pytest.param([user("a"), user("a note"), user("b")], 0, id="what no user said does not count"),
        pytest.param([user("b"), user("a")], 1, id="out of order"),
        pytest.param([user("a")], 1, id="lost"),
        pytest.param([user("a"), user("b"), user("b")], 1, id="said twice"),
        pytest.param([user("a"), called("1"), user("b")], 1, id="poisoned"),
        pytest.param([user("a"), user("b"), called("1"), returned("1"), returned("1")], 1, id="answered twice"),
    ],
)
def test_what_a_server_holds_is_judged(items: list[Wire], wrong: int) -> None:
    """Each message once and in order, each call with one output."""
    assert wrong == len(wrong_items(items, ["a", "b"]))


A, B = UserMessage("m1", "a"), UserMessage("m2", "b")
LOOKS, SAW = Spoken("front", 1, "", (Asked("1", "look", "{}"),)), Output(1, 1, "1", "look", "saw it")


@pytest.mark.parametrize(
    ("shown", "wrong"),
    [
        pytest.param([(A,), (A, LOOKS, SAW, B)], 0, id="all is well"),
        pytest.param([(A,)], 1, id="the last one is never sent"),
        pytest.param([(B,), (A, B)], 1, id="a message is missing"),
        pytest.param([(A, A), (A, B)], 1, id="a message is sent twice"),
        pytest.param([(A, LOOKS), (A, B)], 1, id="a call without its output"),
        pytest.param([(A, LOOKS, SAW, SAW), (A, B)], 1, id="a call with two outputs"),
    ],
)
def test_every_request_is_judged(shown: list[tuple[Item, ...]], wrong: int) -> None:
    """What a model is shown holds the messages so far, each once and in order, and whole calls."""
    server = Watched(Faults(), 1.0)
    server.shown += shown

    assert wrong == len(wrong_requests(server, Told("", ["a", "b"], ["a", "b"])))


def test_a_request_that_a_server_refuses_for_what_it_is_counts() -> None:
    """Only refusals that are said to be allowed are."""
    server = Watched(Faults(), 1.0)
    server.shown.append((A,))
    server.refused += ["POST /v1/chat/completions 400", "DELETE /v1/conversations/c/items/i 404"]
    told = Told("", ["a"], ["a"])

    assert ["refused: POST /v1/chat/completions 400"] == wrong_requests(server, told, "DELETE /v1/conversations/")
