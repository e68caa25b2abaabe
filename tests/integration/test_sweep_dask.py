"""A sweep on the workers of a Dask cluster, one of them killed: the bytes of a sweep in threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import arb
from support.paths import ROOT
from support.recording_files import command_environment

from arb.sweep.table import read_results

pytest.importorskip("distributed", reason="the extra of sweeps is not installed")
pytestmark = pytest.mark.slow

LEGS = "binance_usdm:BTCUSDT,bybit_spot:BTCUSDT"
FREE = [f"{venue}.fees.{kind}=0" for venue in ("binance_usdm", "bybit_spot") for kind in ("taker", "maker")]
VARY = ["--vary", "strategy.min_spread_bps=0:1:0.25", "--vary", "execution.order_timeout_ms=50:400:50"]
TOTAL = 40


def test_a_killed_worker_changes_no_byte(tmp_path: Path) -> None:
    arb("init", tmp_path / "my")
    venues = ["--venues", "binance_usdm,bybit_spot"]
    arb(
        "sandbox", "record", "--out", tmp_path / "data", "--duration", "20s", "--start", "2024-01-01", *venues
    )
    words = ["sweep", "-c", tmp_path / "my" / "arbitrage.toml", "--data", tmp_path / "data", "--legs", LEGS]
    for setting in ("strategy.basis_halflife_s=5.0", *FREE):
        words += ["--set", setting]
    words += ["--start", "2024-01-01", *VARY]
    arb(*words, "--out", tmp_path / "threads", "--threads", 2)
    out = tmp_path / "dask"
    environment = command_environment(tmp_path / "cache")
    environment["PYTHONPATH"] = f"{ROOT / 'tests'}:{environment['PYTHONPATH']}"
    with subprocess.Popen(
        [sys.executable, "-m", "support.dask_sweep", str(out / "results.jsonl"), str(TOTAL)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as cluster:  # fmt: skip
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        done = subprocess.run(
            [sys.executable, "-m", "arb", *map(str, words), "--out", str(out), "--dask", address],
            env=environment, capture_output=True, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        killed, _ = cluster.communicate("", timeout=60)
    assert 0 < int(killed.split()[2]) < TOTAL
    assert sum(one.fills for one in read_results(out)) > 100
    for name in ("results.jsonl", "sweep.csv", "sweep.html"):
        assert (out / name).read_bytes() == (tmp_path / "threads" / name).read_bytes()
    refused = arb(*words, "--out", tmp_path / "none", "--dask", "tcp://127.0.0.1:9", code=2)
    assert "no scheduler answers" in refused.output
    assert len(refused.output.strip().splitlines()) == 1
    assert not (tmp_path / "none").exists()
