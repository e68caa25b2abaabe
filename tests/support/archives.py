"""Small days of public archives in the venues' own formats, with what is known to be awkward about each of them."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from random import Random

from arb.data.catalog.archived import TARDIS_EXCHANGES, ArchiveFile, ArchiveKind, archive_file, archive_path

DAY = date(2024, 1, 1)
#: 2024-01-01 00:00 UTC, in ms.
START_MS = 1_704_067_200_000
SYMBOL = "BTCUSDT"

_TRADES = "id,price,qty,quote_qty,time,is_buyer_maker"
_AGG_TRADES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
_BOOK_TICKER = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
_BYBIT_LINEAR = (
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional"
)
_TARDIS = "exchange,symbol,timestamp,local_timestamp"


def file_name(source: str, venue: str, kind: ArchiveKind, day: date = DAY) -> str:
    """What a file is called, as the source serves it or as it is kept."""
    if source == "binance":
        name = {"touch": "bookTicker", "trades": "trades", "agg_trades": "aggTrades"}[kind]
        return f"{SYMBOL}-{name}-{day}.zip"
    if source == "bybit":
        trades = f"{SYMBOL}{'_' if venue == 'bybit_spot' else ''}{day}.csv.gz"
        return f"{day}_{SYMBOL}_ob500.data.zip" if kind == ArchiveKind.BOOK else trades
    name = {"book": "incremental_book_L2", "touch": "book_ticker", "trades": "trades"}[kind]
    return f"{name}_{day}_{SYMBOL}.csv.gz"


def packed(name: str, text: bytes) -> bytes:
    """The text as an archive serves it in a file of this name."""
    if name.endswith(".gz"):
        return gzip.compress(text, 1, mtime=0)
    buffer, inner = io.BytesIO(), name.removesuffix(".zip")
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo(inner if inner.endswith(".data") else f"{inner}.csv")
        archive.writestr(member, text, zipfile.ZIP_DEFLATED, 1)
    return buffer.getvalue()


def write_archive(
    folder: Path, source: str, venue: str, kind: ArchiveKind, text: bytes, *, day: date = DAY
) -> ArchiveFile:
    """Writes a file into its folder, packed as it is served."""
    path = archive_path(folder, source, venue, SYMBOL, file_name(source, venue, kind, day))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(path.name, text))
    file = archive_file(path)
    assert file is not None
    return file


def _lines(header: str | None, rows: Iterable[Sequence[object]], end: str = "\n") -> bytes:
    lines = [header] if header is not None else []
    lines += [",".join(map(str, row)) for row in rows]
    return "".join(line + end for line in lines).encode()


def _walk(random: Random, count: int) -> list[tuple[int, int]]:
    """Times in ms, some equal, and prices in tenths, that wander."""
    at, price, steps = START_MS + random.randrange(1_000), 423_000, []
    for _ in range(count):
        at += random.choice((0, 0, 1, 7, 40))
        price += random.randrange(-30, 31)
        steps.append((at, price))
    return steps


def _px(tenths: int, random: Random) -> str:
    """A price as it may be written: with or without trailing zeros, rarely with an exponent."""
    text = f"{tenths / 10:.1f}"
    return random.choices((text, text + "0000000", f"{tenths / 10:e}"), (20, 6, 1))[0]


def _qty(random: Random) -> str:
    return random.choices(
        (f"{random.randrange(1, 9_000) / 1_000:.3f}", "0.00100000", "1e-03", "12"), (20, 2, 1, 2)
    )[0]


def binance_trades(seed: int, count: int, *, is_spot: bool) -> bytes:
    """Spot without header, with `True`, a seventh column and, from 2025 on, µs; USD-M as now, or as before 2022-08."""
    random = Random(seed)
    header = None if is_spot or random.random() < 0.3 else _TRADES
    unit = random.choice((1, 1_000)) if is_spot else 1
    flags = ("True", "False") if is_spot else ("true", "false")
    rows = []
    for n, (at, price) in enumerate(_walk(random, count)):
        row = [5_000_000 + n, _px(price, random), _qty(random), "12.5", at * unit, random.choice(flags)]
        rows.append([*row, "True"] if is_spot else row)
        if random.random() < 0.02:
            rows.append(rows[-1])  # written twice
    return _lines(header, rows, random.choice(("\n", "\n", "\r\n")))


def binance_agg_trades(seed: int, count: int, *, is_spot: bool) -> bytes:
    """Some without price, as USD-M marks the trades that are left out."""
    random = Random(seed)
    header = None if is_spot else _AGG_TRADES
    flags = ("True", "False") if is_spot else ("true", "false")
    rows = []
    for n, (at, price) in enumerate(_walk(random, count)):
        row: list[object] = [
            700 + n, _px(price, random), _qty(random), n, n + 2, at * (1_000 if is_spot else 1), random.choice(flags)
        ]  # fmt: skip
        if not is_spot and random.random() < 0.03:
            row[1:5] = ["0", "0", -1, -1]
        rows.append([*row, "True"] if is_spot else row)
    return _lines(header, rows)


def binance_book_ticker(seed: int, count: int) -> bytes:
    """Best bid and offer, sometimes one side alone changes, sometimes nothing does."""
    random = Random(seed)
    rows: list[list[object]] = []
    for n, (at, price) in enumerate(_walk(random, count)):
        row: list[object] = [
            3_900_000_000_000 + 3 * n, _px(price, random), _qty(random), _px(price + 1, random), _qty(random),
            at, at + random.choice((0, 1, 5)),
        ]  # fmt: skip
        if rows and random.random() < 0.3:
            row[1:3] = rows[-1][1:3] if random.random() < 0.5 else row[1:3]
            row[3] = f"{float(str(row[1])) + 0.1:.1f}"
        # Messages leave in the order of their ids.
        row[6] = max(int(str(row[6])), int(str(rows[-1][6])) if rows else 0)
        rows.append(row)
    return _lines(_BOOK_TICKER, rows)


def bybit_trades(seed: int, count: int, *, is_spot: bool) -> bytes:
    """Linear in float seconds with a symbol, spot in ms; both with or without the RPI column of 2025."""
    random = Random(seed)
    has_rpi = random.random() < 0.5
    rows = []
    for n, (at, price) in enumerate(_walk(random, count)):
        px, qty, rpi = _px(price, random), _qty(random), [random.choice((0, 1))] if has_rpi else []
        if is_spot:
            rows.append([n + 1, at, px, qty, random.choice(("buy", "sell")), *rpi])
            continue
        seconds = random.choice((f"{at / 1_000:.3f}", f"{at // 1_000}.{at % 1_000:03d}700", f"{at // 1_000}"))
        if rows:  # they may have no fraction, but are in order
            seconds = seconds if float(seconds) >= float(rows[-1][0]) else str(rows[-1][0])
        row = [
            seconds, SYMBOL, random.choice(("Buy", "Sell")), qty, px, "ZeroMinusTick",
            f"{random.getrandbits(64):x}-aa", "1.5e+09", "0.0123456789012345678901", "12",
        ]  # fmt: skip
        rows.append([*row, *rpi])
    header = "id,timestamp,price,volume,side" + (",rpi" if has_rpi else "")
    return _lines(header if is_spot else _BYBIT_LINEAR + (",RPI" if has_rpi else ""), rows)


def bybit_book(seed: int, count: int, start_ms: int = START_MS) -> bytes:
    """Frames of `orderbook.500` as they were sent: CRLF, deltas without `b` or `a`, one restart with `u` 1."""
    random = Random(seed)
    end = random.choice(("\n", "\r\n"))
    u, at, price, lines = 20_254_869, start_ms + 691, 423_000, []
    for n in range(count):
        is_snapshot = n == 0 or random.random() < 0.01
        at += random.choice((20, 100, 100))
        price += random.randrange(-3, 4)
        depth = 20 if is_snapshot else random.randrange(0, 4)
        data: dict[str, object] = {"s": SYMBOL}
        for key, sign in (("b", -1), ("a", 1)):
            levels = [
                [
                    f"{(price + sign * (k + 1)) / 10:.2f}",
                    f"{random.randrange(0 if not is_snapshot else 1, 40) / 8}",
                ]
                for k in range(depth)
            ]
            if levels or random.random() < 0.5:
                data[key] = levels
        u = 1 if is_snapshot and n else u + 1
        data |= {"u": u, "seq": 130_020_238_981 + 7 * n}
        frame = {
            "topic": f"orderbook.500.{SYMBOL}", "type": "snapshot" if is_snapshot else "delta",
            "ts": at + random.choice((1, 3, 80)), "data": data, "cts": at,
        }  # fmt: skip
        lines.append(json.dumps(frame, separators=(",", ":")) + end)
    return "".join(lines).encode()


def tardis_book(seed: int, count: int, venue: str = "binance_usdm") -> bytes:
    """Rows in front of the first snapshot, that one, changes of several rows a message, a snapshot of a reconnect."""
    random = Random(seed)
    head = [TARDIS_EXCHANGES[venue], SYMBOL]
    rows: list[list[object]] = []
    at, price = START_MS * 1_000 + 20_000, 423_000

    def add(is_snapshot: bool, depth: int) -> None:
        flag = "true" if is_snapshot else "false"
        local = at + random.randrange(2_000, 9_000)
        local = max(local, int(str(rows[-1][3])) if rows else 0)
        for side, sign in (("bid", -1), ("ask", 1)):
            for k in range(depth):
                amount = random.choice(("0", "0.5", "12.25")) if not is_snapshot else "3.125"
                rows.append([*head, at, local, flag, side, f"{(price + sign * (k + 1)) / 10:.1f}", amount])

    add(is_snapshot=False, depth=2)
    for n in range(count):
        at += random.choice((0, 1_000, 100_000))
        price += random.randrange(-3, 4)
        is_snapshot = n == 0 or random.random() < 0.02
        add(is_snapshot, 15 if is_snapshot else random.randrange(1, 4))
    return _lines(f"{_TARDIS},is_snapshot,side,price,amount", rows)


def tardis_trades(seed: int, count: int, venue: str = "binance_usdm") -> bytes:
    """Ids are texts."""
    random = Random(seed)
    rows, last = [], 0
    for at, price in _walk(random, count):
        last = max(last, at * 1_000 + random.randrange(2_000, 9_000))
        rows.append(
            [
                TARDIS_EXCHANGES[venue], SYMBOL, at * 1_000, last, f"{random.getrandbits(48):x}",
                random.choices(("buy", "sell", "unknown"), (10, 10, 1))[0], _px(price, random), _qty(random),
            ]
        )  # fmt: skip
    return _lines(f"{_TARDIS},id,side,price,amount", rows)


def tardis_touch(seed: int, count: int, venue: str = "binance_usdm") -> bytes:
    """A side may be empty."""
    random = Random(seed)
    rows, last = [], 0
    for at, price in _walk(random, count):
        last = max(last, at * 1_000 + random.randrange(2_000, 9_000))
        ask = ["", ""] if random.random() < 0.05 else [_qty(random), _px(price + 1, random)]
        rows.append(
            [TARDIS_EXCHANGES[venue], SYMBOL, at * 1_000, last, *ask, _px(price, random), _qty(random)]
        )
    return _lines(f"{_TARDIS},ask_amount,ask_price,bid_price,bid_amount", rows)


def text_of(source: str, venue: str, kind: ArchiveKind, seed: int, count: int) -> bytes:
    """A generated day of a format."""
    is_spot = venue.endswith("spot")
    if source == "binance":
        if kind == ArchiveKind.TOUCH:
            return binance_book_ticker(seed, count)
        make = binance_trades if kind == ArchiveKind.TRADES else binance_agg_trades
        return make(seed, count, is_spot=is_spot)
    if source == "bybit":
        if kind == ArchiveKind.BOOK:
            return bybit_book(seed, count)
        return bybit_trades(seed, count, is_spot=is_spot)
    makers = {
        ArchiveKind.BOOK: tardis_book,
        ArchiveKind.TRADES: tardis_trades,
        ArchiveKind.TOUCH: tardis_touch,
    }
    return makers[kind](seed, count, venue)


#: Every format: source, venue, kind.
FORMATS = [
    ("binance", "binance_usdm", ArchiveKind.TOUCH),
    ("binance", "binance_usdm", ArchiveKind.TRADES),
    ("binance", "binance_usdm", ArchiveKind.AGG_TRADES),
    ("binance", "binance_spot", ArchiveKind.TRADES),
    ("binance", "binance_spot", ArchiveKind.AGG_TRADES),
    ("bybit", "bybit_linear", ArchiveKind.BOOK),
    ("bybit", "bybit_spot", ArchiveKind.BOOK),
    ("bybit", "bybit_linear", ArchiveKind.TRADES),
    ("bybit", "bybit_spot", ArchiveKind.TRADES),
    ("tardis", "binance_usdm", ArchiveKind.BOOK),
    ("tardis", "binance_usdm", ArchiveKind.TRADES),
    ("tardis", "binance_usdm", ArchiveKind.TOUCH),
]
