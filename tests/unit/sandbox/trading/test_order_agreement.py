"""Short random sessions of orders at four venues, equal to the plain reference at every step.

`python -m tests.soak.order_agreement` runs long ones.
"""

from __future__ import annotations

import pytest
from support.agreement_session import Session


@pytest.mark.parametrize("seed", range(8))
def test_every_fill_fee_lock_and_balance_equals_the_reference(seed: int) -> None:
    counts = Session(seed, "levels").run(60)
    assert counts["fills"] > 10
