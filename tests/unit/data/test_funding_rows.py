"""Rows with funding data: for the venue's side only, in its order, and without effect on any other row."""

from __future__ import annotations

import gzip
import random
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.worlds import hashmap_backtest
from support.conversions import feed_of, rows_in, run
from support.dry_market import leg, received_rows
from support.event_order import by_hftbacktest, fed
from support.recorder import DAY, SYMBOL, Days, write_recording
from support.venues import VENUES

from arb.backtest.assets import LegData
from arb.bot.compilation import compile_strategy
from arb.data.catalog.days import Recording
from arb.data.check.recordings import Source, check_recordings
from arb.data.rows.compare import compare
from arb.data.rows.levels import Levels
from arb.data.rows.order import EventOrder
from arb.data.rows.window import Window, cut_rows
from arb.engine.row_stream import flagged
from connectors.model import FUNDING_EVENT, Instrument, Rows
from connectors.parsing.json_fields import funding_message

_KIND = np.uint64(0xFF)
MS = 1_000_000


def is_funding(rows: Rows) -> np.ndarray:
    return rows["ev"] & _KIND == FUNDING_EVENT


@settings(max_examples=200, deadline=None, derandomize=True)
@given(fed(), st.integers(0, 2**40 - 1))
def test_they_have_their_place_in_the_venues_order_and_none_in_the_other(
    case: tuple[Rows, list[tuple[Rows, int]]], which: int
) -> None:
    rows, pieces = case
    bits = [n for n in range(len(rows)) if which >> n & 1]
    rows["ev"][bits] = FUNDING_EVENT
    start, order, found = 0, EventOrder(), []
    for piece, frontier in pieces:
        part = rows[start : start + len(piece)]
        start += len(piece)
        found.append(order.feed(part.copy(), frontier).copy())
    # As hftbacktest orders any rows, without the halves for the strategy.
    expected = by_hftbacktest(rows).copy()
    expected["ev"][is_funding(expected)] &= ~np.uint64(LOCAL_EVENT)
    expected = expected[expected["ev"] & np.uint64(EXCH_EVENT | LOCAL_EVENT) != 0]
    assert np.concatenate(found).tobytes() == expected.tobytes()


def test_live_rows_for_the_strategy_leave_them_out() -> None:
    rows = np.zeros(5, event_dtype)
    rows["ev"] = [1, FUNDING_EVENT, 2, FUNDING_EVENT, 3]
    rows["qty"] = range(5)
    assert flagged(rows, np.uint64(LOCAL_EVENT))["qty"].tolist() == [0, 2, 4]
    shown = flagged(rows, np.uint64(EXCH_EVENT))
    assert shown["qty"].tolist() == [0, 1, 2, 3, 4]
    assert (shown["ev"] & np.uint64(EXCH_EVENT) != 0).all()


def frame(venue: str, at_ms: int, mark: str, rate: str, next_ms: int) -> str:
    """A frame with these data; "" and 0: not in it."""
    if venue == "binance_usdm":
        return f'{{"e":"markPriceUpdate","E":{at_ms},"s":"{SYMBOL}","p":"{mark}","r":"{rate}","T":{next_ms}}}'
    fields = {"markPrice": mark, "fundingRate": rate, "nextFundingTime": str(next_ms or "")}
    data = ",".join(f'"{name}":"{value}"' for name, value in fields.items() if value)
    return f'{{"topic":"tickers.{SYMBOL}","type":"delta","data":{{"symbol":"{SYMBOL}",{data}}},"ts":{at_ms}}}'


def add_frames(recording: Recording, folder: Path, seed: int) -> tuple[Recording, list[str]]:
    """A copy of a recording with funding data every few frames, and these."""
    chance = random.Random(seed)
    lines, added = [], []
    for line in gzip.decompress(recording.path.read_bytes()).decode().splitlines():
        if chance.random() < 0.3:
            stamp = int(line[:19])
            # Off the grid, out of order, in the future: whatever its values, it changes nothing else.
            at_ms = stamp // MS + chance.randrange(-3_000, 4_000)
            mark = f"{chance.uniform(1, 1e5):.8f}"
            rate, next_ms = f"{chance.uniform(-1e-3, 1e-3):.8f}", stamp // MS + chance.randrange(10**8)
            if recording.venue == "bybit_linear":
                what = chance.choice(((mark, "", 0), ("", rate, 0), ("", "", next_ms), (mark, rate, next_ms)))
            else:
                what = mark, rate, next_ms
            added.append(frame(recording.venue, at_ms, *what))
            lines.append(f"{stamp} {added[-1]}")
        lines.append(line)
    path = folder / recording.path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), 1))
    return recording._replace(path=path), added


