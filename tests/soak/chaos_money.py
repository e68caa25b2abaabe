"""Chaos with money: sessions that trade while everything goes wrong, on simulated time, against the sandbox's books.

    python -m tests.soak.chaos_money [--seeds 1000] [--first 0] [--workers 2]
    python -m tests.soak.chaos_money --seed 17

A seed draws a pair of venues, a market, faults and crashes (`support.chaos_cases`). The session is `arb live`'s: its
gateway, gate, supervisor, spread strategy, and a journal in a folder, which outlives crashes. At the end journal, bot
and wallets are those of the sandbox. Exit code 4: something is wrong; `--seed` replays it alone.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parents[1])]

from parity.live import SETTINGS
from support.chaos_cases import CASES, PAIRS, TRADING_S, Run, Scenario, scenario_of
from support.chaos_client import Crash, CrashPlan
from support.chaos_ledger import Ledger
from support.chaos_session import BROKEN, ChaosSession, Place, surplus_min
from support.dry_market import START_NS
from support.live_world import PRICES, account_of, config_of
from support.net_timers import Turn

from arb.commands.account_state import refuse_halted
from arb.errors import InputError
from arb.strategies.spread.decisions import Decision
from connectors.units import MILLISECOND, SECOND

_OWN = (
    "strategy.basis_halflife_s=1.0", "live.reconcile_s=3", "live.answer_timeout_ms=400", "live.in_doubt_max_s=20",
    "execution.unhedged_max_ms=500", "execution.order_timeout_ms=1500",
)  # fmt: skip
#: After the last fault, until the session is stopped between two attempts; a halt may take longer.
_CALM_S, _HALT_S = 25.0, 20.0
#: Hits of each case in a thousand seeds, and the share of those that halt.
_HITS_MIN, _HALTED_MAX = 20, 0.3
#: Most processes of a run.
_LIVES = 5
#: How often the surplus is looked at, and how long it may last in all while the session could end it: the bound, two
#: timeouts of the attempt and its last orders.
_LOOK_NS, _KNOWN_MAX_S = 10 * MILLISECOND, 4.0
#: After the start a session hedges first, for three seconds.
_STARTING_NS = 3_500 * MILLISECOND
_HEDGES = frozenset({Decision.CHASE, Decision.REVERSE, Decision.HEDGE})


class Unhedged(NamedTuple):
    """A time without a hedge, in seconds. known_s: the part in which the session could have ended it."""

    seconds: float
    known_s: float


class Found(NamedTuple):
    """The result of a seed."""

    seed: int
    scenario: Scenario
    hits: dict[int, int]
    hedged: int
    #: "ended", "halted by hand", "halted: ..." or "refused: ...".
    outcome: str
    crashes: int
    executions: int
    unhedged: list[Unhedged]
    #: Of reversals, in bps of their price.
    undone_bps: list[float]
    wrong: list[str]
    seconds: float


class Watch:
    """Looks at the surplus of the venues' executions all the time."""

    def __init__(self, run: Run, least: Decimal) -> None:
        self._run, self._least = run, least
        self.unhedged: list[Unhedged] = []
        self._looks = self._known = 0
        self._look()

    def close(self) -> None:
        """The run is over."""
        if self._looks:
            self.unhedged.append(Unhedged(*(n * _LOOK_NS / SECOND for n in (self._looks, self._known))))
        self._looks = self._known = 0

    def _look(self) -> None:
        net = self._run.place.net
        net.timers.at(net.timers.now + _LOOK_NS, Turn.TIMER, self._look)
        if abs(self._run.ledger.surplus) < self._least:
            self.close()
            return
        self._looks += 1
        self._known += not self._excuse()

    def _excuse(self) -> str:
        """Why the session cannot hedge now; "": it can."""
        live = self._run.live
        if live is None or live.client.is_dead or not live.begun_ns:
            return "no session"
        if live.client.now - live.begun_ns < _STARTING_NS and live.place.runs > 1:
            return "starting"
        if live.session.is_over or live.session.halted[0] or self._run.place.flags():
            return "halted"
        if (live.recorder_of_strategy.decisions["code"] == Decision.HALTED).any():
            return "halted"
        desks = live.gateway.desks.values()
        if any(desk.doubts for desk in desks) or not any(desk.is_up for desk in desks):
            return "in doubt"
        return "pending" if live.gateway.open_orders else ""


