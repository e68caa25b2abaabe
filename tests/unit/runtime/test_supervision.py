"""What the supervisor of a session reads, and what it does: over fakes of desks, gate and session."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.dry_market import leg

from arb.config.live_keys import Supervisor
from arb.execution.facts import DeskFacts
from arb.execution.gate_feed import ORDERS_KEPT
from arb.execution.position_watch import TIMES, PositionWatch
from arb.journal.capital import confirm
from arb.journal.halts import Halts
from arb.risk.exposure import Exposure, GateLeg
from arb.risk.losses import Losses
from arb.risk.rate_budget import RateBudget
from arb.risk.supervisor import Reading
from arb.runtime import process_use, supervision
from arb.runtime.account_risks import PROFIT
from arb.runtime.supervision import Supervision, rules_of
from connectors.orders.limits import LimitKind, LimitUse, VenueLimit
from connectors.orders.model import AccountView, ExecutionKind, PositionRisk, Setting, Transfer
from connectors.units import MILLISECOND, MINUTE, SECOND

VENUES = ("binance_usdm", "bybit_linear")
LEGS = [leg(no, venue=venue, is_spot=False, pair=0) for no, venue in enumerate(VENUES)]
LIMITS = [VenueLimit(LimitKind.WEIGHT, MINUTE, 100), VenueLimit(LimitKind.ORDERS, SECOND, 1)]
BEGAN_NS = 1_700_000_000 * SECOND


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the session uses: the process of many tests may be large."""
    used = SimpleNamespace(gb=1.0)
    monkeypatch.setattr(supervision, "memory", lambda: Reading(used.gb, f"the session uses {used.gb:.2f} GB"))
    return used


@dataclass
class Desk:
    positions: PositionWatch = field(default_factory=lambda: PositionWatch({}))
    forced: dict[int, ExecutionKind] = field(default_factory=dict)
    doubts: dict[str, Any] = field(default_factory=dict)
    is_up: bool = True
    facts: DeskFacts = field(default_factory=DeskFacts)


class Watched:
    """A session of a pair of perpetuals, with a clock of the test."""

    def __init__(self, state: Path, *, has_pairs: bool = True, **keys: Any) -> None:
        self.state = state
        legs = [
            GateLeg(one.venue, one.venue, 0, False, "BTC", "USDT", one.tick_size, one.lot_size, lots_min=2)
            for one in LEGS
        ]
        self.exposure = Exposure(legs)
        self.budgets = {venue: RateBudget(LIMITS) for venue in VENUES}
        self.price = 50_000.0
        self.untraded: list[int] = []
        self.filters: dict[int, str] = {}
        gate = SimpleNamespace(
            exposure=self.exposure,
            supervised="",
            legs=legs,
            budgets=self.budgets,
            untraded=lambda _: self.untraded,
        )
        self.feed = SimpleNamespace(gate=gate, placed=[], refused=[], mids=lambda: [self.price, self.price])
        self.flagged: list[tuple[str, str]] = []
        self.desks = {venue: Desk() for venue in VENUES}
        self.now = BEGAN_NS
        self.rows = [BEGAN_NS, BEGAN_NS]
        self.lines: list[str] = []
        rules = rules_of(Supervisor(**keys))
        losses = Losses(LEGS, self.exposure, [(0, 1)] if has_pairs else [])
        self.supervision = Supervision(rules, LEGS, state, losses, has_pairs=has_pairs)

    @property
    def last_rows_ns(self) -> list[int]:
        return self.rows

    def emit(self, event: str, text: str) -> None:
        self.lines.append(f"{event} {text}")

    write = emit

    def pass_time(self, seconds: float, *, has_data: bool = True) -> list[str]:
        """Looks after a while; returns the lines."""
        self.now += round(seconds * SECOND)
        if has_data:
            self.rows = [self.now, self.now]
        given: Any = self
        self.supervision.look(
            self.desks,  # type: ignore[arg-type]
            self.feed,  # type: ignore[arg-type]
            given,
            lambda *one: self.flagged.append(one),
            self.filters,
        )
        lines, self.lines = self.lines, []
        return lines

    def report(self, venue: str, **view: Any) -> None:
        """The venue answers a query about balances or positions."""
        found = {"balances": {}, "positions": {}, "is_complete": False, "venue_ms": 0, **view}
        self.desks[venue].facts.view_again(AccountView(**found), self.now)

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
    noted: list[str] = []
    names = f"{LEGS[0].name} and {LEGS[1].name}"
    watched.supervision.report_left(
        watched.feed,  # type: ignore[arg-type]
        watched,  # type: ignore[arg-type]
        lambda event, text, _: noted.append(f"{event}: {text}"),
    )
    assert watched.lines == [f"end not hedged: {names} together hold {surplus}"]
    assert noted == [f"unhedged {names}: {names} together hold {surplus}"]
    watched.lines.clear()
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
    assert watched.pass_time(0.25) == ["supervisor doubt: binance_usdm: arb-1: no answer, limit 8 s"]
    watched.desks[VENUES[0]].doubts.clear()
    assert watched.pass_time(0.25) == ["supervisor doubt: over: binance_usdm: arb-1: no answer"]
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


