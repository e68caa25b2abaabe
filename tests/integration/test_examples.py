"""The example strategies, run by the commands of examples/README.md on a small simulated recording."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.command_line import arb
from support.paths import ROOT
from support.recording_files import clean_imports

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"
README = (EXAMPLES / "README.md").read_text()
DEMO = "examples/demo/arbitrage.toml"


class Finished(NamedTuple):
    summary: dict[str, Any]
    trades: list[dict[str, str]]
    decisions: Any
    times: Any


def commands() -> list[list[str]]:
    """The words behind `arb` of every command in the page."""
    blocks = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


def demo_command(strategy: str) -> list[str]:
    """The first command on the demo's recordings with this strategy."""
    return next(words for words in commands() if DEMO in words and f"examples/{strategy}" in words)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    arb("sandbox", "record", "-c", ROOT / DEMO, "--seed", "7", "--duration", "1m", "--out", folder)
    return folder


def run(recordings: Path, out: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, *more: str) -> Finished:
    """The page's command from the root of the checkout, on the small recording."""
    monkeypatch.chdir(ROOT)
    with clean_imports(EXAMPLES):
        arb(*demo_command(strategy), "--data", recordings, "--out", out, "--no-report", *more)
    with (out / "trades.csv").open(newline="") as file:
        trades = list(csv.DictReader(file))
    with np.load(out / "records.npz") as file:
        decisions, times = file["decisions"], file["0"]["timestamp"]
    return Finished(json.loads((out / "summary.json").read_bytes()), trades, decisions, times)


def test_the_users_own_strategy_trades_both_legs_and_stays_even(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(recordings, tmp_path / "run", monkeypatch, "own_strategy.py:run")
    assert done.summary["outcome"] == "ended"
    counts = done.summary["decisions"]
    assert counts["attempt"] > 0
    assert counts["hedged"] > 0
    assert counts["halted"] == 0
    assert {trade["leg"].partition(":")[0] for trade in done.trades} == {"binance_spot", "bybit_spot"}
    assert {trade["liquidity"] for trade in done.trades} == {"taker"}
    assert all(trade["attempt"] for trade in done.trades)
    assert sum(leg["position_base"] for leg in done.summary["legs"]) == pytest.approx(0.0, abs=1e-9)
    assert len(done.times) > 50  # a record a second


def test_its_numbers_can_be_set(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--set", "strategy.params.qty=0.02", "--set", "strategy.params.position_max=0.02"]
    done = run(recordings, tmp_path / "run", monkeypatch, "own_strategy.py:run", *words)
    assert {float(trade["quantity"]) for trade in done.trades} == {0.02}
    assert all(abs(leg["position_base"]) <= 0.02 + 1e-9 for leg in done.summary["legs"])
    none = run(
        recordings, tmp_path / "none", monkeypatch, "own_strategy.py:run", "--set", "strategy.params.edge_bps_min=500"
    )  # fmt: skip
    assert none.trades == []


def test_what_a_leg_missed_is_evened_out(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without slippage many orders meet a touch that has moved away.
    words = ["--set", "strategy.params.slippage_tolerance=0.0", "--set", "strategy.params.edge_bps_min=-0.5"]
    done = run(recordings, tmp_path / "run", monkeypatch, "own_strategy.py:run", *words)
    assert done.summary["decisions"]["chase"] > 0
    assert done.summary["decisions"]["halted"] == 0
    assert abs(sum(leg["position_base"] for leg in done.summary["legs"])) < 0.01 + 1e-9


def test_an_order_that_the_limits_refuse_is_no_end(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = ["--set", "risk.position_limit=0.015", "--set", "strategy.max_position_size=0.01"]
    more = "--set", "strategy.params.qty=0.02"  # above the limit: every order
    done = run(recordings, tmp_path / "own", monkeypatch, "own_strategy.py:run", *limit, *more)
    assert done.summary["decisions"]["refused"] == done.summary["decisions"]["attempt"] > 0
    assert done.trades == []
    done = run(recordings, tmp_path / "quotes", monkeypatch, "quoting.py:quote", *limit)
    assert sum(rules["position"] for rules in done.summary["refusals"].values()) > 0
    assert done.trades


def test_the_quotes_are_filled_as_maker_on_the_first_leg(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(recordings, tmp_path / "run", monkeypatch, "quoting.py:quote")
    assert done.summary["outcome"] == "ended"
    assert {trade["side"] for trade in done.trades} == {"buy", "sell"}
    assert {trade["liquidity"] for trade in done.trades} == {"maker"}
    assert {trade["leg"] for trade in done.trades} == {"binance_spot:BTCUSDT"}
    assert all(abs(leg["position_base"]) <= 0.05 + 1e-9 for leg in done.summary["legs"])
    # Far more orders were sent than filled: they were cancelled and sent again as the mid moved.
    assert max(int(trade["order_id"]) for trade in done.trades) > 2 * len(done.trades)
    assert len(done.times) > 500


def test_the_page_names_files_and_functions_that_exist() -> None:
    names = re.findall(r"\bexamples/[\w./]+\w", README)
    assert len(names) >= 6
    assert all((ROOT / name).is_file() for name in names)
    assert all(
        (EXAMPLES / name.rstrip("/")).exists() for name in re.findall(r"`([\w/.]+(?:\.py|/))`", README)
    )
    assert all((EXAMPLES / link).is_file() for link in re.findall(r"\]\(([^)#]+)\)", README))
    for words in commands():
        assert words[0] == "backtest"
        file, _, function = words[words.index("--strategy") + 1].partition(":")
        assert f"\ndef {function}(" in (ROOT / file).read_text()
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"own_strategy.py", "quoting.py"}
