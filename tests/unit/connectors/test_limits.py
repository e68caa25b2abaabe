"""Back-off and limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.net.backoff import Backoff, Pace
from connectors.net.rate_limit import Limiter


@given(
    st.integers(1, 10**9),
    st.integers(1, 10**11),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=80),
)
def test_delays_double_up_to_the_limit_and_are_half_of_it_at_least(
    first: int, limit: int, draws: list[float]
) -> None:
    chances = iter(draws)
    backoff = Backoff(first, limit, lambda: next(chances))
    for n in range(len(draws)):
        whole = min(limit, first * 2**n)
        assert whole / 2 - 1 <= backoff.next_ns() <= whole
    backoff.reset()
    assert backoff.count == 0


@given(
    st.integers(1, 20),
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 25)), min_size=1, max_size=60),
)
def test_no_span_ever_holds_more_than_the_limit(limit: int, span: int, wishes: list[tuple[int, int]]) -> None:
    limiter, now, taken = Limiter(limit, span), 0, []
    for step, units in wishes:
        now += step
        wait = limiter.delay_ns(now, units)
        # Not a moment too late: just before, there would have been too many.
        if wait > 0:
            held = sum(n for at, n in taken if at > now + wait - 1 - span)
            assert held + min(units, limit) > limit
        now += wait
        assert limiter.delay_ns(now, units) == 0
        limiter.take(now, units)
        taken.append((now, units))
        assert sum(min(n, limit) for at, n in taken if at > now - span) <= limit or units > limit


def test_a_block_holds_everything_up() -> None:
    limiter = Limiter(5, 100)
    limiter.block(70)
    assert limiter.delay_ns(50) == 20
    assert limiter.delay_ns(70) == 0


def test_a_later_block_that_ends_sooner_shortens_none() -> None:
    limiter = Limiter(5, 100)
    for until_ns in (70, 40, 90, 80):
        limiter.block(until_ns)
    assert limiter.delay_ns(50) == 40


S = 1_000_000_000


def pace_of(chance: float = 0.0) -> Pace:
    return Pace((S // 4, 10 * S), (S // 10, S), 10 * S, lambda: chance)


def waits_of(pace: Pace, count: int, *, is_failing: bool) -> list[float]:
    """How long each of so many requests has to wait, each asked as soon as it may be."""
    now, waits = 100 * S, []
    for _ in range(count):
        waits.append(pace.delay_ns(now) / S)
        now += pace.delay_ns(now)
        pace.ask(now)
        if is_failing:
            pace.fail(now)
        else:
            pace.succeed()
    return waits


def test_what_fails_is_put_off_for_longer_than_what_is_in_doubt_again() -> None:
    assert waits_of(pace_of(), 8, is_failing=False) == [0, 0.1, 0.2, 0.4, 0.8, 1, 1, 1]
    assert waits_of(pace_of(), 8, is_failing=True) == [0, 0.25, 0.5, 1, 2, 4, 8, 10]


def test_after_a_calm_or_a_success_nothing_is_put_off() -> None:
    pace = pace_of()
    waits_of(pace, 8, is_failing=False)
    assert pace.delay_ns(200 * S) == 0
    pace.ask(200 * S)
    assert pace.delay_ns(200 * S) == S // 10, "the repetitions are forgotten"
    pace = pace_of()
    waits_of(pace, 8, is_failing=True)
    pace.ask(200 * S)
    pace.succeed()
    pace.fail(200 * S)
    assert pace.delay_ns(200 * S) == S // 4, "the failures are forgotten"


def test_wishes_alone_put_nothing_off() -> None:
    pace = pace_of()
    pace.ask(0)
    assert [pace.delay_ns(n * S // 50) for n in range(6)] == [(5 - n) * S // 50 for n in range(6)]
