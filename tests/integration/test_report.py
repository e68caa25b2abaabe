"""The report of real and of small runs: reconciled with the run's other files, made again from them, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import arb
from support.figure_tables import documented
from support.paths import RECORDINGS, needs_recordings
from support.recording_files import example, write_pair

from arb.commands.report import derived_files
from arb.report.html import page
from arb.results.reader import read_run

pytestmark = pytest.mark.slow

CHARTS = [f"charts/{name}.png" for name in ("drawdown", "equity", "positions", "prices", "spread")]
FILES = sorted(
    [*CHARTS, "attempts.csv", "manifest.json", "records.npz", "report.html", "summary.json", "trades.csv"]
)
#: Made by `arb report` from the others.
MADE = [*CHARTS, "attempts.csv", "report.html", "summary.json"]
NOTE = "written by a test; no market ever traded like this"


def backtest(data: Path, out: Path, *words: str, pair: str = "usdm_bybit") -> Any:
    return arb("backtest", "-c", example(pair), "--data", data, "--start", "2024-08-08", "--out", out, *words)


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over a few seconds of a made-up market, with a note on its origin."""
    data = write_pair(tmp_path_factory.mktemp("data"))
    (data / "bybit_linear" / "btcusdt_20240808.origin").write_text(f"{NOTE}\n")
    out = tmp_path_factory.mktemp("runs") / "run"
    reported = backtest(data, out)
    assert f"\nDATA NOT AS RECORDED: bybit_linear:BTCUSDT: {NOTE}" in reported.stdout
    assert f"report: {out / 'report.html'}" in reported.stdout.splitlines()
    return out


@pytest.fixture
def run(small: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(small, tmp_path / "run"))


def refused(folder: Path) -> str:
    """The one line that `arb report` answers with exit code 2."""
    reported = arb("report", folder, code=2)
    assert reported.stdout == ""
    (line,) = reported.stderr.splitlines()
    assert str(folder) in line
    return str(line)


def test_the_screen_names_the_file_with_every_figure(run: Path) -> None:
    shown = arb("report", run).stdout.splitlines()
    assert f"all figures: {run / 'summary.json'}" in shown
    assert json.loads(arb("report", run, "--json").stdout) == json.loads((run / "summary.json").read_bytes())


def test_a_run_folder_is_whole(small: Path) -> None:
    assert files_of(small) == FILES
    summary = json.loads((small / "summary.json").read_bytes())
    manifest = json.loads((small / "manifest.json").read_bytes())
    assert manifest.keys() == documented("every run") | {"order_latencies", "window"}
    assert manifest["inputs"][0].keys() == documented("inputs, one object a leg and day")
    assert summary["notes"] == manifest["notes"]
    venue = manifest["config"]["venues"]["bybit_linear"]
    assert (summary["setup"]["engine"], summary["setup"]["data"]) == ("hftbacktest", "recording")
    own = manifest["config"]["strategy"]
    assert summary["setup"]["parameters"]["min_spread_bps"] == own["min_spread_bps"]
    terms = [
        summary["legs"][1][name] for name in ("kind", "taker_fee_share", "entry_latency_s", "queue_model")
    ]
    latency_s = venue["latency"]["entry_ms"] / 1e3
    assert terms == ["linear", venue["fees"]["taker"], latency_s, venue["queue"]["model"]]
    assert summary["notes"][0] == f"bybit_linear:BTCUSDT: {NOTE}"
    assert summary["notes"][1:] == [manifest["config"]["data"]["note"]], (
        "the configuration's own comes behind"
    )
    assert NOTE in (small / "report.html").read_text().partition("<main>")[2].strip().splitlines()[1]


def test_without_a_report_there_is_no_page_and_no_chart_and_they_can_be_made_later(
    small: Path, tmp_path: Path
) -> None:
    data, out = write_pair(tmp_path / "data"), tmp_path / "run"
    backtest(data, out, "--no-report")
    assert files_of(out) == sorted(set(FILES) - set(CHARTS) - {"report.html"})
    arb("report", out)
    assert files_of(out) == FILES


def test_the_report_is_made_again_byte_by_byte(run: Path) -> None:
    before = {name: (run / name).read_bytes() for name in FILES}
    for name in MADE:
        (run / name).unlink()
    reported = arb("report", run, "--json")
    assert json.loads(reported.stdout) == json.loads(before["summary.json"])
    assert {name: (run / name).read_bytes() for name in FILES} == before
    assert files_of(run) == FILES


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "none")
    (tmp_path / "file").write_text("")
    assert "no such folder" in refused(tmp_path / "file")
    assert "not the folder of a run" in refused(tmp_path)


@pytest.mark.parametrize("name", ["trades.csv", "records.npz"])
def test_a_folder_without_one_of_its_files_is_refused(run: Path, name: str) -> None:
    (run / name).unlink()
    assert f"{name} is missing" in refused(run)


@pytest.mark.parametrize("name", ["manifest.json", "trades.csv", "records.npz"])
@pytest.mark.parametrize("share", [0.0, 0.97])
def test_a_file_that_is_cut_off_is_refused(run: Path, name: str, share: float) -> None:
    content = (run / name).read_bytes()
    if name == "trades.csv":  # this market has no trades: one line that ends early
        content += b"2024-08-08T12:00:00.000000000Z,1723118400000000000,1,binance_usdm:BTCUSDT,buy,1.0,1.0"
        share = share and 1.0
    (run / name).write_bytes(content[: int(share * len(content))])
    refused(run)


@pytest.mark.parametrize(
    "content", [b"\xff\x00", b"[]", b"null", b'{"format": 2}', b'{"format": 2, "config": 3}']
)
def test_a_manifest_that_is_none_is_refused(run: Path, content: bytes) -> None:
    (run / "manifest.json").write_bytes(content)
    refused(run)


@pytest.mark.parametrize("version", [None, 2])
def test_an_unknown_version_is_refused(run: Path, version: Any) -> None:
    manifest = json.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_text(json.dumps({**manifest, "format": version}))
    assert f"written in format {version!r}" in refused(run)


def test_records_of_another_shape_are_refused(run: Path) -> None:
    with np.load(run / "records.npz") as file:
        arrays = {name: file[name] for name in file}
    np.savez_compressed(run / "records.npz", **{**arrays, "1": arrays["1"][:-1]})
    assert "legs of different lengths" in refused(run)
    np.savez_compressed(run / "records.npz", **{**arrays, "decisions": np.zeros(3)})
    assert "records.npz has other fields" in refused(run)
    np.savez_compressed(run / "records.npz", **{name: arrays[name] for name in ("0", "1", "decisions")})
    refused(run)


def test_a_strategy_that_records_nothing_has_a_report(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def run(bot):\n    while bot.elapse(1_000_000_000) == 0:\n        pass\n")
    out = tmp_path / "run"
    backtest(write_pair(tmp_path / "data"), out, "--strategy", f"{own}:run")
    summary = json.loads((out / "summary.json").read_bytes())
    assert (summary["fills"], summary["round_trips"], summary["equity"]["return_quote"]) == (0, None, 0.0)


@needs_recordings
def test_the_real_page_is_small(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    backtest(RECORDINGS, folder, pair="spot_usdm")
    assert (folder / "report.html").stat().st_size < 3_000_000
    assert all((folder / name).stat().st_size < 200_000 for name in CHARTS)
    _, result = read_run(folder)
    assert len(list(derived_files(result))) == len(CHARTS) + 3
    assert page(result, []).count("<tr data-attempt=") <= 200
