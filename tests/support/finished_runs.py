"""Finished runs made by hand: records, decisions and fills of which every figure can be computed on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from arb.bot.recorder import DECISION, RECORD
from arb.results.metrics.fills import FILL_ROW, PAYMENT_ROW
from arb.results.result import ResultLeg, RunResult
from arb.results.setup import LegTerms, RunSetup
from arb.results.simulated_orders import SimulatedOrder
from arb.results.trades import iso_time
from arb.strategies.spread.decisions import Decision

S = 1_000_000_000
#: 2024-08-08 12:00 UTC.
NOON = 1_723_118_400 * S
TERMS = LegTerms("spot", 0.0005, 0.001, 0.01, 0.012, None, "risk_adverse", 10.0)
LEGS = [
    ResultLeg("venue_a:BTCUSDT", 10.0, 5_000.0, 1.0, terms=TERMS),
    ResultLeg("venue_b:BTCUSDT", 0.0, 4_000.0, 1.0, terms=TERMS._replace(taker_fee=0.00055)),
]
#: Of the spread strategy with its defaults, in inventory mode.
PARAMETERS = {
    "mode": "inventory", "min_spread_bps": 10.0, "max_edge_bps": 200.0, "max_position_size": 1.0,
    "inventory_skew_bps": 5.0, "rebalance_threshold": 0.1, "rebalance_cost_bps": 5.0, "basis_halflife_s": 0.0,
    "stop_loss_bps": 50.0,
}  # fmt: skip
SETUP = RunSetup("hftbacktest", ["recording"], PARAMETERS, is_spread=True)


def records(mids: Sequence[Sequence[float]], seconds: Sequence[float] | None = None, **fields: Any) -> Any:
    """Records a row of mids each, a second apart or at `seconds`; further fields as (row, leg)."""
    rows = np.zeros((len(mids), len(mids[0])), RECORD)
    rows["price"] = mids
    at = range(len(mids)) if seconds is None else seconds
    rows["timestamp"] = np.array([NOON + round(s * S) for s in at])[:, None]
    for name, values in fields.items():
        rows[name] = values
    return rows


def decision(
    second: float, code: int, attempt: int = 0, leg: int | None = None, order_id: int = 0, value: float = 0.0
) -> Any:
    """A line of the decision log; an attempt buys leg 0 unless it names another."""
    if leg is None:
        leg = 0 if code == Decision.ATTEMPT else -1
    return (NOON + round(second * S), code, attempt, leg, order_id, value)


def decisions(*lines: Any) -> Any:
    """The log."""
    return np.array(list(lines), DECISION)


def fill(
    second: float, attempt: int, leg: int, base: float, price: float, fee: float = 0.0, order_id: int = 0
) -> Any:
    """A fill; base above zero is bought."""
    return (NOON + round(second * S), attempt, leg, order_id, price, base, -base * price, fee)


def fills(*rows: Any) -> Any:
    """Fills."""
    return np.array(list(rows), FILL_ROW)


def run_of(rows: Any, log: Any = None, filled: Any = None, **changes: Any) -> RunResult:
    """A run; its legs are one pair unless `changes` say otherwise."""
    names = [leg.name for leg in LEGS]
    run = RunResult(
        command="backtest", outcome="ended", strategy="arb.strategies.spread.strategy:run", first_day="2024-08-08",
        last_day="2024-08-08", notes=[], rows=1_234, refusals={name: {"rate": 0} for name in names}, legs=LEGS,
        pairs=[(0, 1)], records=rows, decisions=decisions() if log is None else log,
        fills=fills() if filled is None else filled,
        payments=np.zeros(0, PAYMENT_ROW), setup=SETUP,
    )  # fmt: skip
    return replace(run, **changes)


def small_run(**changes: Any) -> RunResult:
    """Two attempts, both hedged, the second with its sell leg chased; an opportunity taken and one missed."""
    log = decisions(
        decision(1.0, Decision.OPPORTUNITY, 0, 0, 0, 4.0),
        decision(1.0, Decision.ATTEMPT, 1, 0, 1, 4.0),
        decision(1.0, Decision.OPEN, 1, 0, 1, 100.0),
        decision(1.0, Decision.OPEN, 1, 1, 2, 102.0),
        decision(1.2, Decision.OPPORTUNITY_END, 0, 0, 0, 5.0),
        decision(1.5, Decision.HEDGED, 1, -1, 0, 2.0),
        decision(3.0, Decision.ATTEMPT, 2, 1, 1, 6.0),
        decision(3.0, Decision.OPEN, 2, 1, 3, 100.0),
        decision(3.0, Decision.OPEN, 2, 0, 4, 100.0),
        decision(3.1, Decision.EXPIRED, 2, 0, 4, 1.0),
        decision(3.1, Decision.IMBALANCE, 2, 0, 0, 1.0),
        decision(3.2, Decision.CHASE, 2, 0, 5, 99.0),
        decision(3.6, Decision.HEDGED, 2, -1, 0, 1.0),
        decision(4.0, Decision.OPPORTUNITY, 0, 1, 0, 7.0),
        decision(4.5, Decision.OPPORTUNITY_END, 0, 1, 4, 9.0),
    )
    filled = fills(
        fill(1.1, 1, 0, 2.0, 100.0, 0.2, 1),
        fill(1.1, 1, 1, -2.0, 102.0, 0.3, 2),
        fill(3.1, 2, 1, 1.0, 101.0, 0.1, 3),
        fill(3.5, 2, 0, -1.0, 99.0, 0.1, 5),
    )
    rows = records(
        [[100.0, 101.0]] * 6,
        position=[[0, 0], [0, 0], [2, -2], [2, -2], [1, -1], [1, -1]],
        balance=[[0, 0], [0, 0], [-200, 204], [-200, 204], [-101, 103], [-101, 103]],
        fee=[[0, 0], [0, 0], [0.2, 0.3], [0.2, 0.3], [0.3, 0.4], [0.3, 0.4]],
        num_trades=[[0, 0], [0, 0], [1, 1], [1, 1], [2, 2], [2, 2]],
    )
    return run_of(rows, log, filled, **changes)


def simulated_order(number: int, leg: int = 0, **changes: Any) -> SimulatedOrder:
    """An order a second that both filled at 100; 2 ms live each way, 10 ms as configured."""
    request_ts = NOON + number * S
    usual: dict[str, Any] = {
        "time": iso_time(request_ts), "leg": LEGS[leg].name, "order_id": number, "client_id": f"arb-1-{leg}-{number:x}",
        "side": "buy", "force": "IOC", "price_ticks": 1_001, "lots": 5, "changes": 0, "request_ts": request_ts,
        "filled_by": "both", "live_worse_bps": 0.0, "live_lots": 5, "live_price": 100.0, "live_end": "filled",
        "live_end_ts": request_ts + 2_000_000, "live_entry_ns": 2_000_000, "live_response_ns": 2_500_000,
        "simulated_lots": 5, "simulated_price": 100.0, "simulated_end": "filled",
        "simulated_end_ts": request_ts + 2_000_000, "simulated_entry_ns": 10_000_000,
        "simulated_response_ns": 12_000_000,
    }  # fmt: skip
    return SimulatedOrder(**{**usual, **changes})


def simulated_run(count: int = 9) -> RunResult:
    """The small run with orders of its first leg beside the simulated exchange: every kind, then equal ones."""
    none: dict[str, Any] = {"live_worse_bps": None, "live_lots": 0, "live_price": None}
    missed: dict[str, Any] = {"live_worse_bps": None, "simulated_lots": 0, "simulated_price": None}
    refused: dict[str, Any] = {"live_end": "refused", "live_entry_ns": None, "live_response_ns": None}
    orders = [
        simulated_order(1, live_worse_bps=12.5, live_price=100.125),
        simulated_order(2, live_worse_bps=-1_234.5, live_lots=3, live_price=87.655, live_end="expired"),
        simulated_order(3, filled_by="simulated", live_end_ts=None, **none, **refused),
        simulated_order(4, filled_by="live", simulated_end="canceled", **missed),
        simulated_order(
            5, filled_by="neither", **{**none, **missed}, live_end="expired", simulated_end="expired"
        ),
        simulated_order(
            6, filled_by="unknown", simulated_end="unknown", **{**missed, "simulated_end_ts": None}
        ),
        *(simulated_order(number) for number in range(7, count + 1)),
    ]
    return small_run(command="live", simulated=orders)