class SeedRun:
    """One run of a seed."""

    def __init__(self, seed: int, folder: Path, scenario: Scenario | None = None) -> None:
        """scenario: instead of that of the seed."""
        self.seed, self.scenario = seed, scenario or scenario_of(seed)
        self.config = config_of(PAIRS[self.scenario.pair], *SETTINGS, *_OWN, *self.scenario.settings)
        self.place = Place(self.config, seed, folder, account_of(self.config))
        self.ledger = Ledger(self.place)
        self.run = Run(self.place, self.ledger, self.scenario.acts)
        self.least = surplus_min(self.config.legs, PRICES["BTCUSDT"])
        self.watch = Watch(self.run, self.least)
        self.wrong: list[str] = []
        self.hedged = self.crashes = 0
        self.outcome = ""
        #: Whether the start after a halt is refused.
        self.is_refused = False
        #: Decision of each order by its client id.
        self.codes: dict[str, int] = {}

    def found(self) -> Found:
        """Runs it."""
        began_s = time.process_time()
        crashes = list(self.scenario.crashes)
        while not self.outcome and self.place.runs < _LIVES:
            self._live(crashes.pop(0) if crashes else CrashPlan())
        self.watch.close()
        self.wrong += self._not_halted()
        is_refused = self.is_refused or self.outcome.startswith("refused")
        self.wrong += (
            self.ledger.differences(has_journal=not is_refused) + self._over_hedged() + self._too_long()
        )
        return Found(
            self.seed, self.scenario, self.run.hits, self.hedged, self.outcome or "no end", self.crashes,
            len(self.ledger.done), self.watch.unhedged, self._undone(), self.wrong,
            time.process_time() - began_s,
        )  # fmt: skip

    def _live(self, plan: CrashPlan) -> None:
        """One process, which crashes or ends."""
        flags = self.place.flags()
        if flags:
            self.outcome = self.outcome or f"halted: {flags[0].reason}"
            self._agree()
            return
        # A start refuses a clock that is off by a second, so somebody has set it since.
        live = ChaosSession(self.place, plan, is_estimating=23 in self.scenario.cases)
        self.run.live = live
        try:
            live.prepare()
            live.begin()
            self._trade(live)
            live.end()
        except Crash:
            live.abandon()
            self.crashes += 1
            self.run.hit(17)
        except InputError as error:
            live.abandon()
            self.outcome = f"refused: {error}"
        else:
            self._ended(live)
        if hasattr(live, "session"):
            self._note(live)
        live.close()

    def _agree(self) -> None:
        """The start after `arb resume`: it ends in the journal what a crash has left open."""
        live = ChaosSession(self.place)
        try:
            live.prepare()
        except InputError as error:
            # Others have traded the perpetual: a person has to say whose the position is.
            if not self.run.hits.get(18):
                self.wrong.append(f"the start after the halt is refused: {error}")
            self.is_refused = True
        live.abandon()

    def _trade(self, live: ChaosSession) -> None:
        net = self.place.net
        left_s = TRADING_S - (net.timers.now - START_NS) / SECOND
        live.go_on(max(left_s, 3.0))
        for _ in range(round(_CALM_S / 0.1)):
            if live.session.is_over or self._is_between(live):
                break
            live.go_on(0.1)
        if self.place.flags() or live.session.halted[0]:
            live.go_on(_HALT_S)

    def _is_between(self, live: ChaosSession) -> bool:
        """Whether no attempt is in progress."""
        return abs(self.ledger.surplus) < self.least and not live.gateway.open_orders

    def _ended(self, live: ChaosSession) -> None:
        """The session has ended by itself, or was stopped."""
        fault = live.session.fault or live.gateway.fault or live.orders.fault
        if fault is None:  # a session that has failed leaves its doubts to the next one
            self.wrong += self.ledger.of_session(live)
        value = live.driver.task.value
        if fault is not None and BROKEN not in str(fault):
            self.outcome = "failed"
            self.wrong.append(f"failed: {fault!r}")
        elif flags := self.place.flags():
            self.outcome = f"{'halted' if fault is None else 'failed while halted'}: {flags[0].reason}"
        elif fault is not None:
            pass  # the next session goes on
        elif value == 3:
            self.outcome = "halted: by the strategy"
            if not self._is_between(live):
                self.wrong.append(f"halted by the strategy with a surplus of {self.ledger.surplus}")
        else:
            self.outcome = "ended"
            if not self._is_between(live):
                self.wrong.append(f"ended with a surplus of {self.ledger.surplus}")
        if live.driver.task.error is not None:
            self.wrong.append(f"the strategy raised {live.driver.task.error!r}")

    def _note(self, live: ChaosSession) -> None:
        """What the session decided, by order."""
        decisions = live.recorder_of_strategy.decisions
        self.hedged += int((decisions["code"] == Decision.HEDGED).sum())
        sent = {Decision.OPEN, Decision.FLATTEN} | _HEDGES
        codes = {
            (int(one["leg"]), int(one["order_id"])): int(one["code"])
            for one in decisions
            if one["code"] in sent
        }
        for client, key in live.order_ids.items():
            self.codes[client] = codes.get(key, 0)
        for client in live.placed_in_doubt:
            if self.codes.get(client) == Decision.OPEN:
                self.wrong.append(f"{client} was opened in doubt")

    def _over_hedged(self) -> list[str]:
        """Executions of orders that hedge, after which more is unhedged, or the other way round."""
        wrong = []
        for one in self.ledger.done:
            if self.codes.get(one.client_id) not in _HEDGES:
                continue
            # A forced closing counts for the session once it is noticed.
            if self._is_over(one.before, one.after) and self._is_over(one.own_before, one.own_after):
                code = Decision(self.codes[one.client_id]).name
                wrong.append(f"{code} {one.client_id}: the surplus was {one.before}, then {one.after}")
        return wrong

    def _not_halted(self) -> list[str]:
        """What a halt has not done: no session starts, and the legs are flat or hedged where only we have traded."""
        if not self.place.flags():
            return ["the flag of a halt is gone"] if self.run.hits.get(29) else []
        try:
            refuse_halted(self.place.state)
        except InputError:
            is_ours = not any(self.run.hits.get(case) for case in (18, 19, 30))
            if is_ours and abs(self.ledger.surplus) >= self.least:
                return [f"halted with a surplus of {self.ledger.surplus}"]
            return []
        return ["a session starts in spite of a halt"]

    def _is_over(self, before: Decimal, after: Decimal) -> bool:
        is_turned = before * after < 0 and abs(after) >= self.least
        return is_turned or abs(after) > abs(before) + self.least

    def _too_long(self) -> list[str]:
        return [f"unhedged {one}" for one in self.watch.unhedged if one.known_s > _KNOWN_MAX_S]

    def _undone(self) -> list[float]:
        """What reversals have cost against the last price of their leg."""
        costs, last = [], {}
        for one in self.ledger.done:
            if self.codes.get(one.client_id) == Decision.REVERSE and one.leg in last:
                gain = (last[one.leg] - one.price) * (1 if one.amount > 0 else -1)
                costs.append(float(-gain / one.price * 10_000))
            else:
                last[one.leg] = one.price
        return costs


