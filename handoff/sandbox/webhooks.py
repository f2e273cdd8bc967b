"""Webhooks: how a background response ended, told to one address, signed as Standard Webhooks are (R10)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from handoff.errors import ConfigurationError
from handoff.sandbox.world import Wire, World

logger = logging.getLogger("handoff")

_PREFIX = "whsec_"

Deliver: TypeAlias = Callable[[bytes, Mapping[str, str]], Awaitable[object]]
"""Carries a body and its headers to where webhooks go."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to tell, and with which secret.

    Raises:
        ConfigurationError: the secret cannot sign.
    """

    #: Carries the body.
    deliver: Deliver
    #: The secret both sides know, `whsec_` and base64.
    secret: str

    def __post_init__(self) -> None:
        try:
            base64.b64decode(self.secret.removeprefix(_PREFIX), validate=True)
        except ValueError as error:
            raise ConfigurationError("the secret of a webhook is whsec_ and then base64: write it so") from error


def over_http(url: str) -> Deliver:
    """Return what carries webhooks to an address. What goes wrong on the way is logged.

    Args:
        url: the address.
    """

    async def deliver(payload: bytes, headers: Mapping[str, str]) -> None:
        import httpx2  # noqa: PLC0415 - of the extra

        try:
            async with httpx2.AsyncClient() as client:
                await client.post(url, content=payload, headers=dict(headers))
        except httpx2.HTTPError as error:
            logger.warning("the webhook could not be delivered: %s", error)

    return deliver


def tell(world: World, wire: Wire) -> None:
    """Tell how a response ended, if anybody wants to know.

    Args:
        world: the sandbox.
        wire: the response.
    """
    if world.webhook is None:
        return
    event = world.new_id("evt")
    body = {
        "id": event,
        "object": "event",
        "created_at": world.now(),
        "type": f"response.{wire['status']}",
        "data": {"id": wire["id"]},
    }
    payload = json.dumps(body).encode()
    world.spawn(_deliver(world.webhook, payload, signed(world.webhook.secret, event, world.now(), payload)))


def signed(secret: str, id: str, at: int, payload: bytes) -> dict[str, str]:  # noqa: A002 - as the wire calls it
    """Return the headers that sign a webhook.

    Args:
        secret: `whsec_` and base64.
        id: of the event: what a receiver tells repeats by.
        at: Unix time in seconds; receivers take 300 s to either side.
        payload: the body.
    """
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.new(key, f"{id}.{at}.".encode() + payload, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "content-type": "application/json",
    }


async def _deliver(webhook: Webhook, payload: bytes, headers: Mapping[str, str]) -> None:
    await webhook.deliver(payload, headers)
