"""The small form of chaos with money: seeds with faults and crashes between them, on simulated time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from soak.chaos_money import SeedRun, line_of, run_seed, table
from support.chaos_cases import CASES, PAIRS, Act, Run, Scenario, case_alone, scenario_of

from arb.commands.order_setup import derived_orders, written_lines
from arb.execution.ids import ids_of
from arb.runtime.private_log import Mark, PrivateLine, finish_private
from arb.sandbox.faults import Fault, FaultKind
from connectors.units import SECOND

pytestmark = pytest.mark.slow

#: The disk is full between the legs of an attempt.
FULL_DISK = 174
#: Of all pairs. 365: a send raises while a halt closes positions; 734: a halt while an order is in doubt at a
#: venue that was gone; 863: a venue closes a leg in the middle of an attempt.
SEEDS = (1, 17, 23, 44, 65, 72, 365, 734, 863, FULL_DISK)


def test_whatever_goes_wrong_the_books_agree_and_nothing_stays_unhedged() -> None:
    found = [run_seed(seed) for seed in SEEDS]
    assert [line_of(one) for one in found if one.wrong] == []
    assert {one.scenario.pair for one in found} == set(PAIRS)
    assert sum(one.hedged > 0 for one in found) >= len(found) // 2, table(found)
    assert all(one.executions for one in found)
    assert sum(one.crashes for one in found) >= 2
    full = found[SEEDS.index(FULL_DISK)]
    assert full.hits == {32: 1}
    assert "disk is full" in full.outcome
    assert len({case for one in found for case in one.hits}) >= 5


def test_a_seed_gives_the_same_run_again() -> None:
    first, second = run_seed(1), run_seed(1)
    assert first._replace(seconds=0.0) == second._replace(seconds=0.0)
    assert scenario_of(1).pair == first.scenario.pair


#: Cases that end a session: a venue closes a position, whole or in part; a halt by hand.
HALTS = {19: "halted: supervisor forced", 29: "halted: by hand", 30: "halted: supervisor forced"}


@pytest.mark.parametrize("case", CASES)
def test_each_case_alone_has_an_effect_and_ends_well(case: int) -> None:
    spot = "spot-perpetual" if case in (19, 21, 25, 29) else None
    pair = spot or list(PAIRS)[case % 3 if case not in (20, 30) else 1]
    found = run_seed(case, case_alone(case, pair, case))
    assert found.hits.get(case), line_of(found)
    assert not found.wrong, line_of(found)
    assert found.outcome.startswith(HALTS.get(case, "ended")), line_of(found)
    assert found.hedged, line_of(found)
    assert found.crashes == (2 if case == 17 else 0)


def test_a_leg_that_the_strategy_gives_up_is_hedged_when_its_venue_returns() -> None:
    # One venue refuses every order; the other one fills, and is gone for longer than its leg may be traded back.
    refused = Fault(FaultKind.REJECT, venue="bybit_linear", request="place", code=110007, count=60)
    gone = [
        Fault(kind, venue="binance_spot", duration_s=8.0) for kind in (FaultKind.REFUSE, FaultKind.DISCONNECT)
    ]
    acts = (Act(9, refused, at_s=0.5), *(Act(11, one, fill=1) for one in gone))
    found = run_seed(2, Scenario("spot-perpetual", (9, 11), (), acts, ()))
    assert found.outcome == "halted: by the strategy", line_of(found)
    assert max(one.seconds for one in found.unhedged) > 5.0
    assert not found.wrong, line_of(found)


@pytest.mark.parametrize("step_s", [-5, 5])
def test_a_leg_that_is_open_when_our_clock_steps_is_closed_at_the_venues_time(
    step_s: int, tmp_path: Path
) -> None:
    def steps(run: Run) -> None:
        assert run.live is not None
        run.live.client.skew_ns += step_s * SECOND
        run.hit(23)

    # One venue refuses the hedge, until the clock has stepped: orders with our time are refused from then on.
    refused = Fault(FaultKind.REJECT, venue="bybit_linear", request="place", code=110007, count=3)
    acts = (Act(9, refused, at_s=0.5), Act(23, steps, fill=1))
    run = SeedRun(2, tmp_path, Scenario("spot-perpetual", (9, 23), (), acts, ()))
    found = run.found()
    assert not found.wrong, line_of(found)
    assert found.hits[23] == 1
    assert found.unhedged, line_of(found)
    assert max(one.known_s for one in found.unhedged) < 2.0, line_of(found)
    live = run.run.live
    assert live is not None
    finish_private(live.folder)
    lines = written_lines(live.folder, live.legs)

    def differences(lines: dict[str, list[PrivateLine]]) -> list[Any]:
        return derived_orders(
            live.config, live.legs, ids_of(live.orders.head), lines, live.orders.records()
        ).differences

    assert differences(lines) == []
    corrected = [
        (venue, no)
        for venue, own in lines.items()
        for no, one in enumerate(own)
        if one.mark == Mark.REQUEST and one.text.endswith(" corrected")
    ]
    # The session's clock does not go back: it waits until the machine's has its time again.
    assert bool(corrected) == (step_s > 0)
    if not corrected:
        return
    venue, no = corrected[-1]
    lines[venue][no] = lines[venue][no]._replace(text=lines[venue][no].text.removesuffix(" corrected"))
    assert differences(lines)


@pytest.mark.parametrize(
    ("pair", "venue"), [("spot-spot", "binance_spot"), ("perpetual-perpetual", "binance_usdm")]
)
def test_an_order_without_an_answer_events_or_a_state_is_what_its_executions_say(
    pair: str, venue: str
) -> None:
    # Binance's executions have no client id; nothing else of the order is known any more.
    lost = (
        Fault(FaultKind.PRUNED, venue=venue),
        Fault(FaultKind.ACCEPTED_NO_ANSWER, venue=venue, request="place"),
        Fault(FaultKind.USER_SILENT, venue=venue, duration_s=6.0),
    )
    found = run_seed(2, Scenario(pair, (3,), (), tuple(Act(3, one, at_s=0.5) for one in lost), ()))
    assert found.hits == {3: 3}, line_of(found)
    assert not found.wrong, line_of(found)
    assert found.outcome == "ended", line_of(found)
    assert found.hedged, line_of(found)
