"""Back-off and limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.backoff import Backoff
from connectors.limiter import Limiter


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
