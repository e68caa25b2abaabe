"""The smallest configuration runs: over a sandbox's recording, and on a sandbox."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.command_line import arb
from support.smallest import write_smallest

_NOTE = "no [capital]: the run began with 10,000 quote and 0.2"
#: The fees of the templates leave nothing to trade in a simulated market.
_FREE = (
    "--set",
    "strategy.min_spread_bps=0",
    "--set",
    "binance_spot.fees.taker=0",
    "--set",
    "bybit_spot.fees.taker=0",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smallest")
    main = write_smallest(folder / "config")
    arb("sandbox", "record", "-c", main, "--out", folder / "recordings", "--duration", "1m")
    return folder


def _recorded_day(folder: Path) -> tuple[str | Path, ...]:
    config = folder / "config" / "arbitrage.toml"
    return "-c", config, "--data", folder / "recordings", "--start", "2024-01-01"


class _Done(NamedTuple):
    out: Path
    output: str


@pytest.fixture(scope="module")
def done(folder: Path) -> Callable[[str], _Done]:
    """Runs a command over the recorded day, once."""

    @functools.cache
    def of(command: str) -> _Done:
        out = folder / command
        return _Done(out, arb(command, *_recorded_day(folder), "--out", out, "--no-report", *_FREE).output)

    return of


@pytest.mark.parametrize("command", ["backtest", "dry-run"])
def test_recorded_days_run_and_the_capital_is_noted(
    folder: Path, done: Callable[[str], _Done], command: str
) -> None:
    out, output = done(command)

    assert f"\nCAPITAL: {_NOTE}" in output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["equity"]["capital_quote"] == pytest.approx(40_000.0, abs=10.0)
    assert summary["fills"] > 0
    assert "proven" in arb("verify", out, "--data", folder / "recordings").output


def test_a_session_on_a_sandbox_runs(folder: Path) -> None:
    out = folder / "session"

    words = ("-c", folder / "config" / "arbitrage.toml", "--duration", "2s", "--out", out)
    done = arb("dry-run", "--sandbox", *words)

    assert done.stderr.startswith("waiting for the first prices of binance_spot, bybit_spot, by which a run ")
    assert any(note.startswith(_NOTE) for note in json.loads((out / "manifest.json").read_text())["notes"])
    assert f" note {_NOTE}" in (out / "log.txt").read_text()
    assert "proven" in arb("verify", out).output


@pytest.mark.parametrize("mode", ["backtest", "dry-run"])
def test_run_is_the_command_of_its_mode(folder: Path, done: Callable[[str], _Done], mode: str) -> None:
    config = ("--config", folder / "config" / "arbitrage.toml", "--data", folder / "recordings")
    days = ("--start-date", "2024-01-01", "--end-date", "2024-01-01")
    out = folder / f"run-{mode}"

    arb("run", "--mode", mode, *config, *days, "--out", out, "--no-report", *_FREE)

    assert json.loads((out / "manifest.json").read_text())["command"] == mode
    assert (out / "trades.csv").read_bytes() == (done(mode).out / "trades.csv").read_bytes()


def test_run_on_live_data_takes_the_options_of_its_mode(folder: Path) -> None:
    config = ("--config", folder / "config" / "arbitrage.toml")

    line = arb("run", "--mode", "dry-run", *config, "--live-data", "--end-date", "2024-01-01", code=2).stderr

    assert line.startswith("error: --end-date: only for recorded days")
    assert line.count("\n") == 1


def test_a_mode_that_does_not_exist_is_one_line(folder: Path) -> None:
    line = arb("run", "--mode", "paper", code=2).stderr

    assert "'backtest', 'dry-run'" in line
    assert line.count("\n") == 1


@pytest.fixture(scope="module")
def usual(folder: Path) -> bytes:
    return _trades(folder)


def _trades(folder: Path, *overrides: str) -> bytes:
    out = folder / ("usual" if not overrides else overrides[0])
    sets = [word for override in overrides for word in ("--set", override)]
    arb("backtest", *_recorded_day(folder), "--out", out, "--no-report", *_FREE, *sets, code=None)
    return (out / "trades.csv").read_bytes()


@pytest.mark.parametrize(
    "override",
    [
        "strategy.min_spread_bps=1.5",
        "strategy.max_position_size=0.01",
        "strategy.rebalance_threshold=0.9",
        "risk.max_drawdown=0.0000001",
        "risk.stop_loss_bps=0.001",
        "risk.position_limit=0.02",
        "execution.slippage_tolerance=0.0",
    ],
)
def test_every_key_of_it_changes_the_trades(folder: Path, usual: bytes, override: str) -> None:
    assert _trades(folder, override) != usual


def test_how_long_a_leg_is_chased_changes_the_trades_where_orders_arrive_too_late(folder: Path) -> None:
    late = ("binance_spot.latency.entry_ms=400.0", "execution.slippage_tolerance=0.0")
    assert _trades(folder, *late) != _trades(folder, "execution.order_timeout_ms=1", *late)
