"""The conversations that are killed, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.site_editor import flow as site_editor
from handoff import Flow
from handoff.core.state import State
from tests.crash import dealer, rooms, served, shop, site
from tests.crash.life import Conversation, Life
from tests.crash.moments import Moments


@dataclass(frozen=True, slots=True)
class Scenario:
    """A conversation that may be killed anywhere."""

    #: Its name.
    name: str
    #: The declaration.
    flow: Flow[Any, Any]
    #: Makes what stands in a directory before the first process begins.
    prepare: Callable[[Path], None]
    #: Makes a process, not begun.
    life: Callable[[Path, Moments], Life]
    #: What the user and other people do.
    converse: Conversation
    #: Name of the directory whose files must come out equal.
    files: str | None = None
    #: Tells whether an item is the model's word that it waits for a ticket.
    waits: Callable[[object], bool] = lambda _item: False
    #: Looks at what the server has of the thread, and returns what is wrong there, one sentence each.
    at_server: Callable[[State], list[str]] | None = None
    #: Compares what stands beside the thread: of the undisturbed one, and of the one that was killed.
    beside: Callable[[Path, Path], list[str]] | None = None


SCENARIOS = {
    "site": Scenario("site", site_editor, site.prepare, site.life, site.converse, files=site.SITE),
    "shop": Scenario("shop", shop.flow, shop.prepare, shop.life, shop.converse, waits=shop.waits),
    "rooms": Scenario(
        "rooms",
        dealer.flow,
        shop.prepare,
        dealer.life,
        dealer.converse,
        waits=shop.waits,
        beside=rooms.wrong_rooms,
    ),
}
#: The same on a server, which is another process: it goes on while ours is dead.
SERVED = {
    name: Scenario(
        name,
        site_editor,
        site.prepare,
        one.life,
        site.converse,
        files=site.SITE,
        at_server=one.wrong,
    )
    for name, one in served.SERVED.items()
}
ALL = {**SCENARIOS, **SERVED}
