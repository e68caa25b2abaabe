"""Short random sessions of orders at four venues, equal to the plain reference at every step.

`python -m tests.soak.order_agreement` runs long ones.
"""

from __future__ import annotations

import pytest
from support.agreement_session import Session


@pytest.mark.parametrize("matching", ["levels", "whole"])
@pytest.mark.parametrize("seed", range(2))
def test_every_fill_fee_lock_and_balance_equals_the_reference(matching: str, seed: int) -> None:
    session = Session(seed, matching)
    counts = session.run(60)
    assert counts["fills"] > 10
    assert session.trading.market.rows_late == 0