def test_memory_is_reported(tmp_path: Path, memory: SimpleNamespace) -> None:
    watched = Watched(tmp_path, memory_gb=2.5)
    assert watched.pass_time(0) == []
    memory.gb = 2.75
    (line,) = watched.pass_time(2)
    assert line.startswith("supervisor memory: the session uses 2.75 GB, limit 2.5 GB")


def test_memory_is_what_the_process_has_resident() -> None:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    assert 0.02 < process_use.memory().value <= most * 1.01


def test_a_rule_that_is_off_says_nothing(tmp_path: Path) -> None:
    watched = Watched(tmp_path, unhedged_s=1.0, unhedged="halt", stale="off")
    watched.exposure.set_position(0, 50)
    watched.pass_time(0)
    (line,) = watched.pass_time(60, has_data=False)
    assert line.endswith("the session is halted")
    assert [flat for flat, _ in watched.flags] == [False]


def risk(maintenance: str, isolated: str = "0", mark: str = "50000", liquidation: str = "0") -> PositionRisk:
    found = (Decimal(text) for text in (maintenance, isolated, "0", mark, liquidation))
    return PositionRisk("USDT", *found)


@pytest.mark.parametrize(
    ("views", "text"),
    [
        ([{"balances": {"USDT": Decimal(9)}, "margin_ratio": Decimal("0.61")}], "the account's margin"),
        ([{"balances": {"USDT": Decimal(9)}, "margins": {"USDT": Decimal(100)}},
          {"positions": {"BTCUSDT": Decimal(1)}, "risks": {"BTCUSDT": risk("61")}}], "the account's USDT"),
        ([{"positions": {"BTCUSDT": Decimal(1)}, "risks": {"BTCUSDT": risk("61", "100")}}],
         "the margin of BTCUSDT"),
    ],
)  # fmt: skip
def test_nothing_is_opened_while_margin_is_short(
    tmp_path: Path, views: list[dict[str, Any]], text: str
) -> None:
    watched = Watched(tmp_path, margin_pct=60.0)
    for view in views:
        watched.report(VENUES[0], **view)
    (line,) = watched.pass_time(0.25)
    assert line == (
        f"supervisor margin: {VENUES[0]} needs 61.0 % of {text} so as not to liquidate positions, limit 60 %: "
        "nothing is opened"
    )
    cured = {**views[-1], "margin_ratio": Decimal("0.6")} if "margin_ratio" in views[-1] else views[-1]
    cured = {**cured, "risks": {}}
    watched.report(VENUES[0], **cured)
    assert len(watched.pass_time(0.25)) == 1
    assert watched.feed.gate.supervised == ""


def test_positions_are_closed_when_liquidation_is_near(tmp_path: Path) -> None:
    watched = Watched(tmp_path, liquidation_pct=5.0)
    held = {"positions": {"BTCUSDT": Decimal(-1)}}
    watched.report(VENUES[1], **held, risks={"BTCUSDT": risk("1", liquidation="52500")})
    watched.report(VENUES[0], **held, risks={"BTCUSDT": risk("1")})
    assert watched.pass_time(0.25) == []
    watched.report(VENUES[1], **held, risks={"BTCUSDT": risk("1", liquidation="52499")})
    (line,) = watched.pass_time(0.25)
    assert line.startswith("supervisor liquidation: bybit_linear:BTCUSDT is liquidated 5.0 % away, at 52499")
    assert [flat for flat, _ in watched.flags] == [True]
    watched.report(VENUES[1], positions={"BTCUSDT": Decimal(0)})
    assert watched.pass_time(0.25)[0].startswith("supervisor liquidation: over: ")


