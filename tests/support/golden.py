"""The golden frames of `tests/golden`; its README describes their form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli
from hftbacktest.types import event_dtype

import connectors.parsing.scanner
from connectors.model import FUNDING_EVENT, Kind, Rows
from support.paths import GOLDEN


class Golden(NamedTuple):
    """One golden frame."""

    venue: str
    name: str
    frame: bytes
    is_refused: bool = False
    is_fast: bool = False
    kind: Kind = Kind.OTHER
    exch_ts: int = 0
    first_id: int = 0
    last_id: int = 0
    prev_id: int = 0
    symbol: str = ""
    rows: Rows = np.zeros(0, event_dtype)

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
    times = fields.pop("row_times", fields.get("exch_ts", 0))
    frame, kind = fields.pop("text").encode(), Kind[fields.pop("kind", "OTHER")]
    return Golden(venue, frame=frame, kind=kind, rows=_rows(fields.pop("rows", []), times), **fields)


def _rows(parts: list[Any], times: Any) -> Rows:
    rows = np.zeros(len(parts), event_dtype)
    for row, (event, px, *rest) in zip(rows, parts, strict=True):
        row["px"] = float(px)
        if event == "FUNDING":
            row["ev"], row["fval"], row["ival"] = FUNDING_EVENT, float(rest[0]), rest[1]
        else:
            row["ev"], (row["qty"],) = getattr(connectors.parsing.scanner, event), rest
    if parts:
        rows["exch_ts"] = times
    return rows
