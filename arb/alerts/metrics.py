"""What the alerts of a watcher may compare: each metric with its unit and its meaning. Pure.

Names are those of `status.json` where it has the figure. A figure of several legs or edges is its worst one, which the
message names. docs/alerts.md lists them; `arb.watch.alert_figures` computes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class AlertMetric(NamedTuple):
    """is_stepped: it changes with an event alone, so that each event is compared, also those of the time in which no
    watcher ran; the others are compared with each status."""

    unit: str
    text: str
    is_stepped: bool = False


METRICS: Mapping[str, AlertMetric] = MappingProxyType(
    {
        "unconnected_legs": AlertMetric("", "Legs whose feed has no connection."),
        "unknown_books": AlertMetric("", "Legs without a bid or an ask."),
        "age_s": AlertMetric("s", "Since the last message of a book: the oldest."),
        "lag_p99_ms": AlertMetric(
            "ms", "From the venue's time to receipt, of the last five minutes, a sample a second: the slowest leg."
        ),
        "gaps": AlertMetric("", "Broken chains of ids since the start, all legs."),
        "edge_bps": AlertMetric("bps", "The largest edge, after both taker fees."),
        "edge_over_max_bps": AlertMetric("bps", "The same, above `strategy.max_edge_bps`."),
        "edge_deviations": AlertMetric(
            "", "How many standard deviations an edge is from its mean of the last hour, after ten minutes."
        ),
        "attempt_loss_pct": AlertMetric("percent", "Loss of the last attempt, of the capital.", is_stepped=True),
        "reversed_in_a_row": AlertMetric("", "Attempts that were reversed, one after the other.", is_stepped=True),
        "orders_failed_pct": AlertMetric(
            "percent",
            "Orders that a limit, the gate or the venue has refused, of the last 50, once there are 20.",
            is_stepped=True,
        ),
        "orders_of_usual": AlertMetric(
            "", "Orders of the last minute relative to the mean minute of the hour before, once there are 10."
        ),
        "pnl_quote": AlertMetric("quote", "Profit, positions at the mid."),
        "drawdown_quote": AlertMetric("quote", "Lost since the largest profit."),
        "drawdown_used_pct": AlertMetric("percent", "The same, of the drawdown that halts the session."),
        "day_loss_quote": AlertMetric("quote", "Lost since 0:00 UTC."),
        "day_loss_pct": AlertMetric("percent", "The same, of the capital."),
        "unhedged_s": AlertMetric("s", "For how long the legs of a pair have not balanced: the longest."),
        "attempts_affordable": AlertMetric(
            "", "How many attempts the balances pay for, in the better direction: the pair with the least."
        ),
        "position_off": AlertMetric("base", "What a venue holds beyond the session's executions: the most."),
        "exposure_pct": AlertMetric("percent", "Net value of all positions, of the capital."),
        "margin_pct": AlertMetric(
            "percent",
            "Maintenance margin of perpetuals, of what an account has for it: the worst; of sessions on accounts.",
        ),
        "leverage_pct": AlertMetric(
            "percent", "Value of the positions at a perpetual venue, of what `risk.max_leverage` allows: the most."
        ),
        "working": AlertMetric("", "Orders that are open."),
        "doubts": AlertMetric("", "Orders whose outcome is not known."),
        "processor_pct": AlertMetric("percent", "Of one core, by the session's process."),
        "memory_gb": AlertMetric("GB", "Of the session's process."),
        "open_files": AlertMetric("", "Of the session's process."),
        "disk_free_gb": AlertMetric("GB", "Free on the disk of the session's folder."),
        "heartbeat_s": AlertMetric("s", "Since the strategy's clock was last advanced."),
        "silent_s": AlertMetric("s", "Since the session's last status; without a bound if its process is gone."),
        "halted": AlertMetric("", "1 if a person or a rule has halted the session."),
        "failed": AlertMetric("", "1 if the session has ended with an error."),
    }
)  # fmt: skip

#: Those of a session's end: a state stays until a later session of the same command and legs runs.
OF_THE_END = frozenset({"halted", "failed", "silent_s"})
