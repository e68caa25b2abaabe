"""The rules of `arb watch`: the shipped ones with what `[alerts.rules]` changes, and those of the user's own."""

from __future__ import annotations

from arb.alerts.conditions import condition_of, nearest
from arb.alerts.metrics import METRICS
from arb.alerts.rules import SHIPPED, AlertRule
from arb.config.alert_keys import AlertRuleKeys, Alerts
from arb.config.secrets import Variable
from arb.config.strict import Source

_WEBHOOK = "webhook"


def alert_rules(alerts: Alerts, source: Source) -> list[AlertRule]:
    """The rules that are not off, the shipped ones first. Raises ConfigError, one line with the nearest name, for an
    unknown metric, rule or channel."""
    rules = {name: rule._replace(every_s=alerts.every_s) for name, rule in SHIPPED.items()}
    for name, keys in alerts.rules.items():
        rules[name] = _rule(name, keys, alerts, source)
    return [rule for rule in rules.values() if rule.level != "off"]


def channel_names(alerts: Alerts) -> list[str]:
    """The names of channels in `to`: webhook, and the variables of Apprise."""
    names = [] if alerts.webhook is None else [_WEBHOOK]
    return names + [Variable(one).name for one in alerts.apprise]


def _rule(name: str, keys: AlertRuleKeys, alerts: Alerts, source: Source) -> AlertRule:
    path = ("alerts", "rules", name)
    shipped = SHIPPED.get(name)
    if shipped is None and keys.when is None:
        source.refuse(path, f"has no `when`, and no such rule is shipped; {nearest(name, SHIPPED)}")
    try:
        when = shipped.when if shipped and keys.when is None else condition_of(keys.when or "", METRICS)
    except ValueError as error:
        source.refuse((*path, "when"), str(error))
    known = channel_names(alerts)
    for channel in keys.to or ():
        if channel not in known:
            source.refuse(
                (*path, "to"),
                f"names {channel!r}, which is no channel of [alerts]; {nearest(channel, known)}",
            )
    base = shipped or AlertRule(name, when, next="look at arb watch and at the session's log")
    return base._replace(
        when=when,
        for_s=base.for_s if keys.for_s is None else keys.for_s,
        level=keys.level or base.level,
        every_s=alerts.every_s if keys.every_s is None else keys.every_s,
        to=keys.to or (),
        # Of another condition a guard knows nothing.
        state=base.state if keys.when is None else "",
    )
