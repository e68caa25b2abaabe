"""ccxt.pro and our own book, both on the sandbox's sockets: every update that ccxt returns is compared with ours.

Our book is a venue adapter's JSON decoder and `BookSync`, fed by a plain websocket and REST client, unfused. Books are
matched by the venue's own marks: Binance's update id (`nonce`), Bybit's time. Trades are compared one by one, in order.

    python -m tests.soak.ccxt_agreement --updates 2500 --speed 5
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import Listing
from arb.sandbox.serve.recorded import RecordedMarket
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket, Source
from arb.sandbox.serve.urls import VenueUrls
from connectors.binance import BinanceSpot, BinanceUsdm
from connectors.book.sequence import Status
from connectors.book.sync import BookSync
from connectors.bybit import BybitLinear, BybitSpot
from connectors.model import MESSAGE_DTYPE, Kind, Message, Rows, Venue
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID, DELTA_BID, SNAPSHOT_BID, TRADE_BUY

#: Levels a side that are compared. ccxt keeps what its own snapshot had (1000), so deeper ones may differ.
LEVELS = 50
#: Books of ours that are remembered for ccxt to ask for.
_BOOKS_MAX = 5_000

LISTINGS = (
    Listing("binance_spot", "BTCUSDT", "0.01", "0.00001"),
    Listing("binance_usdm", "BTCUSDT", "0.10", "0.001"),
    Listing("bybit_spot", "BTCUSDT", "0.1", "0.000001"),
    Listing("bybit_linear", "BTCUSDT", "0.10", "0.001"),
)
PRICES = {"BTCUSDT": 42_280.0}
ADAPTERS: dict[str, Venue] = {
    "binance_spot": BinanceSpot(),
    "binance_usdm": BinanceUsdm(),
    "bybit_spot": BybitSpot(),
    "bybit_linear": BybitLinear(),
}
SUBSCRIBE = {
    "binance_spot": '{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@trade"],"id":1}',
    "binance_usdm": '{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@trade"],"id":1}',
    "bybit_spot": '{"op":"subscribe","args":["orderbook.50.BTCUSDT","publicTrade.BTCUSDT"]}',
    "bybit_linear": '{"op":"subscribe","args":["orderbook.50.BTCUSDT","publicTrade.BTCUSDT"]}',
}
DEPTH_PATHS = {"binance_spot": "/api/v3/depth", "binance_usdm": "/fapi/v1/depth"}

Touchstone = tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]
Trade = tuple[int, str, float, float]


class OurBook:
    """One venue's book by our decoders and rules, remembered at every mark, and its trades."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.books: dict[int, list[Touchstone]] = {}
        self.trades: list[Trade] = []
        #: The mark of the newest book.
        self.newest = 0
        self._adapter = ADAPTERS[venue]
        self._sync = BookSync(self._adapter.sequence_rule)
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}

    @property
    def is_synced(self) -> bool:
        return self._sync.status == Status.SYNCED

    @property
    def is_waiting(self) -> bool:
        return self._sync.status == Status.UNSYNCED

    @property
    def gap_count(self) -> int:
        return self._sync.gap_count

    def receive(self, text: str) -> None:
        """A frame, or the answer of a REST depth request."""
        message = self._adapter.decode(text.encode())
        if message.kind == Kind.TRADE:
            for row in message.rows:
                side = "buy" if row["ev"] == TRADE_BUY else "sell"
                self.trades.append(
                    (int(row["exch_ts"]) // 1_000_000, side, float(row["px"]), float(row["qty"]))
                )
        if message.kind not in (Kind.DELTA, Kind.SNAPSHOT):
            return
        self._apply(self._sync.receive(message.rows, _record(message)))
        if not self.is_synced:
            return
        mark = self._sync.last_id
        if self.venue.startswith("bybit"):
            mark = json.loads(text)["ts"]
        self.books.setdefault(mark, []).append(self._best())
        self.newest = mark
        if len(self.books) > _BOOKS_MAX:
            del self.books[next(iter(self.books))]

    def _apply(self, rows: Rows) -> None:
        for event, px, qty in zip(
            rows["ev"].tolist(), rows["px"].tolist(), rows["qty"].tolist(), strict=True
        ):
            if event in (CLEAR_BID, CLEAR_ASK):
                (self._bids if event == CLEAR_BID else self._asks).clear()
                continue
            side = self._bids if event in (DELTA_BID, SNAPSHOT_BID) else self._asks
            if qty:
                side[px] = qty
            else:
                side.pop(px, None)

    def _best(self) -> Touchstone:
        bids = sorted(self._bids.items(), reverse=True)[:LEVELS]
        return tuple(bids), tuple(sorted(self._asks.items())[:LEVELS])


@dataclass
class Findings:
    """What came of one venue's comparison."""

    venue: str
    updates: int = 0
    equal: int = 0
    #: Books of ccxt at marks that we had no book at: the REST snapshot before its first change.
    unmatched: int = 0
    differing: list[Any] = field(default_factory=list)
    trades: int = 0
    trades_equal: bool = True
    gaps: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Every update equal; only a first one, before any change, may have nothing to be compared with."""
        return (
            not self.differing
            and not self.errors
            and self.unmatched <= 1
            and self.equal == self.updates - self.unmatched
            and self.trades_equal
            and self.trades > 0
            and self.gaps == 0
        )


async def compare(venue: str, urls: VenueUrls, updates: int) -> Findings:
    """Lets ccxt and ours watch one venue until ccxt has returned `updates` books."""
    findings = Findings(venue)
    ours = OurBook(venue)
    listener = asyncio.create_task(_listen(ours, urls))
    exchange = ccxt_exchange(venue, urls)
    symbol = "BTC/USDT" if venue.endswith("spot") else "BTC/USDT:USDT"
    theirs: list[Trade] = []
    try:
        while not ours.is_synced:
            await asyncio.sleep(0.01)
            if listener.done():
                listener.result()
        await exchange.load_markets()
        trades = asyncio.create_task(_watch_trades(exchange, symbol, theirs))
        trades.add_done_callback(lambda task: _note_end(task, findings))
        seen: list[tuple[int, Touchstone]] = []
        for _ in range(updates):
            book = await exchange.watch_order_book(symbol)
            mark = book["timestamp"] if venue.startswith("bybit") else book["nonce"]
            seen.append((mark, _touchstone(book)))
            if len(seen) > 500:
                _settle(findings, ours, seen)
                print(f"{venue}: {findings.equal} of {findings.updates} equal", file=sys.stderr, flush=True)
        trades.cancel()
        for _ in range(600):  # what ccxt has seen reaches us too, sooner or later
            if ours.newest > seen[-1][0]:
                break
            await asyncio.sleep(0.1)
        _settle(findings, ours, seen)
        findings.errors += ["our own client did not keep up"] if seen else []
    finally:
        listener.cancel()
        await exchange.close()
    findings.gaps = ours.gap_count
    findings.trades = len(theirs)
    findings.trades_equal = _is_part_of(theirs, ours.trades)
    return findings


def ccxt_exchange(venue: str, urls: VenueUrls) -> Any:
    """A ccxt.pro client of the venue whose every address that is used is the sandbox's."""
    pro = import_module("ccxt.pro")
    rest, options = (
        urls.rest,
        {"fetchMarkets": {"types": [venue.partition("_")[2].replace("usdm", "linear")]}},
    )
    if venue == "binance_spot":
        # ccxt tells spot from futures by the text "/stream" in the address.
        api = {"public": f"{rest}/api/v3", "ws": {"spot": urls.websocket.removesuffix("/ws") + "/stream/ws"}}
        return pro.binance({"urls": {"api": api}, "options": options, "enableRateLimit": False})
    if venue == "binance_usdm":
        api = {"fapiPublic": f"{rest}/fapi/v1", "ws": {"linear": f"{urls.websocket}/ws"}}
        return pro.binanceusdm({"urls": {"api": api}, "options": options, "enableRateLimit": False})
    category = venue.removeprefix("bybit_")
    api = {"public": rest, "ws": {"public": {category: urls.websocket}}}
    return pro.bybit({"urls": {"api": api}, "options": options, "enableRateLimit": False})


async def _listen(ours: OurBook, urls: VenueUrls) -> None:
    address = urls.websocket + ("/public/ws" if ours.venue == "binance_usdm" else "")
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(address, max_msg_size=0, compress=0) as websocket,
    ):
        await websocket.send_str(SUBSCRIBE[ours.venue])
        frames = 0
        async for message in websocket:
            ours.receive(message.data)
            frames += 1
            if ours.is_waiting and ours.venue in DEPTH_PATHS and frames % 20 == 5:
                query = {"symbol": "BTCUSDT", "limit": "1000"}
                async with http.get(urls.rest + DEPTH_PATHS[ours.venue], params=query) as answer:
                    ours.receive(await answer.text())
    raise RuntimeError(f"{ours.venue}: the sandbox closed our connection")


