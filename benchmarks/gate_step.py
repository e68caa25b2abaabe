"""What the gate adds to a step of two legs before its bytes leave: `python benchmarks/gate_step.py [--steps 20000]`.

A spot purchase and the sale of a perpetual, decided together by the gate of a session with all limits on, with the
touches of a world's books and the states of two desks, and the files of `arb halt` looked for. In a row: one step after
the other. Apart: one a millisecond, with other work between, as in a live session.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from alternate import show_machine
from order_peers import instrument_of, leg_at

from arb.commands.gate_setup import halts_of
from arb.engine.live import LiveWorld
from arb.execution.answers import RequestRow
from arb.execution.desk_wires import Stage
from arb.execution.gate_feed import GateFeed
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from arb.risk.exposure import GateLeg
from arb.risk.gate import Gate, GateLimits
from arb.runtime.trade_protocols import budgets_of, protocols_of
from connectors.orders.blanking import BlankSigner
from connectors.orders.model import Act, Force
from connectors.trade.times import TradeTimes

#: For a step in a row.
GOAL_US = 20.0
VENUES = ("binance_spot", "bybit_linear")
_BID, _ASK = 2, 3


def feed_of(folder: Path | None) -> GateFeed:
    """The gate of a session. folder: of the flags of `arb halt`; None: they are not read."""
    legs = [leg_at(venue) for venue in VENUES]
    ids = SessionIds("bench1", 1, time.time_ns() // 1_000_000)
    desks = {}
    for no, leg in enumerate(legs):
        protocols = protocols_of(leg.venue, BlankSigner(logs_on=True), 2_000)
        desk = VenueDesk(leg.venue, *protocols, {no: instrument_of(leg)}, ids, TradeTimes())
        desk._stage = Stage.UP  # noqa: SLF001
        desks[leg.venue] = desk
    own = [
        GateLeg(leg.venue, leg.venue, 0, leg.is_spot, "BTC", "USDT", leg.tick_size, leg.lot_size, fee=0.001,
                notional_min=5.0, position_max=1_000.0)
        for leg in legs
    ]  # fmt: skip
    gate = Gate(own, GateLimits(50.0, 1e6, 1e12), budgets_of(VENUES))
    for budget in gate.budgets.values():  # so that the steps of a benchmark pass
        for windows in budget._windows.values():  # noqa: SLF001
            for window in windows:
                window.most = 1_000_000_000
    for venue in VENUES:
        gate.exposure.set_balances(venue, {"USDT": 1e9, "BTC": 1e3})
    feed = GateFeed(
        gate, LiveWorld(legs, is_live=True), desks, halts_of(folder, VENUES).reasons if folder else None
    )
    for book in feed._books:  # noqa: SLF001
        book[_BID], book[_ASK] = 599_990, 600_000
    return feed


def times_of(feed: GateFeed, steps: int, between: Callable[[], object]) -> Any:
    """The time of each decision, in us."""
    found = np.empty(steps)
    states = feed.gate.exposure.states
    for no in range(1, steps + 1):
        now = time.time_ns()
        rows = [
            RequestRow(no, no, Act.PLACE, side, Force.IOC, False, tick, 20, now)
            for side, tick in ((1, 600_000), (-1, 599_990))
        ]
        between()
        begin = time.perf_counter_ns()
        reasons = feed.decide((0, 1), rows, now)
        found[no - 1] = (time.perf_counter_ns() - begin) / 1_000.0
        if any(reasons):
            raise RuntimeError(f"refused: {reasons}")
        for leg in (0, 1):
            feed.gate.exposure.remove(leg, no)
        if len(states[0].orders) or len(states[1].orders):
            raise RuntimeError("orders are left")
    return found


def other_work() -> None:
    """A millisecond of what evicts caches."""
    until = time.perf_counter_ns() + 1_000_000
    while time.perf_counter_ns() < until:
        np.zeros(1 << 14).sum()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20_000)
    steps = parser.parse_args().steps
    show_machine()
    with tempfile.TemporaryDirectory() as name:
        gc.collect()
        gc.freeze()
        for text, folder in (("without flags", None), ("with flags", Path(name))):
            feed = feed_of(folder)
            times_of(feed, 2_000, lambda: None)
            in_a_row = times_of(feed, steps, lambda: None)
            apart = times_of(feed, steps // 10, other_work)
            for kind, times in (("in a row", in_a_row), ("apart", apart)):
                p50, p90, p99 = np.percentile(times, [50, 90, 99])
                print(f"two legs, {text}, {kind}: p50 {p50:.1f} us, p90 {p90:.1f}, p99 {p99:.1f}")
    print(f"goal, in a row: {GOAL_US:g} us")


if __name__ == "__main__":
    main()