def test_a_clock_counts_without_what_the_round_trip_may_explain(tmp_path: Path) -> None:
    watched = Watched(tmp_path, clock_ms=400.0, round_trip_ms=600.0)
    facts = watched.desks[VENUES[0]].facts
    facts.clock_offset_ms, facts.round_trip_ns = -600, 600 * MILLISECOND
    assert watched.pass_time(0.25) == []
    facts.clock_offset_ms = -1001
    (line,) = watched.pass_time(0.25)
    assert line.endswith("the clock of binance_usdm differs by 401 ms, limit 400 ms: nothing is opened")
    facts.round_trip_ns += MILLISECOND
    facts.clock_offset_ms = 0
    assert [line.partition(":")[0] for line in watched.pass_time(0.25)] == [
        "supervisor clock",
        "supervisor round_trip",
    ]


def test_a_venue_that_does_not_say_its_time_takes_too_long_before_it_does(tmp_path: Path) -> None:
    watched = Watched(tmp_path, round_trip_ms=600.0)
    watched.pass_time(1)
    facts = watched.desks[VENUES[0]].facts
    facts.clock_asked_ns = watched.now
    assert watched.pass_time(0.6) == []
    assert watched.pass_time(0.25) == [
        "supervisor round_trip: binance_usdm took 850 ms to answer, limit 600 ms"
    ]
    facts.clock_asked_ns, facts.round_trip_ns = 0, 600 * MILLISECOND
    assert len(watched.pass_time(0.25)) == 1


def test_what_is_used_of_a_venue_s_limits_is_reported(tmp_path: Path) -> None:
    watched = Watched(tmp_path, headroom_pct=60.0)
    use = LimitUse(LimitKind.WEIGHT, MINUTE, 60)
    watched.budgets[VENUES[0]].report(use, watched.now)
    watched.budgets[VENUES[1]].spend(LimitKind.ORDERS, watched.now + 2 * SECOND, 5)
    assert watched.pass_time(2) == [], "a second passes by itself"
    watched.budgets[VENUES[0]].report(use._replace(used=61), watched.now)
    (line,) = watched.pass_time(2)
    assert line == ("supervisor headroom: 61 of 100 weight in 60 s are used at binance_usdm, limit 60 %")
    assert len(watched.pass_time(60)) == 1


