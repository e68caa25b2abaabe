"""What goes wrong around a session: a clear line, no order on doubtful data, whole files, an exit code."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from support.live_sandbox import (
    LiveSandbox,
    await_first_row,
    await_that,
    demo_config,
    demo_files,
    demo_settings,
    free_ports,
)
from support.paths import GUARD, ROOT

from arb.__main__ import main
from arb.cli import cli
from arb.commands.dryrun_live import run_live
from arb.commands.report import report_run
from arb.commands.verify import Verdict, verify
from arb.errors import InputError
from arb.results.evidence import FILES, OWN, PARTS, file_hashes, sealed
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.urls import ports_from, venue_urls

pytestmark = pytest.mark.slow


def manifest_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "manifest.json").read_bytes())


def log_of(run: Path, event: str) -> list[str]:
    """The lines of an event, without time and event."""
    lines = [line.split(" ", 2) for line in (run / "log.txt").read_text().splitlines()]
    return [text for _, kind, text in lines if kind == event]


def test_no_network_is_one_line_and_a_whole_folder(tmp_path: Path) -> None:
    nobody = venue_urls(ports_from(free_ports()))
    run = tmp_path / "run"
    with pytest.raises(InputError, match=r"no data of binance_spot:BTCUSDT \(.*bybit_spot:BTCUSDT \("):
        run_live(
            demo_config(tmp_path, function="busy"), run, duration_s=3.0, sandbox=nobody, has_report=False
        )

    assert len(log_of(run, "connect")) == 2
    assert len(log_of(run, "disconnect")) == 2
    assert manifest_of(run)["session"]["events"]["disconnect"] > 2
    assert json.loads((run / "summary.json").read_bytes())["first_time"].startswith("20")
    assert verify(run).differences == []


def test_a_venue_that_goes_down_is_reported_once_and_not_traded_at(tmp_path: Path) -> None:
    faults = [
        Fault(FaultKind.DISCONNECT, "cut", venue="bybit_spot", at_s=3.0),
        Fault(FaultKind.REFUSE, "down", venue="bybit_spot", at_s=3.0, duration_s=600.0),
    ]
    run = tmp_path / "run"
    config = demo_config(tmp_path, function="busy")
    with LiveSandbox() as sandbox:  # what is compiled by a first session holds up no second one
        run_live(config, tmp_path / "first", duration_s=0.5, sandbox=sandbox.urls, has_report=False)
    with LiveSandbox(faults=faults) as sandbox:
        result = run_live(config, run, duration_s=6.0, sandbox=sandbox.urls, has_report=False)

    lost_ts = manifest_of(run)["inputs"][1]["book"]["lost_ts"]
    assert lost_ts > 0
    # What was on its way when the book was lost may still be answered.
    late = [t for t in result.trades if t.leg.startswith("bybit") and t.exch_ts > lost_ts + 1_000_000_000]
    other = [t for t in result.trades if t.leg.startswith("binance") and t.exch_ts > lost_ts + 1_000_000_000]
    assert late == []
    assert len(other) > 5
    assert len(log_of(run, "disconnect")) <= 2
    assert verify(run).differences == []


def test_a_venue_whose_clock_jumps_ahead_stops_itself_alone(tmp_path: Path) -> None:
    """Stamps that were 3 s ahead for a second kept the spread strategy out for ten minutes, at all venues."""
    # Again and again, since the session begins when everything is compiled.
    faults = [
        Fault(FaultKind.CLOCK, f"ahead {n}", venue="bybit_spot", at_s=4.0 * n, duration_s=1.0, offset_ms=3000)
        for n in range(1, 60)
    ]
    run = tmp_path / "run"
    with LiveSandbox(faults=faults) as sandbox:
        config = demo_config(tmp_path, function="busy")
        run_live(config, run, duration_s=8.5, sandbox=sandbox.urls, has_report=False)

    session, inputs = (manifest_of(run)[key] for key in ("session", "inputs"))
    assert any("bybit_spot its clock is " in line for line in log_of(run, "clock"))
    assert "bybit_spot its clock is right again" in log_of(run, "clock")
    assert session["wrong_stamps"]
    assert all(name.startswith("bybit_spot ") for name in session["wrong_stamps"])
    assert any("ahead of receipt; not believed" in note for note in manifest_of(run)["notes"])
    assert (inputs[0]["book"]["lost_ts"], inputs[0]["book"]["outages_ns"]) == (0, 0)
    assert log_of(run, "age") == []
    assert verify(run).differences == []


def test_a_clock_that_is_off_is_reported_once(tmp_path: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    fault = Fault(FaultKind.CLOCK, "off", venue="bybit_spot", at_s=0.0, duration_s=600.0, offset_ms=-5000)
    run = tmp_path / "run"
    with LiveSandbox(faults=[fault]) as sandbox:
        config = demo_config(tmp_path, function="busy")
        run_live(config, run, duration_s=7.0, sandbox=sandbox.urls, has_report=False)

    (line,) = log_of(run, "age")
    assert line.startswith("bybit_spot:BTCUSDT: its data are ")
    assert "a clock that is off (arb doctor)" in line
    assert verify(run).differences == []
    # Who runs sessions in a process of their own hears Ctrl+C behind them.
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def start(folder: Path, *words: str, bytes_max: int = 0) -> subprocess.Popen[str]:
    """`arb dry-run` on a sandbox of its own; bytes_max: of a file."""
    settings = [word for setting in demo_settings(folder, "busy") for word in ("--set", setting)]

    def limit() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if bytes_max:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))

    return subprocess.Popen(
        [sys.executable, "-m", "arb", "dry-run", "--sandbox", "--no-report", "--config", str(demo_files(folder)),
         "--out", str(folder / "run"), *settings, *words],
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )  # fmt: skip


def test_a_file_that_cannot_grow_ends_the_session_with_whole_files(tmp_path: Path) -> None:
    process = start(tmp_path, "--duration", "60s", bytes_max=200_000)
    _, errors = process.communicate(timeout=80)

    assert process.returncode == 2, errors
    assert errors.splitlines()[-1].startswith("error: ")
    assert sum(line.startswith("error: ") for line in errors.splitlines()) == 1
    assert "Traceback" not in errors
    assert (tmp_path / "run" / "log.txt").read_text().count("Z recorder ") == 1
    found = verify(tmp_path / "run")
    assert found.verdict == Verdict.NOT_PROVEN
    assert "not recorded: " in found.causes[0]
    assert found.own == []
    assert found.replays[0].fills > 5

    raise_prices(tmp_path / "run")
    found = verify(tmp_path / "run")
    unexplained = [one for one in found.replays[0].differences if not one.cause]
    assert found.verdict == Verdict.DIFFERS
    assert {one.what for one in unexplained} >= {"fill"}


def raise_prices(run: Path) -> None:
    """Every price 10 % higher, in a folder whose hashes fit."""
    lines = [line.split(",") for line in (run / "trades.csv").read_text().splitlines()]
    column = lines[0].index("price")
    for line in lines[1:]:
        line[column] = repr(float(line[column]) * 1.1)
    (run / "trades.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    report_run(run)
    manifest = json.loads((run / "manifest.json").read_bytes())
    for key in (OWN, PARTS):
        del manifest[key]
    (run / "manifest.json").write_bytes(sealed({**manifest, FILES: file_hashes(run, {})}))


def test_without_the_reserve_nothing_is_written(tmp_path: Path) -> None:
    words = ["dry-run", "--sandbox", "--config", str(demo_files(tmp_path)), "--out", str(tmp_path / "run")]
    settings = [*demo_settings(tmp_path, "busy"), "record.reserve_gb=900000.0"]
    reported = CliRunner().invoke(cli, [*words, *(word for one in settings for word in ("--set", one))])

    assert reported.exit_code == 2
    assert reported.stderr.count("\n") == 1
    assert "[record] reserve_gb" in reported.stderr
    assert not (tmp_path / "run").exists()


def test_a_signal_while_it_compiles_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path)
    await_that((tmp_path / "run").exists, "the folder of the session")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 130, errors
    if "ready after" not in errors:  # else it was quicker than we are
        assert errors == "error: interrupted\n"
        assert not (tmp_path / "run").exists()


def test_a_closed_terminal_ends_a_session_with_its_whole_folder(tmp_path: Path) -> None:
    process = start(tmp_path)
    await_first_row(tmp_path / "run")
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 130, errors
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert manifest["outcome"] == "interrupted"
    assert not list((tmp_path / "run").glob("session.[dl]*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_loads_is_one_line(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        signal.raise_signal(number)

    loading = ModuleType("arb.cli")
    loading.main = interrupted  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "arb.cli", loading)
    monkeypatch.setattr("os._exit", sys.exit)

    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        signal.signal(signal.SIGTERM, before)

    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"
