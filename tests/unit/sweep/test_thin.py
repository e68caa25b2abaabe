"""Thinned rows against all rows: the same touches at the same times, for both readers, and as few rows as possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT, event_dtype
from support.thin_market import LOT, TICK, at_ends, changes, random_rows, seen

from arb.bot.depth import ASK_LEVEL, BID_LEVEL
from arb.engine.book import NO_ASK, NO_BID
from arb.sweep.thin import Thinner, thinned
from connectors.model import FUNDING_EVENT, Rows

STALE_NS = 100
SEEDS = range(60)


#: A bound between the latencies of the rows, and one that some of them have exactly.
BOUNDS = (STALE_NS, 150)


def thin(rows: Rows, stale_ns: int = STALE_NS, **options: Any) -> Rows:
    return thinned([rows], TICK, LOT, stale_ns, **options)


@pytest.mark.parametrize("reader", ["venue", "local"])
def test_both_readers_see_the_same_touches_at_the_same_times(reader: str) -> None:
    for seed in SEEDS:
        rows = random_rows(seed)
        expected = changes(seen(rows, reader))
        assert len(expected) > 30
        assert changes(seen(thin(rows), reader)).tobytes() == expected.tobytes(), seed


def test_times_of_each_reader_never_fall() -> None:
    for seed in SEEDS:
        kept = thin(random_rows(seed))
        for flag, field in ((EXCH_EVENT, "exch_ts"), (LOCAL_EVENT, "local_ts")):
            times = kept[field][kept["ev"] & np.uint64(flag) != 0]
            assert bool((times[1:] >= times[:-1]).all()), seed


def test_a_side_is_never_empty_between_two_levels() -> None:
    for seed in SEEDS:
        for reader in ("venue", "local"):
            found = seen(thin(random_rows(seed)), reader)
            ends = at_ends(found)
            place = np.searchsorted(ends["ts"], found["ts"])
            for side, none, other in (("bid", NO_BID, "ask"), ("ask", NO_ASK, "bid")):
                before = np.where(place > 0, ends[side][place - 1], none)
                is_kept = (before != none) & (ends[side][place] != none)
                # A new level of the other side may pass it until it is set itself.
                crossed = found[other] != np.where(place > 0, ends[other][place - 1], NO_BID)
                assert not np.any((found[side] == none) & is_kept & ~crossed), (seed, reader, side)


@pytest.mark.parametrize(
    ("bound", "keeps_trades"), [(bound, keeps) for bound in BOUNDS for keeps in (False, True)]
)
def test_the_book_is_stale_at_the_same_times(bound: int, keeps_trades: bool) -> None:
    for seed in SEEDS:
        rows = random_rows(seed)
        thinner = thin(rows, bound, keeps_trades=keeps_trades)
        whole, kept = at_ends(seen(rows, "local")), at_ends(seen(thinner, "local"))
        times = np.unique(np.concatenate([whole["ts"] + n for n in (-1, 0, 1, bound, bound + 1)]))
        times = times[times >= whole["ts"][0]]
        assert bool((is_stale(whole, times, bound) == is_stale(kept, times, bound)).all()), seed


def is_stale(found: Any, times: Any, bound: int) -> Any:
    last = found[np.searchsorted(found["ts"], times, "right") - 1]
    return (times - last["ts"] > bound) | (last["latency"] > bound)


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_time_without_a_change_is_kept_only_for_staleness_and_at_both_ends(bound: int) -> None:
    for seed in SEEDS:
        rows = random_rows(seed)
        whole, kept = at_ends(seen(rows, "local")), at_ends(seen(thin(rows, bound), "local"))
        changed = set(changes(seen(rows, "local"))["ts"])
        expected, last_ts, was_late = [], 0, False
        for n, one in enumerate(whole):
            is_late = one["latency"] > bound
            following = whole["ts"][n + 1] if n + 1 < len(whole) else None
            if (
                n == 0
                or n >= len(whole) - 2
                or one["ts"] in changed
                or is_late != was_late
                or (not is_late and following - last_ts > bound)
            ):
                expected.append(one["ts"])
                last_ts, was_late = one["ts"], is_late
        assert list(kept["ts"]) == expected, seed


def test_the_venue_keeps_its_first_time_and_its_changes_alone() -> None:
    for seed in SEEDS:
        rows = random_rows(seed)
        whole, kept = seen(rows, "venue"), thin(rows)
        plain = kept[kept["ev"] & np.uint64(0xFF) != FUNDING_EVENT]
        expected = np.unique(np.append(changes(whole)["ts"], whole["ts"][:1]))
        assert list(at_ends(seen(plain, "venue"))["ts"]) == list(expected), seed


@pytest.mark.parametrize("keeps_trades", [False, True])
def test_funding_and_trades_that_are_read_are_kept_as_they_are(keeps_trades: bool) -> None:
    for seed in SEEDS:
        rows = random_rows(seed)
        kept = thin(rows, keeps_trades=keeps_trades)
        assert of_kind(kept, FUNDING_EVENT).tobytes() == of_kind(rows, FUNDING_EVENT).tobytes()
        trades = of_kind(rows, TRADE_EVENT)
        trades = trades[trades["ev"] & np.uint64(LOCAL_EVENT) != 0]
        trades["ev"] &= ~np.uint64(EXCH_EVENT)
        assert of_kind(kept, TRADE_EVENT).tobytes() == (trades if keeps_trades else trades[:0]).tobytes()
        assert changes(seen(kept, "local")).tobytes() == changes(seen(rows, "local")).tobytes()


def of_kind(rows: Rows, kind: int) -> Rows:
    return rows[rows["ev"] & np.uint64(0xFF) == kind]


def test_the_rows_do_not_depend_on_how_they_are_split() -> None:
    for seed in range(10):
        rows = random_rows(seed)
        expected = thin(rows)
        for cut in (1, 7, 100):
            pieces = [rows[n : n + cut] for n in range(0, len(rows), cut)]
            assert thinned(pieces, TICK, LOT, STALE_NS).tobytes() == expected.tobytes()


def test_a_row_for_both_is_written_once() -> None:
    rows = np.zeros(2, event_dtype)
    rows["ev"] = np.array([BID_LEVEL, ASK_LEVEL], np.uint64)
    rows["exch_ts"], rows["local_ts"], rows["px"], rows["qty"] = 5, 9, [4.0, 5.0], 1.0
    again = rows.copy()
    again["exch_ts"], again["local_ts"], again["qty"] = 6, 10, 2.0
    kept = thinned([rows, again, again], TICK, LOT, STALE_NS)
    both = np.uint64(EXCH_EVENT | LOCAL_EVENT)
    assert bool((kept["ev"][:2] & both == both).all())
    assert list(kept["local_ts"][:2]) == [9, 9]


def test_no_rows_give_no_rows() -> None:
    assert len(thinned([], TICK, LOT, STALE_NS)) == 0
    assert len(Thinner(TICK, LOT, STALE_NS).finish()) == 0
