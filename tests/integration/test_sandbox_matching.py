"""Matching `whole` in the sandbox, and in a backtest of the frames that it sent: the same fills, to the nanosecond."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from numpy.random import default_rng
from support.paths import strategy_file
from support.recording_files import write_recording
from support.sandboxes import NOW_NS, Clients, driven, on
from support.simulated import LISTINGS, PRICES, START_NS

from arb.commands.backtest import run_backtest
from arb.commands.legs import known_venues
from arb.commands.serve import sandbox_of
from arb.config import load, write_templates
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import Fill, Force, Order, Prevention, Result
from arb.sandbox.matching.rows import VenueRows
from arb.sandbox.matching.whole import WholeMatcher
from arb.sandbox.serve.ahead import AheadTape
from arb.sandbox.serve.sandbox import Sandbox
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.tape import SNAPSHOT, Line
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.order_state import Execution
from arb.sandbox.trading.requests import OrderKind, Place, Reason, RefusalError
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

pytestmark = pytest.mark.slow

END_NS = START_NS + 40 * S
ENTRY_NS = 3 * MS
#: Requests: when they are sent, the leg, what, the order's number, price tick, lots.
NEW_BUY, NEW_SELL, CANCEL, MODIFY = range(4)
Request = tuple[int, int, int, int, int, int, int]

STRATEGY = """
import numpy as np
from hftbacktest.order import LIMIT, MARKET

REQUESTS = np.array({requests}, np.int64)
TICKS = np.array({ticks})
LOTS = np.array({lots})


def run(bot, recorder):
    bot.elapse(1)
    for n in range(len(REQUESTS)):
        at_ns, leg, what, order_id, tick, lots, force = REQUESTS[n]
        if bot.elapse(at_ns - bot.current_timestamp) != 0:
            return 0
        px, qty = tick * TICKS[leg], lots * LOTS[leg]
        kind = MARKET if tick == 0 else LIMIT
        if what == 0:
            bot.submit_buy_order(leg, order_id, px, qty, force, kind, False)
        elif what == 1:
            bot.submit_sell_order(leg, order_id, px, qty, force, kind, False)
        elif what == 2:
            bot.cancel(leg, order_id, False)
        else:
            bot.modify(leg, order_id, px, qty, False)
    bot.elapse(10_000_000_000)
    recorder.record(bot)
    return 0
