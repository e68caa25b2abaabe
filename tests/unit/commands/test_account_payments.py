"""Funding and transfers that a venue lists are in the journal once, whether a session has received them or not."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, cast

from arb.accounts.facts import AccountClient, AccountError, Payment
from arb.commands.account_payments import APART_MS, fetch_payments, missing_payments, totals
from arb.journal.schema import Paid

ACCOUNT = "bybit-7"


def known(kind: str, amount: str, ms: int, symbol: str = "", account: str = ACCOUNT) -> Paid:
    return Paid(1, 5, account, kind, f"{symbol}-{ms}", ms, symbol, amount, "USDT")


def listed(kind: str, amount: str, ms: int, symbol: str = "", asset: str = "USDT") -> Payment:
    return Payment(kind, asset, Decimal(amount), ms, symbol, f"id-{ms}")


def test_what_a_session_received_is_not_missing() -> None:
    own = [known("funding", "-1.50", 1_000, "BTCUSDT"), known("transfer", "100", 2_000)]
    found = [listed("funding", "-1.5", 1_000 + APART_MS, "BTCUSDT"), listed("transfer", "100.0", 1_990)]
    assert missing_payments(own, found, ACCOUNT) == []


def test_what_differs_in_anything_is_missing() -> None:
    own = [known("funding", "-1.5", 1_000, "BTCUSDT"), known("transfer", "7", 1_000, account="binance-1")]
    others = [
        listed("funding", "-1.5", 1_001 + APART_MS, "BTCUSDT"),
        listed("funding", "-1.6", 1_000, "BTCUSDT"),
        listed("funding", "-1.5", 1_000, "ETHUSDT"),
        listed("funding", "-1.5", 1_000, "BTCUSDT", asset="USDC"),
        listed("transfer", "7", 1_000),
    ]
    assert missing_payments(own, others, ACCOUNT) == others


def test_two_equal_transfers_are_two() -> None:
    twice = [listed("transfer", "5", 1_000), listed("transfer", "5", 1_200)]
    assert missing_payments([known("transfer", "5", 1_100)], twice, ACCOUNT) == [twice[1]]


class Client:
    def __init__(self, payments: list[Payment] | AccountError) -> None:
        self.asked: list[int] = []
        self._payments = payments

    async def payments(self, since_ms: int) -> list[Payment]:
        self.asked.append(since_ms)
        if isinstance(self._payments, AccountError):
            raise self._payments
        return self._payments


def test_what_is_missing_becomes_rows_and_a_house_that_does_not_answer_a_line() -> None:
    bybit = Client([listed("funding", "-1.5", 1_000, "BTCUSDT"), listed("interest", "-0.1", 2_000)])
    binance = Client(AccountError("binance", "income", "-2015", "no permission"))
    clients: Any = {"bybit": bybit, "binance": binance}
    rows, lines = asyncio.run(
        fetch_payments(
            cast("dict[str, AccountClient]", clients), {"bybit": ACCOUNT, "binance": "binance-1"}, [],
            3_000_000_000, 9, 77,
        )
    )  # fmt: skip
    assert rows == [
        Paid(9, 77, ACCOUNT, "funding", "id-1000", 1_000, "BTCUSDT", "-1.5", "USDT"),
        Paid(9, 77, ACCOUNT, "interest", "id-2000", 2_000, "", "-0.1", "USDT"),
    ]
    assert bybit.asked == [3_000]
    assert lines[:2] == [
        "bybit: funding -1.5 USDT (1) while no session received it",
        "bybit: interest -0.1 USDT (1) while no session received it",
    ]
    assert lines[2].startswith("binance: funding and transfers since the last session are not known: ")


def test_sums_are_by_kind_and_asset() -> None:
    found = [listed("funding", "1", 1), listed("funding", "-3.5", 2), listed("funding", "1", 3, asset="USDC")]
    assert totals(found) == ["funding +1 USDC (1)", "funding -2.5 USDT (2)"]
