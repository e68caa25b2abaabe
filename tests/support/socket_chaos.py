"""A feed on real sockets against a sandbox whose faults come by chance: is every published touch true at its id?

One seed is one venue, some seconds of real time, faults of all kinds drawn by the seed. A witness takes every frame
that the sandbox makes, before faults, and follows the venue's published rule with a plain book: the truth at each id.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import msgspec

from arb.runtime.feeds import BOT_STREAMS
from arb.sandbox.events import Listing
from arb.sandbox.faults import ACCOUNT_LINE_KINDS, TRADING_KINDS, Fault, FaultKind
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from arb.sandbox.serve.tape import Line
from arb.sandbox.serve.timeline import Timeline
from connectors.feed.feed import Feed
from connectors.feed.pipeline import warm_up
from connectors.feed.status import FeedStatus
from connectors.feed.touch import Touch
from connectors.model import Instrument, Rows
from connectors.net.rest import HttpRest
from connectors.net.sockets import AsyncioTimers, transport_of
from support.simulated import LISTINGS, PRICES
from support.venues import VENUES

#: Kinds that are drawn, and how long each lasts in seconds. A ban of REST would outlast the run.
_LENGTHS = {
    kind: 1.0 for kind in FaultKind if kind not in {FaultKind.REST_418, *TRADING_KINDS, *ACCOUNT_LINE_KINDS}
} | {
    FaultKind.SILENCE: 3.0,
    FaultKind.HALF_OPEN: 3.0,
    FaultKind.REFUSE: 0.5,
}
#: Faults a second, on average.
_RATE = 1.5
#: Behind the last fault the touch must be known again within so many seconds.
PATIENCE_S = 40.0

Quote = tuple[float, float, float, float]


class Report(NamedTuple):
    """What came of one seed."""

    seed: int
    venue: str
    hits: Counter[str]
    #: Touches that were compared, those that were known, and the lies among them.
    looks: int
    known: int
    lies: list[str]
    #: For how long the touch was not known, in s, each time.
    unknown_s: list[float]
    recovered: bool


class Truth:
    """The best bid and offer of the market by the venue's order: what depth or touch stream say at each id."""

    def __init__(self, venue: str) -> None:
        self._is_bybit = venue.startswith("bybit")
        self._sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
        #: By the venue's number (`Touch.order_id`), everything that was true at it.
        self.quotes: dict[int, list[Quote]] = {}

    def receive(self, text: str) -> None:
        """A frame of the market."""
        payload = msgspec.json.decode(text)
        if self._is_bybit:
            self._receive_bybit(payload)
        else:
            self._receive_binance(payload["stream"], payload["data"])

    def begin(self, bids: Any, asks: Any, number: int) -> None:
        """The whole book."""
        for side, levels in zip(self._sides, (bids, asks), strict=True):
            side.clear()
            side.update((float(px), float(qty)) for px, qty in levels)
        self._note(number)

    def _receive_bybit(self, payload: dict[str, Any]) -> None:
        topic, data = payload["topic"], payload["data"]
        if topic.startswith("orderbook.1."):
            if data["b"] and data["a"]:
                (bid,), (ask,) = data["b"], data["a"]
                self._add(data["seq"], (*map(float, bid), *map(float, ask)))
        elif topic.startswith("orderbook.50."):
            if payload["type"] == "snapshot":
                self.begin(data["b"], data["a"], data["seq"])
            else:
                self._change(data["b"], data["a"], data["seq"])

    def _receive_binance(self, stream: str, data: dict[str, Any]) -> None:
        if stream.endswith("@bookTicker"):
            self._add(data["u"], tuple(float(data[name]) for name in ("b", "B", "a", "A")))
        elif stream.endswith("@depth@100ms"):
            self._change(data["b"], data["a"], data["u"])

    def _change(self, bids: Any, asks: Any, number: int) -> None:
        for side, levels in zip(self._sides, (bids, asks), strict=True):
            for px, qty in levels:
                side[float(px)] = float(qty)
                if float(qty) == 0:
                    del side[float(px)]
        self._note(number)

    def _note(self, number: int) -> None:
        bids, asks = self._sides
        if bids and asks:
            bid, ask = max(bids), min(asks)
            self._add(number, (bid, bids[bid], ask, asks[ask]))

    def _add(self, number: int, quote: Any) -> None:
        self.quotes.setdefault(number, []).append(quote)


