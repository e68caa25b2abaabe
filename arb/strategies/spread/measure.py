"""Measures the edges of a run without trading: the same touches, basis and edges as the strategy, weighted by time.

It is a strategy in the same interface, which sends no order: a host runs it over the rows of a run that did not trade,
to say why. It logs the lines of `measures` when the data end. An edge is constant from one change of a price to the
next, as the strategy sees it. Distributions are histograms whose bins grow with the edge: 0.01 bps wide at 0, a
thousandth of the edge where it is large.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from arb.strategies.spread.holding import cost_to_leave_bps
from arb.strategies.spread.measures import LEVELS, RISES_MAX, SHARES, Measure
from arb.strategies.spread.parameters import PARAMS as PARAMS
from arb.strategies.spread.touch import (
    BASIS,
    BPS,
    LEG,
    PRICE_CHANGED,
    UNCHANGED,
    edge_bps,
    is_basis_known,
    is_quoted,
    read_touches,
    update_basis,
)

#: Assets 0 and 1 are a pair, 2 and 3, and so on.
LEGS = "pairs"

_TIMEOUT, _END_OF_DATA, _FEED, _ORDER_RESPONSE = 0, 1, 2, 3
#: Without a row there is nothing to do: an hour, in ns.
_IDLE_NS = 3_600_000_000_000

#: A bin is the inverse hyperbolic sine of the edge over `_SCALE_BPS`, in steps of `_STEP`; the middle one holds 0.
_SCALE_BPS, _STEP = 10.0, 0.001
_MIDDLE = 12_000
_BINS = 2 * _MIDDLE + 1
#: Not known: no bin.
_NO_BIN = -1
#: What a bin adds up: time, and time multiplied by each part of the edge.
_TIME, _NET, _GROSS, _FEES, _BASIS, _LEAVE, _PARTS = 0, 1, 2, 3, 4, 5, 6

#: One direction: its edge since the last change, and the largest one.
WAY = np.dtype(
    [
        ("bin", "i8"),
        ("net", "f8"),
        ("gross", "f8"),
        ("fees", "f8"),
        ("basis", "f8"),
        ("leave", "f8"),
        ("max_ts", "i8"),
        ("max_net", "f8"),
        ("max_gross", "f8"),
        ("max_fees", "f8"),
        ("max_basis", "f8"),
        ("max_leave", "f8"),
        ("buy_px", "f8"),
        ("sell_px", "f8"),
        ("shown", "f8"),
    ],
    align=True,
)
#: One leg: times in ns, and whether it was quoted, and late, since the last change.
SEEN = np.dtype(
    [("quoted_ns", "i8"), ("late_ns", "i8"), ("lag_min", "i8"), ("is_quoted", "i8"), ("is_late", "i8")],
    align=True,
)
#: One pair: times in ns, and its state since `last_ts`.
COMMON = np.dtype(
    [
        ("last_ts", "i8"),
        ("both_ns", "i8"),
        ("warm_up_ns", "i8"),
        ("is_both", "i8"),
        ("is_warming", "i8"),
        ("is_above", "i8"),
    ],
    align=True,
)
_NO_LAG = np.iinfo(np.int64).max


@njit
def run(bot, params, recorder):
    """Follows the touches until the data end, then logs what it measured; returns 0."""
    pairs = np.int64(bot.num_assets) // 2
    legs, seen = np.zeros(2 * pairs, LEG), np.zeros(2 * pairs, SEEN)
    ways, bases, commons = np.zeros(2 * pairs, WAY), np.zeros(pairs, BASIS), np.zeros(pairs, COMMON)
    bins = np.full((2 * pairs, _BINS, _PARTS), 0.0)
    above = np.full((2 * pairs, len(LEVELS) + 1), 0.0)
    rises = np.full((2 * pairs, _BINS), 0)
    risen_ts = np.full((2 * pairs, _BINS), -params.attempt_interval_ns)
    for leg_no in range(2 * pairs):
        legs[leg_no].asset = leg_no
        legs[leg_no].taker_fee = params.taker_fee[leg_no]
        legs[leg_no].bid = legs[leg_no].ask = legs[leg_no].mark = np.nan
        seen[leg_no].lag_min = _NO_LAG
        ways[leg_no].bin = _NO_BIN
        ways[leg_no].max_net = -np.inf
    first_ts = last_ts = np.int64(0)
    while True:
        result = bot.wait_next_feed(True, _IDLE_NS)
        if result == _END_OF_DATA:
            break
        if result > _ORDER_RESPONSE or result < _TIMEOUT:
            raise RuntimeError("the bot failed: see hftbacktest's return codes")
        if result != _FEED:
            continue
        now = last_ts = bot.current_timestamp
        if first_ts == 0:
            first_ts = now
        for pair_no in range(pairs):
            change = read_touches(bot, legs, 2 * pair_no, commons[pair_no].is_above != 0)
            if change == UNCHANGED:
                continue
            if change == PRICE_CHANGED:
                _weigh(bins, above, ways, seen, commons[pair_no], pair_no, now, params)
                _follow(
                    bot,
                    legs,
                    rises,
                    risen_ts,
                    ways,
                    seen,
                    bases[pair_no],
                    commons[pair_no],
                    pair_no,
                    now,
                    params,
                )
            _show(legs, ways, pair_no, params)
    for pair_no in range(pairs):
        _weigh(bins, above, ways, seen, commons[pair_no], pair_no, last_ts, params)
        _log(recorder, bins, above, rises, ways, seen, commons[pair_no], pair_no, last_ts)
    recorder.decide(last_ts, Measure.SPAN, 0, -1, 0, last_ts - first_ts)
    return np.int64(0)


@njit
def bin_of(edge):
    """The number of the bin that holds an edge in bps."""
    place = math.floor(math.asinh(edge / _SCALE_BPS) / _STEP + 0.5)
    return min(max(np.int64(place) + _MIDDLE, 0), _BINS - 1)


@njit
def lowest_of(number):
    """The lowest edge of a bin, in bps."""
    return _SCALE_BPS * math.sinh((number - _MIDDLE - 0.5) * _STEP)


@njit
def _weigh(bins, above, ways, seen, common, pair_no, now, params):
    """Counts the time since the last change for the state that lasted since then."""
    span = now - common.last_ts
    common.last_ts = now
    for leg_no in range(2 * pair_no, 2 * pair_no + 2):
        leg = seen[leg_no]
        leg.quoted_ns += span * leg.is_quoted
        leg.late_ns += span * leg.is_late
        way = ways[leg_no]
        if way.bin != _NO_BIN:
            cell = bins[leg_no, way.bin]
            cell[_TIME] += span
            cell[_NET] += span * way.net
            cell[_GROSS] += span * way.gross
            cell[_FEES] += span * way.fees
            cell[_BASIS] += span * way.basis
            cell[_LEAVE] += span * way.leave
            for level in range(len(LEVELS)):
                if way.net > LEVELS[level]:
                    above[leg_no, level] += span
            if way.net > params.min_spread_bps:
                above[leg_no, len(LEVELS)] += span
    common.both_ns += span * common.is_both
    common.warm_up_ns += span * common.is_warming


@njit
def _follow(bot, legs, rises, risen_ts, ways, seen, basis, common, pair_no, now, params):
    """Stores the state after a change of a price."""
    pair = legs[2 * pair_no], legs[2 * pair_no + 1]
    if params.basis_halflife_ns > 0:
        update_basis(basis, pair, now, params.basis_halflife_ns)
    for leg_no in range(2):
        _see(bot, pair[leg_no], seen[2 * pair_no + leg_no], params)
    is_both = is_quoted(pair[0]) and is_quoted(pair[1])
    is_known = is_both and (
        params.basis_halflife_ns == 0 or is_basis_known(basis, now, params.basis_halflife_ns)
    )
    common.is_both = is_both
    common.is_warming = is_both and not is_known
    leave = cost_to_leave_bps(pair) if params.is_convergence and is_known else 0.0
    is_above = False
    for buy_no in range(2):
        buy, sell, way = pair[buy_no], pair[1 - buy_no], ways[2 * pair_no + buy_no]
        was = way.bin
        if not is_known:
            way.bin = _NO_BIN
            continue
        way.gross = BPS * (sell.bid - buy.ask) / buy.ask
        way.fees = BPS * (sell.bid * sell.taker_fee + buy.ask * buy.taker_fee) / buy.ask
        way.basis = basis.bps if buy_no == 0 else -basis.bps
        way.leave = leave
        way.net = edge_bps(buy, sell) - way.basis - leave
        way.bin = bin_of(way.net)
        is_above = is_above or way.net > params.min_spread_bps
        # A threshold between both bins would have seen an opportunity begin; no attempt so soon after the last one.
        for number in range(was + 1, way.bin + 1):
            if now - risen_ts[2 * pair_no + buy_no, number] >= params.attempt_interval_ns:
                rises[2 * pair_no + buy_no, number] += 1
                risen_ts[2 * pair_no + buy_no, number] = now
        if way.net > way.max_net:
            way.max_ts, way.max_net, way.max_gross = now, way.net, way.gross
            way.max_fees, way.max_basis, way.max_leave = way.fees, way.basis, way.leave
            way.buy_px, way.sell_px = buy.ask, sell.bid
    common.is_above = is_above


@njit
def _see(bot, leg, seen, params):
    """Stores whether a leg is quoted, and how late its last row arrived."""
    seen.is_quoted = is_quoted(leg)
    seen.is_late = 0
    latency = bot.feed_latency(leg.asset)
    if latency is not None:
        exch_ts, local_ts = latency
        seen.lag_min = min(seen.lag_min, local_ts - exch_ts)
        seen.is_late = is_quoted(leg) and local_ts - exch_ts > params.stale_after_ns


@njit
def _show(legs, ways, pair_no, params):
    """Stores the largest quantity shown at an edge above the threshold."""
    for buy_no in range(2):
        way = ways[2 * pair_no + buy_no]
        if way.bin != _NO_BIN and way.net > params.min_spread_bps:
            buy, sell = legs[2 * pair_no + buy_no], legs[2 * pair_no + 1 - buy_no]
            way.shown = max(way.shown, min(buy.ask_qty, sell.bid_qty))


@njit
def _log(recorder, bins, above, rises, ways, seen, common, pair_no, now):
    """Logs what was measured of one pair."""
    first = 2 * pair_no
    recorder.decide(now, Measure.BOTH, 0, first, 0, common.both_ns)
    recorder.decide(now, Measure.WARM_UP, 0, first, 0, common.warm_up_ns)
    for leg_no in range(first, first + 2):
        leg, way = seen[leg_no], ways[leg_no]
        recorder.decide(now, Measure.QUOTED, 0, leg_no, 0, leg.quoted_ns)
        recorder.decide(now, Measure.LATE, 0, leg_no, 0, leg.late_ns)
        recorder.decide(now, Measure.LAG_MIN, 0, leg_no, 0, np.nan if leg.lag_min == _NO_LAG else leg.lag_min)
        if way.max_net == -np.inf:
            continue
        _log_max(recorder, way, leg_no, now)
        _log_shares(recorder, bins[leg_no], leg_no, now)
        for level in range(len(LEVELS) + 1):
            recorder.decide(now, Measure.ABOVE, level, leg_no, 0, above[leg_no, level])
        _log_rises(recorder, rises[leg_no], leg_no, now)


@njit
def _log_max(recorder, way, leg_no, now):
    recorder.decide(way.max_ts, Measure.NET, 0, leg_no, 0, way.max_net)
    recorder.decide(now, Measure.GROSS, 0, leg_no, 0, way.max_gross)
    recorder.decide(now, Measure.FEES, 0, leg_no, 0, way.max_fees)
    recorder.decide(now, Measure.BASIS, 0, leg_no, 0, way.max_basis)
    recorder.decide(now, Measure.LEAVE, 0, leg_no, 0, way.max_leave)
    recorder.decide(now, Measure.BUY_PX, 0, leg_no, 0, way.buy_px)
    recorder.decide(now, Measure.SELL_PX, 0, leg_no, 0, way.sell_px)
    recorder.decide(now, Measure.SHOWN, 0, leg_no, 0, way.shown)


@njit
def _log_shares(recorder, bins, leg_no, now):
    """The edges that shares of the time do not exceed: means of their bins."""
    total = 0.0
    for number in range(_BINS):
        total += bins[number, _TIME]
    if total == 0.0:
        return
    for point in range(1, len(SHARES)):
        passed, number = 0.0, -1
        while passed < SHARES[point] * total and number < _BINS - 1:
            number += 1
            passed += bins[number, _TIME]
        cell = bins[number]
        recorder.decide(now, Measure.NET, point, leg_no, 0, cell[_NET] / cell[_TIME])
        recorder.decide(now, Measure.GROSS, point, leg_no, 0, cell[_GROSS] / cell[_TIME])
        recorder.decide(now, Measure.FEES, point, leg_no, 0, cell[_FEES] / cell[_TIME])
        recorder.decide(now, Measure.BASIS, point, leg_no, 0, cell[_BASIS] / cell[_TIME])
        recorder.decide(now, Measure.LEAVE, point, leg_no, 0, cell[_LEAVE] / cell[_TIME])


@njit
def _log_rises(recorder, rises, leg_no, now):
    """The highest edges above which the edge rose once, twice and so on."""
    found = 0
    for number in range(_BINS - 1, -1, -1):
        while found < rises[number] and found < RISES_MAX:
            recorder.decide(now, Measure.RISE, found, leg_no, 0, lowest_of(number))
            found += 1
