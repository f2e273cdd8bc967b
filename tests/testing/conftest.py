"""A talk with the shop, for the tests of talks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handoff.testing import Talk
from tests.testing.talk_flow import Order, Shop, flow


@pytest.fixture
def shop() -> Shop:
    """What the bodies did."""
    return Shop()


@pytest.fixture
def talk(shop: Shop) -> Iterator[Talk[Order]]:
    """A new talk with the shop."""
    opened = Talk(flow, deps=shop)
    yield opened
    opened.close(unfinished=True)
