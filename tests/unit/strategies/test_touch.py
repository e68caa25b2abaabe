"""Edges across two touches, and the average that they are measured from."""

from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_bot import Record, plain

from arb.strategies.spread import touch

edge_bps = plain(touch.edge_bps)
update_basis = plain(touch.update_basis)
is_basis_known = plain(touch.is_basis_known)
read_touches = plain(touch.read_touches)
is_quoted = plain(touch.is_quoted)

S = 1_000_000_000
HALFLIFE = 30 * S


def quoted(bid: float, ask: float, fee: float = 0.0) -> Any:
    return SimpleNamespace(bid=bid, ask=ask, taker_fee=fee)


def test_the_edge_is_the_sell_touch_over_the_buy_touch() -> None:
    assert edge_bps(quoted(99.0, 100.0), quoted(101.0, 102.0)) == pytest.approx(100.0)


def test_the_edge_is_net_of_both_fees() -> None:
    # 101 less 0.2 %, over 100 plus 0.1 %.
    edge = edge_bps(quoted(99.0, 100.0, 0.001), quoted(101.0, 102.0, 0.002))
    assert edge == pytest.approx(1e4 * (101 * 0.998 - 100 * 1.001) / 100)


@pytest.mark.parametrize(("buy", "sell"), [((99, math.nan), (101, 102)), ((99, 100), (math.nan, 102))])
def test_an_unknown_touch_has_no_edge(buy: Any, sell: Any) -> None:
    assert math.isnan(edge_bps(quoted(*buy), quoted(*sell)))


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0, 0.05), st.floats(0, 0.05))
def test_both_directions_cannot_pay_on_uncrossed_books(
    mid_0: float, mid_1: float, fee_0: float, fee_1: float
) -> None:
    legs = [quoted(mid * 0.999, mid * 1.001, fee) for mid, fee in ((mid_0, fee_0), (mid_1, fee_1))]
    assert min(edge_bps(legs[0], legs[1]), edge_bps(legs[1], legs[0])) < 0.0


def test_a_touch_is_quoted_when_both_sides_are_known_and_apart() -> None:
    nan = math.nan
    assert is_quoted(quoted(99.0, 100.0))
    for bid, ask in [(nan, 100.0), (99.0, nan), (nan, nan), (100.0, 100.0), (101.0, 100.0), (0.0, 1.0)]:
        assert not is_quoted(quoted(bid, ask))


def test_a_price_of_nothing_has_no_spread() -> None:
    for books in ([quoted(0.0, 0.0), quoted(99.0, 100.0)], [quoted(99.0, 100.0), quoted(0.0, 0.0)]):
        assert math.isnan(plain(touch.mid_spread_bps)(books))


def _legs(bps: float) -> list[Any]:
    """Two books whose mids are `bps` apart; NaN: the second is not known."""
    return [quoted(99.5, 100.5), quoted(99.5 * (1 + bps / 1e4), 100.5 * (1 + bps / 1e4))]


def _basis(*seen: tuple[int, float]) -> Any:
    basis = Record(touch.BASIS)
    for now, bps in seen:
        update_basis(basis, _legs(bps), now, HALFLIFE)
    return basis


def test_the_first_spread_is_the_average() -> None:
    assert _basis((S, 7.0)).bps == pytest.approx(7.0)


def test_after_a_half_life_half_of_the_change_is_taken() -> None:
    # From 0 to 8 at one second, held for one half-life.
    assert _basis((S, 0.0), (S, 8.0), (S + HALFLIFE, 8.0)).bps == pytest.approx(4.0)
    assert _basis((S, 0.0), (S, 8.0), (S + 2 * HALFLIFE, 8.0)).bps == pytest.approx(6.0)


def test_what_is_seen_now_counts_from_now_on() -> None:
    assert _basis((S, 0.0), (S + HALFLIFE, 8.0)).bps == pytest.approx(0.0)


