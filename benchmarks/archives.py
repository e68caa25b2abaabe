"""Archive files to rows, against hftbacktest's converters or against reading alone (polars); memory over size.

    python benchmarks/archives.py                     # every format, on generated days
    python benchmarks/archives.py tardis LEVELS       # Tardis alone: a book of LEVELS lines, a tenth of trades
    python benchmarks/archives.py memory [ROWS ...]   # peak memory of converting 1, 10 and 100 million trades

hftbacktest's converters are timed twice. In memory, both sides read the file and return rows in order; ours also proves
the ids of the book. To a file, ours does what `arb convert` does: it fuses the touch, works through temporary files so
that memory stays flat, and keeps the final book; theirs writes its compressed file. hftbacktest has no converter for
Binance's CSV: the floor is `polars.read_csv` of the unpacked text, which makes no rows.

Memory is Linux' VmHWM of a process that only converts.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from alternate import Result, alternate, show, show_machine
from hftbacktest.data.utils import bybithistmktdata, tardis

from arb.data.catalog.archived import archive_path
from arb.data.catalog.days import find_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.memory import rows_of_day
from connectors.binance import BinanceUsdm
from connectors.bybit import BybitLinear
from connectors.model import Instrument, Venue

SYMBOL = "BTCUSDT"
DAY = date(2024, 1, 1)
START_MS = 1_704_067_200_000
_BLOCK = 1_000_000
_RUNS = 15
#: The peers are given room for so many rows; ours finds out.
BUFFER_ROWS = 4_000_000


def times_ms(count: int, chance: np.random.Generator) -> Any:
    """Sorted times over the day."""
    return START_MS + np.sort(chance.integers(0, 86_000_000, count))


def prices(count: int, chance: np.random.Generator) -> Any:
    """Wandering prices, in tenths."""
    return 423_000 + np.cumsum(chance.integers(-3, 4, count))


def received_us(at: Any, chance: np.random.Generator) -> Any:
    """When messages were received: in order within a stream, not between streams, so that some trades come late."""
    return np.maximum.accumulate(at + 2_000 + chance.exponential(3_000, len(at)).astype(np.int64))


def csv_of(columns: dict[str, Any], *, has_header: bool = True) -> bytes:
    text = io.BytesIO()
    pl.DataFrame(columns).write_csv(text, include_header=has_header)
    return text.getvalue()


def write_zip(path: Path, pieces: Iterator[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    inner = path.name.removesuffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        name = inner if inner.endswith(".data") else f"{inner}.csv"
        with archive.open(name, "w", force_zip64=True) as member:
            for piece in pieces:
                member.write(piece)
    return path


def write_gz(path: Path, text: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text, 6))
    return path


def binance_trades(count: int, seed: int = 1) -> Iterator[bytes]:
    """A million lines at a time."""
    chance = np.random.default_rng(seed)
    step = 86_000_000 / count
    for start in range(0, count, _BLOCK):
        n = min(_BLOCK, count - start)
        px, qty = prices(n, chance) / 10, chance.integers(1, 9_000, n) / 1_000
        yield csv_of(
            {
                "id": np.arange(start, start + n) + 4_000_000_000,
                "price": px,
                "qty": qty,
                "quote_qty": np.round(px * qty, 3),
                "time": START_MS + ((start + np.arange(n)) * step).astype(np.int64),
                "is_buyer_maker": chance.integers(0, 2, n).astype(bool),
            },
            has_header=start == 0,
        )


def binance_book_ticker(count: int) -> bytes:
    chance = np.random.default_rng(2)
    at, px = times_ms(count, chance), prices(count, chance)
    return csv_of(
        {
            "update_id": np.arange(count) * 3 + 3_900_000_000_000,
            "best_bid_price": px / 10,
            "best_bid_qty": chance.integers(1, 9_000, count) / 1_000,
            "best_ask_price": (px + 1) / 10,
            "best_ask_qty": chance.integers(1, 9_000, count) / 1_000,
            "transaction_time": at,
            "event_time": at + 3,
        }
    )


def bybit_book(frames: int, levels: int) -> Iterator[bytes]:
    """A snapshot of 500 levels a side, then changes."""
    chance = np.random.default_rng(3)
    price = 423_000
    for n in range(frames):
        price += int(chance.integers(-3, 4))
        depth = 500 if n == 0 else levels
        qty = chance.integers(1 if n == 0 else 0, 9_000, 2 * depth)
        off = np.arange(depth) + 1 if n == 0 else chance.integers(1, 500, depth)
        at = START_MS + 600 + n * 100
        data = {
            "s": SYMBOL,
            "b": [
                [f"{(price - o) / 10:.2f}", f"{q / 1_000:.3f}"] for o, q in zip(off, qty[:depth], strict=True)
            ],
            "a": [
                [f"{(price + o) / 10:.2f}", f"{q / 1_000:.3f}"] for o, q in zip(off, qty[depth:], strict=True)
            ],
            "u": 1_000 + n,
            "seq": 7 * n,
        }
        frame = {
            "topic": f"orderbook.500.{SYMBOL}", "type": "snapshot" if n == 0 else "delta", "ts": at + 3, "data": data,
            "cts": at,
        }  # fmt: skip
        yield json.dumps(frame, separators=(",", ":")).encode() + b"\n"


def bybit_trades(count: int) -> bytes:
    chance = np.random.default_rng(4)
    px, qty = prices(count, chance) / 10, chance.integers(1, 9_000, count) / 1_000
    return csv_of(
        {
            "timestamp": times_ms(count, chance) / 1_000,
            "symbol": [SYMBOL] * count,
            "side": np.where(chance.integers(0, 2, count), "Buy", "Sell"),
            "size": qty,
            "price": px,
            "tickDirection": ["ZeroMinusTick"] * count,
            "trdMatchID": [f"{n:08x}-1111-5222-8333-0123456789ab" for n in range(count)],
            "grossValue": px * qty * 1e8,
            "homeNotional": qty,
            "foreignNotional": px * qty,
        }
    )


def tardis_book(count: int) -> bytes:
    """A snapshot, then changes of ten rows a message."""
    chance = np.random.default_rng(5)
    messages = count // 10
    at = times_ms(messages, chance) * 1_000
    received = np.repeat(received_us(at, chance), 10)
    at = np.repeat(at, 10)
    px = np.repeat(prices(messages, chance), 10)
    is_ask, off = chance.integers(0, 2, count), chance.integers(1, 500, count)
    return csv_of(
        {
            "exchange": ["binance-futures"] * count,
            "symbol": [SYMBOL] * count,
            "timestamp": at,
            "local_timestamp": received,
            "is_snapshot": np.arange(count) < 2_000,
            "side": np.where(is_ask, "ask", "bid"),
            "price": (px + np.where(is_ask, off, -off)) / 10,
            "amount": chance.integers(0, 9_000, count) / 1_000,
        }
    )


def tardis_trades(count: int) -> bytes:
    chance = np.random.default_rng(6)
    at = times_ms(count, chance) * 1_000
    return csv_of(
        {
            "exchange": ["binance-futures"] * count,
            "symbol": [SYMBOL] * count,
            "timestamp": at,
            "local_timestamp": received_us(at, chance),
            "id": np.arange(count) + 4_000_000_000,
            "side": np.where(chance.integers(0, 2, count), "buy", "sell"),
            "price": prices(count, chance) / 10,
            "amount": chance.integers(1, 9_000, count) / 1_000,
        }
    )


def our_conversion(folder: Path, venue: Venue) -> Callable[[], int]:
    """All days of a folder into a cache that is new each time; how many rows there are."""
    feed = Feed(venue, find_days(folder), 10_000_000, Instrument(venue.name, SYMBOL, 0.1, 0.001))

    def run() -> int:
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            return sum(file.rows for file in convert([feed], RowCache(Path(cache))).files[0])

    return run


def our_rows(folder: Path, venue: Venue) -> Callable[[], Any]:
    """The one day of a folder as ordered rows in memory; a touch alone is fused to the changes of a book."""
    (day,) = find_days(folder)
    return lambda: rows_of_day(venue, day, 10_000_000)


def quietly(work: Callable[[], Any]) -> Callable[[], Any]:
    """Without the lines that hftbacktest's converters print."""

    def run() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return work()

    return run


