"""Writes `attempts.csv`: one line per attempt, with all its figures."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from arb.results.metrics.attempts import ENDINGS
from arb.results.trades import iso_time
from arb.strategies.spread.decisions import Purpose

#: Column name, and its field of ATTEMPT_ROW.
COLUMNS = {
    "attempt": "attempt",
    "pair": "pair",
    "time": "begin",
    "purpose": "purpose",
    "outcome": "outcome",
    "fills": "fills",
    "chases": "chases",
    "reversals": "reversals",
    "bought_base": "base",
    "bought_quote": "bought",
    "spread_bps": "spread_bps",
    "expected_bps": "expected_bps",
    "captured_bps": "captured_bps",
    "over_basis_bps": "over_basis_bps",
    "cash": "cash",
    "fee": "fee",
    "residual_base": "residual",
    "residual_quote": "residual_quote",
    "pnl_quote": "pnl",
}

_PURPOSES = {purpose.value: purpose.name.lower() for purpose in Purpose}
_OUTCOMES = {0: "unfinished", **{ending.value: ending.name.lower() for ending in ENDINGS}}


def attempts_csv(attempts: Any) -> str:
    """The text of the file; an unknown number is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    # The CSV writer writes None as an empty field.
    writer.writerows(zip(*columns_of(attempts).values(), strict=True))
    return text.getvalue()


def columns_of(attempts: Any) -> dict[str, list[Any]]:
    """The values of each column; None for unknown values."""
    columns = {column: _values(attempts, field) for column, field in COLUMNS.items()}
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