"""
RECORDED = re.compile(r"depth@100ms|bookTicker|@trade|orderbook\.(50|1)\.|publicTrade|snapshot")
#: hftbacktest's numbers of the times in force.
FORCES = {Force.GTC: 0, Force.POST_ONLY: 1, Force.FOK: 2, Force.IOC: 3}


class Session:
    """Orders at the matchers of a seeded market, as the sandbox runs them, and the frames that a recorder gets."""

    def __init__(self, seed: int, venues: list[str], queue: str) -> None:
        self.chance = random.Random(seed)
        self.listings = [LISTINGS[venue] for venue in venues]
        source = SeededTape(self.listings, PRICES, default_rng(seed), START_NS)
        self.matchers = [WholeMatcher(listing, queue, 3.0) for listing in self.listings]
        self._rows = [
            VenueRows(listing, lambda key, no=no: source.source_of(no, key))
            for no, listing in enumerate(self.listings)
        ]
        self.lines: list[list[str]] = [[] for _ in self.listings]
        self.tape = AheadTape(source, self.look_ahead)
        self.requests: list[Request] = []
        self.fills: list[tuple[Any, ...]] = []
        #: Of each leg, those that may rest.
        self.orders: list[list[Order]] = [[] for _ in venues]

    def look_ahead(self, line: Line) -> None:
        decoder = self._rows[line.no]
        if line.key == SNAPSHOT:
            rows = decoder.snapshot(line.text, line.send_ns)
        else:
            rows = decoder.receive(line.key, line.text, line.send_ns)
        self.matchers[line.no].receive(rows, 0)

    def send(self, to_ns: int) -> None:
        for line in self.tape.advance(to_ns):
            if RECORDED.search(line.key):
                self.lines[line.no].append(f"{line.send_ns} {line.text}")

    def advance(self, to_ns: int) -> None:
        self.send(to_ns)
        while due := [(due_ns, no) for no, one in enumerate(self.matchers) if (due_ns := one.next_due_ns())]:
            due_ns, no = min(due)
            if due_ns > to_ns:
                return
            self.settle(no, self.matchers[no].advance(due_ns))

    def settle(self, no: int, results: list[Result]) -> None:
        for one in results:
            if isinstance(one, Fill):
                self.fills.append((one.at_ns, no, one.order.no, one.tick, one.lots, one.is_maker))
                if one.order in self.orders[no]:
                    self.orders[no].remove(one.order)
            elif one.order in self.orders[no]:
                self.orders[no].remove(one.order)

    def run(self) -> None:
        now_ns = START_NS + 2 * S
        while now_ns < END_NS - 3 * S:
            # An order with a request in flight takes no other: 3 ms to the venue and 10 ms back.
            now_ns += self.chance.randrange(20 * MS, 300 * MS)
            self.advance(now_ns)
            no = self.chance.randrange(len(self.matchers))
            self.settle(no, self.matchers[no].advance(now_ns))
            what = self.chance.choice([NEW_BUY, NEW_SELL, NEW_BUY, NEW_SELL, CANCEL, MODIFY])
            if what in (NEW_BUY, NEW_SELL):
                self.place(no, what, now_ns)
            elif self.orders[no]:
                self.change(no, self.chance.choice(self.orders[no]), what, now_ns)
        self.advance(END_NS)
        # Frames of what happened before are sent later.
        self.send(END_NS + S)

    def place(self, no: int, side: int, now_ns: int) -> None:
        force = self.chance.choice([Force.GTC, Force.GTC, Force.POST_ONLY, Force.IOC, Force.FOK])
        is_market = force == Force.IOC and self.chance.random() < 0.3
        tick = None if is_market else self.price(no, side)
        number, lots = len(self.requests) + 1, self.chance.randrange(10, 50)
        order = Order(number, 1, -1, side, force, tick, lots, Prevention.NONE, now_ns)
        if force in (Force.GTC, Force.POST_ONLY):
            self.orders[no].append(order)
        self.requests.append((now_ns - ENTRY_NS, no, side, number, tick or 0, lots, FORCES[force]))
        self.settle(no, self.matchers[no].place(order, now_ns))

    def change(self, no: int, order: Order, what: int, now_ns: int) -> None:
        tick = self.price(no, order.side)
        self.requests.append((now_ns - ENTRY_NS, no, what, order.no, tick, order.lots, 0))
        if what == CANCEL:
            assert self.matchers[no].cancel(order, now_ns)
            self.orders[no].remove(order)
        else:
            keeps = tick == order.tick
            self.settle(no, self.matchers[no].amend(order, tick, order.lots, now_ns, keeps_place=keeps))

    def price(self, no: int, side: int) -> int:
        bid, ask = self.matchers[no].touch()
        best = (bid if side == BUY else ask) or 0
        spread = self.chance.choice([0, 0, 1, 5, 30, -1, -200])
        return best - spread if side == BUY else best + spread


@pytest.mark.parametrize(
    ("seed", "venues", "queue"),
    [
        (1, ["binance_spot", "bybit_linear"], "risk_adverse"),
        (2, ["binance_usdm", "bybit_spot"], "power_prob3"),
    ],
)
def test_a_backtest_of_the_frames_has_the_same_fills(
    seed: int, venues: list[str], queue: str, tmp_path: Path
) -> None:
    session = Session(seed, venues, queue)
    session.run()
    for listing, lines in zip(session.listings, session.lines, strict=True):
        write_recording(tmp_path / "recordings", listing.venue, lines, day="20240101")
    ticks = [float(listing.tick_size) for listing in session.listings]
    lots = [float(listing.lot_size) for listing in session.listings]
    text = STRATEGY.format(requests=session.requests, ticks=ticks, lots=lots)
    write_templates(tmp_path)
    spot = next(venue for venue in venues if venue.endswith("spot"))
    settings = [
        f"strategy.function='{strategy_file('requests.py', text)}:run'",
        f"data.directory='{tmp_path}/recordings'",
        "backtest.engine='arb'",
        *(f"{venue}.latency.{key}" for venue in venues for key in (f"entry_ms={ENTRY_NS / MS}", "feed_ms=0")),
        *(f"{venue}.queue.model='{queue}'" for venue in venues),
        f"capital.{spot}={{base=1000.0, quote=100000000.0}}",
    ]
    legs = [f"{venue}:BTCUSDT" for venue in venues]
    config = load(tmp_path / "arbitrage.toml", settings, legs=legs)
    done = run_backtest(config, date(2024, 1, 1), None, tmp_path / "run", has_report=False)
    fills = []
    for one in [trade for trade in done.trades if trade.exch_ts <= END_NS]:
        no = legs.index(one.leg)
        tick, quantity = round(one.price / ticks[no]), round(one.quantity / lots[no])
        fills.append((one.exch_ts, no, one.order_id, tick, quantity, one.liquidity == "maker"))
    assert sorted(session.fills) == sorted(fills)
    assert min(sum(is_maker for *_, is_maker in fills), sum(not is_maker for *_, is_maker in fills)) > 20
    assert [matcher.rows_late for matcher in session.matchers] == [0, 0]


def test_the_queue_models_are_those_of_the_venues_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_templates(tmp_path)
    known = known_venues(tmp_path / "arbitrage.toml", ["bybit_spot.queue={model='log_prob2', power=2.0}"])
    setups: list[TradingSetup] = []
    monkeypatch.setattr("arb.commands.serve.trading_of", lambda setup, *_: setups.append(setup))
    options = {
        "recording": None,
        "faults": None,
        "fault_log": None,
        "venues": [],
        "symbols": [],
        "port_base": 0,
    }
    sandbox_of(known, seed=7, speed=1.0, keeps_times=False, matching="whole", **options)
    assert setups[0].queues["bybit_spot"] == ("log_prob2", 2.0)
    assert setups[0].queues["binance_usdm"] == ("risk_adverse", 3.0)


def test_a_sandbox_matches_by_the_venues_time() -> None:
    setup = TradingSetup((usual_account(),), (), matching="whole")
    on(driven("binance_spot", "bybit_linear", trading=trading_of(setup, 7, default_rng(7))), trades_whole)


async def trades_whole(sandbox: Sandbox, clients: Clients) -> None:
    trading = sandbox.trading
    assert trading is not None
    desk = trading.desks["binance_spot"]
    request = Place("main", "BTCUSDT", BUY, OrderKind.LIMIT, Force.IOC, Decimal(50_000), Decimal(2))
    with pytest.raises(RefusalError) as refused:
        desk.place(request, sandbox.clock.now_ns())
    assert refused.value.reason is Reason.BOOK_NOT_READY
    await sandbox.advance(2)
    taken = desk.place(request, sandbox.clock.now_ns())
    touch = desk.instrument("BTCUSDT").touch()
    assert [(one.price, one.quantity) for one in taken.executions] == [(touch[1], Decimal(2))]
    buying = replace(request, force=Force.GTC, price=touch[0])
    selling = replace(buying, side=SELL, price=touch[1])
    resting = [desk.place(one, sandbox.clock.now_ns()) for one in (buying, selling)]
    assert [one.filled for one in resting] == [0, 0]
    filled: list[Execution] = []
    while not filled:
        await sandbox.advance(0.1)
        filled = [one for one in desk.executions("main") if one.is_maker]
        assert sandbox.clock.now_ns() < NOW_NS + 60 * S
    assert sandbox.clock.now_ns() - 100 * MS < filled[0].at_ns <= sandbox.clock.now_ns()
    _, depth, _ = await clients.get("binance_spot", "/api/v3/depth?symbol=BTCUSDT")
    assert len(depth["bids"]) == 100
    _, status, _ = await clients.get("binance_spot", "/sandbox")
    assert status["rows_late"] == 0
