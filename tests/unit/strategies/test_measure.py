"""The strategy that measures edges: distributions of a scripted market, by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from support.fake_bot import FakeBot, Touch, fates, plain

from arb.strategies.parameters import defaults_of
from arb.strategies.spread import measure
from arb.strategies.spread.measures import LEVELS, SHARES, Measure
from arb.strategies.spread.parameters import PARAMS

S = 1_000_000_000


class Lines:
    """Keeps values and times by measure, leg and index."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, int, int], float] = {}
        self.times: dict[tuple[int, int, int], int] = {}

    def decide(self, ts: int, code: int, attempt: int, leg: int, order_id: int, value: float) -> None:
        place = (int(code), int(leg), int(attempt))
        assert place not in self.values
        self.values[place], self.times[place] = float(value), int(ts)

    def of(self, code: Measure, leg: int, index: int = 0) -> float:
        return self.values[code, leg, index]


def measured(touches: list[Touch], **changes: Any) -> Lines:
    values = {
        name: value * 2 if isinstance(value, tuple) else value for name, value in defaults_of(PARAMS).items()
    }
    params = SimpleNamespace(**(values | {"taker_fee": (0.0, 0.0)} | changes))
    bot = FakeBot(touches, fates(()), touches[-1].ts, (0.1, 0.1), (0.001, 0.001))
    lines = Lines()
    assert plain(measure.run)(bot, params, lines) == 0
    return lines


def touch(second: float, leg: int, bid: float, qty: float = 5.0) -> Touch:
    """A touch 0.2 wide."""
    return Touch(round(second * S), leg, bid, bid + 0.2, qty, qty)


#: Leg 1 is 1.0 above leg 0 for ten seconds, as high for 89, and 2.0 above for the last one.
MARKET = [
    touch(1.0, 0, 99.9),
    touch(1.0, 1, 100.9),
    touch(11.0, 1, 99.9),
    touch(100.0, 1, 101.9),
    touch(101.0, 1, 99.9, qty=1.0),
]


def edge(sell_bid: float, buy_ask: float) -> float:
    return 1e4 * (sell_bid - buy_ask) / buy_ask


def test_points_and_levels_are_weighted_by_time() -> None:
    lines = measured(MARKET)

    assert lines.of(Measure.SPAN, -1) == 100 * S
    assert lines.of(Measure.BOTH, 0) == 100 * S
    assert lines.of(Measure.NET, 0, 0) == pytest.approx(edge(101.9, 100.1))
    assert lines.times[Measure.NET, 0, 0] == 100 * S
    found = [lines.of(Measure.NET, 0, point) for point in range(1, len(SHARES))]
    assert found == pytest.approx([edge(101.9, 100.1), edge(100.9, 100.1), edge(99.9, 100.1)])
    assert [lines.of(Measure.ABOVE, 0, n) for n in range(len(LEVELS) + 1)] == [11 * S] * 5
    assert lines.of(Measure.NET, 1, 0) == pytest.approx(edge(99.9, 100.1))
    assert [lines.of(Measure.ABOVE, 1, n) for n in range(len(LEVELS) + 1)] == [0.0] * 5
    assert (lines.of(Measure.BUY_PX, 0), lines.of(Measure.SELL_PX, 0)) == pytest.approx((100.1, 101.9))
    assert (lines.of(Measure.SHOWN, 0), lines.of(Measure.SHOWN, 1)) == (5.0, 0.0)


def test_an_edge_is_the_sum_of_its_parts() -> None:
    fees = measured(MARKET, taker_fee=(0.001, 0.0005))

    net, gross, paid = (fees.of(code, 0) for code in (Measure.NET, Measure.GROSS, Measure.FEES))
    assert gross == pytest.approx(edge(101.9, 100.1))
    assert paid == pytest.approx(10.0 + 5.0 * 101.9 / 100.1)
    assert net == pytest.approx(gross - paid)

    held = measured(MARKET, is_convergence=True)
    leave = held.of(Measure.LEAVE, 0)
    assert leave == pytest.approx(1e4 * (0.1 / 100.1 + 0.1 / 102.1))
    assert held.of(Measure.NET, 0) == pytest.approx(edge(101.9, 100.1) - leave)


