"""Locks of a wallet, and entries of the ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.sandbox_accounts import D, account

from arb.errors import InvariantError
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.wallet import ShortfallError


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with exact():
        yield


def test_locks_add_up_and_are_released_in_parts() -> None:
    wallet = account("binance_spot", {"USDT": "100"}).wallet("binance_spot")
    wallet.lock(1, "USDT", D("60"))
    wallet.lock(2, "USDT", D("30"))
    wallet.lock(1, "USDT", D("5"))
    assert (wallet.locked("USDT"), wallet.free("USDT"), wallet.locked_by(1)) == (D(95), D(5), D(65))
    assert wallet.release(1, D("15")) == D(15)
    assert wallet.release(1) == D(50)
    assert (wallet.release(1), wallet.locked_by(1), wallet.free("USDT")) == (D(0), D(0), D(70))


def test_a_shortfall_changes_nothing() -> None:
    wallet = account("binance_spot", {"USDT": "100"}).wallet("binance_spot")
    wallet.lock(1, "USDT", D(99))
    with pytest.raises(ShortfallError, match="2 USDT needed, 1 free"):
        wallet.lock(1, "USDT", D(2))
    with pytest.raises(ShortfallError):
        wallet.lock(2, "BTC", D("0.1"))
    assert list(wallet.locks()) == [(1, "USDT", D(99))]


def test_wrong_locks_are_refused() -> None:
    wallet = account("binance_spot", {"USDT": "100", "BTC": "1"}).wallet("binance_spot")
    wallet.lock(1, "USDT", D(10))
    for action in (
        lambda: wallet.lock(1, "BTC", D(1)),
        lambda: wallet.lock(2, "USDT", D(-1)),
        lambda: wallet.release(1, D(11)),
        lambda: wallet.release(7, D(1)),
    ):
        with pytest.raises(InvariantError):
            action()
    assert list(wallet.locks()) == [(1, "USDT", D(10))]


def test_entries_of_a_trade_are_posted_together_or_not_at_all() -> None:
    owner = account("binance_spot", {"USDT": "100"})
    wallet, ledger = owner.wallet("binance_spot"), owner.ledger
    trade = [
        ("BTC", D("0.001"), EntryCause.TRADE_BASE),
        ("USDT", D("-60"), EntryCause.TRADE_QUOTE),
        ("BTC", D("-0.000001"), EntryCause.FEE),
        ("BNB", D(0), EntryCause.FEE),
    ]
    entries = ledger.post(wallet, 5, "binance_spot", trade, "BTCUSDT", "11", 3)
    assert [entry.no for entry in entries] == [1, 2, 3]
    assert entries[2] == (
        3, 5, "binance_spot", "BTC", D("-0.000001"), EntryCause.FEE, "BTCUSDT", "11", 3
    )  # fmt: skip
    with pytest.raises(InvariantError, match="-20 USDT would be left"):
        ledger.post(wallet, 6, "binance_spot", trade, "BTCUSDT", "12", 4)
    assert (wallet.total("BTC"), wallet.total("USDT"), len(ledger.entries)) == (D("0.000999"), D(40), 3)
    assert ledger.sums["spot", "BTC", EntryCause.FEE] == D("-0.000001")
    ledger.check()


def test_the_check_finds_a_balance_that_no_entry_explains() -> None:
    owner = account("binance_usdm", {"USDT": "100"})
    wallet = owner.wallet("binance_usdm")
    owner.ledger.post(wallet, 1, "binance_usdm", [("USDT", D(-150), EntryCause.REALIZED)])
    owner.ledger.check()
    wallet.add("BNB", D("0.00000001"), 7)
    assert (wallet.updated_ns("USDT"), wallet.updated_ns("BNB"), wallet.updated_ns("BTC")) == (1, 7, 0)
    with pytest.raises(InvariantError, match=r"usdm BNB: balance 0.00000001, by the ledger 0"):
        owner.ledger.check()


def test_the_check_finds_more_locked_than_there_is() -> None:
    owner = account("binance_spot", {"USDT": "100"})
    wallet = owner.wallet("binance_spot")
    wallet.lock(1, "USDT", D(80))
    owner.ledger.post(wallet, 1, "binance_spot", [("USDT", D(-30), EntryCause.TRANSFER)])
    with pytest.raises(InvariantError, match="spot USDT: -10 is free"):
        owner.ledger.check()


def test_both_venues_of_bybit_share_a_wallet() -> None:
    bybit = account("bybit_spot", {"USDT": "1"})
    assert bybit.wallet("bybit_spot") is bybit.wallet("bybit_linear")
    binance = account("binance_spot", {"USDT": "1"})
    assert binance.wallet("binance_usdm").total("USDT") == 0
