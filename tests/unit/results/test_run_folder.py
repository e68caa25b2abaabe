"""docs/run-folder.md lists what the code writes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import msgspec
from support.figure_tables import DOCUMENT, csv_columns, documented, tables

from arb.cli.recordings import comparison_lines
from arb.cli.verify import json_of
from arb.commands.verify import Replay, Verification
from arb.commands.verify_live import Proof
from arb.data.check.report import RecordingReport
from arb.data.outages import BookOutages
from arb.verify.reconcile import Difference


def test_the_figures_of_the_summary() -> None:
    assert tables() in DOCUMENT.read_text(), "python tests/support/figure_tables.py prints the tables"


def test_the_columns_of_the_csv_files() -> None:
    for name, columns in csv_columns().items():
        assert columns == documented(name) - {
            "flatten", "hedge", "buy", "sell", "maker", "taker", "fill", "funding", "quote", "base", "both", "live",
            "simulated", "neither", "unknown",
        }  # fmt: skip


def test_the_book_of_an_input() -> None:
    assert documented("book of an input") == set(BookOutages.__struct_fields__)


def test_the_report_on_a_recording() -> None:
    fields = {field.name for field in msgspec.structs.fields(RecordingReport)}
    assert documented("arb data check --json") == fields | {"recording"}


def test_the_result_of_a_verification() -> None:
    difference = Difference("file", "trades.csv", 0, "a", "b")
    proof = Proof("d", "each once", 3, [])
    line = json_of(Verification(Path("run"), [difference], [Replay("dry-run", 1, [])], [], [proof], []))
    (replay,), (proven,) = line["replays"], line["proofs"]
    (found,) = line["differences"]
    assert documented("arb verify --json") == {*line, *replay, *proven, *found}


def test_a_line_of_a_comparison() -> None:
    recording = SimpleNamespace(venue="binance_spot", path=Path("a.gz"))
    one = SimpleNamespace(
        recording=recording, converter="", rows=1, reference_rows=1, is_equal=True, seconds=1.0
    )
    one.reference_seconds = 1.0
    (line,) = comparison_lines([one])  # type: ignore[list-item]
    assert line.keys() == documented("arb convert --compare --json")
