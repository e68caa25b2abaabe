"""A run whose logs were full has a note: what is missing, and what is whole."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from support.command_line import arb
from support.paths import strategy_file
from support.recording_files import example, write_pair

from arb.bot.recorder import Recorder
from arb.commands import backtest, dryrun
from arb.results.note_kinds import kind_of

pytestmark = pytest.mark.slow

RECORDS = """
def run(hbt, recorder):
    for n in range(20):
        recorder.decide(n, 1, 0, 0, 0, 0.0)
        if n < 10 and hbt.elapse(1_000_000) == 0:
            recorder.record(hbt)
    return 0
"""


def test_a_run_without_records_says_so(tmp_path: Path) -> None:
    script = strategy_file("silent.py", "def run(hbt):\n    hbt.elapse(10_000_000)\n    return 0\n")
    data, run = write_pair(tmp_path / "data", count=20), tmp_path / "run"
    words = (
        "-c",
        example("usdm_bybit"),
        "--data",
        data,
        "--start",
        "2024-08-08",
        "--strategy",
        f"{script}:run",
    )

    arb("backtest", *words, "--out", run)

    notes = json.loads((run / "summary.json").read_text())["notes"]
    assert any(
        note.startswith("no state over time: the strategy did not call recorder.record") for note in notes
    )
    arb("verify", run)


@pytest.mark.parametrize("engine", ["hftbacktest", "arb"])
def test_rows_that_did_not_fit_are_noted(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (backtest, dryrun):
        monkeypatch.setattr(module, "Recorder", partial(Recorder, rows=4, rows_max=8))
    data, run = write_pair(tmp_path / "data", count=20), tmp_path / "run"
    words = (
        "--strategy",
        f"{strategy_file('records.py', RECORDS)}:run",
        "--set",
        f'backtest.engine="{engine}"',
    )

    arb(
        "backtest", "-c", example("usdm_bybit"), "--data", data, "--start", "2024-08-08", "--out", run, *words
    )

    (note,) = (
        text for text in json.loads((run / "summary.json").read_text())["notes"] if "did not fit" in text
    )
    assert note.startswith("2 records, 12 decisions did not fit in memory: ")
    assert kind_of(note).heading == "Incomplete"
