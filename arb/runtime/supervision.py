"""Supervises a session: reads desks, gate, data and process a few times a second, and does what the rules say.

It is independent of the strategy, and of the limits that are compiled into it. What halts is a flag beside the journal,
as of `arb halt`, which outlives the process. The host's thread, between two calls of the strategy.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from arb.execution.gate_feed import GateFeed
from arb.execution.venue_desk import VenueDesk
from arb.journal.halts import Halt, set_halt
from arb.leg import Leg, legs_of_pairs
from arb.risk.supervisor import Answer, Change, Reading, Rule, Supervisor
from arb.runtime.session import Session
from connectors.units import MINUTE, SECOND

#: Interval of the looks.
LOOK_S = 0.25
#: Refusals count over this time, once so many orders were sent in it.
_FAILURES_NS, _ORDERS_MIN = 5 * MINUTE, 20
_OUTCOMES = {
    Answer.REDUCE: "nothing is opened",
    Answer.HALT: "the session is halted",
    Answer.FLATTEN: "the session is halted, and positions are closed",
}


class Supervision:
    """One session. Call `look` every LOOK_S once its connections are up."""

    def __init__(self, rules: Sequence[Rule], legs: Sequence[Leg], state: Path, *, has_pairs: bool) -> None:
        """state: folder of the environment, for the flag. has_pairs: whether the strategy trades pairs."""
        self._legs = tuple(legs)
        self._state = state
        self._supervisor = Supervisor(rules)
        self._pairs = legs_of_pairs(legs) if has_pairs else []
        #: By pair, since when its legs do not balance, 0: they do; by venue, since when there is no stream.
        self._unhedged_ns = [0] * len(self._pairs)
        self._away_ns: dict[str, int] = {}

    def look(
        self,
        desks: Mapping[str, VenueDesk],
        feed: GateFeed,
        session: Session,
        noted: Callable[[str, str], None],
    ) -> None:
        """Reads everything, and follows the rules. noted: called with (event, text). Raises InputError."""
        now = session.now
        for desk in desks.values():
            for leg in desk.positions.differs:
                feed.gate.exposure.set_position(leg, desk.positions.at_venue(leg))
        for change in self._supervisor.look(self._readings(desks, feed, session, now)):
            self._follow(change, now, session, noted)
        feed.gate.supervised = self._supervisor.reason

    def _follow(self, change: Change, now: int, session: Session, noted: Callable[[str, str], None]) -> None:
        rule, text = change.rule, change.text
        if not change.has_begun:
            text = f"over: {text}"
        elif rule.answer in _OUTCOMES:
            text = f"{text}: {_OUTCOMES[rule.answer]}"
        session.emit("supervisor", f"{rule.name}: {text}")
        noted(f"supervisor {rule.name}", text)
        if change.has_begun and rule.answer >= Answer.HALT:
            is_flattening = rule.answer is Answer.FLATTEN
            set_halt(self._state, Halt("", now, is_flattening, f"supervisor {rule.name}: {change.text}"))

    def _readings(
        self, desks: Mapping[str, VenueDesk], feed: GateFeed, session: Session, now: int
    ) -> dict[str, Reading]:
        return {
            **self._positions(desks),
            "unhedged": self._unhedged(feed, now),
            "stale": self._stale(desks, session, now),
            "doubt": _doubt(desks, now),
            "failures": _failures(feed, now),
            "memory": _memory(),
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


def rules_of(table: object, *, is_closing: bool) -> list[Rule]:
    """The rules of `[supervisor]` (`arb.config.live_keys.Supervisor`). is_closing: whether the session can close
    positions; otherwise FLATTEN is HALT."""
    units = {"unhedged": "s", "stale": "s", "doubt": "s", "failures": "%", "memory": "GB"}
    suffixes = {"s": "s", "%": "pct", "GB": "gb"}
    found = []
    for name in ("forced", "position", *units):
        unit = units.get(name, "")
        limit = getattr(table, f"{name}_{suffixes[unit]}") if unit else 0.0
        answer = Answer[getattr(table, name).upper()]
        found.append(Rule(name, answer if is_closing else min(answer, Answer.HALT), limit, unit))
    return found


def _doubt(desks: Mapping[str, VenueDesk], now: int) -> Reading:
    ages = [
        Reading((now - doubt.opened_ns) / SECOND, f"{client}: {doubt.cause.value}")
        for desk in desks.values()
        for client, doubt in desk.doubts.items()
    ]
    return max(ages, key=lambda one: one.value, default=Reading(0.0, ""))


def _failures(feed: GateFeed, now: int) -> Reading:
    sent = [ts for ts in feed.placed if now - ts <= _FAILURES_NS]
    if len(sent) < _ORDERS_MIN:
        return Reading(0.0, "")
    refused = sum(ts >= sent[0] for ts in feed.refused)
    return Reading(100.0 * refused / len(sent), f"{refused} of the last {len(sent)} orders were refused")


def _memory() -> Reading:
    try:
        with open("/proc/self/statm", "rb") as file:
            gb = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (OSError, ValueError, IndexError):  # only Linux says it there
        return Reading(math.nan, "")
    return Reading(gb, f"the session uses {gb:.2f} GB")