async def _watch_trades(exchange: Any, symbol: str, theirs: list[Trade]) -> None:
    while True:
        for trade in await exchange.watch_trades(symbol):
            theirs.append((trade["timestamp"], trade["side"], trade["price"], trade["amount"]))


def _note_end(task: asyncio.Task[None], findings: Findings) -> None:
    if not task.cancelled() and task.exception() is not None:
        findings.errors.append(f"watch_trades: {task.exception()!r}")


def _settle(findings: Findings, ours: OurBook, seen: list[tuple[int, Touchstone]]) -> None:
    """Compares those of `seen` that our own client is past."""
    count = sum(mark < ours.newest for mark, _ in seen)
    for mark, book in seen[:count]:
        findings.updates += 1
        known = ours.books.get(mark)
        if known is None:
            findings.unmatched += 1
        elif book in known:
            findings.equal += 1
        elif len(findings.differing) < 3:
            findings.differing.append((mark, _first_difference(book, known[0])))
    del seen[:count]


def _touchstone(book: Any) -> Touchstone:
    return (
        tuple((float(px), float(qty)) for px, qty, *_ in book["bids"][:LEVELS]),
        tuple((float(px), float(qty)) for px, qty, *_ in book["asks"][:LEVELS]),
    )


def _first_difference(theirs: Touchstone, ours: Touchstone) -> Any:
    for side, (left, right) in enumerate(zip(theirs, ours, strict=True)):
        for rank in range(max(len(left), len(right))):
            pair = left[rank : rank + 1], right[rank : rank + 1]
            if pair[0] != pair[1]:
                return {"side": side, "rank": rank, "ccxt": pair[0], "ours": pair[1]}
    return None