@given(st.lists(st.integers(0, 20 * S), max_size=12))
def test_irregular_looks_at_a_constant_spread_change_nothing(gaps: list[int]) -> None:
    now = S
    seen = [(S, 0.0), (S, 8.0)]
    for gap in gaps:
        now += gap
        seen.append((now, 8.0))
    expected = 8.0 * (1.0 - 0.5 ** ((now - S) / HALFLIFE))
    assert _basis(*seen).bps == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.integers(1, 40 * S), st.floats(-50, 50)), min_size=1, max_size=12))
def test_the_average_is_the_weighted_mean_of_the_spreads_held(seen: list[tuple[int, float]]) -> None:
    now = S
    series = [(S, 3.0)]
    for gap, bps in seen:
        now += gap
        series.append((now, bps))
    expected = 3.0
    for (start, held), (end, _) in pairwise(series):
        weight = 0.5 ** ((end - start) / HALFLIFE)
        expected = weight * expected + (1.0 - weight) * held
    assert _basis(*series).bps == pytest.approx(expected, abs=1e-6)


def test_a_gap_leaves_the_average_as_it_is() -> None:
    before = [(S, 0.0), (S + HALFLIFE, 8.0)]
    gap = [(S + HALFLIFE, math.nan), (S + 5 * HALFLIFE, math.nan), (S + 9 * HALFLIFE, 8.0)]
    assert _basis(*before, *gap).bps == pytest.approx(0.0)
    assert _basis(*before, *gap, (S + 10 * HALFLIFE, 8.0)).bps == pytest.approx(4.0)


def test_a_crossed_book_is_no_spread() -> None:
    legs = _legs(8.0)
    assert plain(touch.mid_spread_bps)(legs) == pytest.approx(8.0)
    legs[1].bid = legs[1].ask + 0.01
    assert math.isnan(plain(touch.mid_spread_bps)(legs))


def test_a_spread_that_held_until_the_gap_counts_until_then() -> None:
    assert _basis((S, 0.0), (S, 8.0), (S + HALFLIFE, math.nan), (S + 9 * HALFLIFE, 1.0)).bps == pytest.approx(
        4.0
    )


