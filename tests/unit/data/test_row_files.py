"""Row files in the hands of others: of hftbacktest's own engine, and of several processes at once."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.types import LOCAL_EVENT, TRADE_EVENT
from support.books import PlainBook
from support.recorder import Days, write_recording
from support.venues import VENUES

from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.npy import is_whole, load_rows
from connectors.model import Rows

PROGRAM = """
import sys
from pathlib import Path
from arb.data.rows.cache import RowCache
from arb.data.catalog.days import find_recordings
from arb.data.rows.convert import Feed, convert
from connectors.binance import BinanceSpot
sys.stdin.readline()
for _ in range(5):
    conversion = convert([Feed(BinanceSpot(), find_recordings(Path(sys.argv[1])), 0)], RowCache(Path(sys.argv[2])))
    pieces = [piece for file in conversion.files[0] for piece in file.load()]
    print(conversion.offset_ns, *(piece.tobytes().hex()[-4000:] for piece in pieces))
"""


@pytest.mark.slow
def test_processes_at_once_get_the_same_rows_and_leave_whole_files(tmp_path: Path) -> None:
    write_recording(tmp_path / "data", "binance_spot", Days("binance_spot").events(0))
    command = [sys.executable, "-c", PROGRAM, tmp_path / "data", tmp_path / "cache"]
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert len({line for out, _ in results for line in out.splitlines()}) == 1
    for path in (tmp_path / "cache").iterdir():
        assert path.suffix in (".npy", ".json")
        assert path.suffix != ".npy" or is_whole(path)


def played(data: list[object]) -> list[tuple[float, ...]]:
    """What hftbacktest's own engine shows of its data, wake by wake."""
    asset = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(0.001)
        .last_trades_capacity(10)
    )
    engine = HashMapMarketDepthBacktest([asset])
    seen = []
    while engine.wait_next_feed(False, 10**18) == 2:
        depth = engine.depth(0)
        trades = engine.last_trades(0)
        last_px = float(trades[-1]["px"]) if len(trades) else 0.0
        seen.append((engine.current_timestamp, depth.best_bid, depth.best_ask, len(trades), last_px))
        engine.clear_last_trades(0)
    engine.close()
    return seen


def touches(rows: Rows) -> dict[int, tuple[float, float]]:
    """Best bid and ask of a plain book after all local rows of each time."""
    book = PlainBook()
    found = {}
    local = rows[(rows["ev"] & np.uint64(LOCAL_EVENT)) != 0]
    for start, end in pairwise([*np.flatnonzero(np.diff(local["local_ts"], prepend=0)), len(local)]):
        book.apply(local[start:end])
        bid, _, ask, _ = book.touch()
        found[int(local["local_ts"][start])] = (bid, ask)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("venue", VENUES)
def test_hftbacktest_loads_a_row_file_by_its_name_and_sees_the_book(tmp_path: Path, venue: str) -> None:
    recording = write_recording(tmp_path, venue, Days(venue).events(0))
    [[file]] = convert([Feed(VENUES[venue], [recording], 0)], RowCache(tmp_path / "cache")).files
    rows: Rows = load_rows(Path(file.path), mapped=False)
    seen = played([file.path])
    assert repr(seen) == repr(played([rows]))
    expected = touches(rows)
    assert len(seen) >= len(expected) - 1
    for timestamp, bid, ask, *_ in seen:
        np.testing.assert_allclose((bid, ask), expected[timestamp], rtol=0, atol=1e-9)
    assert len({touch[1:3] for touch in seen}) > 5
    is_trade = (rows["ev"] & np.uint64(LOCAL_EVENT | 0xFF)) == np.uint64(LOCAL_EVENT | TRADE_EVENT)
    assert sum(touch[3] for touch in seen) == is_trade.sum()
