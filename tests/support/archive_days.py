"""Days as the public archives would hold them, made of recordings: real ones, or of the sandbox's market.

Every file has the form that its archive documents or is known for (columns, header, units, spelling of sides and
booleans); what a recording lacks, such as `orderbook.1` of Bybit, is made of its book.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from arb.commands.legs import known_venues
from arb.commands.sandbox import record_market
from arb.data.catalog.archived import TARDIS_EXCHANGES, ArchiveKind
from arb.data.download.markets import Series, all_series
from support.archives import packed
from support.paths import RECORDINGS

MARKETS = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
#: The one day of the real recordings.
RECORDED_DAY = date(2024, 8, 8)
_MS, _US = 1_000_000, 1_000


class Frame(NamedTuple):
    """A line of a recording. `local_ns` is on the venues' clock: at least a millisecond after any time in a frame."""

    local_ns: int
    text: str
    data: dict[str, Any]

    @property
    def local_us(self) -> int:
        return self.local_ns // _US

    @property
    def kind(self) -> str:
        """ "depth", "bbo", "trade" or "snapshot"."""
        stream = str(self.data.get("stream", self.data.get("topic", "")))
        kinds = {"depth": "depth", "bookTicker": "bbo", "orderbook.1.": "bbo", "rade": "trade"}
        for word, kind in kinds.items():
            if word in stream:
                return kind
        return "depth" if "orderbook" in stream else "snapshot"

    @property
    def body(self) -> Any:
        """What it carries."""
        return self.data.get("data", self.data)


def frames_of_day(
    day: date, folder: Path, symbol: str, markets: Sequence[str], minutes: float
) -> dict[str, list[Frame]]:
    """The first minutes of the markets' frames: of the real recordings where they have that day, else simulated.

    Real ones lack Bybit's spot market; the frames of its linear one stand in for it. `folder` is for recordings that
    are made.
    """
    name = f"{symbol.lower()}_{day:%Y%m%d}.gz"
    if day == RECORDED_DAY and RECORDINGS.is_dir():
        folders = {market: RECORDINGS / market.replace("bybit_spot", "bybit_linear") for market in markets}
    else:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        record_market(folder, 7, 60.0 * minutes, start, markets, [symbol], known_venues(Path("none")))
        folders = {market: folder / market for market in markets}
    return _on_one_clock({market: list(_read(at / name, minutes)) for market, at in folders.items()})


def archive_day(
    frames: Mapping[str, Sequence[Frame]], symbol: str, day: date, *, is_always: bool = False
) -> Iterator[tuple[Series, bytes]]:
    """Every file that the archives should have of these markets and the day, without aggregated trades.

    As (series, content).
    `is_always`: those too that had not begun by that day, or had ended.
    """
    for series in all_series(date(2023, 5, 1), date(2025, 5, 1)):
        is_known = series.market in frames and (series.source, series.kind) in _FORMS
        if is_known and (is_always or series.covers(day)):
            text = _FORMS[series.source, series.kind](series, frames[series.market], symbol)
            yield series, packed(series.name.format(symbol=symbol, day=day), text.encode())


def _read(path: Path, minutes: float) -> Iterator[Frame]:
    end_ns = None
    with gzip.open(path, "rt") as file:
        for line in file:
            local, _, text = line.rstrip("\n").partition(" ")
            end_ns = end_ns or int(local) + round(minutes * 60e9)
            if int(local) >= end_ns:
                return
            yield Frame(int(local), text, msgspec.json.decode(text))


def _on_one_clock(markets: dict[str, list[Frame]]) -> dict[str, list[Frame]]:
    """Moves all local times by one offset, so that nothing is received before it was sent."""
    lead = max(_sent_ms(f) * _MS - f.local_ns for frames in markets.values() for f in frames if _sent_ms(f))
    offset = lead + _MS
    return {
        market: [frame._replace(local_ns=frame.local_ns + offset) for frame in frames]
        for market, frames in markets.items()
    }


def _sent_ms(frame: Frame) -> int:
    """When a frame was sent; 0 where it does not say."""
    return int(frame.data.get("ts") or frame.body.get("E", 0))


