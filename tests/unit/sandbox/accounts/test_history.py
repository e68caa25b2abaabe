"""Incomes of an account: its ledger's entries of one venue."""

from __future__ import annotations

from support.sandbox_accounts import D, account

from arb.sandbox.accounts.history import incomes
from arb.sandbox.accounts.ledger import EntryCause


def test_incomes_are_entries_of_a_venue() -> None:
    one = account("bybit_spot", {"USDT": "100"})
    wallet = one.wallet("bybit_spot")
    one.ledger.post(wallet, 10, "bybit_spot", [("USDT", D(-1), EntryCause.FEE)], "BTCUSDT")
    one.ledger.post(wallet, 20, "bybit_linear", [("USDT", D(-2), EntryCause.FEE)], "BTCUSDT")
    one.ledger.post(wallet, 30, "bybit_linear", [("USDT", D(3), EntryCause.FUNDING)], "ETHUSDT")
    causes = {EntryCause.FEE, EntryCause.FUNDING}

    def amounts(*which: object) -> list[int]:
        return [int(entry.amount) for entry in incomes(one.ledger.entries, "bybit_linear", *which)]  # type: ignore[arg-type]

    assert amounts(causes) == [-2, 3]
    assert amounts({EntryCause.FUNDING}) == amounts(causes, "ETHUSDT") == amounts(causes, None, 25) == [3]
    assert amounts(causes, None, None, 20) == [-2]