def against_hftbacktest(
    what: str, folder: Path, venue: Venue, peer: Callable[[str | None], Any], lines: int
) -> None:
    """Ours against a converter of hftbacktest, in memory and to its file."""
    in_memory = alternate(our_rows(folder, venue), quietly(lambda: peer(None)), _RUNS)
    show(f"{what}: hftbacktest, in memory", in_memory, 5, _rate(lines, in_memory))
    ours = our_conversion(folder, venue)
    to_file = alternate(ours, quietly(lambda: peer(str(folder / "peer.npz"))), _RUNS)
    show(f"{what}: hftbacktest, to its file", to_file, 5, _rate(lines, to_file))


def _rate(lines: int, result: Result) -> str:
    ours, peer = (lines / taken / 1e6 for taken in (result.ours, result.peer))
    return f", processor {result.processor_ratio:.2f}x   ({ours:.2f}M against {peer:.2f}M lines/s)"


def bybit_against_hftbacktest(folder: Path) -> None:
    place = ("bybit", "bybit_linear", SYMBOL)
    frames, trades = 15_000, 100_000
    book = write_zip(archive_path(folder, *place, f"{DAY}_{SYMBOL}_ob500.data.zip"), bybit_book(frames, 15))
    csv = write_gz(archive_path(folder, *place, f"{SYMBOL}{DAY}.csv.gz"), bybit_trades(trades))

    def peer(out: str | None) -> Any:
        return bybithistmktdata.convert(str(book), str(csv), out, buffer_size=BUFFER_ROWS)

    against_hftbacktest("Bybit ob500 and trades", folder, BybitLinear(), peer, frames * 30 + trades)