def _rises(lines: Lines) -> list[float]:
    return [lines.of(Measure.RISE, 0, n) for n in range(10) if (Measure.RISE, 0, n) in lines.values]


def test_rises_are_counted_from_the_highest_edge_down() -> None:
    lines = measured(MARKET)

    rises = _rises(lines)
    # Once above the highest edge, twice above the second; below the lowest one there is one rise, at the start.
    assert len(rises) == 2
    assert rises[0] == pytest.approx(edge(101.9, 100.1), rel=2e-3)
    assert rises[1] == pytest.approx(edge(100.9, 100.1), rel=2e-3)
    assert rises[0] <= edge(101.9, 100.1)
    assert rises[1] <= edge(100.9, 100.1)


def test_rises_within_the_interval_of_attempts_are_one() -> None:
    flicker = [touch(1.0, 0, 99.9), touch(1.0, 1, 99.9)]
    for second in (2.0, 2.03, 2.06, 3.0):
        flicker += [touch(second, 1, 101.9), touch(second + 0.01, 1, 99.9)]

    assert _rises(measured(flicker)) == pytest.approx([edge(101.9, 100.1)] * 2, rel=2e-3)
    always = _rises(measured(flicker, attempt_interval_ns=0))
    assert always == pytest.approx([edge(101.9, 100.1)] * 4, rel=2e-3)


def test_time_before_a_basis_is_known_is_not_measured() -> None:
    lines = measured(MARKET, basis_halflife_ns=20 * S)

    assert lines.of(Measure.BOTH, 0) == 100 * S
    # The basis is known at the first change after its half-life.
    assert lines.of(Measure.WARM_UP, 0) == 99 * S
    assert lines.of(Measure.BASIS, 0) != 0.0

    never = measured(MARKET, basis_halflife_ns=1000 * S)
    assert never.of(Measure.WARM_UP, 0) == 100 * S
    assert (Measure.NET, 0, 0) not in never.values


def test_a_lost_book_is_no_edge() -> None:
    lost = [*MARKET[:3], Touch(51 * S, 0, math.nan, math.nan, math.nan, math.nan), *MARKET[3:]]

    lines = measured(lost)

    assert (lines.of(Measure.QUOTED, 0), lines.of(Measure.QUOTED, 1)) == (50 * S, 100 * S)
    assert lines.of(Measure.BOTH, 0) == 50 * S
    assert lines.of(Measure.NET, 0, 0) == pytest.approx(edge(100.9, 100.1))


def test_late_data_are_counted_for_their_leg() -> None:
    values = {name: v * 2 if isinstance(v, tuple) else v for name, v in defaults_of(PARAMS).items()}
    bot = FakeBot(MARKET, fates(()), MARKET[-1].ts, (0.1, 0.1), (0.001, 0.001), feed_ns={1: 3 * S})
    lines = Lines()
    plain(measure.run)(bot, SimpleNamespace(**values), lines)

    assert (lines.of(Measure.LATE, 0), lines.of(Measure.LATE, 1)) == (0.0, 100 * S)
    assert lines.of(Measure.LAG_MIN, 1) == 3 * S


@pytest.mark.parametrize("value", [-1e6, -321.0, -9.99, -0.004, 0.0, 0.006, 1.0, 25.0, 400.0, 1e5])
def test_an_edge_is_in_its_bin(value: float) -> None:
    number = plain(measure.bin_of)(value)
    low, high = (plain(measure.lowest_of)(one) for one in (number, number + 1))

    assert low <= value <= high or abs(value) >= 1e5
    assert high - low <= 0.00101 * (10.0 + abs(value))
