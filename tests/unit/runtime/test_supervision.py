"""What the supervisor of a session reads, and what it does: over fakes of desks, gate and session."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.dry_market import leg

from arb.config.live_keys import Supervisor
from arb.execution.gate_feed import ORDERS_KEPT
from arb.execution.position_watch import TIMES, PositionWatch
from arb.journal.halts import Halts
from arb.risk.exposure import Exposure, GateLeg
from arb.runtime.supervision import Supervision, rules_of
from connectors.orders.model import ExecutionKind
from connectors.units import SECOND

VENUES = ("binance_usdm", "bybit_linear")
LEGS = [leg(no, venue=venue, is_spot=False, pair=0) for no, venue in enumerate(VENUES)]
BEGAN_NS = 1_700_000_000 * SECOND


@dataclass
class Desk:
    positions: PositionWatch = field(default_factory=lambda: PositionWatch({}))
    forced: dict[int, ExecutionKind] = field(default_factory=dict)
    doubts: dict[str, Any] = field(default_factory=dict)
    is_up: bool = True


class Watched:
    """A session of a pair of perpetuals, with a clock of the test."""

    def __init__(self, state: Path, *, is_closing: bool = True, has_pairs: bool = True, **keys: Any) -> None:
        self.state = state
        legs = [
            GateLeg(one.venue, one.venue, 0, False, "BTC", "USDT", one.tick_size, one.lot_size, lots_min=2)
            for one in LEGS
        ]
        self.exposure = Exposure(legs)
        self.feed = SimpleNamespace(
            gate=SimpleNamespace(exposure=self.exposure, supervised=""), placed=[], refused=[]
        )
        self.desks = {venue: Desk() for venue in VENUES}
        self.now = BEGAN_NS
        self.rows = [BEGAN_NS, BEGAN_NS]
        self.lines: list[str] = []
        rules = rules_of(Supervisor(**keys), is_closing=is_closing)
        self.supervision = Supervision(rules, LEGS, state, has_pairs=has_pairs)

    @property
    def last_rows_ns(self) -> list[int]:
        return self.rows

    def emit(self, event: str, text: str) -> None:
        self.lines.append(f"{event} {text}")

    def pass_time(self, seconds: float, *, has_data: bool = True) -> list[str]:
        """Looks after a while; returns the lines."""
        self.now += round(seconds * SECOND)
        if has_data:
            self.rows = [self.now, self.now]
        given: Any = self
        self.supervision.look(self.desks, self.feed, given, lambda event, text: None)  # type: ignore[arg-type]
        lines, self.lines = self.lines, []
        return lines

    @property
    def flags(self) -> list[tuple[bool, str]]:
        return [(one.is_flattening, one.reason) for one in Halts(self.state).read()]


def test_an_imbalance_counts_from_its_beginning_and_a_part_of_the_smallest_order_is_none(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path, unhedged_s=3.0)
    watched.exposure.set_position(0, 5)
    watched.exposure.set_position(1, -4)
    assert watched.pass_time(0) == watched.pass_time(100) == []
    watched.exposure.set_position(1, -3)
    assert watched.pass_time(0) == watched.pass_time(3) == []
    (line,) = watched.pass_time(0.25)
    surplus = f"{2 * LEGS[0].lot_size:+.10g}"
    assert line == (
        f"supervisor unhedged: {LEGS[0].name} and {LEGS[1].name} together hold {surplus} for 3.2 s, limit 3 s: the "
        "session is halted, and positions are closed"
    )
    assert [flat for flat, _ in watched.flags] == [True]
    watched.exposure.set_position(1, -5)
    assert watched.pass_time(1)[0].startswith("supervisor unhedged: over: ")
    assert len(watched.flags) == 1, "a person clears it"


def test_legs_that_are_no_pair_need_not_balance(tmp_path: Path) -> None:
    watched = Watched(tmp_path, has_pairs=False)
    watched.exposure.set_position(0, 500)
    assert watched.pass_time(0) == watched.pass_time(1000) == []


@pytest.mark.parametrize("kind", [None, ExecutionKind.LIQUIDATION])
def test_a_position_that_differs_is_the_venue_s_for_the_gate_and_halts(
    tmp_path: Path, kind: ExecutionKind | None
) -> None:
    watched = Watched(tmp_path)
    watch = watched.desks[VENUES[1]].positions = PositionWatch({1: -5})
    watched.exposure.set_position(0, 5)
    watched.exposure.set_position(1, -5)
    if kind is not None:
        watched.desks[VENUES[1]].forced[1] = kind
    for _ in range(TIMES):
        assert watched.pass_time(0.25) == []
        watch.compare(1, 0)
    (line,) = watched.pass_time(0.25)
    name = "position" if kind is None else "forced"
    assert line.startswith(f"supervisor {name}: {LEGS[1].name} has +5 lots beyond the session's executions")
    assert [flat for flat, _ in watched.flags] == [kind is not None]
    assert watched.exposure.states[1].position == 0
    assert watched.feed.gate.supervised


def test_nothing_is_opened_while_data_or_the_account_s_stream_are_missing(tmp_path: Path) -> None:
    watched = Watched(tmp_path, stale_s=5.0)
    watched.pass_time(0)
    (line,) = watched.pass_time(5.1, has_data=False)
    assert line.endswith("has had no data for 5.1 s, limit 5 s: nothing is opened")
    assert watched.feed.gate.supervised.startswith("supervisor stale")
    assert len(watched.pass_time(0.25)) == 1
    assert watched.feed.gate.supervised == ""
    watched.desks[VENUES[0]].is_up = False
    assert watched.pass_time(1) == []
    assert len(watched.pass_time(5.1)) == 1
    watched.desks[VENUES[0]].is_up = True
    assert len(watched.pass_time(0.25)) == 1
    watched.desks[VENUES[0]].is_up = False
    assert watched.pass_time(0) == watched.pass_time(4.9) == []
    assert watched.flags == []


def test_a_long_doubt_is_reported_when_it_begins_and_ends(tmp_path: Path) -> None:
    watched = Watched(tmp_path, doubt_s=8.0)
    cause = SimpleNamespace(value="no answer")
    watched.desks[VENUES[0]].doubts["arb-1"] = SimpleNamespace(opened_ns=BEGAN_NS, cause=cause)
    assert watched.pass_time(8) == []
    assert watched.pass_time(0.25) == ["supervisor doubt: arb-1: no answer, limit 8 s"]
    watched.desks[VENUES[0]].doubts.clear()
    assert watched.pass_time(0.25) == ["supervisor doubt: over: arb-1: no answer"]
    assert watched.feed.gate.supervised == ""


def test_refusals_count_once_there_are_orders_enough_and_for_five_minutes(tmp_path: Path) -> None:
    watched = Watched(tmp_path, failures_pct=4.0)
    watched.feed.placed = [BEGAN_NS + n for n in range(19)]
    watched.feed.refused = [BEGAN_NS + n for n in range(10)]
    assert watched.pass_time(1) == []
    watched.feed.placed = [BEGAN_NS + n for n in range(ORDERS_KEPT)]
    watched.feed.refused = [BEGAN_NS - 1, BEGAN_NS + 3, BEGAN_NS + 4]
    assert watched.pass_time(1) == []
    watched.feed.refused.append(BEGAN_NS + 5)
    (line,) = watched.pass_time(1)
    assert line == ("supervisor failures: 3 of the last 50 orders were refused, limit 4 %: nothing is opened")
    assert len(watched.pass_time(300)) == 1
    assert watched.feed.gate.supervised == ""


def test_memory_is_read_and_reported(tmp_path: Path) -> None:
    watched = Watched(tmp_path, memory_gb=0.001)
    (line,) = watched.pass_time(0)
    assert line.startswith("supervisor memory: the session uses ")


def test_a_rule_that_is_off_says_nothing_and_a_session_that_cannot_close_is_halted(tmp_path: Path) -> None:
    watched = Watched(tmp_path, is_closing=False, unhedged_s=1.0, stale="off")
    watched.exposure.set_position(0, 50)
    watched.pass_time(0)
    (line,) = watched.pass_time(60, has_data=False)
    assert line.endswith("the session is halted")
    assert [flat for flat, _ in watched.flags] == [False]
