"""What goes wrong in a chaos run: by the number of the case, faults of the sandbox and acts of the client's side.

A scenario is drawn from a seed. An act happens at a time, or with the n-th execution of the session's own orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, NamedTuple

from arb.journal.halts import Halt, set_halt
from arb.sandbox.faults import Fault, FaultKind
from connectors.units import SECOND
from support.chaos_client import CrashPlan
from support.chaos_ledger import Ledger
from support.chaos_session import ChaosSession, Place

PAIRS = {
    "spot-spot": ("binance_spot", "bybit_spot"),
    "perpetual-perpetual": ("binance_usdm", "bybit_linear"),
    "spot-perpetual": ("binance_spot", "bybit_linear"),
}
#: Times of the run, in seconds: the first and the last at which something goes wrong; until when the strategy trades.
FIRST_S, LAST_S, TRADING_S = 2.6, 6.5, 10.0
#: Share of the seeds that crash, whatever else goes wrong in them.
_CRASHES = 0.25
#: Share of those with a perpetual in which a venue closes a position: rarer than others, since there has to be one.
_FORCED = 0.05
#: Share of those whose journal finds its disk full. Not with a halt by hand, and not with an error of ours, after which
#: the next session hedges: the flag would refuse it.
_FULL = 0.04
#: A refusal by venue: for balance, price band, permission, self-trade or a limit; "client id twice"; too many requests.
_REFUSED = {
    "binance_spot": (-2010, -1013, -2015),
    "binance_usdm": (-2019, -4131, -2015),
    "bybit_spot": (170131, 170134),
    "bybit_linear": (110007, 110003),
}
_TWICE = {
    "binance_spot": (-2010, "Duplicate order sent."),
    "binance_usdm": (-4116, None),
    "bybit_spot": (170141, None),
    "bybit_linear": (110072, None),
}
_K = FaultKind


class Act(NamedTuple):
    """Something that goes wrong. fill: with this execution; 0: at `at_s`. what: a fault, or a function of the run."""

    case: int
    what: Fault | Callable[[Run], None]
    at_s: float = 0.0
    fill: int = 0


class Scenario(NamedTuple):
    """A run. crashes: of its processes, one after the other."""

    pair: str
    cases: tuple[int, ...]
    settings: tuple[str, ...]
    acts: tuple[Act, ...]
    crashes: tuple[CrashPlan, ...]


class Run:
    """Carries out the acts of a scenario; counts those that had an effect, by case."""

    def __init__(self, place: Place, ledger: Ledger, acts: Sequence[Act]) -> None:
        self.place, self.ledger = place, ledger
        self.live: ChaosSession | None = None
        self.hits: dict[int, int] = {}
        self._fills = 0
        self._waiting = [one for one in acts if one.fill]
        self._number = 1_000
        net = place.net
        ledger.on_order = self._on_order
        place.faults._injector._log = self._on_fault
        for act in acts:
            if not act.fill:
                net.timers.call_later(round(act.at_s * SECOND), partial(self._begin, act))

    def hit(self, case: int) -> None:
        """A case had an effect."""
        self.hits[case] = self.hits.get(case, 0) + 1

    def _on_order(self, event: Any) -> None:
        if event.execution is None or not (event.order.client_id or "").startswith("arb-"):
            return
        self._fills += 1
        if event.execution.fee_asset not in ("USDT", "BNB"):
            self.hit(21)
        due = [one for one in self._waiting if one.fill <= self._fills]
        self._waiting = [one for one in self._waiting if one.fill > self._fills]
        for act in due:  # not inside the sandbox's matching
            self.place.net.timers.call_later(0, partial(self._begin, act))

    def _begin(self, act: Act) -> None:
        if isinstance(act.what, Fault):
            self.fault(act.case, act.what)
        else:
            act.what(self)

    def fault(self, case: int, fault: Fault) -> None:
        """A fault begins now."""
        self._number += 1
        faults = self.place.faults
        faults._injector.add(_named(fault, f"{case}"), self.place.net.timers.now)
        faults._next_ns = 0

    def _on_fault(self, what: dict[str, Any]) -> None:
        if "refused" not in what:
            self.hit(int(what["fault"]))


def scenario_of(seed: int) -> Scenario:
    """Drawn from a seed."""
    chance = Random(seed)
    pair = list(PAIRS)[seed % len(PAIRS)]
    venues = PAIRS[pair]
    kinds = [case for case in CASES if case not in _PERPETUAL or any("spot" not in one for one in venues)]
    cases = tuple(sorted(chance.sample(kinds, chance.choice((0, 1, 1, 2, 2, 3)) if seed % 20 else 0)))
    acts: list[Act] = []
    settings: list[str] = []
    crashes: list[CrashPlan] = []
    for case in cases:
        found = CASES[case](chance, venues)
        acts += [one._replace(case=case) for one in found if isinstance(one, Act)]
        crashes += [one for one in found if isinstance(one, CrashPlan)]
        settings += [one for one in found if isinstance(one, str)]
    if not crashes and chance.random() < _CRASHES:
        crashes = _crash(chance, venues)
    if any("spot" not in one for one in venues) and 19 not in cases and chance.random() < _FORCED:
        acts += [one._replace(case=19) for one in _forced(chance, venues)]
        cases = (*cases, 19)
    if not {10, 29}.intersection(cases) and chance.random() < _FULL:
        acts.append(_filled(chance, _fills_disk)._replace(case=32))
        cases = (*cases, 32)
    return Scenario(pair, cases, tuple(settings), tuple(acts), tuple(crashes))


def case_alone(case: int, pair: str, seed: int) -> Scenario:
    """One case and nothing else, drawn from a seed."""
    found = CASES[case](Random(seed), PAIRS[pair])
    acts = [one._replace(case=case) for one in found if isinstance(one, Act)]
    crashes = [one for one in found if isinstance(one, CrashPlan)]
    return Scenario(
        pair, (case,), tuple(one for one in found if isinstance(one, str)), tuple(acts), tuple(crashes)
    )


def _named(fault: Fault, name: str) -> Fault:
    from dataclasses import replace

    return replace(fault, name=name, at_s=0.0)


def _at(chance: Random, what: Any) -> Act:
    return Act(0, what, at_s=chance.uniform(FIRST_S, LAST_S))


def _met(what: Any) -> Act:
    """Of faults that meet the next request or event: from the first order on, or a later one."""
    return Act(0, what, at_s=0.5)


def _filled(chance: Random, what: Any) -> Act:
    """Right after an execution, when the attempt is often in progress."""
    return Act(0, what, fill=chance.randint(1, 4))


def _lost_answers(chance: Random, venues: Sequence[str]) -> list[Any]:
    kind = chance.choice((_K.ACCEPTED_NO_ANSWER, _K.ACCEPTED_5XX, _K.LOST_REQUEST))
    then = chance.choice(("hang", "cut"))
    fault = Fault(kind, venue=chance.choice(venues), request="place", then=then)
    return [chance.choice((_met, partial(_at, chance)))(fault)]


def _hidden(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)
    lost = Fault(_K.ACCEPTED_NO_ANSWER, venue=venue, request="place")
    return [_met(Fault(_K.NOT_VISIBLE, venue=venue, delay_s=chance.uniform(0.5, 3.0))), _met(lost)]


def _pruned(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)
    lost = Fault(_K.ACCEPTED_NO_ANSWER, venue=venue, request="place")
    return [_met(Fault(_K.PRUNED, venue=venue)), _met(lost)]


def _twice(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)
    code, message = _TWICE[venue]
    return [
        _met(Fault(_K.ACCEPTED_5XX, venue=venue, request="place", code=code, status=400, message=message))
    ]


def _late_fills(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)
    late = Fault(_K.LATE_EVENT, venue=venue, event="order:trade", delay_s=chance.uniform(0.05, 1.5))
    return [_met(Fault(_K.PARTIAL_THEN_EXPIRE, venue=venue, share=chance.uniform(0.2, 0.8))), _met(late)]


def _many_fills(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)
    kind = chance.choice((_K.REORDER_EVENT, _K.LATE_EVENT))
    return [
        _met(
            Fault(
                kind,
                venue=venue,
                event="order:*",
                count=chance.randint(1, 5),
                delay_s=chance.uniform(0.1, 2.0),
            )
        )
    ]


def _parts(chance: Random, venues: Sequence[str]) -> list[Any]:
    share = chance.choice((0.03, 0.06, 0.12))
    return [
        _met(
            Fault(
                _K.PARTIAL_THEN_EXPIRE, venue=chance.choice(venues), share=share, count=chance.randint(1, 4)
            )
        )
    ]


def _filter(chance: Random, venues: Sequence[str]) -> list[Any]:
    field, value = chance.choice((("min_qty", "0.5"), ("max_qty", "0.001"), ("min_notional", "100000")))
    fault = Fault(_K.FILTER_CHANGED, venue=chance.choice(venues), field=field, value=value, duration_s=1.5)
    return [chance.choice((_at, _filled))(chance, fault)]


def _refused(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)
    code = chance.choice(_REFUSED[venue])
    return [_met(Fault(_K.REJECT, venue=venue, request="place", code=code, count=chance.randint(1, 5)))]


def _raises(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue, when = chance.choice(venues), chance.choice(("before", "after"))

    def breaks(run: Run) -> None:
        if run.live is not None and not run.live.client.is_dead:
            run.live.breaks[venue] = when
            run.hit(10)

    return [_at(chance, breaks)]


def _gone(chance: Random, venues: Sequence[str]) -> list[Any]:
    which = chance.choice((venues[0], venues[1], "*"))
    gone = Fault(_K.REFUSE, venue=which, duration_s=chance.uniform(0.3, 2.5))
    lost = Fault(_K.DISCONNECT, venue=which)
    fill = chance.randint(1, 4)
    return [Act(0, gone, fill=fill), Act(0, lost, fill=fill)]


def _refused_long(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)
    code = chance.choice(_REFUSED[venue])
    return [_at(chance, Fault(_K.REJECT, venue=venue, request="place", code=code, count=30))]


def _limited(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)
    if venue.startswith("bybit"):
        return [_met(Fault(_K.REJECT, venue=venue, request="place", code=10006, count=chance.randint(1, 3)))]
    status = chance.choice((429, 418))
    fault = Fault(_K.REJECT, venue=venue, request="place", code=-1003, status=status)
    return [_met(fault), _filled(chance, Fault(_K.REST_429, venue=venue, duration_s=2.0, retry_after_s=2))]


def _stream(chance: Random, venues: Sequence[str]) -> list[Any]:
    kind = chance.choice((_K.USER_SILENT, _K.KEY_EXPIRED, _K.USER_LOST, _K.RESTARTING))
    fault = Fault(kind, venue=chance.choice(venues), duration_s=chance.uniform(0.5, 3.0), notice_s=1.0)
    return [chance.choice((_at, _filled))(chance, fault)]


def _orders_line(chance: Random, venues: Sequence[str]) -> list[Any]:
    fault = Fault(_K.TRADE_LOST, venue=chance.choice(venues), after_order=chance.random() < 0.6)
    return [_at(chance, fault)]


def _disorder(chance: Random, venues: Sequence[str]) -> list[Any]:
    kind = chance.choice((_K.DUPLICATE_EVENT, _K.REORDER_EVENT, _K.LATE_EVENT))
    return [_at(chance, Fault(kind, venue=chance.choice(venues), count=chance.randint(1, 6), delay_s=30.0))]


def _crash(chance: Random, venues: Sequence[str]) -> list[Any]:
    plans = [
        CrashPlan("callback", chance.randint(3_000, 12_000)),
        CrashPlan("commit", chance.randint(1, 8)),
        CrashPlan("committed", chance.randint(1, 8)),
        CrashPlan("send", chance.randint(40, 80)),
        CrashPlan("write", chance.randint(8, 40)),
        CrashPlan("written", chance.randint(8, 40)),
    ]
    return chance.sample(plans, chance.choice((1, 1, 2)))


def _foreign(chance: Random, venues: Sequence[str]) -> list[Any]:
    away = chance.choice((-50.0, -50.0, 30.0))
    fault = Fault(
        _K.FOREIGN_ORDER, venue=chance.choice(venues), side=chance.choice(("buy", "sell")), price_bps=away,
        quantity=Decimal("0.01"),
    )  # fmt: skip
    return [chance.choice((_at, _filled))(chance, fault)]


def _forced(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice([one for one in venues if "spot" not in one])
    fault = Fault(chance.choice((_K.LIQUIDATE, _K.ADL)), venue=venue)
    return [_filled(chance, fault), _at(chance, fault)]


def _forced_part(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice([one for one in venues if "spot" not in one])
    fault = Fault(chance.choice((_K.LIQUIDATE, _K.ADL)), venue=venue, share=0.5)
    return [_filled(chance, fault), _at(chance, fault)]


def _mode(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice([one for one in venues if "spot" not in one])
    fault = Fault(_K.MODE_SWITCHED, venue=venue, field="leverage", value=chance.choice(("1", "3")))
    return [_at(chance, fault)]


def _fees(chance: Random, venues: Sequence[str]) -> list[Any]:
    asset = "received"
    return [f'{venue}.fees.asset="{asset}"' for venue in venues if "spot" in venue]


def _balances(chance: Random, venues: Sequence[str]) -> list[Any]:
    return [_at(chance, Fault(_K.BALANCE_LAG, venue=chance.choice(venues), duration_s=3.0, delay_s=2.0))]


def _clock(chance: Random, venues: Sequence[str]) -> list[Any]:
    step = chance.choice((-5, 5)) * SECOND

    def steps(run: Run) -> None:
        if run.live is not None and not run.live.client.is_dead:
            run.live.client.skew_ns += step
            run.hit(23)

    return [chance.choice((_at, _filled))(chance, steps)]


def _book(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice(venues)

    def lost(run: Run) -> None:
        run.hit(24)
        for one in list(run.place.net.venues[venue].connections):
            if run.place.net.venues[venue].is_market(one):
                one.end(1006, "fault")
        run.fault(24, Fault(_K.SILENCE, venue=venue, stream="*BTCUSDT*", duration_s=chance.uniform(0.5, 2.0)))
        run.fault(24, Fault(_K.SILENCE, venue=venue, stream="*btcusdt*", duration_s=chance.uniform(0.5, 2.0)))

    return [chance.choice((_at, _filled))(chance, lost)]


def _funding(chance: Random, venues: Sequence[str]) -> list[Any]:
    venue = chance.choice([one for one in venues if "spot" not in one])

    def pays(run: Run) -> None:
        net = run.place.net
        (instrument,) = net.trading.desks[venue].instruments.values()
        instrument.next_funding_ns, instrument.funding_rate = net.timers.now, Decimal("0.0003")
        run.hit(25)

    return [_filled(chance, pays)]


def _halt(chance: Random, venues: Sequence[str]) -> list[Any]:
    is_flattening = chance.random() < 0.5

    def halts(run: Run) -> None:
        set_halt(run.place.state, Halt("", run.place.net.timers.now, is_flattening, "by hand"))
        run.hit(29)

    return [chance.choice((_at, _filled))(chance, halts)]


def _fills_disk(run: Run) -> None:
    if run.live is not None and not run.live.client.is_dead:
        run.live.journal.has_no_room = True
        run.hit(32)


def _transfer(chance: Random, venues: Sequence[str]) -> list[Any]:
    amount = Decimal(chance.choice(("1000", "-1000", "-5")))
    return [_at(chance, Fault(_K.TRANSFER, venue=chance.choice(venues), quantity=amount))]


#: Draws of each case: acts, crashes, and settings of the session.
CASES: dict[int, Callable[[Random, Sequence[str]], list[Any]]] = {
    1: _lost_answers, 2: _hidden, 3: _pruned, 4: _twice, 5: _late_fills, 6: _many_fills, 7: _parts, 8: _filter,
    9: _refused, 10: _raises, 11: _gone, 12: _refused_long, 13: _limited, 14: _stream, 15: _orders_line,
    16: _disorder, 17: _crash, 18: _foreign, 19: _forced, 20: _mode, 21: _fees, 22: _balances, 23: _clock, 24: _book,
    25: _funding, 29: _halt, 30: _forced_part, 34: _transfer,
}  # fmt: skip
#: Only where there is a perpetual.
_PERPETUAL = {19, 20, 25, 30}

__all__ = ["CASES", "PAIRS", "TRADING_S", "Act", "Run", "Scenario", "case_alone", "scenario_of"]
