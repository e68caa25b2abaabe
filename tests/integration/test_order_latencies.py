"""Measured order latencies: hftbacktest reads the files, and the dry-run's world gives the same times from them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity.strategies import quote_touches, random_orders
from parity.worlds import compare
from support.command_line import arb
from support.dry_market import MS, START_NS, dry_legs
from support.live_sandbox import LiveSandbox, demo_config, demo_files, demo_settings

from arb.backtest.assets import LegData
from arb.commands.dryrun_live import run_live
from arb.errors import InputError
from arb.runtime.latencies import read_order_latencies
from arb.simulation.latency import LATENCY_ROW

pytestmark = pytest.mark.slow

DAY = "2024-01-01"


def measured(path: Path, seed: int, *, turned_down: float = 0.0) -> Path:
    """Latencies of requests from some seconds after the market's beginning on, some seconds short of its end."""
    chance = np.random.default_rng(seed)
    rows = np.zeros(150, LATENCY_ROW)
    rows["req_ts"] = START_NS + 8_000 * MS + np.cumsum(chance.integers(0, 200 * MS, len(rows)))
    rows["exch_ts"] = rows["req_ts"] + chance.integers(1, 60 * MS, len(rows))
    rows["resp_ts"] = rows["exch_ts"] + chance.integers(1, 60 * MS, len(rows))
    rows["exch_ts"][chance.random(len(rows)) < turned_down] = 0
    np.savez_compressed(path, data=rows)
    return path


def with_latencies(legs: list[LegData], folder: Path, turned_down: float) -> list[LegData]:
    found = []
    for number, data in enumerate(legs):
        path = measured(folder / f"{number}.npz", number, turned_down=turned_down)
        rows = read_order_latencies(path, data.leg.name)
        leg = replace(data.leg, order_latency_file=str(path), order_latencies=rows)
        found.append(LegData(leg, data.arrays))
    return found


@pytest.mark.parametrize("turned_down", [0.0, 0.1])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(random_orders, (5, 150, 1, 0.001, 0.001)), (quote_touches, (0.01, 25 * MS))],
)
def test_both_worlds_read_the_same_times(
    function: Any, arguments: Any, turned_down: float, tmp_path: Path
) -> None:
    constant = dry_legs(3, 2000)
    legs = with_latencies(constant, tmp_path, turned_down)

    def bound(bot: Any, _recorder: Any, journal: Any) -> Any:
        return (bot, journal, *arguments)

    compared = compare(function, legs, bound)

    assert compared.differing == []
    assert compared.fills > 20
    assert compare(function, constant, bound).fills != compared.fills


def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    good = np.load(measured(tmp_path / "good.npz", 1))["data"]
    late, negative, empty = good.copy(), good.copy(), good[:0]
    late["req_ts"][5] -= 10_000 * MS
    negative["resp_ts"][5] = negative["exch_ts"][5] - 1
    for rows, text in (
        (late, "not in order"),
        (negative, "below zero"),
        (empty, "no request was answered"),
        (np.zeros(3), "its fields are not those"),
    ):
        np.savez(tmp_path / "bad.npz", data=rows)
        with pytest.raises(InputError, match=text):
            read_order_latencies(tmp_path / "bad.npz", "a leg")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    for path in (tmp_path / "bad.npz", tmp_path / "none.npz"):
        with pytest.raises(InputError, match="cannot be read"):
            read_order_latencies(path, "a leg")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a session on live data."""
    folder = tmp_path_factory.mktemp("session")
    with LiveSandbox() as sandbox:
        config = demo_config(folder, function="busy")
        run_live(config, folder / "run", duration_s=3.0, sandbox=sandbox.urls, has_report=False)
    return folder / "run"


def backtest(session: Path, name: str, *words: str, code: int = 0) -> Any:
    folder = session.parent
    day = next((session / "recording" / "binance_spot").glob("*.gz")).name[-11:-3]
    settings = [word for setting in demo_settings(folder, "busy") for word in ("--set", setting)]
    days = ("--start", f"{day[:4]}-{day[4:6]}-{day[6:]}", "--data", session / "recording", "--no-report")
    files = ("--config", demo_files(folder), "--out", folder / name)
    return arb("backtest", *days, *files, *settings, *words, code=code)


def test_a_backtest_takes_the_latencies_of_a_session(session: Path, tmp_path: Path) -> None:
    backtest(session, "constant")
    backtest(session, "measured", "--latency", str(session))

    run = session.parent / "measured"
    fills = [(session.parent / name / "trades.csv").read_text() for name in ("constant", "measured")]
    assert fills[0] != fills[1]
    assert len(fills[1].splitlines()) > 20
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert set(manifest["order_latencies"]) == {"binance_spot:BTCUSDT", "bybit_spot:BTCUSDT"}
    arb("verify", "--trust", run)


def test_the_key_does_what_the_option_does(session: Path) -> None:
    backtest(session, "by-option", "--latency", str(session))
    keys = [
        word
        for venue in ("binance_spot", "bybit_spot")
        for word in (
            "--set",
            f'{venue}.latency.order_file="{session}/latency/{venue}_{{symbol}}_orders.npz"',
        )
    ]
    backtest(session, "by-key", *keys)

    by_option, by_key = (
        (session.parent / name / "trades.csv").read_bytes() for name in ("by-option", "by-key")
    )
    assert by_option == by_key


def test_changed_and_missing_latencies_are_reported(session: Path, tmp_path: Path) -> None:
    copied = tmp_path / "session"
    shutil.copytree(session, copied)
    backtest(session, "changed", "--latency", str(copied))
    path = copied / "latency" / "bybit_spot_btcusdt_orders.npz"
    rows = np.load(path)["data"]
    rows["resp_ts"] += 1
    np.savez_compressed(path, data=rows)

    reported = arb("verify", "--trust", session.parent / "changed", code=4)
    assert "latencies" in reported.output

    path.unlink()
    reported = arb("verify", "--trust", session.parent / "changed", code=2)
    assert (
        "bybit_spot_btcusdt_orders.npz: the order latencies of bybit_spot:BTCUSDT cannot be read"
        in reported.output
    )


def test_a_folder_without_latencies_is_refused(session: Path, tmp_path: Path) -> None:
    reported = backtest(session, "none", "--latency", str(tmp_path), code=2)

    assert "name the folder of a session" in reported.output
    assert not (session.parent / "none").exists()


def test_on_live_data_latencies_are_drawn_from_the_measured_ones(session: Path, tmp_path: Path) -> None:
    path = measured(tmp_path / "binance_spot_btcusdt.npz", 3)
    known = np.load(path)["data"]
    with LiveSandbox() as sandbox:
        config = demo_config(
            tmp_path,
            f'binance_spot.latency.order_file="{tmp_path}/binance_spot_{{symbol}}.npz"',
            function="busy",
        )
        run_live(config, tmp_path / "run", duration_s=2.0, sandbox=sandbox.urls, has_report=False)

    met = np.load(tmp_path / "run" / "latency" / "binance_spot_btcusdt_orders.npz")["data"]
    entries = np.unique(met["exch_ts"] - met["req_ts"])
    assert len(entries) > 5
    assert set(entries) <= set(known["exch_ts"] - known["req_ts"])
    arb("verify", "--trust", tmp_path / "run")
