"""What `make demo` does, without its environment: a simulated recording, and a backtest that finds trades in it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from support.paths import ROOT
from support.recording_files import command_environment, run_command

pytestmark = pytest.mark.slow


def demo_commands() -> list[list[str]]:
    """The words behind `arb` of the Makefile's target, in its order."""
    text = (ROOT / "Makefile").read_text()
    folder = re.search(r"^DEMO := (.*)$", text, re.MULTILINE)
    recipe = re.search(r"^demo: .*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert folder is not None
    assert recipe is not None
    lines = recipe.group(1).replace("$(DEMO)", folder.group(1)).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("\t$(BIN)/arb ")]


def test_the_demo_finds_trades(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = command_environment(tmp_path / "cache")
    reported = [run_command(words, environment, tmp_path) for words in demo_commands()]
    assert [(done.code, done.err) for done in reported] == [(0, ""), (0, "")]
    assert "simulated" in reported[1].out

    run = tmp_path / "runs" / "demo" / "backtest"
    summary = json.loads((run / "summary.json").read_text())
    decisions = summary["decisions"]
    assert summary["outcome"] == "ended"
    assert 24 <= decisions["attempt"] <= 250
    assert decisions["hedged"] > decisions["attempt"] / 2
    # Not every order is filled, as it would be if the market were made for the strategy.
    assert decisions["expired"] > 0
    assert decisions.get("reversed", 0) + decisions.get("missed", 0) > 0
    assert len((run / "trades.csv").read_text().splitlines()) > 40


def test_the_demo_says_that_it_is_simulated_and_what_it_pays() -> None:
    folder = ROOT / "examples" / "demo"
    assert "simulates" in (folder / "arbitrage.toml").read_text()
    for name in ("binance.toml", "bybit.toml"):
        text = (folder / name).read_text()
        assert "simulated" in text
        assert "Assumed" in text
