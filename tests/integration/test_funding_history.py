"""Runs over a funding time: with downloaded history, and with a note where the data have none."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from support.command_line import arb
from support.funding_history import Rate, mark_at, marks_text, rates_text, write_funding
from support.paths import ROOT, strategy_file
from support.recording_files import NOON_NS, command_environment, write_pair

from arb.errors import ExitCode

pytestmark = pytest.mark.slow

DAY = date(2024, 8, 8)
RATES = (Rate(0, "0.00010000"), Rate(12, "0.00010000", 12))
LEGS = "binance_usdm:BTCUSDT,bybit_linear:BTCUSDT"
NO_RATE = (
    "is not counted: its data have no funding rate; 1 funding time passed, if the venue's interval is 8 h: "
    "record with"
)
#: Buys, and holds the position over the funding time.
HOLDER = """
def hold(bot, recorder):
    bot.wait_next_feed(True, 10_000_000_000)
    bot.submit_buy_order(0, 1, 70_000.0, 0.5, 0, 0, True)
    while bot.elapse(1_000_000_000) == 0:
        bot.clear_inactive_orders(-1)
        recorder.record(bot)
    return 0
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict]:
    """Runs a command over a minute around a funding time; returns its manifest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment(tmp_path / "cache")["XDG_CACHE_HOME"])
    shutil.copytree(ROOT / "config", "config")

    def finished(command: str, out: str, *words: str) -> dict:
        arb(command, "--start", str(DAY), "--legs", LEGS, "--no-report", "--out", out, *words)
        return json.loads(Path(out, "manifest.json").read_bytes())

    return finished


def funding_notes(manifest: dict) -> list[str]:
    return [note for note in manifest["notes"] if note.startswith("funding of ")]


@pytest.mark.parametrize("command", ["backtest", "dry-run"])
def test_funding_times_without_data_are_a_note(run: Callable[..., dict], command: str) -> None:
    four_hours = 4 * 3600 * 1_000_000_000
    write_pair(Path("recordings"), count=600, start_ns=NOON_NS + four_hours - 30_000_000_000)
    assert funding_notes(run(command, "run")) == [
        f"funding of binance_usdm:BTCUSDT {NO_RATE} --streams markPrice, or arb download --kinds funding,mark",
        f"funding of bybit_linear:BTCUSDT {NO_RATE} --streams markPrice",
    ]


def test_no_funding_time_is_no_note(run: Callable[..., dict]) -> None:
    write_pair(Path("recordings"), count=50)
    assert funding_notes(run("backtest", "run")) == []


@pytest.mark.parametrize("command", ["backtest", "dry-run"])
def test_downloaded_history_is_paid_and_is_an_input_of_the_run(
    run: Callable[..., dict], command: str
) -> None:
    # At noon, the funding time of an interval of 12 h: from the data, not from the clock.
    write_pair(Path("recordings"), count=600, start_ns=NOON_NS - 30_000_000_000)
    write_funding(Path("recordings"), DAY, rates_text({DAY: RATES}), marks_text(DAY))
    lines = [json.loads(line) for line in arb("data", "list", "recordings", "--json").stdout.splitlines()]
    assert [line["contents"] for line in lines] == ["frames, funding history", "frames"]
    strategy = f"{strategy_file('holder.py', HOLDER)}:hold"
    manifest = run(command, "run", "--strategy", strategy)
    assert funding_notes(manifest) == []
    with Path("run/trades.csv").open(newline="") as file:
        (payment,) = (line for line in csv.DictReader(file) if line["kind"] == "funding")
    assert float(payment["cash"]) == pytest.approx(-0.5 * mark_at(720) * 0.0001, abs=1e-9)
    assert payment["time"].startswith("2024-08-08T12:00:00")
    assert [len(line["raw_sha256"].split("+")) for line in manifest["inputs"]] == [3, 1]
    arb("verify", "run", "--trust")
    changed = rates_text({DAY: (RATES[0], Rate(12, "0.00020000", 12))})
    write_funding(Path("recordings"), DAY, changed, marks_text(DAY))
    reported = arb("verify", "run", "--trust", "--json", code=ExitCode.DIFFERENCES)
    differences = [one for replay in json.loads(reported.stdout)["replays"] for one in replay["differences"]]
    assert {(one["what"], one["where"]) for one in differences if one["what"] == "input"} == {
        ("input", f"binance_usdm:BTCUSDT {DAY}")
    }
