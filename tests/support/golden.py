"""The golden frames of `tests/golden`; its README tells their form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli
from hftbacktest.types import event_dtype

import connectors.parsing.scanner
from connectors.model import Kind, Rows
from support.paths import GOLDEN


class Golden(NamedTuple):
    """One golden frame."""

    venue: str
    name: str
    frame: bytes
    is_refused: bool
    is_fast: bool
    kind: Kind
    exch_ts: int
    first_id: int
    last_id: int
    prev_id: int
    symbol: str
    rows: Rows

    def __str__(self) -> str:
        return f"{self.venue}: {self.name}"


def golden_frames() -> list[Golden]:
    """All golden frames of our venues."""
    return [one for path in sorted(GOLDEN.glob("*/*.toml")) for one in frames_in(path, path.parent.name)]


def frames_in(path: Path, venue: str) -> list[Golden]:
    """The golden frames of one file."""
    content = tomli.loads(path.read_text(encoding="utf-8"))
    assert content["source"]
    return [_golden(venue, fields) for fields in content["frame"]]


def _golden(venue: str, fields: dict[str, Any]) -> Golden:
    exch_ts = fields.get("exch_ts", 0)
    return Golden(
        venue=venue,
        name=fields["name"],
        frame=fields["text"].encode(),
        is_refused=fields.get("is_refused", False),
        is_fast=fields.get("is_fast", False),
        kind=Kind[fields.get("kind", "OTHER")],
        exch_ts=exch_ts,
        first_id=fields.get("first_id", 0),
        last_id=fields.get("last_id", 0),
        prev_id=fields.get("prev_id", 0),
        symbol=fields.get("symbol", ""),
        rows=_rows(fields.get("rows", []), fields.get("row_times", exch_ts)),
    )


def _rows(parts: list[Any], times: Any) -> Rows:
    rows = np.zeros(len(parts), event_dtype)
    for row, (event, px, qty) in zip(rows, parts, strict=True):
        row["ev"], row["px"], row["qty"] = getattr(connectors.parsing.scanner, event), float(px), qty
    if parts:
        rows["exch_ts"] = times
    return rows