class _Witness:
    """The seeded market, every frame of which reaches the truth before faults. A `Source` and a `Tape`."""

    description = "simulated"

    def __init__(self, market: SeededMarket, truth: Truth) -> None:
        self._market, self._truth = market, truth

    @property
    def listings(self) -> Sequence[Listing]:
        return self._market.listings

    def open(self, wall_start_ns: int, speed: float) -> tuple[Any, Timeline]:
        self._tape, timeline = self._market.open(wall_start_ns, speed)
        snapshot = self._tape.snapshot(0)
        if snapshot is not None:
            book = msgspec.json.decode(snapshot)
            self._truth.begin(book["bids"], book["asks"], book["lastUpdateId"])
        return self, timeline

    @property
    def has_ended(self) -> bool:
        return self._tape.has_ended

    def advance(self, to_ns: int) -> list[Line]:
        lines = self._tape.advance(to_ns)
        for line in lines:
            self._truth.receive(line.text)
        return lines

    def snapshot(self, no: int) -> str | None:
        return self._tape.snapshot(no)

    def source_of(self, no: int, key: str) -> str | None:
        return self._tape.source_of(no, key)


class _Watch:
    """A sink that looks at the touch whenever rows or a status come."""

    def __init__(self) -> None:
        self.feed: Feed | None = None
        self.touches: list[Touch] = []
        self.unknown_s: list[float] = []
        self._since: float | None = None

    def on_rows(self, no: int, rows: Rows) -> None:
        self.look()

    def on_status(self, no: int, status: FeedStatus) -> None:
        self.look()

    def look(self) -> Touch:
        """Keeps the touch that is published now."""
        now = asyncio.get_running_loop().time()
        touch = self.feed.touch(0)
        self.touches.append(touch)
        is_known = not math.isnan(touch.bid_px + touch.ask_px)
        if not is_known and self._since is None:
            self._since = now
        elif is_known and self._since is not None:
            self.unknown_s.append(now - self._since)
            self._since = None
        return touch

    async def keep_looking(self, seconds: float, *, until_known: bool = False) -> bool:
        """Looks every 50 ms for so long, or until the touch is known; whether it was, at the end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        is_known = False
        while loop.time() < end and not (until_known and is_known):
            await asyncio.sleep(0.05)
            is_known = not math.isnan(self.look().bid_px)
        return is_known


def run(seed: int, seconds: float) -> Report:
    """One seed."""
    return asyncio.run(_run(seed, seconds))


def _drawn(chance: Random, seconds: float) -> list[Fault]:
    """Faults at times of chance, the first and the last second left alone."""
    kinds = sorted(_LENGTHS)
    faults = []
    for _ in range(round(seconds * _RATE)):
        kind = chance.choice(kinds)
        at_s = chance.uniform(1.0, seconds - 1.0)
        faults.append(
            Fault(
                kind, kind.value, at_s=at_s, duration_s=_LENGTHS[kind], delay_s=1.0, offset_ms=500,
                retry_after_s=1, notice_s=1.0, count=chance.choice((1, 1, 3)),
            )
        )  # fmt: skip
    return faults


async def _run(seed: int, seconds: float) -> Report:
    name = list(VENUES)[seed % len(VENUES)]
    chance, listing, truth = Random(seed), LISTINGS[name], Truth(name)
    source = _Witness(SeededMarket([listing], PRICES, seed), truth)
    tick, lot = float(listing.tick_size), float(listing.lot_size)
    warm_up(VENUES[name], Instrument(name, listing.symbol, tick, lot))
    async with Sandbox(source, faults=_drawn(chance, seconds), fault_seed=seed) as sandbox:
        watch, urls = _Watch(), sandbox.urls[name]
        rest = HttpRest(urls.rest, 5.0)
        feed = watch.feed = Feed(
            VENUES[name],
            [Instrument(name, listing.symbol, tick, lot)],
            BOT_STREAMS,
            (urls.websocket,),
            transport=transport_of(("picows", "websockets")[seed // len(VENUES) % 2]),
            rest=rest,
            timers=AsyncioTimers(),
            chance=chance.random,
            sink=watch,
        )
        feed.start()
        await watch.keep_looking(seconds)
        recovered = await watch.keep_looking(PATIENCE_S, until_known=True)
        feed.stop()
        await rest.close()
        hits = Counter(line["kind"] for line in sandbox.injected)
    known = [touch for touch in watch.touches if not math.isnan(touch.bid_px + touch.ask_px)]
    lies = [str(touch) for touch in known if not _is_true(touch, truth, tick, lot)]
    return Report(seed, name, hits, len(watch.touches), len(known), lies, watch.unknown_s, recovered)


def _is_true(touch: Touch, truth: Truth, tick: float, lot: float) -> bool:
    steps = (tick, lot, tick, lot)
    return any(
        all(abs(a - b) < step / 4 for a, b, step in zip(touch[:4], quote, steps, strict=True))
        for quote in truth.quotes.get(touch.order_id, [])
    )
