"""Funding and transfers that a session receives: in the journal once, and in `arb trades` and `arb status`."""

from __future__ import annotations

import json
from decimal import Decimal
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support.command_line import arb
from support.journals import LEGS, RUN, journal_at, reader_at

from arb.execution.answers import FundingAnswer
from arb.execution.facts import DeskFacts
from arb.runtime.order_journal import KeptRun, OrderJournal
from connectors.orders.model import Transfer
from connectors.units import MILLISECOND

TRANSFER = Transfer("USDT", Decimal("-12.50"), "id-1", 7)


def paid_at(folder: Path) -> None:
    """A session that receives funding twice, once repeated, and a transfer that both desks report."""
    journal = journal_at(folder)
    facts = DeskFacts()
    assert facts.transferred(TRANSFER)
    # Both venues of a house have one account.
    legs = [leg._replace(account="bybit-8") for leg in LEGS]
    desks: Any = {leg.venue: SimpleNamespace(facts=facts) for leg in legs}
    run = journal.begin_run(RUN)
    orders = OrderJournal(KeptRun(journal, run, lambda: legs), lambda leg, order_id: None, desks)
    orders.open()
    for ms, amount in ((3, "-1.5"), (3, "-1.5"), (9, "0.25")):
        orders.answered(
            FundingAnswer(0, Decimal(amount), nan, nan, nan, ms * MILLISECOND, 11 * MILLISECOND), None, None
        )
    for leg in legs:
        orders.happened(leg.venue, "transfer", "-12.5 USDT", 12)
    orders.end("ended", 20)


def test_what_a_session_receives_is_in_the_journal_once(tmp_path: Path) -> None:
    paid_at(tmp_path)
    with reader_at(tmp_path) as reader:
        found = [(one.kind, one.symbol, one.venue_ms, one.amount, one.asset) for one in reader.payments()]
        assert found == [
            ("funding", "BTCUSDT", 3, "-1.5", "USDT"),
            ("transfer", "", 7, "-12.50", "USDT"),
            ("funding", "BTCUSDT", 9, "0.25", "USDT"),
        ]
        assert [one.kind for one in reader.payments(7 * MILLISECOND)] == ["transfer", "funding"]


def test_commands_show_them(tmp_path: Path) -> None:
    paid_at(tmp_path)
    rows = [
        json.loads(line)
        for line in arb("trades", "--json", "--state-directory", tmp_path).output.splitlines()
    ]
    assert [(one["kind"], one["amount"]) for one in rows] == [
        ("funding", "-1.5"), ("transfer", "-12.50"), ("funding", "0.25"),
    ]  # fmt: skip
    status = json.loads(arb("status", "--json", "--state-directory", tmp_path).output)
    assert status["payments"] == [
        {"account": "bybit-8", "kind": "funding", "asset": "USDT", "amount": "-1.25", "count": 2},
        {"account": "bybit-8", "kind": "transfer", "asset": "USDT", "amount": "-12.50", "count": 1},
    ]
    assert "funding: -1.25 USDT in 2 (bybit-8)" in arb("status", "--state-directory", tmp_path).output
    assert "transfer" in arb("trades", "--state-directory", tmp_path).output
