"""Which numbers of the summary a report shows, under which heading; used by the terminal and the HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Line(NamedTuple):
    """One number: its key in the summary, its label and its format."""

    label: str
    key: str
    kind: str


class Section(NamedTuple):
    """Numbers under one heading."""

    title: str
    lines: tuple[Line, ...]


#: The main figures; shown large.
HEADLINES = (
    Line("Profit", "equity.return_quote", "gain"),
    Line("Return", "equity.return_share", "return"),
    Line("Largest drawdown", "equity.drawdown_share_max", "share"),
    Line("Win rate", "rounds.win_rate_share", "share"),
    Line("Edge captured", "edge.captured_over_basis_bps_mean", "bps"),
    Line("Fees", "fee", "money"),
)

RESULT = Section(
    "Result (quote)",
    (
        Line("Capital at the start", "equity.capital_quote", "money"),
        Line("Equity at the end", "equity.end_quote", "money"),
        Line("Profit", "equity.return_quote", "gain"),
        Line("... realised", "equity.realised_quote", "gain"),
        Line("... in positions, at mid", "equity.unrealised_quote", "gain"),
        Line("Return", "equity.return_share", "return"),
        Line("Return a year, simple", "equity.return_annual_share", "return"),
        Line("Fees", "fee", "money"),
        Line("Inventory revalued, apart", "equity.inventory_change_quote", "gain"),
    ),
)

RISK = Section(
    "Risk",
    (
        Line("Largest drawdown", "equity.drawdown_quote_max", "money"),
        Line("... of the capital", "equity.drawdown_share_max", "share"),
        Line("... from", "equity.drawdown_from_time", "time"),
        Line("... to", "equity.drawdown_to_time", "time"),
        Line("Profit over drawdown", "equity.return_over_drawdown", "ratio"),
        Line("Sharpe, annual", "equity.sharpe", "ratio"),
        Line("Sortino, annual", "equity.sortino", "ratio"),
        Line("... of returns over", "equity.sample_interval_s", "duration"),
        Line("Stopped by rule", "risk_halt.rule", "text"),
    ),
)

ROUNDS = Section(
    "Rounds",
    (
        Line("A round is", "rounds.kind", "text"),
        Line("Closed", "rounds.closed", "count"),
        Line("Open at the end", "rounds.open", "count"),
        Line("Win rate", "rounds.win_rate_share", "share"),
        Line("Profit factor", "rounds.profit_factor", "ratio"),
        Line("Expectancy", "rounds.expectancy_quote", "gain"),
        Line("Largest win", "rounds.win_quote_max", "money"),
        Line("Largest loss", "rounds.loss_quote_max", "money"),
        Line("Most wins in a row", "rounds.win_streak_max", "count"),
        Line("Most losses in a row", "rounds.loss_streak_max", "count"),
        Line("Held, mean", "rounds.holding_s_mean", "duration"),
        Line("Held, median", "rounds.holding_s_median", "duration"),
    ),
)

ATTEMPTS = Section(
    "Attempts",
    (
        Line("Attempts", "attempts.count", "count"),
        Line("... hedged", "attempts.hedged", "count"),
        Line("... missed", "attempts.missed", "count"),
        Line("... reversed", "attempts.reversed", "count"),
        Line("... halted", "attempts.halted", "count"),
        Line("With a leg chased", "attempts.chased", "count"),
        Line("With a residual", "attempts.with_residual", "count"),
        Line("Orders sent", "orders.sent", "count"),
        Line("Fill ratio", "orders.fill_ratio_share", "share"),
        Line("Refused by limits", "orders.refused", "count"),
        Line("Time unhedged", "unhedged.unhedged_s_sum", "duration"),
        Line("... longest", "unhedged.unhedged_s_max", "duration"),
    ),
)

EDGE = Section(
    "Edge",
    (
        Line("Expected, mean", "edge.expected_bps_mean", "bps"),
        Line("Captured, mean", "edge.captured_bps_mean", "bps"),
        Line("... over the basis", "edge.captured_over_basis_bps_mean", "bps"),
        Line("Attempts above zero", "edge.positive_share", "share"),
        Line("Captured less expected", "edge.difference_bps_mean", "bps"),
    ),
)

OPPORTUNITIES = Section(
    "Opportunities",
    (
        Line("Seen", "opportunities.seen", "count"),
        Line("Taken", "opportunities.taken", "count"),
        Line("Missed", "opportunities.missed", "count"),
        Line("Lasted, mean", "opportunities.duration_s_mean", "duration"),
        Line("Lasted, median", "opportunities.duration_s_median", "duration"),
        Line("Lasted, 95th percentile", "opportunities.duration_s_p95", "duration"),
        Line("Highest edge, mean", "opportunities.edge_peak_bps_mean", "bps"),
    ),
)

SECTIONS = (RESULT, RISK, ROUNDS, ATTEMPTS, EDGE, OPPORTUNITIES)

#: Rows of the table of two legs: the key of the leg; after a slash, the key of the pair.
LEG_LINES = (
    Line("Fills", "trades/trades", "count"),
    Line("Volume (base)", "volume/", "quantity"),
    Line("Position (base)", "position/imbalance", "base"),
    Line("Cash", "balance/balance", "gain"),
    Line("Fees", "fee/fee", "money"),
    Line("Profit at mid", "pnl/pnl", "gain"),
    Line("Mid at the end", "mid/", "price"),
    Line("Without a book", "book.unknown_s/", "duration"),
    Line("... before its first", "book.before_s/", "duration"),
    Line("... lost, times", "book.spells/", "count"),
    Line("... lost, in sum", "book.spells_s_sum/", "duration"),
    Line("... lost, longest", "book.spells_s_max/", "duration"),
    Line("Without a mid, by records", "unquoted_s/", "duration"),
    Line("... while the other had one", "one_sided_s/", "duration"),
)


def value_at(summary: Mapping[str, Any], key: str) -> Any:
    """The summary's value at `a.b.c`; None if any part of the path is missing or null."""
    value: Any = summary
    for part in key.split("."):
        if isinstance(value, list):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def missed_lines(summary: Mapping[str, Any]) -> Iterator[Line]:
    """Missed opportunities, one line per reason, the most frequent first."""
    reasons = value_at(summary, "opportunities.missed_by_reason") or {}
    for name in sorted(reasons, key=lambda name: (-reasons[name], name)):
        yield Line(f"... {name.replace('_', ' ')}", f"opportunities.missed_by_reason.{name}", "count")


def sections_of(summary: Mapping[str, Any]) -> list[Section]:
    """The sections with the lines that depend on the run."""
    missed = tuple(missed_lines(summary))
    place = next(n for n, line in enumerate(OPPORTUNITIES.lines) if line.key == "opportunities.missed") + 1
    opportunities = OPPORTUNITIES._replace(
        lines=OPPORTUNITIES.lines[:place] + missed + OPPORTUNITIES.lines[place:]
    )
    return [opportunities if section is OPPORTUNITIES else section for section in SECTIONS]


def title_of(summary: Mapping[str, Any]) -> str:
    """The kind of run and its outcome, in one line."""
    names = [leg["leg"] for leg in summary["legs"]]
    pairs = [" and ".join(names[n : n + 2]) for n in range(0, len(names), 2)]
    return f"{summary['world']} of {'; '.join(pairs)}: {summary['outcome']}"