def test_a_full_disk_keeps_legs_from_being_opened_and_open_files_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path, disk_gb=2.0, files_pct=50.0)
    usage = SimpleNamespace(free=2_000_000_000)
    monkeypatch.setattr(process_use.psutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(process_use.resource, "getrlimit", lambda _: (10_000_000, 10_000_000))
    assert watched.pass_time(2) == []
    usage.free -= 1
    monkeypatch.setattr(process_use.resource, "getrlimit", lambda _: (3, 3))
    files, disk = watched.pass_time(2)
    assert disk == f"supervisor disk: 2.00 GB are free at {tmp_path}, limit 2 GB: nothing is opened"
    assert files.endswith("of 3 files are open, limit 50 %")


def test_a_loss_halts_and_the_profit_of_the_day_is_written_for_the_next_session(tmp_path: Path) -> None:
    watched = Watched(tmp_path, drawdown_pct=1.0, daily_loss="warn", daily_loss_pct=0.5)
    balances = {venue: Decimal(1_000_000) for venue in VENUES}
    for venue in VENUES:
        watched.report(venue, balances={"USDT": balances[venue]})
    assert watched.pass_time(0.25) == []
    lost = Decimal(10_000)
    for seconds in (5, 5):  # the second report says the same
        watched.report(VENUES[0], balances={"USDT": balances[VENUES[0]] - lost})
        assert watched.pass_time(seconds) == []
    watched.report(VENUES[0], balances={"USDT": balances[VENUES[0]] - lost - 1})
    (line,) = watched.pass_time(5)
    assert line == (
        "supervisor daily_loss: the session has lost 10001.00 since 0:00 UTC, 0.50 % of its capital, limit 0.5 %"
    )
    for _ in range(2):
        watched.report(VENUES[1], balances={"USDT": balances[VENUES[1]] - lost})
        lines = watched.pass_time(5)
    assert lines == [
        "supervisor drawdown: the session has lost 20001.00 of its highest profit, 1.00 % of its capital, limit 1 "
        "%: the session is halted"
    ]
    assert [text for event, text in watched.flagged if event == PROFIT][-1] == "-20001.00000000"


def test_an_attempt_that_costs_too_much_halts(tmp_path: Path) -> None:
    watched = Watched(tmp_path, attempt_loss_pct=0.01, stale="off")
    for venue in VENUES:
        watched.report(venue, balances={"USDT": Decimal(1_000_000)})
    assert watched.pass_time(0.25) == []
    watched.exposure.executed(0, 1, 500_000, 1000, {"USDT": 200.0}, watched.now)
    assert watched.pass_time(0.25) == []
    for _ in range(6):
        assert watched.pass_time(0.25) == []
    watched.price -= 20_000.0
    for _ in range(4):
        assert watched.pass_time(0.25) == [], "a book that is swept for a moment is no price"
    watched.price += 20_000.0
    for _ in range(9):
        assert watched.pass_time(0.25) == []
    watched.price -= 1.0
    for _ in range(4):
        assert watched.pass_time(0.25) == []
    (line,) = watched.pass_time(0.25)
    assert line == (
        "supervisor attempt_loss: the session has lost 201.00 in an attempt, 0.01 % of its capital, limit 0.01 %: the "
        "session is halted"
    )


@pytest.mark.parametrize("amount", [Decimal(50_000), Decimal(-50_000)])
def test_a_transfer_is_no_profit_and_nothing_is_opened_until_a_person_confirms_it(
    tmp_path: Path, amount: Decimal
) -> None:
    watched = Watched(tmp_path)
    for venue in VENUES:
        watched.report(venue, balances={"USDT": Decimal(1_000_000)})
    assert watched.pass_time(0.25) == []
    watched.desks[VENUES[1]].facts.transferred(Transfer("USDT", amount, "t-1", 5))
    (line,) = watched.pass_time(0.25)
    text = f"{amount:+f} USDT at bybit_linear; arb capital --confirm ends it"
    assert line == f"supervisor transfers: {text}: nothing is opened"
    for _ in range(3):
        watched.report(VENUES[1], balances={"USDT": Decimal(1_000_000) + amount})
        assert watched.pass_time(5) == []
    confirm(tmp_path, watched.now)
    assert watched.pass_time(2) == [f"supervisor transfers: over: {text}"]
    assert watched.feed.gate.supervised == ""
    watched.desks[VENUES[1]].facts.transferred(Transfer("USDT", amount, "t-2", 6))
    assert len(watched.pass_time(0.25)) == 1


def test_nothing_is_opened_while_a_setting_or_a_filter_is_not_as_at_the_start(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    facts = watched.desks[VENUES[1]].facts
    facts.set(Setting("leverage of BTCUSDT", "1"))
    assert watched.pass_time(0.25) == []
    facts.set(Setting("leverage of BTCUSDT", "25"))
    (line,) = watched.pass_time(0.25)
    text = "bybit_linear: leverage of BTCUSDT was 1, is 25"
    assert line == f"supervisor modes: {text}: nothing is opened"
    facts.set(Setting("leverage of BTCUSDT", "1"))
    assert watched.pass_time(0.25) == [f"supervisor modes: over: {text}"]
    watched.filters[0] = "binance_usdm:BTCUSDT: min_qty is 0.01 now"
    assert watched.pass_time(0.25)[0].startswith(f"supervisor modes: {watched.filters[0]}")


def test_a_symbol_that_is_not_traded_is_reported(tmp_path: Path) -> None:
    watched = Watched(tmp_path, status="halt")
    watched.untraded.append(1)
    (line,) = watched.pass_time(0.25)
    text = "bybit_linear:BTCUSDT: not traded by the venue"
    assert line == f"supervisor status: {text}: the session is halted"
    watched.untraded.clear()
    assert watched.pass_time(0.25) == [f"supervisor status: over: {text}"]