def _is_part_of(part: list[Trade], whole: list[Trade]) -> bool:
    """Whether `part` stands in `whole`, in one piece."""
    if not part:
        return True
    starts = [n for n, trade in enumerate(whole) if trade == part[0]]
    return any(whole[start : start + len(part)] == part for start in starts)


def _record(message: Message) -> Any:
    record = np.zeros(1, MESSAGE_DTYPE)
    record["kind"], record["exch_ts"] = message.kind, message.exch_ts
    record["first_id"], record["last_id"], record["prev_id"] = (
        message.first_id,
        message.last_id,
        message.prev_id,
    )
    record["row_end"] = len(message.rows)
    return record


async def run(
    updates: int, speed: float, seed: int, venues: list[str], recording: Path | None = None
) -> list[Findings]:
    """Compares venue by venue side by side on one sandbox, seeded or of a recording."""
    import_module("ccxt.pro")  # takes seconds, and nothing is served meanwhile
    facts = {(one.venue, one.symbol): Facts(one.lot_size, "5") for one in LISTINGS}
    listings = [one for one in LISTINGS if one.venue in venues]
    source: Source = SeededMarket(listings, PRICES, seed)
    if recording is not None:
        source = RecordedMarket(recording, listings)
    async with Sandbox(source, facts, speed=speed) as sandbox:
        return list(await asyncio.gather(*(compare(venue, sandbox.urls[venue], updates) for venue in venues)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=2_500, help="books of ccxt, a venue")
    parser.add_argument("--speed", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--venues", default="binance_spot,binance_usdm,bybit_spot,bybit_linear")
    parser.add_argument("--recording", type=Path, help="instead of the seeded market")
    given = parser.parse_args()
    start = time.perf_counter()
    found = asyncio.run(run(given.updates, given.speed, given.seed, given.venues.split(","), given.recording))
    for one in found:
        print(
            f"{one.venue:<13} {'equal' if one.is_good else 'DIFFERENT':<9} books {one.equal} of {one.updates}"
            f" equal, {one.unmatched} before the first change; trades {one.trades},"
            f" {'equal' if one.trades_equal else 'DIFFERENT'}; gaps {one.gaps}"
        )
        for more in (*one.differing, *one.errors):
            print(f"    {more}")
    print(f"{time.perf_counter() - start:.0f} s")
    sys.exit(0 if all(one.is_good for one in found) else 1)


if __name__ == "__main__":
    main()
