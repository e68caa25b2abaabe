"""`arb alert list`: the rules in effect, and what they compare now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from arb.alerts.message import iso_time
from arb.alerts.rules import AlertRule
from arb.alerts.store import ALERTS_DB, AlertStore, Known
from arb.commands.watch_alerts import FOLDER
from arb.config import AlertsConfig
from arb.config.alert_rules import alert_rules
from arb.config.environment import state_directory
from arb.config.strict import Source
from arb.watch.alerts import RuleNow, WatchAlerts
from arb.watch.sessions import Sessions


class RuleLine(NamedTuple):
    """A rule. session, value, text: of the session that goes on whose figure is the nearest to the limit or the most
    beyond it; "", None and "" without one. since: when the state began that a watcher has reported, "" if none holds;
    holding: the sessions of which it does."""

    name: str
    when: str
    for_s: float
    level: str
    every_s: float
    to: tuple[str, ...]
    session: str
    value: float | None
    text: str
    since: str
    holding: tuple[str, ...]


def rule_lines(config: AlertsConfig, folders: Sequence[Path]) -> list[RuleLine]:
    """The rules in effect for the sessions in `folders`, which need not exist. Reads alone. Raises InputError."""
    rules = alert_rules(config.alerts, Source(config.file))
    known = _known(state_directory(config.live) / FOLDER / ALERTS_DB)
    sessions, now_ns = Sessions([one for one in folders if one.is_dir()]), time.time_ns()
    # Without channels: nothing is sent.
    alerts = WatchAlerts([rule._replace(to=()) for rule in rules], {}, known, lambda work: None, now_ns)
    sessions.join(alerts)
    while sessions.poll():
        pass
    found = list(alerts.now(sessions, time.time_ns()))
    return [_line(rule, [one for one in found if one.rule.name == rule.name], known) for rule in rules]


def _line(rule: AlertRule, found: Sequence[RuleNow], known: Known) -> RuleLine:
    values = [one for one in found if one.figure.value is not None and one.figure.value == one.figure.value]
    sign = 1.0 if rule.when.op.startswith(">") else -1.0
    worst = max(values, key=lambda one: sign * (one.figure.value or 0.0), default=None)
    held = {
        key.rpartition("|")[0]: since for key, since in known.states.items() if key.endswith(f"|{rule.name}")
    }
    return RuleLine(
        rule.name,
        str(rule.when),
        rule.for_s,
        rule.level,
        rule.every_s,
        rule.to,
        "" if worst is None else worst.session,
        None if worst is None else worst.figure.value,
        "" if worst is None else worst.figure.text,
        iso_time(min(held.values())) if held else "",
        tuple(sorted(Path(place).name for place in held)),
    )


def _known(path: Path) -> Known:
    """What the watcher has reported; nothing if none has run."""
    if not path.is_file():
        return Known({}, {}, 0, {})
    store = AlertStore(path, None, lambda line: None)
    try:
        return store.known()
    finally:
        store.close()
