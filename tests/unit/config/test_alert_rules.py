"""The rules of `arb watch`: shipped ones that the configuration changes, a user's own, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arb.alerts.conditions import Condition, Lasting, condition_of
from arb.alerts.metrics import METRICS
from arb.alerts.rules import SHIPPED, AlertRule
from arb.config import load
from arb.config.alert_rules import alert_rules
from arb.config.strict import Source
from connectors.units import SECOND

Refusal = Callable[..., str]


def rules_of(folder: Path, *settings: str) -> dict[str, AlertRule]:
    """The rules in effect."""
    config = load(folder / "arbitrage.toml", settings)
    return {rule.name: rule for rule in alert_rules(config.alerts, Source(config.file))}


def test_without_settings_the_shipped_rules_are_in_effect(folder: Path) -> None:
    assert rules_of(folder) == dict(SHIPPED)


def test_a_shipped_rule_is_changed_in_what_is_named(folder: Path) -> None:
    settings = (
        "alerts.webhook='${HOOK}'",
        "alerts.apprise=['${MAIL}']",
        "alerts.every_s=30.0",
        "alerts.rules.lag.for_s=5.0",
        "alerts.rules.lag.to=['MAIL']",
        "alerts.rules.lag.level='critical'",
        "alerts.rules.unhedged.when='unhedged_s > 1'",
        "alerts.rules.disk.every_s=600.0",
        "alerts.rules.spread.level='off'",
    )
    rules = rules_of(folder, *settings)
    assert rules["lag"] == SHIPPED["lag"]._replace(for_s=5.0, to=("MAIL",), level="critical", every_s=30.0)
    # Another limit is another state than that of a guard.
    assert rules["unhedged"].when == Condition("unhedged_s", ">", 1.0)
    assert (SHIPPED["unhedged"].state, rules["unhedged"].state) == ("unhedged", "")
    assert (rules["disk"].every_s, rules["disk"].state) == (600.0, "supervisor disk")
    assert rules.keys() == SHIPPED.keys() - {"spread"}


def test_a_rule_of_ones_own(folder: Path) -> None:
    rules = rules_of(folder, "alerts.rules.poor.when='pnl_quote <= -1e3'", "alerts.rules.poor.for_s=60.0")
    assert rules["poor"].when == Condition("pnl_quote", "<=", -1000.0)
    assert (rules["poor"].for_s, rules["poor"].level, rules["poor"].state) == (60.0, "warning", "")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("rules.lag.when='lag_ms > 1'", "when has no known metric: 'lag_ms'; did you mean lag_p99_ms?"),
        ("rules.lag.when='lag_p99_ms = 1'", 'it must be "METRIC OP NUMBER" with >, >=, < or <='),
        ("rules.lag.when='lag_p99_ms > much'", "compares with 'much', which is no number"),
        ("rules.lag.when='lag_p99_ms > nan'", "compares with 'nan', which is no number"),
        (
            "rules.drawdwn.level='off'",
            "drawdwn has no `when`, and no such rule is shipped; did you mean drawdown?",
        ),
        ("rules.Lag.level='off'", "is not a name that fits here; it must be small letters"),
        ("rules.lag.to=['webhok']", "names 'webhok', which is no channel of [alerts]; did you mean webhook?"),
        (
            "rules.lag.to=['ARB_MAIL']",
            "names 'ARB_MAIL', which is no channel of [alerts]; known here: webhook",
        ),
        ("rules.lag.level='loud'", '"critical"'),
        ("rules.lag.fors=1.0", "fors is not a known key; did you mean for_s?"),
        ("rules.lag.for_s=-1.0", "for_s is -1.0; it must be"),
    ],
)
def test_what_is_refused_is_one_line_with_the_nearest_name(
    folder: Path, refusal: Refusal, setting: str, words: str
) -> None:
    line = refusal(folder, ("alerts.webhook='${HOOK}'", f"alerts.{setting}"))
    assert words in line
    assert line.startswith("--set alerts.rules.")


def test_conditions_compare_as_written_and_not_what_is_unknown() -> None:
    for text, values in (
        ("pnl_quote > 1", (False, False, True)),
        ("pnl_quote >= 1", (False, True, True)),
        ("pnl_quote < 1", (True, False, False)),
        ("pnl_quote <= 1", (True, True, False)),
    ):
        condition = condition_of(text, METRICS)
        assert tuple(condition.holds(value) for value in (0.0, 1.0, 2.0)) == values
        assert condition.holds(None) is None
        assert condition.holds(float("nan")) is None
        assert str(condition) == text


def test_a_condition_must_last_without_a_break() -> None:
    lasting = Lasting(3 * SECOND)
    looks = [(True, 0), (True, 2), (None, 3), (False, 4), (True, 5), (True, 7), (True, 8), (False, 9)]
    said = [lasting.look(holds, second * SECOND) for holds, second in looks]
    assert said == [None, None, None, False, None, None, True, False]
    assert lasting.look(True, 20 * SECOND) is None
    # The machine's clock is set back: it begins again.
    assert lasting.look(True, 10 * SECOND) is None
    assert lasting.look(True, 13 * SECOND) is True