@pytest.mark.parametrize("begins", ["with a snapshot", "in the middle"])
@pytest.mark.parametrize("venue", ["binance_usdm", "bybit_linear"])
def test_a_recording_with_them_has_the_same_rows_and_them(tmp_path: Path, venue: str, begins: str) -> None:
    days = Days(venue)
    plain = write_recording(tmp_path / "plain", venue, days.events(0 if begins == "with a snapshot" else 1))
    rich, frames = add_frames(plain, tmp_path / "rich", 3)
    without, found = (run(tmp_path / "cache", feed_of([one])) for one in (plain, rich))
    assert found.offset_ns == without.offset_ns
    assert [files[0].funding_rows for files in (without.files[0:1] + found.files[0:1])] == [0, len(frames)]
    [expected], [rows] = rows_in(without), rows_in(found)
    for flag in (EXCH_EVENT, LOCAL_EVENT):
        both = np.uint64(EXCH_EVENT | LOCAL_EVENT)
        one, other = (part[part["ev"] & np.uint64(flag) != 0].copy() for part in (expected, rows))
        other = other[~is_funding(other)]
        # A row may be in two halves now, where a funding row has a later time.
        one["ev"] &= ~both
        other["ev"] &= ~both
        assert one.tobytes() == other.tobytes()
    funding = rows[is_funding(rows)]
    assert (funding["ev"] == (EXCH_EVENT | FUNDING_EVENT)).all()
    assert (np.diff(rows["exch_ts"][rows["ev"] & np.uint64(EXCH_EVENT) != 0]) >= 0).all()
    assert (funding["exch_ts"] <= funding["local_ts"]).all()
    decoded = np.concatenate([VENUES[venue].decode(text.encode()).rows for text in frames])
    for field in ("px", "fval", "ival"):
        np.testing.assert_array_equal(np.sort(funding[field]), np.sort(decoded[field]))


@pytest.mark.parametrize(
    ("next_ms", "expected_ms"), [(1_723_190_400_000, 1_723_190_400_000), (1_723_161_600_000, 0)]
)
def test_a_day_that_continues_another_begins_with_its_last_data(
    tmp_path: Path, next_ms: int, expected_ms: int
) -> None:
    """Bybit sends only what changed: the next funding time was sent the day before, and may have passed."""
    days, venue = Days("bybit_linear"), "bybit_linear"
    first = write_recording(tmp_path / "data", venue, days.events(0))
    second = write_recording(tmp_path / "data", venue, days.events(1), DAY + timedelta(days=1))
    lines = gzip.decompress(first.path.read_bytes()).decode().splitlines()
    for n, what in ((5, ("61000.5", "0.0001", next_ms)), (7, ("61001.5", "", 0)), (9, ("", "0.0002", 0))):
        lines.insert(n, f"{lines[n - 1][:19]} {frame(venue, int(lines[n - 1][:13]), *what)}")
    first.path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))

    [rows] = rows_in(run(tmp_path / "cache", feed_of([second])))
    [begin] = rows[is_funding(rows)]
    assert (begin["px"], begin["fval"], begin["ival"]) == (61001.5, 0.0002, expected_ms * MS)
    assert begin["ev"] == EXCH_EVENT | FUNDING_EVENT
    assert begin["exch_ts"] == rows["exch_ts"].min()


def test_a_part_of_a_day_begins_with_the_last_data_before_it(tmp_path: Path) -> None:
    plain = write_recording(tmp_path / "plain", "bybit_linear", Days("bybit_linear").events(0))
    rich, _ = add_frames(plain, tmp_path / "rich", 7)
    [rows] = rows_in(run(tmp_path / "cache", feed_of([rich])))
    start_ts = int(rows["local_ts"][0]) + 12_000 * MS
    parts = cut_rows([rows], Window(start_ts, None), 0.01)
    begin, *others = np.concatenate(parts)[is_funding(np.concatenate(parts))]
    before = rows[is_funding(rows) & (rows["exch_ts"] < start_ts)]
    assert len(others) == int(is_funding(rows).sum()) - len(before)
    marks, rates, nexts = (before[name] for name in ("px", "fval", "ival"))
    next_ts = int(nexts[nexts > 0][-1])
    assert (begin["px"], begin["fval"]) == (marks[~np.isnan(marks)][-1], rates[~np.isnan(rates)][-1])
    assert begin["ival"] == (next_ts if next_ts > start_ts else 0)
    assert (begin["ev"], begin["exch_ts"]) == (EXCH_EVENT | FUNDING_EVENT, start_ts)


