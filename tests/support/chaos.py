"""A feed on a simulated network under seeded faults, and the check that its touch is NaN or true.

One `Chaos` is one seed: a venue, one or two instruments, two minutes of simulated time. What the feed publishes is
compared, at every row and status and every 100 ms, with the simulated venue's own book at the id that it carries,
and with a plain book made of the rows.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import NamedTuple

import numpy as np

from connectors.binance import BinanceSpot, BinanceUsdm
from connectors.binance.protocol import SPOT, USDM
from connectors.bybit import BybitLinear, BybitSpot
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.feed import Feed
from connectors.feed.interfaces import FeedTimes
from connectors.feed.status import FeedStatus
from connectors.feed.touch import Touch
from connectors.model import Instrument, Rows, Stream, Venue
from connectors.net.connection import LinkTimes
from connectors.net.interfaces import Event
from connectors.net.session import SessionTimes
from support.books import PlainBook
from support.sim_market import LOT, TICK, TrueTouch
from support.sim_net import FRAME_FAULTS, SimConnection, SimNet
from support.sim_time import MS, S, SimTimers
from support.sim_venue import STEP_NS, SimVenue

#: Connections live so long here, so that a run sees a change of connections.
LIFE_NS = 60 * S


class ShortSpot(BinanceSpot):
    wire = SPOT._replace(limits=SPOT.limits._replace(life_ns=LIFE_NS))


class ShortUsdm(BinanceUsdm):
    wire = USDM._replace(limits=USDM.limits._replace(life_ns=LIFE_NS))


SIM_VENUES: dict[str, Venue] = {v.name: v for v in (ShortSpot(), ShortUsdm(), BybitSpot(), BybitLinear())}
SYMBOLS = ("AAAUSDT", "BBBUSDT")
#: Messages of so long come in one read, where they do not come by themselves.
READ_NS = 10 * MS
STREAMS = (Stream.DEPTH, Stream.TOUCH, Stream.TRADE)
URLS = ("ws://127.0.0.1:1", "ws://127.0.0.1:2")

TIMES = FeedTimes(session=SessionTimes(link=LinkTimes(), life_margin_ns=5 * S))

#: What can be wrong with the venue's own times: its clock for some seconds, or the stamps of one message.
CLOCK_FAULTS = ("venue clock", "stamp")
#: By how much a venue's clock may be wrong: from a little behind to an hour ahead, in s.
CLOCK_JUMPS_S = (-10, -3, -1, 1, 3, 60, 600, 3600)

#: What can be wrong with ids, and data that stop while the connection is answered as ever.
ID_FAULTS = ("ids step back", "touch ids step back")
QUIET_FAULTS = ("silence with pongs", "quiet market")

#: What does not end: an instrument with another tick than the configured one stays unknown.
LASTING_FAULTS = ("tick change",)

#: Every fault; those of the REST interface happen where books are fetched.
FAULTS = (
    *FRAME_FAULTS,
    *("silence", "disconnect", "slow snapshot", "old snapshot", "bad answer", "wrong clock"),
    *("refused connect", "half-open connect", "half-open", "server shutdown"),
    *CLOCK_FAULTS,
    *("snapshot ahead", *ID_FAULTS, *QUIET_FAULTS),
    *LASTING_FAULTS,
)
REST_FAULTS = ("slow snapshot", "old snapshot", "bad answer", "snapshot ahead")

#: So long after a fault is over the feed must have recovered from it.
RECOVERY_NS = 15 * S
#: A book is fresh while it is one that the market had at most so long ago.
FRESH_NS = 3 * S
#: From its start a feed without faults needs so long for its books.
BEGIN_NS = 10 * S


class LieError(AssertionError):
    """The feed published what is not true."""


class Watch:
    """Sink and tap of a feed: keeps a plain book, and compares."""

    def __init__(self, venue: SimVenue, timers: SimTimers) -> None:
        self.feed: Feed | None = None
        self._timers = timers
        self.books = [PlainBook() for _ in venue.markets]
        self._markets = list(venue.markets.values())
        self.events: list[Event] = []
        self.frames: list[tuple[int, int, bytes]] = []
        self.trades: list[list[tuple[float, float]]] = [[] for _ in venue.markets]
        self.checks = 0
        #: Of the newest row of each instrument: venue time, local time.
        self.newest = [(0, 0) for _ in venue.markets]
        #: Since when the touch is not known, and for how long it was not.
        self._unknown_since: list[int | None] = [0 for _ in venue.markets]
        self.unknown_ns: list[int] = []

    def on_rows(self, no: int, rows: Rows) -> None:
        if (rows["exch_ts"] > rows["local_ts"]).any():
            raise LieError(f"a row of instrument {no} comes from the future")
        self.newest[no] = int(rows["exch_ts"][-1]), int(rows["local_ts"][-1])
        # Prices as whole ticks: the fused book computes some of them, others are the nearest to a text.
        ticks = rows.copy()
        ticks["px"] = np.rint(rows["px"] / TICK) / round(1 / TICK)
        self.books[no].apply(ticks)
        is_trade = rows["ev"] & 0xFF == 2
        if is_trade.any():
            self.trades[no] += zip(rows["px"][is_trade].tolist(), rows["qty"][is_trade].tolist(), strict=True)
        self.check(no)

    def on_status(self, no: int, status: FeedStatus) -> None:
        if self.feed is not None and self.feed.status(no) != status:
            raise LieError(f"the sink received {status}, the feed says {self.feed.status(no)}")
        self.check(no)

    def on_frame(self, no: int, local_ts: int, frame: bytes) -> None:
        self.frames.append((no, local_ts, frame))

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def is_fresh(self, no: int) -> bool:
        """Whether the touch is known, and the market's of late."""
        touch, market = self.check(no), self._markets[no]
        return touch is not None and market.steps - market.step_of[touch.order_id] <= FRESH_NS // STEP_NS

    def check(self, no: int) -> Touch | None:
        """The touch of an instrument, if it is known; LieError where it is not true."""
        if self.feed is None:
            return None
        touch = self.feed.touch(no)
        self.checks += 1
        now = self._timers.monotonic_ns()
        since = self._unknown_since[no]
        if math.isnan(touch.bid_px) or math.isnan(touch.ask_px):
            if since is None:
                self._unknown_since[no] = now
            rows_touch = self.books[no].touch()
            if not math.isnan(rows_touch[0]) and not math.isnan(rows_touch[2]):
                raise LieError(
                    f"{self._markets[no].symbol}: the touch is not known, the rows say {rows_touch}"
                )
            return None
        if since is not None:
            self.unknown_ns.append(now - since)
            self._unknown_since[no] = None
        market = self._markets[no]
        truths = [market.truth, *market.truths_before]
        known = [truth[touch.order_id] for truth in truths if touch.order_id in truth]
        if not any(_is_same(touch, true) for true in known):
            raise LieError(f"{market.symbol} at {touch.order_id}: published {touch}, true is {known}")
        rows_touch = self.books[no].touch()
        if not _is_same(touch, TrueTouch(*rows_touch)):
            raise LieError(
                f"{market.symbol} at {touch.order_id}: published {touch}, the rows say {rows_touch}"
            )
        return touch


