"""The rows of a part of a run's days: both sides' events of that time, after the books at its start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hftbacktest.types import DEPTH_CLEAR_EVENT, EXCH_EVENT, LOCAL_EVENT, event_dtype
from support.command_line import arb

from arb.commands.legs import instrument_of, legs_of
from arb.config import Config, load
from arb.config.adapters import load_adapter
from arb.data.catalog.days import select_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.levels import Levels
from arb.data.rows.row_files import Conversion
from arb.data.rows.window import Window, cut_conversion, cut_rows
from connectors.book.rows import LOCAL_ONLY
from connectors.model import Rows
from connectors.units import SECOND

#: 2024-01-02 00:00 UTC, in the middle of the recording.
MIDNIGHT = 1_704_153_600 * SECOND
#: So short that books are emptied for the strategy all the time.
SILENCE = SECOND // 50
LEGS = ["binance_usdm:BTCUSDT", "bybit_spot:BTCUSDT"]
SIDES = ((EXCH_EVENT, "exch_ts"), (LOCAL_EVENT, "local_ts"))


class Market:
    """Eighty seconds of two instruments over midnight, and their rows."""

    def __init__(self, folder: Path) -> None:
        arb("init", folder / "my")
        words = ["--duration", "80s", "--start", "2024-01-01T23:59:20", "--venues", "binance_usdm,bybit_spot"]
        arb("sandbox", "record", "--out", folder / "data", *words)
        self.config: Config = load(folder / "my" / "arbitrage.toml", legs=LEGS)
        self.legs = legs_of(self.config)
        (first, second) = (MIDNIGHT - SECOND, MIDNIGHT)
        days = [np.datetime64(ts, "ns").astype("datetime64[D]").item() for ts in (first, second)]
        found = select_days(folder / "data", [(leg.venue, leg.symbol) for leg in self.legs], *days)
        feeds = [
            Feed(
                load_adapter(self.config.venues[leg.venue]),
                own,
                leg.feed_latency_ns,
                instrument_of(leg),
                silence_ns=SILENCE,
            )
            for leg, own in zip(self.legs, found, strict=True)
        ]
        self._cache = RowCache(folder / "cache")
        self.conversion: Conversion = convert(feeds, self._cache)
        self.arrays = [self.conversion.rows(n) for n in range(len(feeds))]

    def cut(self, leg_no: int, window: Window) -> list[Rows]:
        return cut_rows(self.arrays[leg_no], window, self.legs[leg_no].tick_size)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return Market(tmp_path_factory.mktemp("market"))


def of_side(arrays: list[Rows], side: int) -> Rows:
    flag, _ = SIDES[side]
    rows = np.concatenate(arrays)
    return rows[rows["ev"] & np.uint64(flag) != 0]


def books(market: Market, leg_no: int, rows: Rows) -> bytes:
    """The levels after rows, as bytes; what the strategy alone sees counts."""
    levels = Levels(market.legs[leg_no].tick_size)
    rows = rows.copy()
    rows["ival"] = 0
    levels.follow(rows)
    return levels.rows().tobytes()


@pytest.mark.parametrize("leg_no", [0, 1])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("before_s", "after_s"), [(31, -3), (17.123456, 20), (-5, 30)])
def test_each_side_has_its_own_events_after_its_own_book(
    market: Market, leg_no: int, side: int, before_s: float, after_s: float
) -> None:
    start, end = round(MIDNIGHT - before_s * SECOND), round(MIDNIGHT + after_s * SECOND)
    name = SIDES[side][1]
    whole, found = of_side(market.arrays[leg_no], side), of_side(market.cut(leg_no, Window(start, end)), side)
    inside = whole[(whole[name] >= start) & (whole[name] < end)]
    begin, rest = found[: len(found) - len(inside)], found[len(found) - len(inside) :]
    flags = np.uint64(EXCH_EVENT | LOCAL_EVENT)
    for rows in (rest, inside):
        rows["ev"] &= ~flags
    assert len(inside) > 100
    assert rest.tobytes() == inside.tobytes()
    assert {*begin["exch_ts"], *begin["local_ts"]} <= {start}
    assert len(begin) > 20 or side == 1
    assert books(market, leg_no, begin) == books(market, leg_no, whole[whole[name] < start])
    assert bool((np.diff(found[name]) >= 0).all())


def test_a_book_that_is_silent_at_the_start_is_empty_for_the_strategy_and_restored(market: Market) -> None:
    own = of_side(market.arrays[0], 1)
    emptied = own["local_ts"][
        (own["ival"] == LOCAL_ONLY) & (own["ev"] & np.uint64(0xFF) == DEPTH_CLEAR_EVENT)
    ]
    start = int(emptied[emptied > MIDNIGHT][0]) + 1
    rows = market.cut(0, Window(start, start + SECOND))
    at_start = [part[part["local_ts"] == start] for part in (of_side(rows, 0), of_side(rows, 1))]
    assert [len(part) > 20 for part in at_start] == [True, False]
    restored = of_side(rows, 1)
    assert np.count_nonzero(restored["ival"] == LOCAL_ONLY) > 20


def test_a_window_around_the_days_changes_nothing(market: Market) -> None:
    window = Window(MIDNIGHT - 90 * SECOND, MIDNIGHT + 90 * SECOND)
    for leg_no, arrays in enumerate(market.arrays):
        assert np.concatenate(market.cut(leg_no, window)).tobytes() == np.concatenate(arrays).tobytes()
    assert cut_conversion(market.conversion, window) == market.conversion


def test_rows_keep_the_layout_that_compiled_code_takes(market: Market) -> None:
    for rows in market.cut(0, Window(MIDNIGHT - SECOND, MIDNIGHT + SECOND)):
        assert rows.dtype == event_dtype
        assert rows.dtype.isalignedstruct
        assert rows.flags.c_contiguous


def test_the_outages_of_rows_are_those_of_the_frames(market: Market) -> None:
    """A window that leaves out an instant without rows has the outages that the conversion found in the frames."""
    window = Window(None, max(file.last_ts for files in market.conversion.files for file in files))
    for whole, cut in zip(
        market.conversion.files, cut_conversion(market.conversion, window).files, strict=True
    ):
        assert [file.scan.book for file in cut] == [file.scan.book for file in whole]


def test_a_window_after_the_last_frame_has_no_rows(market: Market) -> None:
    cut = cut_conversion(market.conversion, Window(MIDNIGHT + 70 * SECOND, None))
    assert [file.rows for files in cut.files for file in files] == [0, 0, 0, 0]
