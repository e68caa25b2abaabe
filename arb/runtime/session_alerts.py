"""Finds the states of a session of which messages are sent: what its supervisor reads, and how the session ends.

Each state that begins or ends is a numbered `Transition` for the guard, which sends it. The host's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from arb.alerts.message import TEXT_MAX, Transition
from arb.alerts.rules import SHIPPED
from arb.config.alert_keys import Alerts
from arb.risk.supervisor import Answer, Change, Reading, Rule, Supervisor
from arb.runtime.session_halts import SessionHalts
from connectors.units import SECOND

_DAY_S = 86_400


class Ending(NamedTuple):
    """How a session ended that did not end as it should. rule: "halted" or "failed"."""

    rule: str
    text: str


class SessionAlerts:
    """One session. Call `look` with every look of its supervisor, and `end` once."""

    def __init__(
        self,
        keys: Alerts,
        halts: SessionHalts,
        expiries_ns: Mapping[str, int],
        send: Callable[[Transition], None],
        supervised: Sequence[Rule] = (),
    ) -> None:
        """expiries_ns: when the keys of accounts expire, by house, of those that do. supervised: the
        supervisor's rules."""
        self._halts = halts
        self._expiries_ns = dict(expiries_ns)
        self._send = send
        self._is_supervised = "supervisor" in keys.states
        limits = {"halted": 0.0, "doubt": keys.doubt_s, "unhedged": keys.unhedged_s, "key": -keys.key_days}
        self._rules = Supervisor(
            Rule(name, Answer.WARN, limits[name]) for name in keys.states if name in limits
        )
        #: The states of which messages are sent, as `Status.reported`.
        own = [Rule(name, Answer.WARN, limits.get(name, 0.0)) for name in keys.states if name != "supervisor"]
        named = [_named(rule) for rule in supervised if rule.answer is not Answer.OFF]
        self.reported = _reported([*own, *named] if self._is_supervised else own)
        self._ends = {name for name in ("halted", "failed") if name in keys.states}
        self._number = 0
        self._is_first = True
        #: When the states that hold began.
        self._since_ns: dict[str, int] = {}

    def look(self, readings: Mapping[str, Reading], changes: Sequence[Change], now: int) -> None:
        """Follows the supervisor's readings, and the changes of its rules."""
        own = self._rules.look({**readings, "halted": self._halted(), "key": self._key(now)})
        if self._is_supervised:
            own += [change._replace(rule=_named(change.rule)) for change in changes]
        if self._is_first:
            self._is_first = False
            begun = tuple(change.rule.name for change in own if change.has_begun)
            self._put(keeps=begun)
        for change in own:
            self._report(change.rule.name, change.text, now, is_over=not change.has_begun)

    def balance(self, left: str, now: int) -> None:
        """At the end. left: what is not hedged; "": nothing, or less than an order can trade."""
        is_known = "unhedged" in self._since_ns
        if any(rule.name == "unhedged" for rule in self._rules.rules) and is_known == (not left):
            self._report("unhedged", left or "the legs balance", now, is_over=is_known)

    def end(self, ending: Ending | None, now: int) -> None:
        """The session has ended. ending: None if as it should."""
        if "halted" in self._ends:
            for change in self._rules.look({"halted": self._halted()}):
                self._report(change.rule.name, change.text, now, is_over=not change.has_begun)
        if ending is not None and ending.rule in self._ends and ending.rule not in self._since_ns:
            self._report(ending.rule, ending.text, now, is_over=False)

    def _report(self, rule: str, text: str, now: int, *, is_over: bool) -> None:
        since_ns = self._since_ns.pop(rule, now) if is_over else self._since_ns.setdefault(rule, now)
        self._put(rule, text, since_ns, is_over=is_over)

    def _put(
        self,
        rule: str = "",
        text: str = "",
        since_ns: int = 0,
        *,
        is_over: bool = False,
        keeps: tuple[str, ...] | None = None,
    ) -> None:
        self._number += 1
        self._send(Transition(self._number, rule, text[:TEXT_MAX], since_ns, is_over, keeps))

    def _halted(self) -> Reading:
        flags = self._halts.flags()
        return Reading(
            float(len(flags)), "; ".join(f"{one.house or 'all accounts'}: {one.reason}" for one in flags)
        )

    def _key(self, now: int) -> Reading:
        """The key that expires first, by the days until then, negative."""
        if not self._expiries_ns:
            return Reading(-float("inf"), "")
        house, expiry_ns = min(self._expiries_ns.items(), key=lambda one: one[1])
        when = f"{datetime.fromtimestamp(expiry_ns // SECOND, UTC):%Y-%m-%d %H:%M}"
        return Reading((now - expiry_ns) / SECOND / _DAY_S, f"the key of {house} expires {when} UTC")


def _reported(rules: Sequence[Rule]) -> list[str]:
    """Those that hold whenever a watcher's shipped rule of the same state does: their limit is not laxer."""
    limits = {rule.state: rule.when.limit for rule in SHIPPED.values() if rule.state}
    found = []
    for rule in rules:
        limit = limits.get(rule.name, rule.limit)
        if rule.limit >= limit if rule.is_least else rule.limit <= limit:
            found.append(rule.name)
    return found


def _named(rule: Rule) -> Rule:
    return rule._replace(name=f"supervisor {rule.name}")