def run_seed(seed: int, scenario: Scenario | None = None) -> Found:
    """Runs one seed, or another scenario on its market."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="arb-chaos-") as name:
        try:
            return SeedRun(seed, Path(name) / "place", scenario).found()
        except Exception:
            return Found(
                seed,
                scenario or scenario_of(seed),
                {},
                0,
                "raised",
                0,
                0,
                [],
                [],
                [traceback.format_exc()],
                0.0,
            )
        finally:
            logging.disable(before)


def run_apart(seed: int) -> Found:
    """`run_seed` in a process of its own: what it did is not sent back."""
    found = run_seed(seed)
    gc.collect()  # a session is full of cycles, and large
    return found._replace(scenario=found.scenario._replace(acts=(), crashes=()))


def line_of(found: Found) -> str:
    """A seed in a line."""
    longest = max((one.seconds for one in found.unhedged), default=0.0)
    text = f"{found.seed}: {found.scenario.pair}, cases {found.scenario.cases}, hits {found.hits}, "
    text += f"{found.executions} executions, {found.hedged} hedged, {found.crashes} crashes, "
    text += f"unhedged {longest:.2f} s, {found.outcome}, {found.seconds:.1f} s"
    return "\n".join([text, *(f"    {one}" for one in found.wrong[:8])])


def table(results: Iterable[Found]) -> list[str]:
    """What is counted over all seeds."""
    found = list(results)
    count = len(found)
    hits: Counter[int] = Counter()
    for one in found:
        hits.update(one.hits)
    halted = [one for one in found if one.outcome not in ("ended",)]
    reasons = Counter(f"{one.outcome[:60]}" for one in halted)
    seconds = sorted(x.seconds for one in found for x in one.unhedged)
    undone = sorted(x for one in found for x in one.undone_bps)
    return [
        f"{count} seeds, {sum(one.executions for one in found):,} executions, "
        f"{sum(one.crashes for one in found)} crashes",
        f"{sum(one.hedged > 0 for one in found)} complete a hedged attempt, {len(halted)} halt",
        f"{sum(bool(one.wrong) for one in found)} are wrong",
        *(f"    {number} x {reason}" for reason, number in reasons.most_common(12)),
        "hits by case: " + ", ".join(f"{case}: {hits[case]}" for case in (*CASES, 32)),
        "unhedged, s: " + _spread(seconds),
        "cost of undoing, bps: " + _spread(undone),
    ]


def _spread(values: list[float]) -> str:
    if not values:
        return "none"
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    found = {name: values[min(len(values) - 1, int(part * len(values)))] for name, part in at.items()}
    return f"{len(values)}, " + ", ".join(f"{name} {value:.3f}" for name, value in found.items())


def short_of(found: list[Found]) -> list[str]:
    """What a thousand seeds have to reach, and these have not."""
    hits: Counter[int] = Counter()
    for one in found:
        hits.update(one.hits)
    count = len(found)
    short = [
        f"case {case} is hit {hits[case]} times" for case in CASES if hits[case] < _HITS_MIN * count / 1000
    ]
    if sum(one.hedged > 0 for one in found) < count / 2:
        short.append("too few seeds complete a hedged attempt")
    if sum(one.outcome != "ended" for one in found) > _HALTED_MAX * count:
        short.append("too many seeds halt")
    return short


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    if given.seed is not None:
        found = run_seed(given.seed)
        print(*found.scenario.acts, *found.scenario.crashes, line_of(found), *found.wrong[8:], sep="\n")
        return 4 if found.wrong else 0
    began_s = time.monotonic()
    seeds = range(given.first, given.first + given.seeds)
    results: list[Any] = []
    with ProcessPoolExecutor(given.workers) as workers:
        for found in workers.map(run_apart, seeds):
            results.append(found)
            if len(results) % 100 == 0:
                print(f"{len(results)} seeds", flush=True)
            if found.wrong:
                print(line_of(found), flush=True)
    print(*table(results), sep="\n")
    print(f"{time.monotonic() - began_s:.0f} s on {os.cpu_count()} cores, {given.workers} workers")
    short = short_of(results)
    print(*short, sep="\n")
    return 4 if short or any(one.wrong for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
