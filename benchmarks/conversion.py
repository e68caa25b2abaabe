"""Frames to rows, in memory, one thread: against hftbacktest's converters, and parsing alone against orjson.

python benchmarks/conversion.py [RECORDINGS]
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import orjson
from alternate import alternate, show, show_machine
from hftbacktest.data.utils import binancefutures, bybit
from samples import raw_text

from arb.data.rows.compare import CONVERTERS, comparison_rows
from connectors.binance import BinanceUsdm
from connectors.bybit import BybitLinear
from connectors.model import Venue
from connectors.parsing.lines import LineDecoder

#: Rows that hftbacktest makes room for; the largest recording gives 600,000.
BUFFER_ROWS = 1_000_000


def converter_on(raw: bytes, convert: Callable[..., Any]) -> Callable[[], Any]:
    """hftbacktest's converter reading from memory: its module opens an in-memory file instead of a gzip."""

    def run() -> Any:
        module_gzip = convert.__globals__["gzip"]
        convert.__globals__["gzip"] = _InMemory(raw)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return convert("in memory", buffer_size=BUFFER_ROWS)
        finally:
            convert.__globals__["gzip"] = module_gzip

    return run


class _InMemory:
    """Stands for the gzip module: `open` gives the text."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def open(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._raw)


def whole_conversion(venue: Venue, symbol: str, convert: Callable[..., Any], least: float) -> None:
    """Comparison rows against hftbacktest's converter, order correction included."""
    raw = raw_text(venue.name, symbol)
    lines = CONVERTERS[venue.name].lines
    peer = converter_on(raw, convert)
    assert comparison_rows(venue, symbol, [raw], lines=lines).tobytes() == peer().tobytes()
    result = alternate(lambda: comparison_rows(venue, symbol, [raw], lines=lines), peer)
    count = raw.count(b"\n")
    rate = f"   ({count / result.ours / 1e3:,.0f}k against {count / result.peer / 1e3:,.0f}k messages/s)"
    show(f"{venue.name} {symbol}, rows equal: hftbacktest {convert.__name__}", result, least, rate)


def depth_parsing(venue: Venue, symbol: str, mark: bytes, least: float) -> None:
    """Parsing of depth frames alone, to rows, against orjson.loads of the same frames."""
    lines = [line for line in raw_text(venue.name, symbol).splitlines() if mark in line]
    text = b"\n".join(lines) + b"\n"
    frames = [line[20:] for line in lines]
    decoder = LineDecoder(venue, symbol)

    def ours() -> int:
        return sum(len(rows) for rows, _ in decoder.decode([text]))

    def peer() -> None:
        for frame in frames:
            orjson.loads(frame)

    result = alternate(ours, peer)
    levels = ours()
    rate = f"   ({levels / result.ours / 1e6:.1f}M against {levels / result.peer / 1e6:.1f}M levels/s)"
    show(f"{venue.name} {symbol} depth frames, parsing alone: orjson.loads", result, least, rate)


def main() -> None:
    show_machine()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        whole_conversion(BinanceUsdm(), symbol, binancefutures.convert, 8)
        whole_conversion(BybitLinear(), symbol, bybit.convert_depth, 7)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        depth_parsing(BinanceUsdm(), symbol, b'"depthUpdate"', 2.5)
        depth_parsing(BybitLinear(), symbol, b'"orderbook.', 2.5)


if __name__ == "__main__":
    main()
