"""The alerts of a watcher: what is reported of every session unless the configuration changes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from arb.alerts.conditions import Condition, condition_of
from arb.alerts.metrics import METRICS

Level: TypeAlias = Literal["off", "info", "warning", "critical"]


class AlertRule(NamedTuple):
    """for_s: the condition must hold for so long. every_s: a beginning is sent at most once in so long. to: names of
    channels; empty: all. state: of `[alerts] states`, which a session's guard reports instead where it is the
    same; "": none. next: what a person does."""

    name: str
    when: Condition
    for_s: float = 0.0
    level: Level = "warning"
    every_s: float = 60.0
    to: tuple[str, ...] = ()
    state: str = ""
    next: str = ""


def _rule(
    name: str, when: str, next_step: str, *, for_s: float = 0.0, level: Level = "warning", state: str = ""
) -> AlertRule:
    return AlertRule(name, condition_of(when, METRICS), for_s, level, state=state, next=next_step)


_LOOK = "look at arb watch and at the session's log"
_NETWORK = "look at the machine's network and at the venue's status page"
_LOSS = "compare the attempt's fills with the books on the page of arb watch; arb halt ends the session"
_BALANCES = "compare arb positions with the venues"

SHIPPED: Mapping[str, AlertRule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            _rule("connection", "unconnected_legs > 0", _NETWORK, for_s=10.0, level="critical"),
            _rule("book", "unknown_books > 0", _NETWORK, for_s=30.0),
            _rule("lag", "lag_p99_ms > 1000", _NETWORK),
            _rule("edge", "edge_over_max_bps > 0", "compare both touches with the venues: one is probably wrong"),
            _rule("spread", "edge_deviations > 6", "compare both touches with the venues: one is probably wrong"),
            _rule("attempt_loss", "attempt_loss_pct > 0.8", _LOSS),
            _rule("day_loss", "day_loss_pct > 2.5", "find where the day's loss is from: arb trades; arb halt ends it"),
            _rule("drawdown", "drawdown_used_pct >= 80", "find where the loss is from: at 100 the session halts"),
            _rule("unhedged", "unhedged_s > 5", _BALANCES, level="critical", state="unhedged"),
            _rule("orders_failed", "orders_failed_pct > 5", "read the reasons in the session's log",
                  state="supervisor failures"),
            _rule("balance", "attempts_affordable < 1", "move base or quote to the venue that has none", for_s=10.0),
            _rule("position", "position_off > 0", _BALANCES, for_s=5.0, level="critical",
                  state="supervisor position"),
            _rule("exposure", "exposure_pct > 20", _BALANCES, for_s=5.0),
            _rule("margin", "margin_pct > 50", "add margin at the venue, or reduce the position",
                  level="critical", state="supervisor margin"),
            _rule("leverage", "leverage_pct > 95", "add margin at the venue, or reduce the position", for_s=10.0),
            _rule("reversed", "reversed_in_a_row >= 3", _LOSS),
            _rule("orders", "orders_of_usual > 5", _LOOK),
            _rule("processor", "processor_pct > 90", _LOOK, for_s=60.0),
            _rule("memory", "memory_gb > 4", "look at arb watch; end the session before the machine has none left",
                  state="supervisor memory"),
            _rule("disk", "disk_free_gb < 2", "make room on the disk of the session's folder",
                  state="supervisor disk"),
            _rule("heartbeat", "heartbeat_s > 30", "look at the session's log: its strategy does not wait any more",
                  level="critical"),
            _rule("halted", "halted > 0", "find the cause in the session's log, then arb resume", level="critical",
                  state="halted"),
            _rule("failed", "failed > 0", "read the end of the session's log", level="critical", state="failed"),
            _rule("lost", "silent_s > 5", "look at arb status and at the venues; arb verify finishes the folder",
                  level="critical", state="lost"),
        )
    }
)  # fmt: skip