def _is_same(touch: Touch, true: TrueTouch) -> bool:
    pairs = zip(touch[:4], true, (TICK, LOT, TICK, LOT), strict=True)
    return all(abs(a - b) < step / 4 for a, b, step in pairs)


class Report(NamedTuple):
    """What came of one seed."""

    seed: int
    venue: str
    hits: Counter[str]
    #: Looks at times outside of faults, and how many of them found the touch known.
    looks: int
    known: int
    unknown_ns: list[int]
    checks: int
    simulated_ns: int
    #: The longest time without a fresh book behind the end of the faults before it.
    unfresh_ns: int
    #: How often a book of the venue without faults, which runs beside, was not fresh.
    unfresh_beside: int


class Site:
    """A simulated venue, the network to it, and a feed of it that is watched."""

    def __init__(
        self,
        venue: str,
        names: list[str],
        timers: SimTimers,
        chance: random.Random,
        *,
        read_ns: int,
        offset: OffsetEstimator,
        streams: tuple[Stream, ...] = STREAMS,
    ) -> None:
        self.server = SimVenue(venue, names, timers, random.Random(chance.random()))
        self.net = SimNet(self.server, timers, random.Random(chance.random()), read_ns=read_ns)
        self.watch = Watch(self.server, timers)
        self.feed = Feed(
            SIM_VENUES[venue],
            [Instrument(venue, name, TICK, LOT) for name in names],
            streams,
            URLS,
            transport=self.net,
            rest=self.net,
            timers=timers,
            chance=random.Random(chance.random()).random,
            sink=self.watch,
            tap=self.watch,
            times=TIMES,
            offset=offset,
        )
        self.watch.feed = self.feed
        timers.every(STEP_NS, self.server.step)


