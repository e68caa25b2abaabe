"""Supervises a session: reads desks, gate, data and process a few times a second, and does what the rules say.

It is independent of the strategy, and of the limits that are compiled into it. What halts is a flag beside the journal,
as of `arb halt`, which outlives the process. The host's thread, between two calls of the strategy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from arb.execution.gate_feed import GateFeed
from arb.execution.venue_desk import VenueDesk
from arb.journal.capital import confirmed_ns
from arb.journal.halts import Halt, set_halt
from arb.leg import Leg, legs_of_pairs
from arb.risk.exposure import Exposure
from arb.risk.losses import Losses
from arb.risk.supervisor import OVER, Answer, Change, Reading, Rule, Supervisor
from arb.runtime.account_risks import LossReadings, clock, headroom, liquidation, margin, round_trip
from arb.runtime.process_use import disk, files, memory
from arb.runtime.session import Session
from arb.runtime.session_alerts import SessionAlerts
from arb.runtime.session_orders import OrdersState
from connectors.units import MINUTE, SECOND

#: Interval of the looks.
LOOK_S = 0.25
#: Refusals count over this time, once so many orders were sent in it.
_FAILURES_NS, _ORDERS_MIN = 5 * MINUTE, 20
#: How often is read what changes slowly: of the process and its machine, and of the venues' limits.
_SLOW_NS = 2 * SECOND
_OUTCOMES = {
    Answer.REDUCE: "nothing is opened",
    Answer.HALT: "the session is halted",
    Answer.FLATTEN: "the session is halted, and positions are closed",
}


class Supervision:
    """One session. Call `look` every LOOK_S once its connections are up."""

    def __init__(
        self, rules: Sequence[Rule], legs: Sequence[Leg], state: Path, losses: Losses, *, has_pairs: bool
    ) -> None:
        """state: folder of the environment, for the flag. has_pairs: whether the strategy trades pairs."""
        self._legs = tuple(legs)
        self._state = state
        self._supervisor = Supervisor(rules)
        self._losses = LossReadings(losses)
        self._slow: dict[str, Reading] = {}
        self._slow_ns = self._confirmed_ns = 0
        #: What is read and begins, for messages.
        self.alerts: SessionAlerts | None = None
        self._pairs = legs_of_pairs(legs) if has_pairs else []
        #: By pair, since when its legs do not balance, 0: they do; by venue, since when there is no stream.
        self._unhedged_ns = [0] * len(self._pairs)
        self._away_ns: dict[str, int] = {}
        self._margin_pct = math.nan

    def look(
        self,
        desks: Mapping[str, VenueDesk],
        feed: GateFeed,
        session: Session,
        noted: Callable[[str, str], None],
        filters: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        """Reads everything, and follows the rules. noted: called with (event, text). filters: by leg, those of venues
        that have changed. Raises InputError."""
        now = session.now
        for desk in desks.values():
            for leg in desk.positions.differs:
                feed.gate.exposure.set_position(leg, desk.positions.at_venue(leg))
        readings = {
            **self._readings(desks, feed, session, now, noted),
            "modes": _modes(desks, filters),
            "status": self._status(feed, now),
        }
        self._margin_pct = readings["margin"].value
        changes = self._supervisor.look(readings)
        for change in changes:
            self._follow(change, now, session, noted)
        if self.alerts is not None:
            self.alerts.look(readings, changes, now)
        feed.gate.supervised = self._supervisor.reason

    def state(self, orders: OrdersState) -> OrdersState:
        """What it adds for other processes."""
        reported = self.alerts.reported if self.alerts is not None else ()
        return orders._replace(rules=self.holding, margin_pct=self._margin_pct, reported=reported)

    @property
    def holding(self) -> dict[str, str]:
        """The rules that hold, each with what it is about."""
        return dict(self._supervisor.holding)

    def _follow(self, change: Change, now: int, session: Session, noted: Callable[[str, str], None]) -> None:
        rule, text = change.rule, change.text
        if not change.has_begun:
            text = f"{OVER}{text}"
        elif rule.answer in _OUTCOMES:
            text = f"{text}: {_OUTCOMES[rule.answer]}"
        session.emit("supervisor", f"{rule.name}: {text}")
        noted(f"supervisor {rule.name}", text)
        if change.has_begun and rule.answer >= Answer.HALT:
            is_flattening = rule.answer is Answer.FLATTEN
            set_halt(self._state, Halt("", now, is_flattening, f"supervisor {rule.name}: {change.text}"))

    def _readings(
        self,
        desks: Mapping[str, VenueDesk],
        feed: GateFeed,
        session: Session,
        now: int,
        noted: Callable[[str, str], None],
    ) -> dict[str, Reading]:
        if now >= self._slow_ns:
            self._slow_ns = now + _SLOW_NS
            self._confirmed_ns = confirmed_ns(self._state)
            self._slow = {
                "headroom": headroom(feed, now),
                "memory": memory(),
                "disk": disk(self._state),
                "files": files(),
            }
        return {
            **self._positions(desks),
            "unhedged": self._unhedged(feed, now),
            "stale": self._stale(desks, session, now),
            "doubt": _doubt(desks, now),
            "failures": _failures(feed, now),
            **self._losses.read(desks, feed, now, self._confirmed_ns, noted),
            "margin": margin(desks),
            "liquidation": liquidation(desks),
            "clock": clock(desks),
            "round_trip": round_trip(desks, now),
            **self._slow,
        }

    def _positions(self, desks: Mapping[str, VenueDesk]) -> dict[str, Reading]:
        """Perpetuals whose position is not that of the executions, closed by the venue or by somebody else."""
        found: dict[str, list[str]] = {"forced": [], "position": []}
        for desk in desks.values():
            for leg in sorted(desk.positions.differs):
                kind = desk.forced.get(leg)
                what = "" if kind is None else f" ({kind.name.lower()})"
                found["position" if kind is None else "forced"].append(
                    f"{self._legs[leg].name} has {desk.positions.difference(leg):+} lots beyond the session's"
                    f" executions{what}"
                )
        return {name: Reading(len(texts), "; ".join(texts)) for name, texts in found.items()}

    def _status(self, feed: GateFeed, now: int) -> Reading:
        """Symbols that their venues do not trade."""
        names = [self._legs[leg].name for leg in feed.gate.untraded(now)]
        return Reading(len(names), f"{', '.join(names)}: not traded by the venue")

    def _unhedged(self, feed: GateFeed, now: int) -> Reading:
        longest = Reading(0.0, "")
        for no, pair in enumerate(self._pairs):
            surplus = feed.gate.exposure.imbalance(pair)
            if not surplus:
                self._unhedged_ns[no] = 0
                continue
            self._unhedged_ns[no] = self._unhedged_ns[no] or now
            seconds = (now - self._unhedged_ns[no]) / SECOND
            if seconds >= longest.value:
                names = " and ".join(self._legs[leg].name for leg in pair)
                longest = Reading(seconds, f"{names} together hold {surplus:+.10g} for {seconds:.1f} s")
        return longest

    def left(self, exposure: Exposure) -> dict[str, str]:
        """What the legs of each pair that does not balance hold, by the names of its legs."""
        found = {}
        for pair in self._pairs:
            if surplus := exposure.imbalance(pair):
                names = " and ".join(self._legs[leg].name for leg in pair)
                found[names] = f"{names} together hold {surplus:+.10g}"
        return found

    def report_left(self, feed: GateFeed, session: Session, noted: Callable[[str, str, int], None]) -> None:
        """Says at the end what is not hedged: in the log, to the journal, and as a message. noted: called with (event,
        text, time)."""
        left = self.left(feed.gate.exposure)
        for names, text in left.items():
            session.write("end", f"not hedged: {text}")
            noted(f"unhedged {names}", text, session.now)
        if self.alerts is not None:
            self.alerts.balance("; ".join(left.values()), session.now)

    def _stale(self, desks: Mapping[str, VenueDesk], session: Session, now: int) -> Reading:
        ages = [
            Reading((now - ts) / SECOND, f"{leg.name} has had no data for {(now - ts) / SECOND:.1f} s")
            for leg, ts in zip(self._legs, session.last_rows_ns, strict=True)
            if ts
        ]
        for venue, desk in desks.items():
            since = self._away_ns.setdefault(venue, now)
            if desk.is_up:
                del self._away_ns[venue]
            else:
                seconds = (now - since) / SECOND
                ages.append(Reading(seconds, f"{venue} has had no stream of the account for {seconds:.1f} s"))
        return max(ages, key=lambda one: one.value, default=Reading(math.nan, ""))


_UNITS = {"": "", "_s": "s", "_ms": "ms", "_pct": "%", "_gb": "GB"}
#: The rules, and what their limit's key ends with; "": a count of which none is allowed.
_RULES = {
    **dict.fromkeys(("forced", "position", "modes", "status", "transfers"), ""),
    **dict.fromkeys(("unhedged", "stale", "doubt"), "_s"),
    **dict.fromkeys(("failures", "drawdown", "daily_loss", "attempt_loss", "margin", "liquidation"), "_pct"),
    **dict.fromkeys(("clock", "round_trip"), "_ms"),
    **dict.fromkeys(("headroom", "files"), "_pct"),
    **dict.fromkeys(("memory", "disk"), "_gb"),
}
#: Those whose limit is the least that is allowed.
_LEAST = frozenset({"liquidation", "disk"})


def rules_of(table: object) -> list[Rule]:
    """The rules of `[supervisor]` (`arb.config.live_keys.Supervisor`)."""
    found = []
    for name in _RULES:
        suffix = _RULES[name]
        limit, unit = getattr(table, name + suffix) if suffix else 0.0, _UNITS[suffix]
        answer = Answer[getattr(table, name).upper()]
        found.append(Rule(name, answer, limit, unit, is_least=name in _LEAST))
    return found


def _modes(desks: Mapping[str, VenueDesk], filters: Mapping[int, str]) -> Reading:
    """Settings of accounts, and filters, that have changed since the start."""
    texts = [f"{venue}: {text}" for venue, desk in desks.items() for text in desk.facts.changed.values()]
    texts += filters.values()
    return Reading(len(texts), "; ".join(texts))


def _doubt(desks: Mapping[str, VenueDesk], now: int) -> Reading:
    ages = [
        Reading((now - doubt.opened_ns) / SECOND, f"{venue}: {client}: {doubt.cause.value}")
        for venue, desk in desks.items()
        for client, doubt in desk.doubts.items()
    ]
    return max(ages, key=lambda one: one.value, default=Reading(0.0, ""))


def _failures(feed: GateFeed, now: int) -> Reading:
    sent = [ts for ts in feed.placed if now - ts <= _FAILURES_NS]
    if len(sent) < _ORDERS_MIN:
        return Reading(0.0, "")
    refused = sum(ts >= sent[0] for ts in feed.refused)
    return Reading(100.0 * refused / len(sent), f"{refused} of the last {len(sent)} orders were refused")