def test_nothing_is_known_before_a_half_life_of_known_books() -> None:
    assert not is_basis_known(_basis((S, math.nan)), 100 * HALFLIFE, HALFLIFE)
    basis = _basis((S, 5.0), (S + HALFLIFE // 2, math.nan), (S + 4 * HALFLIFE, 5.0))
    assert not is_basis_known(basis, S + 4 * HALFLIFE, HALFLIFE)
    assert is_basis_known(basis, S + 4 * HALFLIFE + HALFLIFE // 2, HALFLIFE)
    assert is_basis_known(_basis((S, 5.0)), S + HALFLIFE, HALFLIFE)


def test_unknown_books_at_the_start_are_waited_for() -> None:
    assert _basis((S, math.nan), (2 * S, 6.0)).bps == pytest.approx(6.0)


class _Depths:
    """A bot that is nothing but two touches."""

    def __init__(self, *touches: tuple[float, float, float, float]) -> None:
        self.touches = list(touches)

    def depth(self, leg_no: int) -> Any:
        bid, ask, bid_qty, ask_qty = self.touches[leg_no]
        return SimpleNamespace(best_bid=bid, best_ask=ask, best_bid_qty=bid_qty, best_ask_qty=ask_qty)


def test_only_a_price_or_quantity_is_a_change() -> None:
    bot = _Depths((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))
    legs = [Record(touch.LEG), Record(touch.LEG)]
    assert read_touches(bot, legs, 0, True)
    assert not read_touches(bot, legs, 0, True)
    assert (legs[1].bid, legs[1].ask, legs[1].bid_qty, legs[1].ask_qty) == (5.0, 6.0, 7.0, 8.0)
    for leg_no in range(2):
        for place in range(4):
            changed = list(bot.touches[leg_no])
            changed[place] += 0.5
            bot.touches[leg_no] = tuple(changed)  # type: ignore[assignment]
            assert read_touches(bot, legs, 0, True)
            assert not read_touches(bot, legs, 0, True)


def test_quantities_that_nobody_needs_are_read_once_a_price_changed() -> None:
    bot = _Depths((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))
    legs = [Record(touch.LEG), Record(touch.LEG)]
    assert read_touches(bot, legs, 0, False) == touch.PRICE_CHANGED
    bot.touches[1] = (5.0, 6.0, 7.5, 8.0)
    assert read_touches(bot, legs, 0, False) == touch.UNCHANGED
    assert legs[1].bid_qty == 7.0
    # Of both legs, whichever price it was.
    bot.touches[0] = (1.0, 2.5, 3.0, 4.5)
    assert read_touches(bot, legs, 0, False) == touch.PRICE_CHANGED
    assert (legs[0].ask_qty, legs[1].bid_qty) == (4.5, 7.5)
    bot.touches[1] = (5.0, 6.0, 7.5, 8.5)
    assert read_touches(bot, legs, 0, True) == touch.QTY_CHANGED
    assert legs[1].ask_qty == 8.5


@pytest.mark.parametrize("needs_qty", [True, False])
def test_a_touch_changes_once_when_it_becomes_unknown(needs_qty: bool) -> None:
    known = (1.0, 2.0, 3.0, 4.0)
    bot = _Depths(known, (5.0, 6.0, 7.0, 8.0))
    legs = [Record(touch.LEG), Record(touch.LEG)]
    for changed in ((math.nan, math.nan, 0.0, 0.0), (math.nan, 2.0, 0.0, 4.0), known):
        bot.touches[0] = changed
        assert read_touches(bot, legs, 0, needs_qty) == touch.PRICE_CHANGED
        assert read_touches(bot, legs, 0, needs_qty) == touch.UNCHANGED
    bot.touches = [(math.nan, math.nan, 0.0, 0.0)] * 2
    assert read_touches(bot, legs, 0, needs_qty) == touch.PRICE_CHANGED
    assert read_touches(bot, legs, 0, needs_qty) == touch.UNCHANGED


def test_the_last_mid_that_was_known_is_kept() -> None:
    bot = _Depths((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))
    legs = [Record(touch.LEG), Record(touch.LEG)]
    read_touches(bot, legs, 0, True)
    bot.touches[0] = (math.nan, 2.0, math.nan, 4.0)
    read_touches(bot, legs, 0, True)
    assert [leg.mark for leg in legs] == [1.5, 5.5]


def test_what_was_taken_counts_until_the_venue_changes_that_side() -> None:
    bot = _Depths((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))
    legs = [Record(touch.LEG), Record(touch.LEG)]
    read_touches(bot, legs, 0, True)
    legs[0].ask_taken, legs[0].bid_taken = 1.5, 2.5
    bot.touches[0] = (1.0, 2.0, 3.5, 4.0)
    read_touches(bot, legs, 0, True)
    assert (legs[0].bid_taken, legs[0].ask_taken) == (0.0, 1.5)
    bot.touches[0] = (1.0, 2.5, 3.5, 4.0)
    read_touches(bot, legs, 0, True)
    assert legs[0].ask_taken == 0.0
    # More, less, dearer or cheaper: whatever the venue says is new.
    for bid, ask, bid_qty, ask_qty in (
        (1.0, 2.0, 3.0, 4.5),
        (1.0, 2.0, 3.0, 3.5),
        (0.5, 1.5, 2.0, 3.5),
        (0.7, 1.6, 3, 4),
    ):
        legs[0].ask_taken = legs[0].bid_taken = 1.0
        bot.touches[0] = (bid, ask, bid_qty, ask_qty)
        read_touches(bot, legs, 0, True)
        assert legs[0].ask_taken == 0.0


def test_only_the_pair_that_is_asked_for_is_read() -> None:
    bot = _Depths(*[(1.0, 2.0, 3.0, 4.0)] * 4)
    legs = [Record(touch.LEG) for _ in range(4)]
    assert read_touches(bot, legs, 2, True)
    assert [leg.bid for leg in legs] == [0.0, 0.0, 1.0, 1.0]