class Chaos:
    """One seed."""

    def __init__(
        self,
        seed: int,
        venue: str = "",
        *,
        symbols: int = 2,
        read_ns: int | None = None,
        streams: tuple[Stream, ...] = STREAMS,
    ) -> None:
        """`read_ns`: of the network; None: by the seed, nothing or some ms. `streams`: of the venue with faults."""
        self.seed = seed
        if read_ns is None:
            read_ns = seed // len(SIM_VENUES) % 2 * READ_NS
        chance = random.Random(seed)
        self.chance = chance
        self.venue = venue or list(SIM_VENUES)[seed % len(SIM_VENUES)]
        self.timers = SimTimers()
        names = list(SYMBOLS[:symbols])
        self.offset = offset = OffsetEstimator()
        site = Site(self.venue, names, self.timers, chance, read_ns=read_ns, offset=offset, streams=streams)
        self.server, self.net, self.watch, self.feed = site.server, site.net, site.watch, site.feed
        beside = list(SIM_VENUES)[(list(SIM_VENUES).index(self.venue) + 1 + seed // 8 % 3) % len(SIM_VENUES)]
        #: A venue without faults, on the same local clock and the same offset; it runs with `run`.
        self.beside = Site(beside, names[:1], self.timers, random.Random(seed), read_ns=0, offset=offset)
        self.timers.every(100 * MS, self._look)
        self.timers.every(1000 * MS, self.net.keep_answers)
        # The beginning counts as a fault.
        self.net.faults.over_ns = self.timers.true_ns()
        self.looks = self.known = self.unfresh_ns = self.unfresh_beside = 0
        #: True times at which the books were fresh last.
        self._fresh_ns = [0] * symbols
        self._beside_since = 1 << 62
        #: Since when the last instrument has another tick.
        self._off_grid_since = 0

    def run(self, span_ns: int = 120 * S, faults: tuple[str, ...] = FAULTS) -> Report:
        """Lets time pass with faults among `faults` at times of chance. Raises LieError."""
        self.feed.start()
        self.beside.feed.start()
        self._beside_since = self.timers.monotonic_ns() + BEGIN_NS
        end = self.timers.monotonic_ns() + span_ns
        while self.timers.monotonic_ns() < end:
            self.timers.run(int(self.chance.choice((0.3, 2, 10, 45)) * S))
            if faults:
                self.inject(self.chance.choice(faults))
        self.timers.run(RECOVERY_NS)
        return Report(
            self.seed,
            self.venue,
            self.net.faults.hits,
            self.looks,
            self.known,
            self.watch.unknown_ns,
            self.watch.checks,
            self.timers.monotonic_ns(),
            self.unfresh_ns,
            self.unfresh_beside,
        )

    def inject(self, fault: str) -> None:
        """Lets something go wrong, now or at the next occasion."""
        faults, chance = self.net.faults, self.chance
        if fault in FRAME_FAULTS:
            kinds = chance.choice((("depth",), ("touch",), ("depth", "touch", "trade", "snapshot")))
            faults.frames.append((fault, kinds))
        elif fault in REST_FAULTS:
            # A book is fetched when the chain breaks.
            if not self.server.is_bybit:
                faults.slow_snapshots += fault == "slow snapshot"
                faults.old_snapshots += fault == "old snapshot"
                faults.bad_answers += fault == "bad answer"
                faults.snapshots_ahead += fault == "snapshot ahead"
                faults.frames.append(("gap", ("depth",)))
        elif fault == "wrong clock":
            self.timers.skew_ns = int(chance.choice((0, 1, -1, 0.05, -0.05, 600, -600)) * S)
            faults.hit(fault, self.timers.true_ns())
        elif fault == "venue clock":
            length = int(chance.uniform(0.5, 20) * S)
            self.server.skew_ns = int(chance.choice(CLOCK_JUMPS_S) * S)
            self.timers.call_later(length, self._right_clock)
            faults.hit(fault, self.timers.true_ns() + length)
        elif fault in ID_FAULTS or fault in QUIET_FAULTS:
            self._inject_at_server(fault)
        elif fault == "tick change":
            self._change_tick()
        elif fault == "stamp":
            faults.frames.append((fault, chance.choice((("depth",), ("touch",), ("trade",)))))
        elif fault == "refused connect":
            faults.refuse_connects += chance.randrange(1, 5)
            self._drop("reset")
        elif fault == "half-open connect":
            faults.half_open_connects += 1
            self._drop("reset")
        elif self.net.connections:
            self._inject_on_connection(fault, chance.choice(self.net.connections))

    def _change_tick(self) -> None:
        """Once in a seed, and not for its first instrument: what was lost so does not come back."""
        market = list(self.server.markets.values())[-1]
        if len(self.server.markets) > 1 and not market.is_tick_changed:
            market.change_tick()
            self._off_grid_since = self.timers.true_ns()
            self.net.faults.hit("tick change", self.timers.true_ns())

    def _inject_at_server(self, fault: str) -> None:
        length = int(self.chance.uniform(1, 20) * S)
        connections = list(self.net.connections)
        by = self.chance.choice((3, 50, 2_000, 8_000))
        for market in self.server.markets.values():
            if fault == "ids step back":
                market.step_back(by)
                length = 0
            elif fault == "touch ids step back":
                market.touch_behind = 8_000
        if fault == "silence with pongs":
            for connection in connections:
                connection.is_without_data = True
        self.server.is_paused = fault == "quiet market"
        self.timers.call_later(length, lambda: self._end_at_server(connections))
        self.net.faults.hit(fault, self.timers.true_ns() + length)

    def _end_at_server(self, connections: list[SimConnection]) -> None:
        self.server.is_paused = False
        for connection in connections:
            connection.is_without_data = False
        for market in self.server.markets.values():
            market.touch_behind = 0

    def _inject_on_connection(self, fault: str, connection: SimConnection) -> None:
        length = 0
        if fault == "silence":
            length = int(self.chance.uniform(1, 9) * S)
            connection.stall(length)
        elif fault == "disconnect":
            connection.drop("closed by the venue")
        elif fault == "half-open":
            connection.is_mute = True
            length = 11 * S
        elif fault == "server shutdown":
            length = 3 * S
            for wire in list(self.server.wires):
                if wire.out is connection:
                    wire.notice()
            self.timers.call_later(length, lambda: connection.drop("going away"))
        self.net.faults.hit(fault, self.timers.true_ns() + length)

    @property
    def _is_quiet(self) -> bool:
        """Whether the last fault is over for so long that the feed must have recovered."""
        faults = self.net.faults
        return not faults.is_pending and self.timers.true_ns() > faults.over_ns + RECOVERY_NS

    def _right_clock(self) -> None:
        self.server.skew_ns = 0

    def _drop(self, reason: str) -> None:
        for connection in list(self.net.connections):
            connection.drop(reason)

    def _look(self) -> None:
        faults, now = self.net.faults, self.timers.true_ns()
        for no in range(len(self.server.markets)):
            touch = self.watch.check(no)
            if list(self.server.markets.values())[no].is_tick_changed:
                if touch is not None and now > self._off_grid_since + RECOVERY_NS:
                    raise LieError(f"a touch off the grid is shown: {touch}")
                continue
            if self._is_quiet:
                self.looks += 1
                self.known += touch is not None
            if touch is not None and self.watch.is_fresh(no):
                self._fresh_ns[no] = now
            elif not faults.is_pending:
                self.unfresh_ns = max(self.unfresh_ns, now - max(self._fresh_ns[no], faults.over_ns))
        if self.timers.monotonic_ns() > self._beside_since:
            self.unfresh_beside += not self.beside.watch.is_fresh(0)