def tardis_against_hftbacktest(folder: Path, levels: int = 1_000_000) -> None:
    place = ("tardis", "binance_usdm", SYMBOL)
    trades = levels // 10
    book = write_gz(
        archive_path(folder, *place, f"incremental_book_L2_{DAY}_{SYMBOL}.csv.gz"), tardis_book(levels)
    )
    csv = write_gz(archive_path(folder, *place, f"trades_{DAY}_{SYMBOL}.csv.gz"), tardis_trades(trades))

    def peer(out: str | None) -> Any:
        return tardis.convert([str(csv), str(book)], out, buffer_size=max(BUFFER_ROWS, 2 * levels))

    against_hftbacktest("Tardis book and trades", folder, BinanceUsdm(), peer, levels + trades)


def against_polars(what: str, folder: Path, name: str, pieces: Iterator[bytes], lines: int) -> None:
    """Ours against the reading of the CSV text by polars, unpacked by zipfile."""
    path = write_zip(archive_path(folder, "binance", "binance_usdm", SYMBOL, name), pieces)

    def peer() -> Any:
        with zipfile.ZipFile(path) as archive:
            return pl.read_csv(archive.read(archive.namelist()[0]))

    result = alternate(our_rows(folder, BinanceUsdm()), peer, _RUNS)
    show(f"{what}, in memory: polars.read_csv alone, a floor", result, 0, _rate(lines, result))


def formats() -> None:
    show_machine()
    with tempfile.TemporaryDirectory() as folder:
        bybit_against_hftbacktest(Path(folder) / "bybit")
        tardis_against_hftbacktest(Path(folder) / "tardis")
        count = 1_000_000
        name = f"{SYMBOL}-bookTicker-{DAY}.zip"
        against_polars(
            "Binance bookTicker", Path(folder) / "t", name, iter([binance_book_ticker(count)]), count
        )


def memory(sizes: list[int]) -> None:
    """A process a size: USD-M trades and a small file of the touch, without which there is no book."""
    show_machine()
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            place = ("binance", "binance_usdm", SYMBOL)
            touch = archive_path(Path(folder), *place, f"{SYMBOL}-bookTicker-{DAY}.zip")
            write_zip(touch, iter([binance_book_ticker(1_000)]))
            trades = archive_path(Path(folder), *place, f"{SYMBOL}-trades-{DAY}.zip")
            write_zip(trades, binance_trades(count))
            child = [sys.executable, __file__, "convert", folder]
            done = subprocess.run(child, check=True, capture_output=True, text=True)
            print(
                f"{count:>12,} trades, {trades.stat().st_size / 1e6:>7,.0f} MB: {done.stdout.strip()}",
                flush=True,
            )


def convert_and_tell(folder: Path) -> None:
    """One conversion; its time, and the peak of this process' memory before and after."""
    before = peak_mb()
    start = time.perf_counter()
    rows = our_conversion(folder, BinanceUsdm())()
    taken = time.perf_counter() - start
    print(f"{rows:,} rows in {taken:.1f} s, peak {peak_mb():.0f} MB, {before:.0f} MB of it before")


def peak_mb() -> float:
    """The most memory that this process had. `getrusage` would count its parent's before it began."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main(words: list[str]) -> None:
    if words[:1] == ["tardis"]:
        show_machine()
        with tempfile.TemporaryDirectory() as folder:
            tardis_against_hftbacktest(Path(folder), int(words[1]))
    elif words[:1] == ["memory"]:
        memory([int(word) for word in words[1:]] or [1_000_000, 10_000_000, 100_000_000])
    elif words[:1] == ["convert"]:
        convert_and_tell(Path(words[1]))
    else:
        formats()


if __name__ == "__main__":
    main(sys.argv[1:])
