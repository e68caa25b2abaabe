"""What was run on which data, and the sums over its legs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.results.figures.declared import RESULT, Figure, Group
from arb.results.figures.legs import legs_of
from arb.results.trades import time_text
from arb.strategies.spread.decisions import Decision
from connectors.units import SECOND

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
        Figure("notes", "texts",
               text="source of the data, if not recorded by arb; limits of the results"),
        Figure("command", "text",
               text="`backtest` or `dry-run`"),
        Figure("outcome", "text",
               text="`ended`, `halted`, `interrupted`, `failed`, `hung` or `killed`"),
        Figure("strategy", "text",
               text="the strategy's function"),
        Figure("first_day", "day",
               text="first day of the data"),
        Figure("last_day", "day",
               text="last day of the data"),
        Figure("first_time", "time", lambda run: time_text(int(run.equity.timestamps[0])),
               text="first record"),
        Figure("last_time", "time", lambda run: time_text(int(run.records[-1]["timestamp"][0])),
               text="last state"),
        Figure("duration_s", "duration", lambda run: run.equity.span_ns / SECOND,
               text="from the first record to the last"),
        Figure("rows", "count",
               text="rows of data"),
    ),
)  # fmt: skip

LOG = Group(
    "",
    "counts of the run",
    lambda run: run,
    (
        Figure("decisions", "counts", _counted_decisions,
               text="logged decisions of the strategy; empty for one that logs none"),
        Figure("refusals", "counts",
               text="orders that the limits refused, by leg and rule"),
        Figure("gaps", "counts", lambda run: {leg.name: leg.gaps for leg in run.legs},
               text="breaks of a book's chain in the recordings, by leg"),
    ),
)  # fmt: skip

#: Null where a leg's is unknown: one that holds a position and has no mid at the end.
TOTALS = Group(
    "",
    "sums over the legs, by the last state",
    legs_of,
    (
        Figure("cash_quote", "gain", lambda legs: sum(leg.cash for leg in legs),
               text="cash from trades, without fees"),
        Figure("fee_quote", "money", lambda legs: sum(leg.fee for leg in legs), RESULT, "Fees",
               text="fees", headline="Fees"),
        Figure("fills", "count", lambda legs: sum(leg.fills for leg in legs),
               text="fills"),
        Figure("pnl_quote", "gain", lambda legs: sum(leg.pnl for leg in legs),
               text="profit by the legs' last mids"),
    ),
)  # fmt: skip
