"""Families: which things may happen together, small enough to search them all.

A family names its kinds of backend, what users and the model may do, and how often what could go on for ever may
happen. The whole is split into families, but what is known to interact meets in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from handoff.limits import Limits

#: (swap, carry, steer, tools that end their run otherwise), as in the core's Mode.
ModeOf: TypeAlias = tuple[bool, bool, bool, tuple[str, ...]]

SWAP: ModeOf = (True, False, True, ())
COMPLETE: ModeOf = (False, False, False, ())
CARRY: ModeOf = (False, True, False, ())
SWAP_NO_STEER: ModeOf = (True, False, False, ())
COMPLETE_STEER: ModeOf = (False, False, True, ())
CARRY_STEER: ModeOf = (False, True, True, ())
COMPLETE_BUT_OTHER: ModeOf = (False, False, False, ("other",))
CARRY_BUT_OTHER: ModeOf = (False, True, False, ("other",))


@dataclass(frozen=True)
class Family:
    """What may happen in one search."""

    name: str
    modes: tuple[ModeOf, ...]
    #: What the model may ask for in one response.
    batches: tuple[tuple[str, ...], ...] = ()
    #: How many responses with calls there may be.
    turns: int = 1
    #: How many user messages, and under which policies.
    posts: int = 1
    policies: tuple[str, ...] = ("queue",)
    cancels: int = 0
    crashes: int = 0
    #: How many requests or their answers may be lost.
    doubts: int = 0
    #: How many runs may end badly, and how.
    failures: int = 0
    ends: tuple[str, ...] = ()
    #: How often grace or our deadline may come.
    settlings: int = 0
    grace: bool = False
    expires: bool = False
    #: Values `x` may be edited to, and how often.
    edits: tuple[int | None, ...] = ()
    edit_posts: int = 1
    timers: int = 0
    #: How many tickets may be decided twice.
    repeats: int = 0
    #: Requests may be acknowledged before they are answered.
    acknowledges: bool = False
    #: A response may be stored with calls nobody will run.
    open_calls: bool = False
    #: Text may be cut off by a cancel or a failure.
    cut: bool = False
    #: Rows may be posted between the driver's read and its append.
    races: bool = False
    then: bool = False
    #: After a's reply b is active, and nobody speaks.
    silent_then: bool = False
    on_limit: bool = False
    limits: Limits | None = None
    first: str = "a"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: Assistants whose instructions need `x`.
    needs: tuple[str, ...] = ()
    #: The assistant whose instructions cannot be rendered.
    unrenderable: str = ""
    #: The server has names for what it holds of the thread.
    refs: bool = False


FAMILIES: tuple[Family, ...] = (
    Family(
        "lane",
        (SWAP, COMPLETE, CARRY),
        batches=(
            ("ordinary", "set", "other_unset"),
            ("other_unset", "third"),
            ("set", "other_unset", "third"),
            ("third_set", "set", "third_set"),
            ("other", "set", "other"),
            ("other", "third", "ordinary"),
            ("set_other", "other", "third"),
            ("either", "set", "either"),
            ("bad", "other", "ordinary"),
            ("bad", "bad"),
            ("fails", "set_two", "idempotent_other"),
            ("set", "set_two", "ordinary"),
            ("ordinary", "idempotent", "probed"),
            ("approved_move", "other", "approval"),
            ("waits_move", "third", "waits"),
        ),
        settlings=1,
        grace=True,
    ),
    Family(
        "crash, parallel calls, late",
        (SWAP, COMPLETE),
        batches=(("ordinary", "probed", "other"), ("idempotent", "set", "waits_move")),
        crashes=1,
        settlings=1,
        grace=True,
        acknowledges=True,
    ),
    Family(
        "what the server calls it",
        (SWAP, COMPLETE),
        batches=(("ordinary",), ("other",)),
        posts=2,
        cancels=1,
        crashes=1,
        doubts=1,
        acknowledges=True,
        refs=True,
    ),
    Family(
        "two crashes",
        (SWAP, COMPLETE),
        batches=(("ordinary", "idempotent_other"), ("probed", "approval")),
        crashes=2,
        doubts=1,
        settlings=1,
        expires=True,
        acknowledges=True,
    ),
    Family(
        "cancel, submit, expiry",
        (COMPLETE, CARRY),
        batches=(("other",),),
        cancels=1,
        doubts=1,
        crashes=1,
        failures=1,
        ends=("expired",),
        settlings=1,
        expires=True,
    ),
    Family(
        "cancel, answer, expiry",
        (SWAP,),
        batches=(("ordinary", "other"),),
        cancels=1,
        doubts=1,
        crashes=1,
        failures=1,
        ends=("expired", "incomplete"),
        settlings=1,
        expires=True,
        acknowledges=True,
        open_calls=True,
    ),
    Family(
        "interrupt, handoff, queue",
        (SWAP, COMPLETE, CARRY),
        batches=(("other", "ordinary"),),
        posts=3,
        policies=("queue", "interrupt"),
    ),
    Family(
        "steer, handoff",
        (SWAP, COMPLETE_STEER, CARRY_STEER, SWAP_NO_STEER),
        batches=(("ordinary",), ("other", "ordinary"), ("bad",)),
        turns=2,
        posts=3,
        policies=("queue", "steer"),
    ),
    Family(
        "messages",
        (SWAP, COMPLETE),
        posts=3,
        policies=("queue", "interrupt", "reject"),
        cancels=1,
        doubts=1,
        crashes=1,
        failures=1,
        ends=("failed", "incomplete", "expired"),
        acknowledges=True,
        races=True,
    ),
    Family(
        "late results",
        (SWAP, COMPLETE),
        batches=(("waits_move", "other"), ("waits_move", "waits_move"), ("approved_move", "approval")),
        repeats=1,
        settlings=1,
        grace=True,
        edits=(7,),
    ),
    Family(
        "late moves",
        (SWAP,),
        batches=(("waits_move", "third"), ("waits_move", "other")),
        turns=2,
    ),
    Family(
        "metadata",
        (SWAP, COMPLETE, CARRY),
        batches=(("set", "third_set", "ordinary"), ("third_set",), ("waits_move", "set_two")),
        edits=(None, 5),
        edit_posts=2,
        needs=("c",),
        metadata={"x": 0},
    ),
    Family(
        "limits",
        (SWAP, COMPLETE),
        batches=(("other",), ("other", "ordinary"), ("approval",)),
        turns=2,
        posts=2,
        on_limit=True,
        limits=Limits(handoffs=1, calls=2, runs=2, factor=2),
    ),
    Family(
        "calls beyond their limit",
        (SWAP, COMPLETE_STEER),
        batches=(("ordinary", "bad"), ("bad",)),
        turns=3,
        posts=2,
        policies=("queue", "steer"),
        cancels=1,
        crashes=1,
        limits=Limits(calls=1, factor=3),
    ),
    Family(
        "run limit",
        (SWAP,),
        batches=(("set", "other"),),
        turns=4,
        on_limit=True,
        limits=Limits(runs=2, factor=2),
    ),
    Family(
        "loops",
        (SWAP,),
        batches=(("other",), ("set", "other"), ("ordinary", "other")),
        turns=4,
    ),
    Family(
        "then",
        (SWAP, COMPLETE),
        batches=(("other",), ("waits",)),
        turns=2,
        posts=2,
        cancels=1,
        then=True,
    ),
    Family(
        "then, nobody speaks",
        (SWAP, COMPLETE),
        batches=(("other",),),
        turns=2,
        posts=2,
        silent_then=True,
    ),
    Family(
        "finish by transition",
        (COMPLETE_BUT_OTHER, CARRY_BUT_OTHER),
        batches=(("other", "ordinary"), ("third",)),
        turns=2,
    ),
    Family(
        "silence",
        (SWAP, CARRY),
        batches=(("silent", "ordinary"), ("set", "shown"), ("waits", "third")),
        posts=2,
        policies=("queue", "interrupt"),
        timers=1,
        cancels=1,
    ),
    Family(
        "the end",
        (SWAP, COMPLETE),
        batches=(("end", "waits_move"), ("waits", "approval"), ("end", "ordinary")),
        posts=2,
        cancels=1,
    ),
    Family(
        "broken instructions",
        (SWAP, COMPLETE),
        batches=(("other", "ordinary"),),
        posts=3,
        failures=1,
        ends=("failed",),
        unrenderable="b",
        on_limit=True,
        limits=Limits(runs=1, factor=2),
    ),
)
