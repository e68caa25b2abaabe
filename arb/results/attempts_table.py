"""Writes `attempts.csv`: one line per attempt, with all its figures."""

from __future__ import annotations

import csv
import io
from typing import Any, NamedTuple

import numpy as np

from arb.results.metrics.attempts import ENDINGS
from arb.results.trades import iso_time
from arb.strategies.spread.decisions import Purpose


class Column(NamedTuple):
    """A column: its name, its field of ATTEMPT_ROW, its kind (`arb.results.figures.declared.UNITS`).

    head: above it in the page's table; the page leaves out columns without one.
    """

    name: str
    field: str
    kind: str
    head: str = ""


COLUMNS = (
    Column("attempt", "attempt", "count", "No."),
    Column("pair", "pair", "count"),
    Column("time", "begin", "time", "Time (UTC)"),
    Column("purpose", "purpose", "text", "For"),
    Column("outcome", "outcome", "text", "Ended"),
    Column("fills", "fills", "count", "Fills"),
    Column("chases", "chases", "count"),
    Column("reversals", "reversals", "count"),
    Column("bought_base", "base", "quantity", "Bought (base)"),
    Column("bought_quote", "bought", "money"),
    Column("spread_bps", "spread_bps", "bps", "Filled at"),
    Column("expected_bps", "expected_bps", "bps", "Expected"),
    Column("captured_bps", "captured_bps", "bps"),
    Column("captured_over_basis_bps", "over_basis_bps", "bps", "Captured"),
    Column("cash_quote", "cash", "gain"),
    Column("fee_quote", "fee", "money", "Fees"),
    Column("funding_quote", "funding", "gain"),
    Column("residual_base", "residual", "base", "Residual (base)"),
    Column("residual_quote", "residual_quote", "gain"),
    Column("pnl_quote", "pnl", "gain", "Profit"),
)

_PURPOSES = {purpose.value: purpose.name.lower() for purpose in Purpose}
_OUTCOMES = {0: "unfinished", **{ending.value: ending.name.lower() for ending in ENDINGS}}


def attempts_csv(attempts: Any) -> str:
    """The text of the file; an unknown number is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = columns_of(attempts)
    writer.writerow(columns)
    # The CSV writer writes None as an empty field.
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def columns_of(attempts: Any) -> dict[str, list[Any]]:
    """The values of each column; None for unknown values."""
    columns = {column.name: _values(attempts, column.field) for column in COLUMNS}
    begins = np.where(attempts["begin"] > 0, attempts["begin"], attempts["first_fill"]).tolist()
    columns["time"] = [iso_time(begin) if begin else None for begin in begins]
    columns["purpose"] = [_PURPOSES.get(purpose) for purpose in columns["purpose"]]
    columns["outcome"] = [_OUTCOMES[outcome] for outcome in columns["outcome"]]
    return columns


def _values(attempts: Any, field: str) -> list[Any]:
    values = attempts[field]
    if values.dtype.kind != "f":
        return list(values.tolist())
    is_known = np.isfinite(values)
    listed: list[Any] = values.tolist()
    return listed if is_known.all() else [v if k else None for v, k in zip(listed, is_known, strict=True)]