class Change(NamedTuple):
    """Levels of a message about the book, texts as they stand in it."""

    frame: Frame
    is_snapshot: bool
    bids: list[list[str]]
    asks: list[list[str]]


def _changes(frames: Sequence[Frame]) -> Iterator[Change]:
    """The book's messages from its first snapshot on. Binance's that came before it and go beyond it follow it."""
    waiting: list[Frame] = []
    known = 0
    for frame in frames:
        body = frame.body
        if frame.kind == "snapshot":
            known = body["lastUpdateId"]
            yield Change(frame, True, body["bids"], body["asks"])
            for early in waiting:
                if early.body["u"] > known:
                    yield Change(
                        early._replace(local_ns=frame.local_ns), False, early.body["b"], early.body["a"]
                    )
        elif frame.kind == "depth" and "topic" in frame.data:
            yield Change(frame, frame.data["type"] == "snapshot", body["b"], body["a"])
        elif frame.kind == "depth" and not known:
            waiting.append(frame)
        elif frame.kind == "depth" and body["u"] > known:
            yield Change(frame, False, body["b"], body["a"])


class Touch(NamedTuple):
    """Best bid and offer, texts. `sent_us`: by the venue; 0 where it does not say."""

    frame: Frame
    sent_us: int
    bid: str
    bid_qty: str
    ask: str
    ask_qty: str


def _touches(frames: Sequence[Frame]) -> Iterator[Touch]:
    bbos = [frame for frame in frames if frame.kind == "bbo"]
    for frame in bbos:
        body = frame.body
        if "topic" in frame.data:
            (bid, ask), sent = (body["b"][0], body["a"][0]), frame.data["ts"]
            yield Touch(frame, sent * 1000, *bid, *ask)
        else:
            yield Touch(frame, body.get("E", 0) * 1000, body["b"], body["B"], body["a"], body["A"])
    if not bbos:
        yield from _touches_of_book(frames)


def _touches_of_book(frames: Sequence[Frame]) -> Iterator[Touch]:
    bids: dict[str, str] = {}
    asks: dict[str, str] = {}
    last: tuple[str, ...] = ()
    for change in _changes(frames):
        for side, levels in ((bids, change.bids), (asks, change.asks)):
            if change.is_snapshot:
                side.clear()
            side.update((px, qty) for px, qty in levels)
            for px, qty in levels:
                if float(qty) == 0:
                    side.pop(px)
        bid, ask = max(bids, key=float), min(asks, key=float)
        touch = (bid, bids[bid], ask, asks[ask])
        if touch != last:
            yield Touch(change.frame, _sent_ms(change.frame) * 1000, *touch)
        last = touch


class Trade(NamedTuple):
    """A trade, texts as they stand in its frame; `is_buy`: the taker bought."""

    frame: Frame
    id: str
    time_ms: int
    px: str
    qty: str
    is_buy: bool
    move: str


def _trades(frames: Sequence[Frame]) -> Iterator[Trade]:
    for frame in frames:
        if frame.kind != "trade":
            continue
        if "topic" in frame.data:
            for t in frame.body:
                yield Trade(frame, t["i"], t["T"], t["p"], t["v"], t["S"] == "Buy", t.get("L", ""))
        elif frame.body.get("X", "MARKET") == "MARKET":
            t = frame.body
            yield Trade(frame, str(t["t"]), t["T"], t["p"], t["q"], not t["m"], "")


Form = Callable[[Series, Sequence[Frame], str], str]


def _tardis(series: Series, symbol: str, columns: str, rows: Iterable[str]) -> str:
    who = f"{TARDIS_EXCHANGES[series.market]},{symbol}"
    return _csv(f"exchange,symbol,timestamp,local_timestamp,{columns}", (f"{who},{row}" for row in rows))


def _tardis_book(series: Series, frames: Sequence[Frame], symbol: str) -> str:
    rows = (
        f"{_sent_ms(c.frame) * 1000 or c.frame.local_us},{c.frame.local_us},{str(c.is_snapshot).lower()},"
        f"{side},{_plain(px)},{_plain(qty)}"
        for c in _changes(frames)
        for side, levels in (("bid", c.bids), ("ask", c.asks))
        for px, qty in levels
    )
    return _tardis(series, symbol, "is_snapshot,side,price,amount", rows)


