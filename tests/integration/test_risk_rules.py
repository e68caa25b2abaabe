"""Every rule of risk in a run: from the configuration through the strategy and the order-level limits of the bot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.configured import MS, S, Traded, configured, trade
from support.fake_bot import Fate, Touch

from arb.config import write_templates
from arb.strategies.spread.decisions import Decision, Missed, Outcome, Purpose

DAY_NS = 86_400 * S
EMPTY = Fate(share=0.0)


def two(at_ms: float, mid_1: float) -> list[Touch]:
    """Leg 0 stands at 100, leg 1 at `mid_1`; the books are 0.2 wide, five units each side."""
    at = round(at_ms * MS)
    qty = 5.0 + at_ms / 1e9  # another one each time: what was taken is shown anew
    return [Touch(at, 0, 99.9, 100.1, qty, qty), Touch(at, 1, mid_1 - 0.1, mid_1 + 0.1, qty, qty)]


#: Leg 1 is sold at 100.9, leg 0 has gone up, and leg 1 is bought back at 101.6: 0.7 are lost.
LOSS = [
    *two(1000, 101.0),
    Touch(1000 * MS + 500, 0, 100.3, 100.6, 5, 5),
    Touch(1000 * MS + 600, 1, 101.4, 101.6, 5, 5),
]
LOST = [EMPTY, Fate()]
#: What both venues hold at first: 2 * (100 * 100 + 100,000), leg 1 a little dearer.
CAPITAL = 100 * (100.0 + 101.0) + 200_000.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Traded]:
    folder = tmp_path_factory.mktemp("rules")
    write_templates(folder)

    def of(
        touches: list[Touch], *settings: str, script: list[Fate] | None = None, then: Fate | None = None
    ) -> Traded:
        return trade(configured(folder, settings), touches, script or [], then)

    return of


def begun_ms(traded: Traded) -> list[float]:
    return [d.ts / MS for d in traded.decisions if d.code == Decision.ATTEMPT]


@pytest.mark.parametrize("rule", ["max_drawdown", "max_attempt_loss"])
def test_a_loss_at_the_limit_halts_and_one_below_does_not(rule: str, run: Any) -> None:
    other = {"max_drawdown": "max_attempt_loss", "max_attempt_loss": "max_drawdown"}[rule]
    again = [*LOSS, *two(5000, 101.0)]
    stopped = run(again, f"risk.{rule}={0.69 / CAPITAL!r}", f"risk.{other}=1.0", script=LOST)
    assert stopped.outcome == Outcome.HALTED
    assert stopped.halts == [getattr(Missed, rule.removeprefix("max_").upper())]
    assert begun_ms(stopped) == [1000.0]
    free = run(again, f"risk.{rule}={0.71 / CAPITAL!r}", f"risk.{other}=1.0", script=LOST)
    assert begun_ms(free) == [1000.0, 5000.0]


#: 20 s before midnight.
EVENING_MS = DAY_NS / MS - 20_000


def in_the_evening(touches: list[Touch]) -> list[Touch]:
    return [touch._replace(ts=touch.ts + round(EVENING_MS * MS)) for touch in touches]


def test_a_lost_day_ends_at_midnight(run: Any) -> None:
    touches = in_the_evening([*LOSS, *two(5000, 101.0), *two(19_999, 100.0), *two(20_001, 101.0)])
    free = run(touches, script=LOST)
    kept = run(touches, f"risk.max_daily_loss={0.69 / CAPITAL!r}", script=LOST)
    assert [ms - EVENING_MS for ms in begun_ms(free)] == [1000.0, 5000.0, 20_001.0]
    assert [ms - EVENING_MS for ms in begun_ms(kept)] == [1000.0, 20_001.0]
    assert kept.outcome == Outcome.ENDED


def test_failures_in_a_row_pause_for_the_cooldown(run: Any) -> None:
    dear = [t for n in range(8) for t in two(1000 + 1000 * n, 101.0 + n / 10)]
    done = run(dear, "risk.max_failures=2", "risk.cooldown_s=3.0", then=EMPTY)
    # Each ends two timeouts of nothing later; the third waits for three seconds after the second's end.
    assert begun_ms(done) == [1000.0, 2000.0, 6000.0, 7000.0]


def test_no_more_attempts_than_a_day_allows(run: Any) -> None:
    dear = [t for n in range(5) for t in two(1000 + 1000 * n, 101.0 + n / 10)]
    # Any 24 hours: the first attempt counts no more, the second one does.
    after = two(DAY_NS / MS + 1500, 101.1)
    done = run([*dear, *after], "risk.max_attempts_per_day=2")
    assert begun_ms(done) == [1000.0, 2000.0, DAY_NS / MS + 1500]


def test_a_stop_loss_and_the_longest_time_close_what_is_held(run: Any) -> None:
    held = ("strategy.mode='convergence'", "strategy.basis_halflife_s=0.0")
    wide = [*two(1000, 101.0), *two(3000, 102.5)]
    stopped = run(wide, *held, "risk.stop_loss_bps=100.0")
    assert stopped.purposes[:2] == [Purpose.ENTER, Purpose.STOP_LOSS]
    assert run(wide, *held, "risk.stop_loss_bps=1000.0").purposes == [Purpose.ENTER]
    still = [t for n in range(9) for t in two(1000 + 1000 * n, 100.8)]
    timed = run(
        still, *held, "strategy.max_holding_s=4.5", "strategy.min_spread_bps=30.0", "risk.position_limit=1.0"
    )
    assert timed.purposes == [Purpose.ENTER, Purpose.TIMEOUT]
    assert begun_ms(timed)[1] == 6000.0
    for done in (stopped, timed):
        assert sum(side * qty for _, leg, side, _, qty in done.orders if leg == 0) == pytest.approx(0.0)


def test_inventory_that_has_moved_is_moved_back_at_a_loss_and_not_moved_again(run: Any) -> None:
    # Leg 1 is sold at 100.9; at 102.5 it costs 102.6 to buy back, and an edge of 230 bps is distrusted. At 101.9 the
    # edge would be trusted.
    wide = [*two(1000, 101.0), *two(3000, 102.5), *two(9000, 101.9)]
    settings = ("strategy.mode='inventory'", "strategy.rebalance_threshold=1.0")
    stopped = run(wide, *settings, "risk.stop_loss_bps=100.0")
    assert stopped.purposes == [Purpose.ENTER, Purpose.STOP_LOSS]
    assert begun_ms(stopped)[0] == 1000.0
    assert 3000.0 <= begun_ms(stopped)[1] <= 4000.0
    for leg in range(2):
        assert sum(side * qty for _, leg_no, side, _, qty in stopped.orders if leg_no == leg) == 0.0
    # Without the rule it stands, and more is moved when the edge is trusted again.
    free = run(wide, *settings, "risk.stop_loss_bps=1000.0")
    assert free.purposes == [Purpose.ENTER, Purpose.ENTER]
    # When the spread has come back, it is moved again.
    again = run([*wide, *two(12_000, 99.9), *two(15_000, 101.0)], *settings, "risk.stop_loss_bps=100.0")
    assert again.purposes[2:] == [Purpose.ENTER]


ORDERS = [t for n in range(6) for t in two(1000 + 300 * n, 101.0 + n / 10)]


def test_quantity_and_value_of_every_order_are_limited(run: Any) -> None:
    by_qty, by_value = run(ORDERS, "risk.max_order_qty=0.4"), run(ORDERS, "risk.max_order_notional=40.4")
    assert {qty for *_, qty in by_qty.orders} == {0.4}
    # The dearer leg is what binds.
    assert all(40.0 < px * qty < 40.4 + 1e-9 for _, leg, _, px, qty in by_value.orders if leg == 1)
    assert by_qty.refused == by_value.refused == []


def test_a_position_ends_at_its_limit(run: Any) -> None:
    done = run(ORDERS, "risk.position_limit=2.5")
    bought = [qty for _, leg, _, _, qty in done.orders if leg == 0]
    assert sum(bought) == pytest.approx(2.5)
    assert len(bought) == 3
    assert done.refused == []


def test_the_order_rate_is_kept_and_the_way_out_left_open(run: Any) -> None:
    fast = [t for n in range(100) for t in two(1000 + 20 * n, 101.0 + n % 2 / 10)]
    done = run(fast, "risk.max_orders_per_second=8", "execution.attempt_interval_ms=0", then=Fate(share=0.5))
    times = [order[0] for order in done.orders]
    opened = {d.order_id for d in done.decisions if d.code != Decision.REVERSE}
    assert opened
    # An attempt each half second; what each needs is in the rate.
    assert done.refused == []
    assert max(sum(t <= u < t + 1000 for u in times) for t in times) <= 8


def test_orders_beyond_the_limits_are_refused_whatever_the_strategy_asks(run: Any, tmp_path: Path) -> None:
    # The strategy is told of no limit; the bot has it none the less.
    reported_nothing = "strategy.params={max_order_qty=0.0, max_order_notional=0.0, position_limit=1000.0}"
    for limit in ("risk.max_order_qty=0.4", "risk.max_order_notional=40.0", "risk.position_limit=0.4"):
        done = run(ORDERS, reported_nothing, limit)
        assert done.orders == []
        assert done.refused
        assert all(d.value == 20 for d in done.decisions if d.code == Decision.REFUSED)
