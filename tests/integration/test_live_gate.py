"""Sessions whose gate refuses orders: they are answered, logged, and derived again from the private frames."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity.live import PAIRS, SETTINGS, STRATEGIES, _dry_run_ahead, _over_answers, first_exch_ts, made_of
from support.live_sandbox import demo_settings
from support.live_world import LiveSession, config_of

from arb.bot.recorder import Recorder
from arb.commands.gate_setup import gate_of
from arb.commands.live import run_live_orders
from arb.commands.order_setup import derived_orders, written_lines
from arb.commands.sandbox_choice import SandboxChoice
from arb.config import Config, load, write_templates
from arb.execution.ids import ids_of
from arb.risk.gate import Gate, GateLimits
from arb.risk.rate_budget import RateBudget
from arb.runtime.live_files import OrderRecords
from arb.runtime.private_log import Mark, PrivateLine, finish_private
from arb.verify.once import once_differences
from connectors.orders.limits import LimitKind, LimitUse
from connectors.units import MINUTE, SECOND

pytestmark = pytest.mark.slow

PAIR = "spot-linear"


class Gated(LiveSession):
    """A session with the venues' documented limits on requests, and a limit on the value of an order."""

    def _gate(self) -> Gate:
        return gate_of(self.config, self.legs, GateLimits(price_band_bps=50.0, max_notional=300.0))


