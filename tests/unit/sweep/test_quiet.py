"""Quiet rows against thinned ones: exact at points, all changes within spans, all prices elsewhere, and no row more."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT
from support.thin_market import LOT, TICK, at_ends, random_rows, seen

from arb.bot.recorder import DECISION, RECORD
from arb.commands.sweep_quiet import further, spans_of
from arb.strategies.spread.decisions import Decision, Purpose
from arb.strategies.spread.quiet import active_spans, attempts_in, least_threshold_bps
from arb.sweep.quiet import PRICES, QuietRows, quiet_rows
from arb.sweep.quiet_spans import NEVER, Spans
from arb.sweep.thin import thinned
from connectors.model import FUNDING_EVENT, Rows

SEEDS = range(25)
INTERVAL_NS = 500
SIDES = ("bid", "ask")


def market(seed: int) -> tuple[list[Rows], QuietRows]:
    """Two legs, thinned, and by quiet times."""
    legs = [thinned([random_rows(2 * seed + n)], TICK, LOT, 100) for n in range(2)]
    return legs, quiet_rows(legs, [(TICK, LOT)] * 2, INTERVAL_NS)


def random_spans(seed: int, quiet: QuietRows) -> Any:
    dice = np.random.default_rng(seed)
    places = np.sort(dice.choice(len(quiet.points), 2 * int(dice.integers(0, 8)), replace=False))
    return places.reshape(-1, 2)


def moves(found: Any, fields: tuple[str, ...] = SIDES) -> list[Any]:
    """Times and prices of the ends of times that differ from those before in the fields."""
    ends = at_ends(found)
    before = np.roll(ends, 1)
    is_new = np.ones(len(ends), bool)
    is_new[1:] = np.any([ends[name][1:] != before[name][1:] for name in fields], axis=0)
    return ends[["ts", *fields]][is_new].tolist()


def cases() -> Any:
    for seed in SEEDS:
        legs, quiet = market(seed)
        spans = random_spans(seed, quiet)
        for leg, pieces in zip(legs, quiet.within(spans), strict=True):
            yield seed, quiet.points, quiet.points[spans].tolist(), leg, np.concatenate(pieces)


def test_at_points_a_book_is_that_of_the_thinned_rows_also_in_age() -> None:
    for seed, points, _, leg, rows in cases():
        whole, kept = at_ends(seen(leg, "local")), at_ends(seen(rows, "local"))
        later = points[points >= whole["ts"][0]]
        expected, found = (one[np.searchsorted(one["ts"], later, "right") - 1] for one in (whole, kept))
        assert found.tobytes() == expected.tobytes(), seed


def test_points_are_changes_of_a_price_records_and_the_last_times() -> None:
    for seed in SEEDS:
        legs, quiet = market(seed)
        ends = [at_ends(seen(leg, "local")) for leg in legs]
        first, last = min(one["ts"][0] for one in ends), max(one["ts"][-1] for one in ends)
        expected = set(range(first, last, INTERVAL_NS))
        for one in ends:
            expected |= {ts for ts, *_ in moves(one)} | set(one["ts"][-3:].tolist())
        assert quiet.points.tolist() == sorted(expected), seed


def test_within_spans_every_time_is_as_in_the_thinned_rows_and_elsewhere_as_few_as_possible() -> None:
    inside = outside = 0
    for seed, points, spans, leg, rows in cases():
        whole, kept = at_ends(seen(leg, "local")), at_ends(seen(rows, "local"))
        for begin, end in spans:
            expected, found = (one[(one["ts"] > begin) & (one["ts"] <= end)] for one in (whole, kept))
            assert found.tobytes() == expected.tobytes(), seed
            inside += len(expected)
        needed = {ts for ts, *_ in moves(seen(leg, "local"))}
        last = np.searchsorted(whole["ts"], points, "right") - 1
        needed |= set(whole["ts"][last[last >= 0]].tolist())
        quiet = [ts for ts in kept["ts"].tolist() if not any(begin < ts <= end for begin, end in spans)]
        assert quiet == sorted(ts for ts in needed if not any(begin < ts <= end for begin, end in spans)), (
            seed
        )
        outside += len(whole) - len(kept)
    assert inside > 1_000
    assert outside > 300


def test_every_change_of_a_price_is_there_at_its_time_and_times_never_fall() -> None:
    for seed, _, _, leg, rows in cases():
        assert moves(seen(rows, "local")) == moves(seen(leg, "local")), seed
        for flag, field in ((EXCH_EVENT, "exch_ts"), (LOCAL_EVENT, "local_ts")):
            times = rows[field][rows["ev"] & np.uint64(flag) != 0]
            assert bool((times[1:] >= times[:-1]).all()), seed


def test_the_venue_has_changes_of_a_price_alone_and_funding() -> None:
    for seed, _, _, leg, rows in cases():
        assert moves(seen(rows, "venue")) == moves(seen(leg, "venue")), seed
        of_venue = rows[rows["ev"] & np.uint64(EXCH_EVENT) != 0]
        is_funding = of_venue["ev"] & np.uint64(0xFF) == FUNDING_EVENT
        funding = leg[leg["ev"] & np.uint64(0xFF) == FUNDING_EVENT]
        assert of_venue[is_funding].tobytes() == funding.tobytes(), seed
        assert len(at_ends(seen(of_venue[~is_funding], "venue"))) == len(moves(seen(leg, "venue"))), seed
        assert not np.any(of_venue["ev"] & np.uint64(LOCAL_EVENT)), seed


def test_prices_are_those_of_the_changes() -> None:
    for seed in SEEDS:
        legs, quiet = market(seed)
        order = np.lexsort((quiet.prices["leg"], quiet.prices["ts"]))
        assert quiet.prices.tobytes() == quiet.prices[order].tobytes()
        for leg_no, leg in enumerate(legs):
            mine = quiet.prices[quiet.prices["leg"] == leg_no]
            expected = [
                (ts, *(np.nan if abs(tick) > 1e9 else tick * TICK for tick in ticks))
                for ts, *ticks in moves(seen(leg, "local"))
            ]
            assert np.array_equal(mine[["ts", *SIDES]].tolist(), expected, equal_nan=True), seed


PARAMS = {"min_spread_bps": 2.0, "inventory_skew_bps": 0.0, "basis_halflife_ns": 0, "taker_fee": (0.0,) * 4}


def prices_of(rows: list[tuple[int, int, float, float]]) -> Any:
    return np.array(rows, PRICES)


@pytest.mark.parametrize("halflife_ns", [0, 40])
@pytest.mark.parametrize("skew_bps", [0.0, 1.0])
def test_spans_begin_above_the_least_threshold_and_end_after_the_last_time(
    halflife_ns: int, skew_bps: float
) -> None:
    """Against the rule written out: two pairs, random prices, unknown and crossed ones among them."""
    spans_seen = 0
    for seed in range(20):
        dice = np.random.default_rng(seed)
        times = np.cumsum(dice.integers(0, 30, 300))
        mids = 10_000 + dice.normal(0.0, 1.5, 300)
        rows = [
            (
                int(ts),
                int(dice.integers(0, 4)),
                mid - float(dice.choice([0.5, 1.0, -0.5], p=[0.6, 0.3, 0.1])),
                mid + 0.5,
            )
            for ts, mid in zip(times, mids, strict=True)
        ]
        rows = [(ts, leg, np.nan if dice.random() < 0.05 else bid, ask) for ts, leg, bid, ask in rows]
        fees = (0.0, 0.00005, 0.00001, 0.0)
        params = {
            **PARAMS,
            "taker_fee": fees,
            "basis_halflife_ns": halflife_ns,
            "inventory_skew_bps": skew_bps,
        }
        found = active_spans(prices_of(rows), params, 25).tolist()
        assert found == spans_by_rule(rows, fees, 2.0 - skew_bps, halflife_ns, 25), seed
        spans_seen += len(found)
    assert spans_seen > 100


def spans_by_rule(rows: Any, fees: Any, threshold: float, halflife_ns: int, after_ns: int) -> list[list[int]]:
    touches: dict[int, tuple[float, float]] = {}
    basis, last, last_ts = dict.fromkeys((0, 1), 0.0), dict.fromkeys((0, 1), np.nan), dict.fromkeys((0, 1), 0)
    begun = set()
    active: dict[int, bool] = {}
    spans: list[list[int]] = []
    for ts, leg, bid, ask in rows:
        touches[leg] = bid, ask
        pair = leg // 2
        both = [touches.get(2 * pair + n, (np.nan, np.nan)) for n in range(2)]
        is_known = all(one[0] > 0.0 and one[1] > one[0] for one in both)
        mid_0, mid_1 = (0.5 * (one[0] + one[1]) for one in both)
        if halflife_ns:
            spread = 1e4 * (mid_1 - mid_0) / mid_0 if is_known else np.nan
            if pair in begun and not np.isnan(last[pair]):
                basis[pair] = last[pair] + (basis[pair] - last[pair]) * 0.5 ** (
                    (ts - last_ts[pair]) / halflife_ns
                )
            if pair not in begun and is_known:
                begun.add(pair)
                basis[pair] = spread
            last[pair], last_ts[pair] = spread, ts
        edges = [
            1e4
            * (both[1 - n][0] * (1 - fees[2 * pair + 1 - n]) - both[n][1] * (1 + fees[2 * pair + n]))
            / both[n][1]
            for n in range(2)
        ]
        was_active = any(active.values())
        active[pair] = is_known and max(edges[0] - basis[pair], edges[1] + basis[pair]) > threshold - 1e-6
        if any(active.values()) and not was_active:
            if not spans or ts > spans[-1][1]:
                spans.append([ts, NEVER])
            spans[-1][1] = NEVER
        elif was_active and not any(active.values()):
            spans[-1][1] = ts + after_ns
    return spans


def test_the_skew_lowers_the_threshold_but_not_below_zero() -> None:
    thresholds = [
        least_threshold_bps({"min_spread_bps": least, "inventory_skew_bps": skew})
        for least, skew in ((3.0, 0.0), (3.0, 1.0), (3.0, 5.0), (-1.0, 5.0))
    ]
    assert thresholds == [3.0, 2.0, 0.0, -1.0]


def test_spans_go_from_the_point_before_to_the_point_after_every_side_has_changed() -> None:
    for seed in SEEDS:
        legs, quiet = market(seed)
        dice = np.random.default_rng(seed)
        times = np.sort(dice.choice(quiet.points[5:-5], (4, 2), replace=False), axis=1) + dice.integers(
            0, 3, (4, 2)
        )
        times = np.sort(times, axis=1)
        spans = Spans(quiet, times)
        covered = quiet.points[spans.points]
        expected = []
        for begin, end in times.tolist():
            place = int(np.searchsorted(covered[:, 0], begin, "right")) - 1
            assert covered[place, 0] <= begin, seed
            changed = [end]
            for leg in legs:
                for side in SIDES:
                    found = moves(seen(leg, "local"), (side, f"{side}_qty"))
                    changed.append(min((ts for ts, *_ in found if ts > end), default=NEVER))
            after = quiet.points[quiet.points >= max(changed)]
            expected.append(int(after[0] if len(after) else quiet.points[-1]))
            assert covered[place, 1] >= expected[-1], seed
        assert set(covered[:, 1].tolist()) <= set(expected), seed
        assert all(one[1] < two[0] for one, two in pairwise(spans.points.tolist())), seed
        # No span begins before the last point that is not after its time.
        before = quiet.points[np.searchsorted(quiet.points, times[:, 0], "right") - 1]
        assert set(covered[:, 0].tolist()) <= set(before.tolist()), seed
        assert 0.0 < spans.share <= 1.0


def test_a_change_at_the_end_of_a_span_is_none_after_it() -> None:
    for seed in range(4):
        legs, quiet = market(seed)
        sides = [
            np.array([ts for ts, *_ in moves(seen(leg, "local"), (side, f"{side}_qty"))])
            for leg in legs
            for side in SIDES
        ]
        for end in quiet.points[5:-5].tolist():
            (last,) = quiet.points[Spans(quiet, np.array([[end - 1, end]])).points[:, 1]]
            after = [changed[changed > end] for changed in sides]
            if all(map(len, after)):
                assert last == quiet.points[quiet.points >= max(one[0] for one in after)][0], seed


def test_outside_is_what_is_not_wholly_within_one_time() -> None:
    _, quiet = market(1)
    spans = Spans(quiet, np.array([[100, 200], [150, 300], [400, NEVER]]))
    begun = np.array([100, 99, 200, 250, 300, 350, 400, 450])
    ended = np.array([300, 150, 301, 260, 300, 410, 500, NEVER])
    assert spans.outside(begun, ended).tolist() == [False, True, True, False, False, True, False, False]
    more = spans.with_more(np.array([290]), np.array([350]))
    assert more.outside(begun, ended).tolist() == [False, True, False, False, False, True, False, False]
    nothing = Spans(quiet, np.zeros((0, 2), np.int64))
    assert nothing.outside(begun, ended).all()
    assert nothing.share == 0.0


def decided(*lines: tuple[int, Decision, int, int]) -> Any:
    """Rows of (time, code, attempt, order id), of leg 0."""
    made = np.zeros(len(lines), DECISION)
    for row, (ts, code, attempt, order_id) in zip(made, lines, strict=True):
        row["timestamp"], row["code"], row["attempt"], row["order_id"] = ts, code, attempt, order_id
    return made


def test_attempts_last_from_their_line_to_their_end() -> None:
    log = decided(
        (10, Decision.ATTEMPT, 1, Purpose.ENTER),
        (12, Decision.ATTEMPT, 2, Purpose.REBALANCE),
        (15, Decision.REVERSED, 2, 0),
        (20, Decision.HEDGED, 1, 0),
        (30, Decision.ATTEMPT, 3, Purpose.HEDGE),
        (31, Decision.MISSED, 3, 0),
        (40, Decision.ATTEMPT, 4, Purpose.ENTER),
    )
    begun, ended, is_stopped = attempts_in(log)
    assert (begun.tolist(), ended.tolist(), is_stopped) == ([10, 12, 30, 40], [20, 15, 31, NEVER], False)
    halted = decided((10, Decision.ATTEMPT, 1, Purpose.STOP_LOSS), (20, Decision.HALTED, 1, 0))
    assert attempts_in(halted).ended.tolist() == [20]
    assert attempts_in(halted).is_stopped
    assert attempts_in(decided((10, Decision.ATTEMPT, 1, Purpose.TIMEOUT))).is_stopped


def ran(log: Any, records: tuple[int, ...] = (0, 100, 200, 250), error: str = "") -> Any:
    made = np.zeros((len(records), 2), RECORD)
    made["timestamp"] = np.array(records)[:, None]
    return SimpleNamespace(error=error, output=SimpleNamespace(decisions=log, records=made))


def test_a_run_is_kept_if_all_that_it_did_was_within_its_spans() -> None:
    _, quiet = market(1)
    spans = Spans(quiet, np.array([[100, 200]]))
    params = {"record_interval_ns": 100}
    seen_at = (110, Decision.OPPORTUNITY, 0, 0)
    short = (seen_at, (110, Decision.ATTEMPT, 1, Purpose.ENTER), (180, Decision.HEDGED, 1, 0))
    assert further(spans, ran(decided(*short)), params) is spans
    assert further(spans, ran(decided()), params) is spans
    long = decided(*short[:2], (210, Decision.HEDGED, 1, 0))
    more = further(spans, ran(long), params)
    assert more is not None
    assert more is not spans
    assert more.outside(np.array([110]), np.array([210])).tolist() == [False]
    assert further(more, ran(long), params) is more
    stopped = decided(seen_at, (110, Decision.ATTEMPT, 1, Purpose.STOP_LOSS), (180, Decision.HEDGED, 1, 0))
    assert further(spans, ran(stopped), params) is None
    assert further(spans, ran(decided((210, Decision.OPPORTUNITY, 0, 0))), params) is None
    assert further(spans, ran(decided(*short), error="broken"), params) is None
    assert further(spans, ran(decided(*short), records=(0, 100, 130, 200, 250)), params) is None
    assert further(spans, ran(decided(*short), records=(0, 100, 180, 200, 250)), params) is spans


def test_only_sets_of_the_built_in_strategy_that_trade_inventory_and_are_often_quiet_have_spans() -> None:
    _, quiet = market(1)
    thin = SimpleNamespace(quiet=lambda interval_ns: {INTERVAL_NS: quiet}[interval_ns])
    one = SimpleNamespace(legs=[SimpleNamespace(entry_latency_ns=0, response_latency_ns=0)] * 2)
    params = {**PARAMS, "taker_fee": (0.0, 0.0), "is_convergence": False, "record_interval_ns": INTERVAL_NS}
    params["order_timeout_ns"] = 50
    params["min_spread_bps"] = 1e6

    def found(spec: str = "arb.strategies.spread.strategy:run", **further: Any) -> Any:
        return spans_of(SimpleNamespace(spec=spec), one, {**params, **further}, thin)  # type: ignore[arg-type]

    assert found().share == 0.0
    assert found(spec="mine.py:run") is None
    assert found(is_convergence=True) is None
    assert found(min_spread_bps=-1e6) is None
    thin.quiet = lambda interval_ns: None
    assert found() is None
