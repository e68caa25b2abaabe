"""What was run on which data, and the sums over its legs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.results.figures.declared import RESULT, Figure, Group
from arb.results.figures.legs import legs_of
from arb.results.metrics.statistics import NS_PER_S
from arb.results.trades import time_text
from arb.strategies.spread.decisions import Decision

if TYPE_CHECKING:
    from arb.results.result import RunResult


def _counted_decisions(run: RunResult) -> dict[str, int]:
    if not len(run.decisions):
        return {}
    return {code.name.lower(): int((run.decisions["code"] == code).sum()) for code in Decision}


RUN = Group(
    "",
    "what was run",
    lambda run: run,
    (
        Figure("notes", "texts", "source of the data unless it is an own recording; what limits the results"),
        Figure("command", "text", "`backtest` or `dry-run`"),
        Figure("outcome", "text", "`ended`, `halted`, `interrupted`, `failed`, `hung` or `killed`"),
        Figure("strategy", "text", "the strategy's function"),
        Figure("first_day", "day", "first day of the data"),
        Figure("last_day", "day", "last day of the data"),
        Figure("first_time", "time", "first record", lambda run: time_text(int(run.equity.timestamps[0]))),
        Figure(
            "last_time", "time", "last state", lambda run: time_text(int(run.records[-1]["timestamp"][0]))
        ),
        Figure(
            "duration_s",
            "duration",
            "from the first record to the last",
            lambda run: int(run.equity.timestamps[-1] - run.equity.timestamps[0]) / NS_PER_S,
        ),
        Figure("rows", "count", "rows of data"),
    ),
)

LOG = Group(
    "",
    "counts of the run",
    lambda run: run,
    (
        Figure(
            "decisions",
            "counts",
            "logged decisions of the strategy; empty for one that logs none",
            _counted_decisions,
        ),
        Figure("refusals", "counts", "orders that the limits refused, by leg and rule"),
        Figure(
            "gaps",
            "counts",
            "breaks of a book's chain in the recordings, by leg",
            lambda run: {leg.name: leg.gaps for leg in run.legs},
        ),
    ),
)

#: Null where a leg's is unknown: one that holds a position and has no mid at the end.
TOTALS = Group(
    "",
    "sums over the legs, by the last state",
    legs_of,
    (
        Figure(
            "cash_quote", "gain", "cash from trades, without fees", lambda legs: sum(leg.cash for leg in legs)
        ),
        Figure(
            "fee_quote", "money", "fees", lambda legs: sum(leg.fee for leg in legs), "Fees", RESULT, "Fees"
        ),
        Figure("fills", "count", "fills", lambda legs: sum(leg.fills for leg in legs)),
        Figure(
            "pnl_quote", "gain", "profit by the legs' last mids", lambda legs: sum(leg.pnl for leg in legs)
        ),
    ),
)
