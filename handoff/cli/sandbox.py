"""`handoff sandbox`: serves the sandbox until Ctrl-C, and says where."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from handoff import ConfigurationError, Flow, Model
from handoff.cli.exits import Exit, UsageRefused
from handoff.cli.loading import imported
from handoff.cli.printing import notice
from handoff.sandbox import Faults, Sandbox, Webhook, serve
from handoff.sandbox.webhooks import over_http


@dataclass(frozen=True, slots=True)
class Options:
    """What `sandbox` is given."""

    host: str
    port: int
    #: `module:object`; None for the plain model.
    model: str | None
    #: As `Faults.read` takes them.
    faults: str
    #: Seconds after which a run expires.
    expire: float
    token: str | None
    webhook: str | None
    secret: str | None


def sandbox(options: Options) -> Exit:
    """Serve until Ctrl-C.

    Args:
        options: the command's options.

    Raises:
        UsageRefused: there is no such model object.
        ConfigurationError: an option cannot work.
    """
    if (options.webhook is None) != (options.secret is None):
        raise ConfigurationError("a webhook needs an address and a secret: give both, or neither")
    serving = Sandbox(
        None if options.model is None else load_model(options.model),
        faults=Faults.read(options.faults),
        expire=options.expire,
        token=options.token,
        webhook=Webhook(over_http(options.webhook), options.secret) if options.webhook and options.secret else None,
    )
    # The server raises the signal again once it has shut down, which may come too late to end its loop: nothing else
    # ends it, so it has been interrupted in either case.
    with suppress(KeyboardInterrupt):
        serve(serving, host=options.host, port=options.port, started=_started)
    return Exit.INTERRUPTED


def load_model(named: str) -> Model:
    """Return the model object of that name; of a flow, its offline rules.

    Args:
        named: `module:object`; an object may be inside another, `module:one.other`.

    Raises:
        UsageRefused: there is none, or it answers nothing.
    """
    place, _, name = named.partition(":")
    if not place or not name:
        raise UsageRefused(f"{named!r} names no model object: write MODULE:OBJECT")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    found = imported(partial(importlib.import_module, place), place)
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageRefused(f"{place} has no {name}: name a model object that it has")
        found = getattr(found, part)
    if isinstance(found, Flow):
        if found.offline is None:
            raise UsageRefused(f"the flow {found.name} has no offline rules: name a model object")
        found = found.offline
    if isinstance(found, type) or not callable(getattr(found, "answer", None)):
        raise UsageRefused(f"{named} is no model object: it must be an instance with a method answer(prompt)")
    model: Model = found
    return model


def _started(base_url: str) -> None:
    notice("Ctrl-C stops it. Nothing is kept.")
    print(base_url, flush=True)  # noqa: T201 - for whoever starts it from a script