def _tardis_touch(series: Series, frames: Sequence[Frame], symbol: str) -> str:
    rows = (
        f"{t.sent_us or t.frame.local_us},{t.frame.local_us},{_plain(t.ask_qty)},{_plain(t.ask)},"
        f"{_plain(t.bid)},{_plain(t.bid_qty)}"
        for t in _touches(frames)
    )
    return _tardis(series, symbol, "ask_amount,ask_price,bid_price,bid_amount", rows)


def _tardis_trades(series: Series, frames: Sequence[Frame], symbol: str) -> str:
    rows = (
        f"{t.time_ms * 1000},{t.frame.local_us},{t.id},{'buy' if t.is_buy else 'sell'},{_plain(t.px)},{_plain(t.qty)}"
        for t in _trades(frames)
    )
    return _tardis(series, symbol, "id,side,price,amount", rows)


def _binance_touch(series: Series, frames: Sequence[Frame], symbol: str) -> str:
    head = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
    bodies = (frame.body for frame in frames if frame.kind == "bbo")
    return _csv(head, (f"{d['u']},{d['b']},{d['B']},{d['a']},{d['A']},{d['T']},{d['E']}" for d in bodies))


def _binance_trades(series: Series, frames: Sequence[Frame], symbol: str) -> str:
    if series.market == "binance_spot":
        rows = (
            f"{t.id},{t.px},{t.qty},{_product(t)},{_spot_time(t)},{not t.is_buy},True"
            for t in _trades(frames)
        )
        return _csv("", rows)
    rows = (
        f"{t.id},{t.px},{t.qty},{_product(t)},{t.time_ms},{str(not t.is_buy).lower()}"
        for t in _trades(frames)
    )
    return _csv("id,price,qty,quote_qty,time,is_buyer_maker", rows)


def _bybit_book(series: Series, frames: Sequence[Frame], symbol: str) -> str:
    depth = series.name.rpartition("_ob")[2].partition(".")[0]
    texts = (frame.text for frame in frames if frame.kind == "depth")
    return _csv("", (text.replace('"orderbook.50.', f'"orderbook.{depth}.', 1) for text in texts))


def _bybit_trades(series: Series, frames: Sequence[Frame], symbol: str) -> str:
    if series.market == "bybit_spot":
        rows = (
            f"{n},{t.time_ms},{t.px},{t.qty},{'buy' if t.is_buy else 'sell'}"
            for n, t in enumerate(_trades(frames), start=1)
        )
        return _csv("id,timestamp,price,volume,side", rows)
    head = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional"
    rows = (
        f"{t.time_ms / 1000:.4f},{symbol},{'Buy' if t.is_buy else 'Sell'},{t.qty},{t.px},{t.move},{t.id},"
        f"{float(_product(t)) * 1e8:g},{t.qty},{_product(t)}"
        for t in _trades(frames)
    )
    return _csv(head, rows)


_FORMS: dict[tuple[str, ArchiveKind], Form] = {
    ("tardis", ArchiveKind.BOOK): _tardis_book,
    ("tardis", ArchiveKind.TOUCH): _tardis_touch,
    ("tardis", ArchiveKind.TRADES): _tardis_trades,
    ("binance", ArchiveKind.TOUCH): _binance_touch,
    ("binance", ArchiveKind.TRADES): _binance_trades,
    ("bybit", ArchiveKind.BOOK): _bybit_book,
    ("bybit", ArchiveKind.TRADES): _bybit_trades,
}


def _csv(head: str, rows: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in (*([head] if head else []), *rows))


def _plain(text: str) -> str:
    """A number without zeros that say nothing, as Tardis writes it."""
    return f"{Decimal(text).normalize():f}"


def _product(trade: Trade) -> Decimal:
    return Decimal(trade.px) * Decimal(trade.qty)


def _spot_time(trade: Trade) -> int:
    """Binance's spot files have microseconds from 2025 on."""
    year = datetime.fromtimestamp(trade.time_ms / 1000, UTC).year
    return trade.time_ms * 1000 if year >= 2025 else trade.time_ms
