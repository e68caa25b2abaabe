"""A run that trades, with one key fatal at a time: the explanation names that key."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.command_line import arb
from support.smallest import write_smallest

from arb.config import write_templates

pytestmark = pytest.mark.slow

DAY = ("--start", "2024-01-01")
#: The fees of the templates leave nothing to trade in a simulated market.
SPOT = ("strategy.min_spread_bps=0.5", "binance_spot.fees.taker=0.0", "bybit_spot.fees.taker=0.0")
#: Only one direction can trade: what is bought at Binance is sold at Bybit.
ONE_WAY = (*SPOT, "capital.binance_spot.base=0.0")
#: Edges that pay both fees once, but not twice.
PAID = ("strategy.min_spread_bps=0.5", "binance_spot.fees.taker=0.0003", "bybit_spot.fees.taker=0.0003")
PERPETUALS = (
    "strategy.legs=['binance_usdm:SYMBOL', 'bybit_linear:SYMBOL']",
    "strategy.min_spread_bps=0.5",
    *(f"{venue}.fees.taker=0.0" for venue in ("binance_usdm", "bybit_linear")),
    *(f"capital.{venue}.quote=10000.0" for venue in ("binance_usdm", "bybit_linear")),
)


class Fatal(NamedTuple):
    """A setting without which the run trades. code: of the command; at 2 the error is the explanation."""

    setting: str
    words: str
    base: tuple[str, ...] = SPOT
    code: int = 0

    @property
    def key(self) -> str:
        return self.setting.partition("=")[0]


FATAL = [
    Fatal("strategy.min_spread_bps=200.0", "The edge never exceeded strategy.min_spread_bps = 200"),
    Fatal("binance_spot.fees.taker=0.05", "Fees were larger than the spread"),
    Fatal("bybit_spot.fees.taker=0.05", "Fees were larger than the spread"),
    Fatal("strategy.mode='convergence'", "(strategy.mode = convergence)", PAID),
    Fatal("strategy.max_edge_bps=0.001", "above strategy.max_edge_bps = 0.001"),
    Fatal("strategy.max_position_size=0.00002", "strategy.max_position_size = 2e-05 allows 2e-05"),
    Fatal("strategy.basis_halflife_s=100000.0", "No edge was ever known"),
    Fatal("risk.position_limit=0.00002", "risk.position_limit = 2e-05 allows 2e-05"),
    Fatal("risk.capital_allocation=0.0001", "risk.capital_allocation = 0.0001 allows"),
    Fatal("risk.max_order_qty=0.00002", "risk.max_order_qty = 2e-05 allows"),
    Fatal("risk.max_order_notional=1.0", "risk.max_order_notional = 1 allows"),
    Fatal("risk.max_orders_per_second=1", "must be 0 (no limit) or at least", code=2),
    Fatal("risk.max_leverage=0.0001", "risk.max_leverage = 0.0001 allows", PERPETUALS),
    Fatal("capital.binance_spot.quote=1.0", "capital.binance_spot.quote = 1 allows", ONE_WAY),
    Fatal("capital.bybit_spot.base=0.00002", "capital.bybit_spot.base = 2e-05 allows", ONE_WAY),
    Fatal("capital.bybit_linear.quote=1.0", "capital.bybit_linear.quote = 1 allows", PERPETUALS),
    Fatal("execution.stale_after_ms=1", "later than execution.stale_after_ms = 1 allows"),
    Fatal("execution.touch_share=0.0000001", "execution.touch_share = 1e-07 allows"),
    Fatal("live.in_doubt_max_s=0.001", "no response arrived within live.in_doubt_max_s = 0.001", code=3),
    Fatal("clock.offset_ms=60000.0", "clock.offset_ms = 60000 is added to every time of arrival"),
    Fatal("bybit_spot.symbols.BTCUSDT.min_notional=1000000000.0", "the least order of both venues is"),
    Fatal("binance_spot.symbols.BTCUSDT.min_qty=1000.0", "(lot_size, min_qty)", code=2),
    Fatal("bybit_spot.symbols.BTCUSDT.lot_size='100'", "lot_size", code=2),
    Fatal("strategy.symbol='ETHUSDT'", "ETHUSDT", code=2),
    Fatal("data.directory='elsewhere'", "elsewhere", code=2),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("no_trades")
    write_templates(folder / "config")
    venues = "binance_spot,bybit_spot,binance_usdm,bybit_linear"
    arb(
        *("sandbox", "record", "-c", folder / "config" / "arbitrage.toml", "--venues", venues),
        *("--out", folder / "recordings", "--duration", "1m"),
    )
    return folder


def run(folder: Path, *settings: str, code: int = 0, command: str = "backtest") -> Any:
    """The output of a run over the recording, and its folder."""
    out = folder / "runs" / str(len(list(folder.glob("runs/*"))))
    out.parent.mkdir(exist_ok=True)
    data = (
        () if any(one.startswith("data.directory") for one in settings) else ("--data", folder / "recordings")
    )
    words = [word for one in settings for word in ("--set", one)]
    config = ("-c", folder / "config" / "arbitrage.toml")
    done = arb(command, *config, *data, *DAY, "--no-report", "--out", out, *words, code=code)
    return done, out


def summary_of(out: Path) -> Any:
    return json.loads((out / "summary.json").read_text())


@pytest.mark.parametrize(
    "base", [SPOT, ONE_WAY, PAID, PERPETUALS], ids=["spot", "one way", "paid", "perpetuals"]
)
def test_without_a_fatal_key_the_run_trades(folder: Path, base: tuple[str, ...]) -> None:
    _, out = run(folder, *base)

    summary = summary_of(out)
    assert summary["fills"] > 0
    assert summary["no_trades"] is None
    assert summary["net_edges"] == []
    with np.load(out / "records.npz") as file:
        assert "edges" not in file


@pytest.mark.parametrize("fatal", FATAL, ids=[fatal.key for fatal in FATAL])
def test_a_fatal_key_is_named(folder: Path, fatal: Fatal) -> None:
    base = [one for one in fatal.base if one.partition("=")[0] != fatal.key]

    done, out = run(folder, *base, fatal.setting, code=fatal.code)

    if fatal.code == 2:
        assert fatal.words in done.stderr
        assert fatal.key.rpartition(".")[2] in done.stderr or fatal.words in fatal.setting
        return
    found = summary_of(out)["no_trades"]
    assert fatal.words in found["reason"]
    assert fatal.key in found["keys"]
    assert fatal.key in found["reason"]
    shown = " ".join(done.stdout.split())
    assert "Why nothing was traded" in shown
    assert found["reason"] in shown


def test_at_least_twenty_keys_are_fatal() -> None:
    assert len({fatal.key for fatal in FATAL}) >= 20


def test_the_threshold_for_ten_attempts_is_exceeded_ten_times(folder: Path) -> None:
    _, out = run(folder, *SPOT[1:], "strategy.min_spread_bps=200.0")
    for_ten = summary_of(out)["no_trades"]["threshold_for_10_bps"]

    def seen_at(threshold: float) -> int:
        # All are missed: an attempt would change what follows.
        _, out = run(folder, *SPOT[1:], f"strategy.min_spread_bps={threshold}", "strategy.max_edge_bps=0.001")
        return int(summary_of(out)["opportunities"]["seen"])

    assert for_ten > 0.0
    assert seen_at(for_ten) >= 10
    assert seen_at(for_ten + 0.05) < seen_at(for_ten)
    assert seen_at(for_ten + 0.5) < 10


def test_edges_are_those_of_the_books(folder: Path) -> None:
    _, out = run(folder, *SPOT[1:], "strategy.min_spread_bps=200.0")

    summary = summary_of(out)
    for way in summary["net_edges"]:
        assert 0.0 < way["known_s"] <= way["both_books_s"] <= way["span_s"]
        edges = [way[point]["net_bps"] for point in ("max", "p99_9", "p99", "p50")]
        assert edges == sorted(edges, reverse=True)
        for point in ("max", "p99_9", "p99", "p50"):
            parts = way[point]
            assert parts["net_bps"] == pytest.approx(parts["gross_bps"] - parts["fees_bps"], abs=1e-6)
            assert parts["fees_bps"] == parts["basis_bps"] == parts["leave_bps"] == 0.0
        above = [way[f"above_{level}_bps_s"] for level in (0, 1, 2, 5)]
        assert above == sorted(above, reverse=True)
        assert way["above_threshold_s"] == 0.0
        # Half of the time, to the width of a bin.
        assert (way["above_0_bps_s"] > 0.5 * way["known_s"]) == (way["p50"]["net_bps"] > 0.0)


def test_fees_lower_the_edge_by_as_much(folder: Path) -> None:
    _, free = run(folder, *SPOT[1:], "strategy.min_spread_bps=200.0")
    _, paid = run(folder, SPOT[1], "strategy.min_spread_bps=200.0", "bybit_spot.fees.taker=0.001")

    for one, other in zip(summary_of(free)["net_edges"], summary_of(paid)["net_edges"], strict=True):
        assert one["max"]["gross_bps"] == other["max"]["gross_bps"]
        assert one["max"]["net_bps"] - other["max"]["net_bps"] == pytest.approx(10.0, abs=0.1)
    for_ten = [summary_of(out)["no_trades"]["threshold_for_10_bps"] for out in (free, paid)]
    assert for_ten[0] - for_ten[1] == pytest.approx(10.0, abs=0.1)
    assert any("a loss" in line for line in summary_of(paid)["no_trades"]["details"])


@pytest.mark.parametrize("engine", ["hftbacktest", "arb"])
def test_an_explained_run_is_proven_and_its_report_is_the_same(folder: Path, engine: str) -> None:
    _, out = run(folder, *SPOT[1:], "strategy.min_spread_bps=200.0", f"backtest.engine='{engine}'")
    before = (out / "summary.json").read_bytes()

    assert "proven" in arb("verify", out, "--data", folder / "recordings").output
    assert "Why nothing was traded" in arb("report", out).output
    assert (out / "summary.json").read_bytes() == before
    page = (out / "report.html").read_text()
    assert "The edge never exceeded strategy.min_spread_bps = 200" in page


def test_a_dry_run_over_the_same_days_measures_the_same(folder: Path) -> None:
    _, first = run(folder, *SPOT[1:], "strategy.min_spread_bps=200.0")
    _, second = run(folder, *SPOT[1:], "strategy.min_spread_bps=200.0", command="dry-run")

    for name in ("no_trades", "net_edges"):
        assert summary_of(first)[name] == summary_of(second)[name]


def test_a_changed_measurement_is_a_difference(folder: Path, tmp_path: Path) -> None:
    _, out = run(folder, *SPOT[1:], "strategy.min_spread_bps=200.0")
    with np.load(out / "records.npz") as file:
        arrays = {name: file[name] for name in file}
    arrays["edges"]["value"] += 1.0
    np.savez_compressed(out / "records.npz", **arrays)

    assert "edge" in arb("verify", out, "--data", folder / "recordings", code=4).output


def test_a_folder_without_measured_edges_is_explained_by_its_log(folder: Path) -> None:
    _, out = run(folder, *SPOT[1:], "strategy.min_spread_bps=200.0")
    with np.load(out / "records.npz") as file:
        arrays = {name: file[name] for name in file if name != "edges"}
    np.savez_compressed(out / "records.npz", **arrays)

    assert "No edge exceeded strategy.min_spread_bps = 200" in arb("report", out).output
    assert summary_of(out)["net_edges"] == []


def test_a_session_on_live_data_is_explained(tmp_path: Path) -> None:
    out, config = tmp_path / "session", write_smallest(tmp_path / "config")

    done = arb(
        *("dry-run", "--sandbox", "-c", config, "--duration", "3s", "--out", out),
        *("--set", "strategy.min_spread_bps=9000.0"),
    )

    assert "never exceeded strategy.min_spread_bps = 9000" in " ".join(done.stdout.split()) or (
        "Fees were larger than the spread" in " ".join(done.stdout.split())
    )
    assert len(summary_of(out)["net_edges"]) == 2
    assert "proven" in arb("verify", out).output


def test_a_strategy_without_pairs_is_explained_by_what_the_bot_did(folder: Path, tmp_path: Path) -> None:
    silent = tmp_path / "silent.py"
    silent.write_text("def run(bot):\n    while bot.elapse(1_000_000_000) == 0:\n        pass\n")

    _, out = run(folder, f"strategy.function='{silent}:run'")

    found = summary_of(out)["no_trades"]
    assert found["reason"].startswith("No order was filled, and the limits refused none")
    assert (found["keys"], found["threshold_bps"]) == ([], None)


def test_a_leg_without_data_and_one_without_a_snapshot_are_refused(folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "config"
    shutil.copytree(folder / "config", whole)
    recordings = Path(shutil.copytree(folder / "recordings", tmp_path / "recordings"))
    path = recordings / "bybit_spot" / "btcusdt_20240101.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(line for line in lines if b'"snapshot"' not in line)))

    config = ("-c", whole / "arbitrage.toml", "--data", recordings)
    assert "bybit_spot" in arb("backtest", *config, *DAY, "--out", tmp_path / "a", code=2).stderr
    path.unlink()
    assert "bybit_spot" in arb("backtest", *config, *DAY, "--out", tmp_path / "b", code=2).stderr
