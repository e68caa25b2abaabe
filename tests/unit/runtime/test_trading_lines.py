"""What a strategy does, in lines for people: from its decision log and its fills."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.dry_market import leg

from arb.bot.account import CHARGE
from arb.bot.fills import FILL
from arb.bot.recorder import DECISION
from arb.leg import Leg
from arb.runtime.order_news import OrderNews, Rejected
from arb.runtime.trading_lines import LINES_MAX, MISSED_EVERY_NS, TradingLines, shown_lines
from arb.strategies.spread.decisions import Decision, Missed, Purpose

LEGS = [leg(0, venue=venue, taker_fee=0.001, pair=0) for venue in ("a", "b")]
MS = 1_000_000


def decisions(*rows: tuple[Any, ...]) -> Any:
    """Rows of (timestamp, code, attempt, leg, order_id, value)."""
    return np.array(list(rows), DECISION)


def fills(*rows: tuple[Any, ...]) -> Any:
    """Rows of (leg, order_id, side, price, qty, maker, exch_ts)."""
    return np.array([(*row, 0) for row in rows], FILL)


NOTHING = decisions(), fills()
ATTEMPT = (
    (100 * MS, Decision.ATTEMPT, 12, 0, Purpose.ENTER, 12.345),
    (100 * MS, Decision.OPEN, 12, 0, 7, 100.1),
    (100 * MS, Decision.OPEN, 12, 1, 8, 100.9),
)
BOUGHT, SOLD = (0, 7, 1, 100.0, 0.5, 0, 110 * MS), (1, 8, -1, 101.0, 0.5, 0, 105 * MS)


def texts(lines: TradingLines, *rows: tuple[Any, ...], filled: tuple[tuple[Any, ...], ...] = ()) -> list[str]:
    found = shown_lines(lines.follow(decisions(*rows), fills(*filled)))
    return [f"{one.event} {one.text}" for one in found]


def test_an_attempt_its_fills_and_its_outcome_in_the_order_of_their_times() -> None:
    lines = TradingLines(LEGS)
    hedged = (120 * MS, Decision.HEDGED, 12, -1, 0, 0.5)
    found = list(shown_lines(lines.follow(decisions(*ATTEMPT, hedged), fills(BOUGHT, SOLD))))
    assert [f"{one.event} {one.text}" for one in found] == [
        "attempt 12: buy a:BTCUSDT, sell b:BTCUSDT, edge +12.35 bps",
        "fill b:BTCUSDT sell 0.5 at 101, fee 0.0505, attempt 12",
        "fill a:BTCUSDT buy 0.5 at 100, fee 0.0500, attempt 12",
        "hedged attempt 12, 0.5 a leg, profit +0.3995",
    ]
    assert [one.ts for one in found] == [100 * MS, 105 * MS, 110 * MS, 120 * MS]
    assert lines.totals[:2] == (1, 1)
    assert lines.totals.best_bps[0] == 12.345
    assert math.isnan(lines.totals.best_bps[1])


def test_batches_may_end_anywhere() -> None:
    lines = TradingLines(LEGS)
    texts(lines, *ATTEMPT)
    assert texts(lines, filled=(SOLD,)) == ["fill b:BTCUSDT sell 0.5 at 101, fee 0.0505, attempt 12"]
    assert texts(lines) == []
    assert len(texts(lines, filled=(BOUGHT,))) == 1
    hedged = (120 * MS, Decision.HEDGED, 12, -1, 0, 0.5)
    assert texts(lines, hedged) == ["hedged attempt 12, 0.5 a leg, profit +0.3995"]


def test_an_attempt_that_leaves_base_has_no_profit_yet() -> None:
    lines = TradingLines(LEGS)
    texts(lines, *ATTEMPT, filled=(BOUGHT, (*SOLD[:4], 0.4, *SOLD[5:])))
    assert texts(lines, (1, Decision.HEDGED, 12, -1, 0, 0.4)) == ["hedged attempt 12, 0.4 a leg"]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ((1, Decision.MISSED, 3, -1, 0, 0.0), "missed attempt 3, neither leg was filled"),
        ((1, Decision.REVERSED, 3, -1, 0, 0.25), "reversed attempt 3, 0.25 traded back"),
        ((1, Decision.HALTED, 3, -1, 0, -0.25), "halted attempt 3, leg imbalance -0.25: an order in doubt, or a leg "
         "that could not be traded back in time"),
        ((1, Decision.RISK_HALTED, 0, -1, Missed.DRAWDOWN, 0.0512),
         "halted the drawdown is 5.12 % of the capital, more than [risk] allows"),
        ((1, Decision.RISK_HALTED, 3, -1, Missed.ATTEMPT_LOSS, 0.02),
         "halted the loss of attempt 3 is 2 % of the capital, more than [risk] allows"),
        ((1, Decision.IMBALANCE, 3, 1, 0, 0.1), "imbalance attempt 3, b:BTCUSDT filled 0.1 more than the other leg"),
        ((1, Decision.FLATTEN, 0, 1, 9, 99.5), "flatten b:BTCUSDT, an order at 99.5 trades the position back"),
        ((1, Decision.ATTEMPT, 3, 1, Purpose.REBALANCE, -1.0),
         "attempt 3: buy b:BTCUSDT, sell a:BTCUSDT, edge -1.00 bps, moves inventory back"),
        ((1, Decision.ATTEMPT, 3, 1, Purpose.HEDGE, 0.0),
         "attempt 3: buy b:BTCUSDT, sell a:BTCUSDT, hedges a late execution"),
        ((1, Decision.UNCOUNTED, 3, 1, 0, -0.25),
         "uncounted b:BTCUSDT has -0.25 beyond the executions of its orders: it is hedged"),
        ((1, Decision.RESIDUAL, 3, -1, 0, 0.0004),
         "residual +0.0004 is too small to be traded, and counts in the next attempt"),
        ((1, Decision.REFUSED, 3, 0, 7, 20.0),
         "refused attempt 3, an order of a:BTCUSDT was not sent: a limit of [risk], or lack of funds"),
        ((1, Decision.REFUSED, 3, 0, 7, 13.0), "refused attempt 3, an order of a:BTCUSDT was not sent: code 13"),
    ],
)  # fmt: skip
def test_each_outcome_is_one_line(row: tuple[Any, ...], text: str) -> None:
    assert texts(TradingLines(LEGS), row) == [text]


def test_codes_of_another_strategy_are_no_lines() -> None:
    odd = [(1, 99, 1, 0, 0, 1.0), (1, Decision.EXPIRED, 1, 0, 3, 1.0)]
    assert texts(TradingLines(LEGS), *odd) == []
    assert texts(TradingLines(LEGS), (1, Decision.ATTEMPT, 1, 77, 0, 1.0)) == [
        "attempt 1: buy leg 77, edge +1.00 bps"
    ]


def test_a_strategy_without_a_log_has_its_fills_with_the_fee_of_a_maker() -> None:
    single: list[Leg] = [replace(LEGS[0], pair=-1, maker_fee=0.0002, contract_size=10.0)]
    filled = ((0, 7, 1, 100.0, 0.5, 1, 110 * MS),)
    assert texts(TradingLines(single), filled=filled) == ["fill a:BTCUSDT buy 0.5 at 100, maker fee 0.1000"]


def test_a_refusal_is_written_once_an_attempt() -> None:
    refused = (1, Decision.REFUSED, 3, 0, 7, 20.0)
    assert len(texts(TradingLines(LEGS), *[refused] * 5, (1, Decision.REFUSED, 4, 0, 7, 20.0))) == 2


def test_opportunities_are_counted_and_some_of_the_lost_ones_written() -> None:
    lines = TradingLines(LEGS)
    rows = []
    for n in range(5):
        rows.append((n * 100 * MS, Decision.OPPORTUNITY, 0, 1, 0, 11.0))
        rows.append((n * 100 * MS + 50 * MS, Decision.OPPORTUNITY_END, 0, 1, Missed.TOO_SMALL, 14.0 + n))
    taken = [
        (1000 * MS, Decision.OPPORTUNITY, 0, 0, 0, 11.0),
        (1001 * MS, Decision.OPPORTUNITY_END, 0, 0, 0, 12.0),
    ]
    assert texts(lines, *rows, *taken) == [
        "opportunity buy b:BTCUSDT, edge +14.00 bps at most, 0.050 s, not taken: too small"
    ]
    assert lines.totals[:5] == (0, 0, 6, 1, (12.0, 18.0))
    late = MISSED_EVERY_NS + 60 * MS
    (line,) = texts(
        lines,
        (late, Decision.OPPORTUNITY, 0, 1, 0, 11.0),
        (late + MS, Decision.OPPORTUNITY_END, 0, 1, Missed.STALE, 11.5),
    )
    assert line.endswith("0.001 s, not taken: stale; 4 others since the last such line")


def test_a_batch_is_bounded_and_keeps_a_halt() -> None:
    many = [(n, Decision.MISSED, n, -1, 0, 0.0) for n in range(100)]
    found = texts(TradingLines(LEGS), *many, (100, Decision.HALTED, 100, -1, 0, 0.1))
    assert len(found) == LINES_MAX + 2
    assert found[-2] == "more 80 lines of orders and fills; the files have them"
    assert found[-1].startswith("halted ")


def test_funding_payments_and_fees_that_were_not_charged_in_quote() -> None:
    lines = TradingLines(LEGS)
    charges = np.array(
        [
            (1, 1, -1, 0, 106 * MS, 107 * MS, -0.5, 101.0, 0.0001, 0.0051, 0.0051, 0.0, 0.0),
            (0, 0, 0, 7, 110 * MS, 115 * MS, 0.5, 100.0, 0.001, 0.05, 0.0, 0.0005, 0.0),
        ],
        CHARGE,
    )
    found = shown_lines(lines.follow(decisions(*ATTEMPT), fills(BOUGHT), charges))
    assert [f"{one.event} {one.text}" for one in found][1:] == [
        "funding b:BTCUSDT +0.0051 on -0.5, rate 0.0001",
        "fill a:BTCUSDT buy 0.5 at 100, fee 0.0500 (0.0005 base), attempt 12",
    ]


def said(lines: TradingLines, *rows: tuple[Any, ...], filled: tuple[tuple[Any, ...], ...] = ()) -> list[Any]:
    """What the lines of a batch say by name, with their kind."""
    return [(one.event, dict(one.data)) for one in lines.follow(decisions(*rows), fills(*filled))]


def test_lines_say_by_name_what_their_texts_say() -> None:
    reverse = (112 * MS, Decision.REVERSE, 12, 1, 9, 102.0)
    expired = (113 * MS, Decision.EXPIRED, 12, 1, 9, 0.125)
    hedged = (120 * MS, Decision.HEDGED, 12, -1, 0, 0.5)
    found = dict(said(TradingLines(LEGS), *ATTEMPT, reverse, expired, hedged, filled=(BOUGHT, SOLD)))
    assert list(found) == ["attempt", "order", "fill", "reverse", "expired", "hedged"]
    a, b = (one.name for one in LEGS)
    unknown = {"buy_qty": None, "sell_qty": None, "purpose": None}
    assert found["attempt"] == {"attempt": 12, "buy": a, "sell": b, "edge_bps": 12.345, **unknown}
    order = {"attempt": 12, "leg": b, "side": "sell", "price": 100.9, "qty": None, "order_id": 8}
    assert found["order"] == order
    assert found["reverse"] == order | {"side": "buy", "price": 102.0, "order_id": 9}
    assert found["expired"] == {"attempt": 12, "leg": b, "qty": 0.125, "order_id": 9}
    assert found["fill"] == {
        "attempt": 12,
        "leg": a,
        "side": "buy",
        "price": 100.0,
        "qty": 0.5,
        "fee": pytest.approx(0.05),
        "liquidity": "taker",
        "order_id": 7,
    }
    assert found["hedged"] == {
        "attempt": 12,
        "outcome": "hedged",
        "qty": 0.5,
        "profit": pytest.approx(0.3995),
    }


def test_attempts_and_orders_have_the_quantities_that_the_host_knows() -> None:
    lines = TradingLines(LEGS)
    later = (150 * MS, Decision.CHASE, 12, 1, 10, 100.5), (160 * MS, Decision.FLATTEN, 0, 1, 11, 99.5)
    first = lines.follow(
        decisions(*ATTEMPT), fills(), news=OrderNews({(0, 7): 0.5, (1, 8): 0.25, (1, 10): 0.125})
    )
    second = lines.follow(decisions(*later), fills(), news=OrderNews({(1, 11): 2.0}))
    assert [f"{one.event} {one.text}" for one in first + second] == [
        "attempt 12: buy 0.5 a:BTCUSDT, sell 0.25 b:BTCUSDT, edge +12.35 bps",
        "order attempt 12, a:BTCUSDT, buy 0.5 at 100.1",
        "order attempt 12, b:BTCUSDT, sell 0.25 at 100.9",
        "chase attempt 12, b:BTCUSDT, sell 0.125 at 100.5",
        "flatten b:BTCUSDT, an order of 2 at 99.5 trades the position back",
    ]
    assert (first[0].data["buy_qty"], first[0].data["sell_qty"]) == (0.5, 0.25)
    assert [one.data["qty"] for one in first[1:] + second] == [0.5, 0.25, 0.125, 2.0]


def test_refused_orders_are_lines_with_their_attempt_though_the_log_has_none() -> None:
    lines = TradingLines(LEGS)
    news = OrderNews(rejected=[Rejected(140 * MS, 1, 8, "-2010"), Rejected(141 * MS, 0, 99, "170131")])
    found = lines.follow(decisions(*ATTEMPT), fills(), news=news)[-2:]
    assert [(one.event, one.text, one.data["attempt"]) for one in found] == [
        ("rejected", "attempt 12, an order of b:BTCUSDT was refused: -2010", 12),
        ("rejected", "an order of a:BTCUSDT was refused: 170131", None),
    ]
    assert list(shown_lines(found)) == []


def test_every_opportunity_is_a_line_with_its_reason_though_the_log_has_few() -> None:
    lines, rows = TradingLines(LEGS), []
    for n, reason in enumerate((Missed.TOO_SMALL, Missed.BUSY, Missed.TAKEN, Missed.STALE)):
        rows.append((n * 100 * MS, Decision.OPPORTUNITY, 0, 1, 0, 11.0))
        rows.append((n * 100 * MS + 50 * MS, Decision.OPPORTUNITY_END, 0, 1, reason, 14.0 + n))
    found = lines.follow(decisions(*rows), fills())
    assert [one.data["reason"] for one in found] == ["too_small", "busy", "taken", "stale"]
    assert [one.text.rpartition(", ")[2] for one in found] == [
        "not taken: too small", "not taken: busy", "taken", "not taken: stale",
    ]  # fmt: skip
    b, a = LEGS[1].name, LEGS[0].name
    assert found[3].data == {"buy": b, "sell": a, "edge_bps": 17.0, "lasted_s": 0.05, "reason": "stale"}
    assert len(list(shown_lines(found))) == 1


def test_outcomes_are_counted_and_a_halt_is_kept() -> None:
    lines = TradingLines(LEGS)
    said(
        lines,
        (1, Decision.MISSED, 1, -1, 0, 0.0),
        (2, Decision.MISSED, 2, -1, 0, 0.0),
        (3, Decision.REVERSED, 3, -1, 0, 0.5),
        (4, Decision.RISK_HALTED, 0, -1, Missed.DRAWDOWN, 0.05),
    )
    totals = lines.totals
    assert (totals.missed, totals.reversed) == (2, 1)
    assert totals.halted == "the drawdown is 5 % of the capital, more than [risk] allows"