def test_the_last_data_are_merged_from_rows() -> None:
    assert len(Levels().rows()) == 0
    levels = Levels()
    for values in (("100.5", "", 0), ("", "-0.0001", 0), ("", "", 77), ("101.5", "", 0)):
        levels.follow(funding_message(1, "X", *values).rows)
    [row] = levels.rows()
    assert (row["px"], row["fval"], row["ival"], row["exch_ts"]) == (101.5, -0.0001, 77 * MS, 0)


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit_linear"])
def test_the_check_counts_them_and_finds_nothing_wrong_with_their_times_and_prices(
    tmp_path: Path, venue: str
) -> None:
    plain = write_recording(tmp_path / "plain", venue, Days(venue).events(0), lag_ms=30)
    rich, frames = add_frames(plain, tmp_path / "rich", 9)
    instrument = Instrument(venue, SYMBOL, 0.01, 0.001)
    one, other = (
        check_recordings([Source(VENUES[venue], recording, instrument)])[0] for recording in (plain, rich)
    )
    assert (one.frames["funding"], other.frames["funding"]) == (0, len(frames))
    assert other.streams["funding"].rows == len(frames)
    assert other.findings == one.findings
    assert (other.grid, other.clock, other.out_of_order) == (one.grid, one.clock, one.out_of_order)


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit_linear"])
def test_the_comparison_with_hftbacktests_converter_leaves_them_out(tmp_path: Path, venue: str) -> None:
    plain = write_recording(tmp_path / "plain", venue, Days(venue).events(0), lag_ms=30)
    rich, _ = add_frames(plain, tmp_path / "rich", 5)
    for one in (plain, rich):
        text = gzip.decompress(one.path.read_bytes()).decode()
        # It takes a raw frame for a snapshot, and needs the kind of a trade.
        text = text.replace('"e":"trade"', '"e":"trade","X":"MARKET"')
        text = re.sub(r'(\{"e":.*)', r'{"stream":"x","data":\1}', text)
        one.path.write_bytes(gzip.compress(text.encode()))
    found = compare(VENUES[venue], rich)
    assert found.is_equal
    assert found.rows == compare(VENUES[venue], plain).rows


def touches(bot, out):
    """The touch and the time at every event of the feed, and a fill of each of the first orders."""
    n = 0
    while n < len(out) and bot.wait_next_feed(True, 1_000_000_000) in (0, 2, 3):
        depth = bot.depth(0)
        out[n, 0], out[n, 1], out[n, 2] = bot.current_timestamp, depth.best_bid, depth.best_ask
        out[n, 3] = bot.position(0)
        if n < 50:
            bot.submit_buy_order(0, n + 1, depth.best_ask * 1.001, 0.001, 0, 0, False)
        n += 1
    return n


@pytest.mark.slow
def test_hftbacktests_engine_ignores_them() -> None:
    received = received_rows(0, 5, 400)
    marks = np.zeros(300, event_dtype)
    marks["ev"], marks["px"], marks["fval"] = FUNDING_EVENT, 60_000.0, 0.01
    marks["local_ts"] = np.linspace(int(received["local_ts"][0]), int(received["local_ts"][-1]), 300).astype(
        int
    )
    marks["exch_ts"], marks["ival"] = marks["local_ts"] - 30 * MS, marks["local_ts"] + 50 * MS
    both = np.concatenate((received, marks))
    both = both[np.argsort(both["local_ts"], kind="stable")]
    found = []
    for rows in (received, both):
        out = np.zeros((20_000, 4))
        engine = hashmap_backtest([LegData(leg(0), [EventOrder().feed(rows.copy()).copy()])])
        count = compile_strategy(touches)(engine, out)
        engine.close()
        assert count > 300
        found.append(out.tobytes())
    assert found[0] == found[1]
