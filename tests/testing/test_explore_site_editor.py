"""The site editor under every schedule with one disturbance: a page is as it was, or changed exactly as was asked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from flows.site_editor import flow
from flows.site_editor.pages import Pages
from handoff.testing import Scenario, World, explore

PAGE = Path(__file__).parents[2] / "flows" / "site_editor" / "sample" / "about.md"
MESSAGES = ("Edit the about page", 'Replace "a small bakery" with "a family bakery"', "Publish it")


def test_a_page_is_changed_as_asked_or_not_at_all(tmp_path: Path) -> None:
    """Whenever the process dies, a message comes early or the user cancels, nothing else is ever in the file."""
    before = PAGE.read_bytes()
    asked = before.replace(b"a small bakery", b"a family bakery")
    numbers = itertools.count()
    published: list[bool] = []

    def made_anew() -> Pages:
        site = tmp_path / str(next(numbers))
        site.mkdir()
        (site / PAGE.name).write_bytes(before)
        return Pages(root=site)

    def whole(world: World[Any]) -> None:
        found = (Path(world.deps.root) / PAGE.name).read_bytes()
        published.append(found == asked)
        assert found in {before, asked}
        assert world.disturbed or found == asked

    assert flow.offline is not None
    found = explore(Scenario(MESSAGES, flow.offline), flow, deps=made_anew, at_rest=whole, together=1)

    assert found.whole
    assert {True, False} == set(published)
