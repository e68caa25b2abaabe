"""A venue's limits on requests: own counts, the venue's reports, and random requests against its windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.risk.rate_budget import OPENING_SHARE, Ban, RateBudget
from connectors.orders.limits import LimitKind, LimitUse, VenueLimit
from connectors.units import MINUTE, SECOND

ORDERS, WEIGHT = LimitKind.ORDERS, LimitKind.WEIGHT
NOW = 1_700_000_000 * SECOND


def budget(most: int = 10, weight: int = 100) -> RateBudget:
    return RateBudget([VenueLimit(ORDERS, 10 * SECOND, most), VenueLimit(WEIGHT, MINUTE, weight)])


def test_orders_that_open_leave_half() -> None:
    made = budget()
    for no in range(6):
        assert made.has_room(ORDERS, OPENING_SHARE, NOW) is (no < 4)
        made.spend(ORDERS, NOW)
    assert made.has_room(ORDERS, 1.0, NOW)
    assert made.has_room(LimitKind.CANCELS, 1.0, NOW)


def test_requests_leave_the_window_after_it() -> None:
    made = budget()
    made.spend(ORDERS, NOW, 5)
    assert not made.has_room(ORDERS, OPENING_SHARE, NOW + 10 * SECOND - 1)
    assert made.has_room(ORDERS, OPENING_SHARE, NOW + 11 * SECOND)


def test_a_request_that_is_not_sent_after_all_is_given_back() -> None:
    made = budget()
    made.spend(ORDERS, NOW, 4)
    made.spend(ORDERS, NOW, -1)
    assert made.has_room(ORDERS, OPENING_SHARE, NOW)
    assert made.used(ORDERS, NOW) == [(10 * SECOND, 3, 10)]


def test_the_venue_counts_what_others_send_until_its_window_ends() -> None:
    made = budget()
    made.spend(ORDERS, NOW)
    made.report(LimitUse(ORDERS, 10 * SECOND, used=3), NOW)
    assert made.used(ORDERS, NOW) == [(10 * SECOND, 3, 10)]
    assert made.has_room(ORDERS, OPENING_SHARE, NOW)
    made.spend(ORDERS, NOW)
    assert not made.has_room(ORDERS, OPENING_SHARE, NOW)
    assert made.used(ORDERS, NOW + 10 * SECOND) == [(10 * SECOND, 2, 10)]


def test_the_venue_says_until_when_its_figure_holds() -> None:
    made = budget()
    made.report(LimitUse(ORDERS, 10 * SECOND, used=9, until_ns=NOW + 5), NOW)
    assert made.used(ORDERS, NOW + 4)[0][1] == 9
    assert made.used(ORDERS, NOW + 5)[0][1] == 0


def test_the_venue_changes_a_limit_or_names_another() -> None:
    made = budget()
    made.report(LimitUse(ORDERS, 10 * SECOND, used=0, most=100), NOW)
    made.spend(ORDERS, NOW, 48)
    assert made.has_room(ORDERS, OPENING_SHARE, NOW)
    made.report(LimitUse(ORDERS, 86_400 * SECOND, used=99), NOW)  # of unknown size
    assert made.has_room(ORDERS, OPENING_SHARE, NOW)
    made.report(LimitUse(ORDERS, 86_400 * SECOND, used=99, most=100), NOW)
    assert not made.has_room(ORDERS, 0.99, NOW)


def test_weight_stops_orders_too() -> None:
    made = budget(most=1_000, weight=100)
    made.report(LimitUse(WEIGHT, MINUTE, used=50), NOW)
    assert not made.has_room(ORDERS, OPENING_SHARE, NOW)
    assert made.has_room(ORDERS, 0.9, NOW)


def test_amendments_count_as_orders_where_they_have_no_limit_of_their_own() -> None:
    made = budget()
    made.spend(LimitKind.AMENDS, NOW, 9)
    assert not made.has_room(ORDERS, OPENING_SHARE, NOW)
    assert made.used(ORDERS, NOW) == [(10 * SECOND, 9, 10)]
    own = RateBudget([VenueLimit(ORDERS, SECOND, 10), VenueLimit(LimitKind.AMENDS, SECOND, 10)])
    own.spend(LimitKind.AMENDS, NOW, 9)
    assert own.has_room(ORDERS, OPENING_SHARE, NOW)
    assert not own.has_room(LimitKind.AMENDS, OPENING_SHARE, NOW)


def test_without_limits_there_is_room() -> None:
    made = RateBudget()
    made.spend(ORDERS, NOW, 1_000_000)
    assert made.has_room(ORDERS, OPENING_SHARE, NOW)


def test_a_ban_is_never_shortened() -> None:
    made = budget()
    made.ban(NOW + 5)
    made.ban(NOW + 3)
    assert made.banned_until_ns == NOW + 5


def test_markets_at_one_address_are_banned_together() -> None:
    ban = Ban()
    spot, linear, other = RateBudget((), ban), RateBudget((), ban), RateBudget()
    spot.ban(NOW)
    assert (linear.banned_until_ns, other.banned_until_ns) == (NOW, 0)


def test_what_fills_give_back_is_free_again() -> None:
    made = budget()
    made.spend(ORDERS, NOW, 5)
    assert not made.has_room(ORDERS, OPENING_SHARE, NOW)
    made.report(LimitUse(ORDERS, 10 * SECOND, used=2), NOW)
    assert made.has_room(ORDERS, OPENING_SHARE, NOW)


@given(st.lists(st.integers(0, 4 * SECOND), max_size=300), st.integers(2, 30), st.integers(0, 10 * SECOND))
def test_no_window_of_the_venue_has_more(gaps: list[int], most: int, shift: int) -> None:
    """Wherever the venue's windows begin, and also if they slide."""
    made, now, sent = budget(most, 10_000), NOW, list[int]()
    for gap in gaps:
        now += gap // 10
        if made.has_room(ORDERS, 1.0, now):
            made.spend(ORDERS, now)
            sent.append(now)
    for end in sent:
        assert sum(end - 10 * SECOND < one <= end for one in sent) <= most
    by_window = [(one + shift) // (10 * SECOND) for one in sent]
    assert all(by_window.count(window) <= most for window in set(by_window))


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    made = budget()
    made.spend(ORDERS, NOW, 5)
    made.spend(ORDERS, NOW - 60 * SECOND)
    assert made.used(ORDERS, NOW) == [(10 * SECOND, 6, 10)]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_share_of_a_small_limit_is_rounded_down(share: float) -> None:
    assert not budget(most=1).has_room(ORDERS, share, NOW)
