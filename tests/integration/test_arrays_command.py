"""A strategy that reads the book as arrays and writes into a list, through the commands: the same in every world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.command_line import arb
from support.live_sandbox import LiveSandbox, demo_config
from support.paths import strategy_file
from support.recording_files import example, write_pair
from support.run_mutations import reseal

from arb.commands.dryrun_live import run_live
from arb.commands.verify import Verdict, verify
from arb.errors import InputError

pytestmark = pytest.mark.slow

#: In the manner of hftbacktest's tutorial on order book imbalance: the range is read before the first wait.
IMBALANCE = """
from numba import njit
from hftbacktest import GTX, LIMIT

@njit
def side(depth, low, high):
    total = 0.0
    for tick in range(low, high):
        total += depth.bid_depth[tick - depth.roi_lb_tick] - depth.ask_depth[tick - depth.roi_lb_tick]
    return total

def run(hbt, recorder, out, depth_ticks):
    roi_lb_tick = hbt.depth(0).roi_lb_tick
    order_id = 0
    while hbt.elapse(200_000_000) == 0:
        depth = hbt.depth(0)
        if not (depth.best_bid > 0.0 and depth.best_ask > 0.0):
            continue
        hbt.clear_inactive_orders(0)
        out[0] += side(depth, depth.best_bid_tick - depth_ticks, depth.best_ask_tick + depth_ticks)
        out[1] = depth.bid_depth[depth.best_bid_tick - roi_lb_tick]
        order_id += 1
        if out[0] > 0.0:
            hbt.submit_buy_order(0, order_id, depth.best_ask, 0.01 * out[1], 0, LIMIT, False)
        else:
            hbt.submit_sell_order(0, order_id, depth.best_bid, 0.01 * out[1], 0, LIMIT, False)
        recorder.record(hbt)
    return 0
"""


@pytest.fixture
def words(tmp_path: Path) -> Any:
    write_pair(tmp_path / "data", 60)
    return [
        "-c", example("usdm_bybit"), "--data", str(tmp_path / "data"), "--start", "2024-08-08",
        "--strategy", f"{strategy_file('imbalance.py', IMBALANCE)}:run", "--set", "strategy.params.depth_ticks=20",
    ]  # fmt: skip


def invoked(*words: str, code: int = 0) -> str:
    result = arb(*words, code=code)
    return result.output


def test_arrays_and_lists_are_the_same_in_every_world(words: list[str], tmp_path: Path) -> None:
    given = [*words, "--set", "strategy.params.out=[0.5, 0.0]"]
    for command, folder in (("backtest", tmp_path / "b"), ("dry-run", tmp_path / "d")):
        invoked(command, *given, "--out", str(folder))
        manifest = json.loads((folder / "manifest.json").read_bytes())
        assert manifest["strategy"]["arguments"] == {"out": [0.5, 0.0], "depth_ticks": 20}
    trades = (tmp_path / "b" / "trades.csv").read_bytes()
    assert trades.count(b"\n") > 10
    assert (tmp_path / "d" / "trades.csv").read_bytes() == trades
    for folder in ("b", "d"):
        assert "0 differences" in invoked("verify", "--trust", str(tmp_path / folder))


@pytest.mark.parametrize("command", ["backtest", "dry-run"])
def test_a_price_outside_the_range_is_one_line(words: list[str], tmp_path: Path, command: str) -> None:
    key = "binance_usdm.symbols.BTCUSDT.roi_"
    given = [
        *words,
        "--set",
        "strategy.params.out=[0.5, 0.0]",
        "--set",
        f"{key}lb=100.0",
        "--set",
        f"{key}ub=200.0",
    ]
    said = invoked(command, *given, "--out", str(tmp_path / "no"), code=2).strip()
    assert said.startswith("error: binance_usdm:BTCUSDT: a best price of 60001")
    assert said.endswith("set roi_lb and roi_ub (prices) in [symbols.BTCUSDT] of the file of binance_usdm")
    assert not (tmp_path / "no").exists()


def test_a_session_that_a_price_outside_the_range_ended_is_replayed_to_that_error(tmp_path: Path) -> None:
    run, key = tmp_path / "run", "binance_spot.symbols.BTCUSDT.roi_"
    config = demo_config(tmp_path, f"{key}lb=100.0", f"{key}ub=200.0", function="sums")
    with LiveSandbox() as sandbox, pytest.raises(InputError, match="a best price of 4"):
        run_live(config, run, duration_s=60.0, sandbox=sandbox.urls, has_report=False)

    assert verify(run).is_proven
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert (manifest["outcome"], "is outside the range" in manifest["error"]) == ("failed", True)
    (run / "manifest.json").write_text(
        json.dumps({**manifest, "error": manifest["error"].replace("price of 4", "price of 5")})
    )
    reseal(run)
    found = verify(run)
    assert found.verdict == Verdict.DIFFERS
    assert [one[:2] for one in found.differences] == [("end", "error")]
