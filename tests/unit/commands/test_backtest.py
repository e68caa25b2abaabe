"""What a backtest says of its data beside the figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from support.recording_files import make_leg

from arb.commands.run_files import clamp_notes
from arb.results.note_kinds import Place, kind_of


def conversion(*clamped: int, rows: int = 10_000) -> Any:
    """A leg a number, with so many of its rows clamped."""
    return SimpleNamespace(files=[[SimpleNamespace(clamped=count, rows=rows)] for count in clamped])


def test_a_clock_that_clamps_many_rows_is_reported_for_its_leg() -> None:
    legs = [make_leg("binance_spot"), make_leg("binance_usdm")]
    (note,) = clamp_notes(legs, conversion(10, 9_000))
    assert note.startswith(f"{legs[1].name}: 9,000 rows were stamped later than received")
    assert "offset_ms" in note
    assert kind_of(note).place == Place.QUALITY
    assert clamp_notes(legs, conversion(0, 0)) == []