class Ran:
    """A session that has ended."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.config: Config = config_of(PAIRS[PAIR], *SETTINGS, *STRATEGIES[kind](0))
        start_ts = first_exch_ts(PAIR, 0)
        _dry_run_ahead(self.config)
        self.recorder = Recorder(2)
        self.live = Gated(self.config, 0, folder, made_of(self.config, self.recorder), start_ts=start_ts)
        self.live.begin()
        self.live.go_on(1.5)
        self.live.orders.pull(PAIRS[PAIR][0], frozenset({0}))
        self.live.go_on(0.5)
        self.live.orders.pull(PAIRS[PAIR][0], frozenset())
        self.live.go_on(6.0)
        self.live.end()
        self.orders: OrderRecords = self.live.orders.records()
        finish_private(folder)
        self.lines = written_lines(folder, self.live.legs)

    def derived(self, lines: dict[str, list[PrivateLine]]) -> list[Any]:
        ids = ids_of(self.live.orders.head)
        return derived_orders(self.config, self.live.legs, ids, lines, self.orders).differences


@pytest.fixture(scope="module", params=["quotes", "random"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(request.param, tmp_path_factory.mktemp("gate") / "live")


@pytest.mark.parametrize("venues", [("binance_spot", "bybit_spot"), ("binance_usdm", "bybit_linear")])
def test_what_venues_say_is_used_reaches_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, venues: tuple[str, ...]
) -> None:
    """By headers of REST and answers of the sockets, of a whole session."""
    found: dict[int, list[LimitUse]] = {}
    report = RateBudget.report

    def noted(budget: RateBudget, use: LimitUse, now_ns: int) -> None:
        found.setdefault(id(budget), []).append(use)
        report(budget, use, now_ns)

    monkeypatch.setattr(RateBudget, "report", noted)
    legs = json.dumps([f"{venue}:SYMBOL" for venue in venues])
    capital = [f"capital.{one}={{{'base=10.0, ' if 'spot' in one else ''}quote=1000000.0}}" for one in venues]
    write_templates(tmp_path)
    settings = demo_settings(tmp_path, "busy", f"strategy.legs={legs}", *capital)
    run_live_orders(
        load(tmp_path / "arbitrage.toml", settings), tmp_path / "run", SandboxChoice(7), duration_s=3.0,
        has_report=False,
    )  # fmt: skip
    kinds = [{(one.kind, one.window_ns, one.most) for one in uses} for uses in found.values()]
    assert len(kinds) == 2
    binance = next(one for one in kinds if any(kind is LimitKind.WEIGHT for kind, *_ in one))
    bybit = next(one for one in kinds if one is not binance)
    most = {"binance_spot": (6_000, 50), "binance_usdm": (2_400, 300)}[venues[0]]
    assert {(LimitKind.WEIGHT, MINUTE, most[0]), (LimitKind.ORDERS, 10 * SECOND, most[1])} <= binance
    assert (LimitKind.WEIGHT, MINUTE, 0) in binance, "of REST"
    assert (LimitKind.ORDERS, SECOND, {"bybit_spot": 20, "bybit_linear": 10}[venues[1]]) in bybit
    assert any(one.used > 1 for uses in found.values() for one in uses if one.kind is LimitKind.ORDERS)


def refused(lines: list[PrivateLine]) -> list[int]:
    """Places of the requests that the gate refused."""
    return [no for no, one in enumerate(lines) if one.mark == Mark.REQUEST and " refused " in one.text]


def test_what_is_refused_is_answered_and_never_on_the_wire(ran: Ran) -> None:
    counts: Counter[str] = Counter()
    for venue, lines in ran.lines.items():
        counts.update(ran.live.gateway.desks[venue].facts.gate)
        assert sum(ran.live.gateway.desks[venue].facts.gate.values()) == len(refused(lines))
    assert counts.total() > 5
    requests = ran.orders.requests
    by_gate = {
        tuple(map(int, lines[no].text.split()[1:3])) for lines in ran.lines.values() for no in refused(lines)
    }
    asked = {(int(one["leg"]), int(one["row"]["request_no"])): one for one in requests if one["taken_ns"]}
    assert by_gate <= set(asked)
    assert not any(asked[key]["is_sent"] for key in by_gate)
    answered = {(int(one["leg"]), int(one["row"]["request_no"])) for one in ran.orders.responses}
    assert by_gate <= answered
    assert requests["is_sent"].sum() > 10


def test_what_rests_is_pulled_until_it_may_rest_again(ran: Ran) -> None:
    lines = ran.lines[PAIRS[PAIR][0]]
    begin, end = (next(no for no, one in enumerate(lines) if one.text == text) for text in ("pull 0", "pull"))
    assert lines[begin].mark == lines[end].mark == Mark.REQUEST
    cancelled = [one for one in lines[begin:end] if one.text.endswith("-e1") and one.text.startswith("sent")]
    assert bool(cancelled) == (ran.kind == "quotes")
    assert not [one for one in lines[:begin] if one.text.endswith("-e1")]
    other = [one._replace(text="pull 1") if one is lines[begin] else one for one in lines]
    assert bool(ran.derived({**ran.lines, PAIRS[PAIR][0]: other})) == (ran.kind == "quotes")


def test_the_session_follows_from_its_files(ran: Ran) -> None:
    assert ran.derived(ran.lines) == []
    assert once_differences(ran.lines, ran.orders.requests)[0] == []
    assert _over_answers(ran.live, ran.config, ran.recorder, ran.orders) == []


@pytest.mark.parametrize("venue", PAIRS[PAIR])
def test_a_refusal_that_is_not_in_the_log_is_a_difference(ran: Ran, venue: str) -> None:
    lines = list(ran.lines[venue])
    place = refused(lines)[0]
    lines[place] = lines[place]._replace(text=lines[place].text.partition(" refused ")[0])
    assert ran.derived({**ran.lines, venue: lines})


@pytest.mark.parametrize("venue", PAIRS[PAIR])
def test_a_refusal_that_was_none_is_a_difference(ran: Ran, venue: str) -> None:
    lines = list(ran.lines[venue])
    place = next(
        no for no, one in enumerate(lines) if one.mark == Mark.REQUEST and len(one.text.split()) == 3
    )
    lines[place] = lines[place]._replace(text=f"{lines[place].text} refused by nobody")
    assert ran.derived({**ran.lines, venue: lines})


def test_another_kind_of_refusal_is_a_difference(ran: Ran) -> None:
    venue = PAIRS[PAIR][0]
    lines = list(ran.lines[venue])
    place = refused(lines)[0]
    lines[place] = lines[place]._replace(
        text=lines[place].text.partition(" refused ")[0] + " refused halted: x"
    )
    assert any("gate" in one.where for one in ran.derived({**ran.lines, venue: lines}))


def test_the_gate_counts_what_the_venue_has_at_the_end(ran: Ran) -> None:
    """Its positions are the executions, and nothing is left open."""
    feed = ran.live.gateway.gate
    assert feed is not None
    executions = ran.orders.executions
    for no, state in enumerate(feed.gate.exposure.states):
        own = executions[executions["leg"] == no]
        assert state.position == int(np.sum(own["side"] * own["lots"]))
        assert (state.orders, state.buy_lots, state.sell_lots) == ({}, 0, 0)


def test_what_closes_a_perpetual_is_reduce_only_on_the_wire(ran: Ran) -> None:
    spot, perpetual = (ran.lines[venue] for venue in PAIRS[PAIR])
    reducing = [
        no for no, one in enumerate(perpetual) if one.mark == Mark.REQUEST and one.text.endswith(" reduces")
    ]
    assert bool(reducing) == (ran.kind == "random"), "orders that never rest"
    sent = [one for one in perpetual if one.mark == Mark.SENT and '"reduceOnly":true' in one.text]
    assert len(sent) == len(reducing)
    assert not any("reduce" in one.text for one in spot if one.mark in (Mark.REQUEST, Mark.SENT))
    if reducing:
        place = reducing[-1]
        lines = list(perpetual)
        lines[place] = lines[place]._replace(text=lines[place].text.removesuffix(" reduces"))
        assert ran.derived({**ran.lines, PAIRS[PAIR][1]: lines})
