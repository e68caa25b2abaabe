"""The small form of `tests/soak/ccxt_agreement.py`: ccxt.pro and our book see the same on the sandbox."""

from __future__ import annotations

import asyncio

import pytest


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # ccxt's own
def test_ccxt_and_our_book_agree_on_all_four_markets() -> None:
    pytest.importorskip("ccxt.pro", reason="ccxt is not installed (make install)")
    from soak.ccxt_agreement import LISTINGS, run

    found = asyncio.run(run(30, 3.0, 11, [one.venue for one in LISTINGS]))
    assert [(one.venue, one.differing, one.errors, one.gaps) for one in found] == [
        (one.venue, [], [], 0) for one in LISTINGS
    ]
    for one in found:
        assert one.is_good
        assert one.equal >= 29
