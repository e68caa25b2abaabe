"""What was run on which data, and the sums over its legs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.results.figures.declared import RESULT, SETUP, Figure, Group
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
        Figure("command", "text", None, SETUP, "Mode",
               text="`backtest`, `dry-run` or `live`"),
        Figure("outcome", "text",
               text="`ended`, `halted`, `interrupted`, `failed`, `hung` or `killed`"),
        Figure("strategy", "text", None, SETUP, "Strategy",
               text="the strategy's function"),
        Figure("first_day", "day",
               text="first day of the data"),
        Figure("last_day", "day",
               text="last day of the data"),
        Figure("first_time", "time", lambda run: time_text(int(run.equity.timestamps[0])),
               SETUP, "From (UTC)",
               text="first record"),
        Figure("last_time", "time", lambda run: time_text(int(run.records[-1]["timestamp"][0])),
               SETUP, "To (UTC)",
               text="last state"),
        Figure("duration_s", "duration", lambda run: run.equity.span_ns / SECOND,
               SETUP, "Duration",
               text="from the first record to the last"),
        Figure("rows", "count", None, SETUP, "Rows of data",
               text="rows of data"),
    ),
)  # fmt: skip

SETUP_FIGURES = Group(
    "setup",
    "how it was run; fees, latencies, queue models and capital are in `legs`",
    lambda run: run.setup,
    (
        Figure("data", "text", lambda setup: ", ".join(setup.sources), SETUP, "Data",
               text="`live`, `recording`, or the archives' names"),
        Figure("engine", "text", None, SETUP, "Engine",
               text="who matched the orders: `hftbacktest`; `arb`, the simulated exchange of dry-runs; `venues`"),
        Figure("parameters", "values", lambda setup: dict(setup.parameters), SETUP, "by name",
               text="parameters of the strategy: of the built-in one the thresholds of its mode, by their keys; of any "
                    "other all of them"),
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
               text="cash from trades, without fees and funding"),
        Figure("fee_quote", "money", lambda legs: sum(leg.fee for leg in legs), RESULT, "Fees",
               text="fees", headline="Fees"),
        Figure("funding_quote", "gain", lambda legs: sum(leg.funding for leg in legs) or None, RESULT, "Funding",
               text="funding received less funding paid; null without a payment"),
        Figure("fills", "count", lambda legs: sum(leg.fills for leg in legs),
               text="fills"),
        Figure("pnl_quote", "gain", lambda legs: sum(leg.pnl for leg in legs),
               text="profit by the legs' last mids"),
    ),
)  # fmt: skip
