"""What the table says of a backend is what it says of itself."""

from __future__ import annotations

from tests.contract.backdrop import Backdrop
from tests.contract.forms import FORMS


def test_a_backend_can_do_what_the_contract_asks_of_it(backdrop: Backdrop) -> None:
    """Its mode is the one of the table: no scenario is made easier by doing less."""
    backend = backdrop.backend()

    assert (backdrop.form.swaps, backdrop.form.steers) == (backend.mode.swap, backend.mode.steer)
    assert backdrop.form.carries == backend.carries


def test_every_backend_of_the_contract_has_a_name_of_its_own() -> None:
    """Tests are told apart by it."""
    assert len(FORMS) == len({form.name for form in FORMS})
