"""Matching `whole` in the sandbox, and in a backtest of the frames that it sent: the same fills, to the nanosecond."""

from __future__ import annotations

import asyncio
import contextlib
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
from support.simulated import LISTINGS

from arb.commands.backtest import run_backtest
from arb.commands.legs import known_venues
from arb.commands.serve import sandbox_of
from arb.config import load, write_templates
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import Force
from arb.sandbox.serve.ahead import AheadTape
from arb.sandbox.serve.clocks import DrivenClock
from arb.sandbox.serve.sandbox import Sandbox
from arb.sandbox.serve.tape import Line
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.desk import Desk
from arb.sandbox.trading.order_state import Execution, VenueOrder
from arb.sandbox.trading.requests import Amend, Cancel, OrderKind, Place, Reason, RefusalError
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

pytestmark = pytest.mark.slow

END_NS = NOW_NS + 40 * S
ENTRY_NS = 3 * MS
#: Requests: when they are sent, the leg, what, the order's number, price tick, lots.
NEW_BUY, NEW_SELL, CANCEL, MODIFY = range(4)
Request = tuple[int, int, int, int, int, int, int]

STRATEGY = """
import numpy as np
from hftbacktest.order import LIMIT

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
        if what == 0:
            bot.submit_buy_order(leg, order_id, px, qty, force, LIMIT, False)
        elif what == 1:
            bot.submit_sell_order(leg, order_id, px, qty, force, LIMIT, False)
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
    """Orders at the desks of a sandbox with matching `whole`, their fills, and the frames that it sent."""

    def __init__(self, seed: int, venues: list[str], queue: str) -> None:
        self.venues = venues
        queues = dict.fromkeys(venues, (queue, 3.0))
        setup = TradingSetup((usual_account(),), (), matching="whole", queues=queues)
        self.sandbox = driven(*venues, seed=seed, trading=trading_of(setup, 7, default_rng(7)))
        self.chance = random.Random(seed)
        #: Of each leg: lines as a recorder without latency writes them.
        self.lines: list[list[str]] = [[] for _ in venues]
        self.requests: list[Request] = []
        #: Time, leg, number, tick, lots, whether as maker.
        self.fills: list[tuple[Any, ...]] = []
        #: Leg and number by order id; of each leg, the orders that may rest.
        self._numbers: dict[str, tuple[int, int]] = {}
        self._orders: list[dict[str, VenueOrder]] = [{} for _ in venues]

    def record(self, line: Line) -> None:
        if RECORDED.search(line.key):
            sent_ns = self.sandbox._timeline.wall_ns(line.send_ns)
            self.lines[line.no].append(f"{sent_ns} {line.text}")

    async def run(self) -> None:
        async with self.sandbox:
            now_ns = NOW_NS + 2 * S
            while now_ns < END_NS - 3 * S:
                # An order with a request in flight takes no other: 3 ms to the venue and 10 ms back.
                now_ns += self.chance.randrange(20 * MS, 300 * MS)
                self._pass_to(now_ns)
                leg = self.chance.randrange(len(self.venues))
                what = self.chance.choice([NEW_BUY, NEW_SELL, NEW_BUY, NEW_SELL, CANCEL, MODIFY])
                if what in (NEW_BUY, NEW_SELL):
                    self._place(leg, what, now_ns)
                elif self._orders[leg]:
                    self._change(leg, self.chance.choice(list(self._orders[leg].values())), what, now_ns)
            self._pass_to(END_NS)
            for venue in self.venues:
                rules = self._desk(venue).instrument("BTCUSDT").rules
                for one in self._desk(venue).executions("main"):
                    tick, lots = rules.ticks(one.price), rules.lots(one.quantity)
                    self.fills.append((one.at_ns, *self._numbers[one.order_id], tick, lots, one.is_maker))
            # Frames of what happened before are sent later.
            self._pass_to(END_NS + S)

    @property
    def rows_late(self) -> int:
        assert self.sandbox.trading is not None
        return self.sandbox.trading.rows_late

    def _desk(self, venue: str) -> Desk:
        assert self.sandbox.trading is not None
        return self.sandbox.trading.desks[venue]

    def _pass_to(self, now_ns: int) -> None:
        assert isinstance(self.sandbox.clock, DrivenClock)
        self.sandbox.clock.move_to(now_ns)
        self.sandbox.advance_to(now_ns)

    def _place(self, leg: int, side: int, now_ns: int) -> None:
        desk = self._desk(self.venues[leg])
        rules = desk.instrument("BTCUSDT").rules
        force = self.chance.choice([Force.GTC, Force.GTC, Force.POST_ONLY, Force.IOC, Force.FOK])
        tick, lots = self._tick(leg, side, now_ns), rules.lots(Decimal("0.002")) * self.chance.randrange(1, 4)
        number = len(self.requests) + 1
        self.requests.append((now_ns - ENTRY_NS, leg, side, number, tick, lots, FORCES[force]))
        price, quantity = rules.price(tick), rules.quantity(lots)
        with contextlib.suppress(RefusalError):  # what the venue refuses, expires in a backtest
            order = desk.place(
                Place("main", "BTCUSDT", side, OrderKind.LIMIT, force, price, quantity), now_ns
            )
            self._numbers[order.order_id] = (leg, number)
            if order.is_open:
                self._orders[leg][order.order_id] = order

    def _change(self, leg: int, order: VenueOrder, what: int, now_ns: int) -> None:
        desk, (_, number) = self._desk(self.venues[leg]), self._numbers[order.order_id]
        lots = desk.instrument("BTCUSDT").rules.lots(order.quantity)
        if what == CANCEL:
            self.requests.append((now_ns - ENTRY_NS, leg, what, number, 0, 0, 0))
            del self._orders[leg][order.order_id]
            with contextlib.suppress(RefusalError):  # it was filled
                desk.cancel(Cancel("main", "BTCUSDT", order.order_id), now_ns)
            return
        tick = self._tick(leg, order.side, now_ns)
        price = desk.instrument("BTCUSDT").rules.price(tick)
        try:
            desk.amend(Amend("main", "BTCUSDT", order.order_id, price=price), now_ns)
        except RefusalError as refusal:
            if refusal.reason is Reason.NO_CHANGE:
                return
        self.requests.append((now_ns - ENTRY_NS, leg, what, number, tick, lots, 0))

    def _tick(self, leg: int, side: int, now_ns: int) -> int:
        matcher = self._desk(self.venues[leg]).instrument("BTCUSDT").matcher
        assert matcher.advance(now_ns) == []
        best = matcher.touch()[side] or 0
        away = self.chance.choice([0, 0, 1, 5, 30, -1, -200])
        return best - away if side == BUY else best + away


@pytest.mark.parametrize(
    ("seed", "venues", "queue"),
    [
        (1, ["binance_spot", "bybit_linear"], "risk_adverse"),
        (2, ["binance_usdm", "bybit_spot"], "power_prob3"),
    ],
)
def test_a_backtest_of_the_frames_has_the_same_fills(
    seed: int, venues: list[str], queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(seed, venues, queue)
    advance = AheadTape.advance

    def recorded(tape: AheadTape, to_ns: int) -> list[Line]:
        lines = advance(tape, to_ns)
        for line in lines:
            session.record(line)
        return lines

    monkeypatch.setattr(AheadTape, "advance", recorded)
    asyncio.run(session.run())
    for venue, lines in zip(venues, session.lines, strict=True):
        write_recording(tmp_path / "recordings", venue, lines, day="20261121")
    ticks = [float(LISTINGS[venue].tick_size) for venue in venues]
    lots = [float(LISTINGS[venue].lot_size) for venue in venues]
    text = STRATEGY.format(requests=session.requests, ticks=ticks, lots=lots)
    write_templates(tmp_path)
    spot = next(venue for venue in venues if venue.endswith("spot"))
    settings = [
        f"strategy.function='{strategy_file('requested.py', text)}:run'",
        f"data.directory='{tmp_path}/recordings'",
        "backtest.engine='arb'",
        *(f"{venue}.latency.{key}" for venue in venues for key in (f"entry_ms={ENTRY_NS / MS}", "feed_ms=0")),
        *(f"{venue}.queue.model='{queue}'" for venue in venues),
        f"capital.{spot}={{base=1000.0, quote=100000000.0}}",
    ]
    legs = [f"{venue}:BTCUSDT" for venue in venues]
    config = load(tmp_path / "arbitrage.toml", settings, legs=legs)
    done = run_backtest(config, date(2026, 11, 21), None, tmp_path / "run", has_report=False)
    fills = []
    for one in [trade for trade in done.trades if trade.exch_ts <= END_NS]:
        no = legs.index(one.leg)
        tick, quantity = round(one.price / ticks[no]), round(one.quantity / lots[no])
        fills.append((one.exch_ts, no, one.order_id, tick, quantity, one.liquidity == "maker"))
    assert sorted(session.fills) == sorted(fills)
    assert min(sum(is_maker for *_, is_maker in fills), sum(not is_maker for *_, is_maker in fills)) > 20
    assert session.rows_late == 0


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
