"""The result of a run: what its manifest says, its arrays, and what follows from them.

`summary.json`, the terminal's table, the page, the charts and `--json` are all drawn from a `RunResult`; the run that
writes a folder and the command that reads it build the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from arb.results.figures.summary import summary_of
from arb.results.metrics.attempts import attempts_of
from arb.results.metrics.coverage import LegOutages
from arb.results.metrics.equity import Equity, equity_curve
from arb.results.metrics.round_trips import RoundTrips, round_trips_of
from arb.results.no_trades.edges import Edges
from arb.results.no_trades.explanation import Explanation, explanation_of
from arb.results.setup import LegTerms, RunSetup
from arb.results.simulated_orders import SimulatedOrder
from arb.results.trades import Payment, Trade


class RunOutput(NamedTuple):
    """The output of a strategy. records: (row, leg) of dtype `arb.bot.recorder.RECORD`; final: the last state, one a
    leg; decisions: rows of `arb.bot.recorder.DECISION`. edges: such rows with what a second pass measured of a run
    without a fill (`arb.strategies.spread.measure`); None: there was none."""

    records: Any
    final: Any
    decisions: Any
    trades: list[Trade]
    payments: Sequence[Payment] = ()
    edges: Any = None
    #: How many rows of each kind did not fit in memory.
    dropped: Mapping[str, int] = MappingProxyType({})
    #: Funding times of each leg that could not be paid for lack of data.
    unpaid: Sequence[int] = ()
    #: The orders of a live session beside the simulated exchange; None: not compared.
    simulated: Sequence[SimulatedOrder] | None = None
    #: The fills as rows of FILL_ROW, where they are not among `trades`.
    fill_rows: Any = None


class ResultLeg(NamedTuple):
    """A leg of a run, and its holdings before the run in base and quote units.

    quote: 0 for all but the first leg at a venue, because the legs at a venue share its cash.
    """

    name: str
    base: float
    quote: float
    contract_size: float
    #: Breaks of the book's chain in the recordings, and the times without a book.
    gaps: int = 0
    outages: LegOutages = LegOutages()
    #: Fees, latencies and the queue model.
    terms: LegTerms = LegTerms()


@dataclass(frozen=True, eq=False)
class RunResult:
    """A finished run of one or more legs."""

    #: backtest, dry-run or live.
    command: str
    #: ended, halted, interrupted, failed, hung or killed.
    outcome: str
    strategy: str
    first_day: str
    last_day: str
    #: The source of the data, unless they are an unchanged recording of the venue; what limits the results.
    notes: Sequence[str]
    #: Engine, data and parameters.
    setup: RunSetup
    #: Rows of data.
    rows: int
    #: Orders refused by the limits, by leg and rule.
    refusals: Mapping[str, Mapping[str, int]]
    legs: Sequence[ResultLeg]
    #: The numbers of each pair's legs; empty for a strategy that takes no pairs.
    pairs: Sequence[tuple[int, int]]
    #: (row, leg) of dtype `arb.bot.recorder.RECORD`, the last state included; rows by time.
    records: Any
    #: Rows of `arb.bot.recorder.DECISION`, by time.
    decisions: Any
    #: Rows of FILL_ROW, by time.
    fills: Any
    #: Rows of PAYMENT_ROW, by time.
    payments: Any
    #: Half-life of the average that edges are measured from; 0: none.
    basis_halflife_ns: int = 0
    #: Whether the strategy enters and exits spreads by configuration.
    is_convergence: bool = False
    #: The effective configuration and the parameters of the strategy, as in the manifest.
    config: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    #: As in `RunOutput`.
    edges: Any = None
    simulated: Sequence[SimulatedOrder] | None = None

    @cached_property
    def equity(self) -> Equity:
        """Capital and profit at each record."""
        return equity_curve(self.legs, self.records)

    @cached_property
    def attempts(self) -> Any:
        """Rows of ATTEMPT_ROW; none for a strategy that logs no attempts."""
        return attempts_of(
            self.decisions,
            self.fills,
            self.payments,
            self.pairs,
            self.equity,
            self.basis_halflife_ns,
            [leg.terms.fee_lot for leg in self.legs],
        )

    @cached_property
    def round_trips(self) -> RoundTrips:
        """From the attempts, otherwise from the fills."""
        return round_trips_of(
            self.attempts,
            self.fills,
            self.payments,
            self.pairs,
            self.equity,
            is_convergence=self.is_convergence,
        )

    @cached_property
    def net_edges(self) -> Edges | None:
        """The measured edges of a run without a fill."""
        return None if self.edges is None else Edges(self.edges, self.pairs)

    @cached_property
    def no_trades(self) -> Explanation | None:
        """Why it has no fill."""
        return explanation_of(self)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`: every figure, JSON-ready; unknown values are None."""
        return summary_of(self)
