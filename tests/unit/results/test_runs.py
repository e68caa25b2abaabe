"""`arb runs`: what each folder says of its run, also while it goes on."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import time
from pathlib import Path

import msgspec
import pytest
from support.cli_tables import session_view, status_figures
from support.command_line import arb

from arb.errors import InputError
from arb.files import lock
from arb.results.runs import Run, find_runs, run_of
from arb.results.status import STATUS, Status, read_status
from arb.runtime import status_file
from arb.runtime.status_file import Bounds, StatusFile

LEGS = tuple(leg.name for leg in session_view().legs)


def status_in(folder: Path) -> Status:
    folder.mkdir(exist_ok=True)
    StatusFile(folder, "live", Bounds(), lambda line: pytest.fail(line)).write(
        session_view(), status_figures()
    )
    (folder / "session.lock").touch()
    found = read_status(folder)
    assert found is not None
    return found


def changed(folder: Path, **fields: object) -> None:
    found = json.loads((folder / STATUS).read_bytes())
    (folder / STATUS).write_bytes(msgspec.json.encode({**found, **fields}))


def test_a_status_has_what_the_screen_shows(tmp_path: Path) -> None:
    view, found = session_view(), status_in(tmp_path)
    assert (found.command, found.pid, found.fills, found.hedged) == ("live", os.getpid(), 24_680, 12_340)
    assert (found.pnl_quote, found.fee_quote, found.remaining_s) == (view.pnl, view.fees, view.remaining_s)
    assert [leg.name for leg in found.legs] == list(LEGS)
    assert found.legs[1].position == view.legs[1].position
    assert (found.legs[2].bid, found.edges[1].best_bps) == (None, None), "NaN is not known"
    assert math.isclose(found.time_ns, time.time_ns(), rel_tol=1e-6)


def test_a_status_has_figures_of_trading_and_of_its_process(tmp_path: Path) -> None:
    found = status_in(tmp_path)
    assert (found.legs[0].lag_ms, found.legs[2].lag_ms, found.legs[2].exposure_quote) == (1.25, None, None)
    assert (found.attempts, found.missed, found.reversed) == (12_345, 4, 1)
    assert (found.halted, found.doubts, found.rules[0].name) == ("arb halt", 1, "memory")
    assert (found.latencies[0].answers, found.drawdown_quote) == (12_345, 2_345.6)
    assert found.processor_pct is not None
    assert found.memory_gb is not None
    assert found.open_files is not None
    assert min(found.processor_pct, found.memory_gb - 0.02, found.open_files - 3) >= 0.0
    assert found.disk_free_gb == pytest.approx(shutil.disk_usage(tmp_path).free / 1e9, rel=0.2)


def test_a_session_is_running_silent_or_killed(tmp_path: Path) -> None:
    found = status_in(tmp_path)
    with (tmp_path / "session.lock").open("r+b") as held:
        lock(held)
        run = run_of(tmp_path)
        assert run is not None
        assert run[1:2] + run[3:8] == ("live", "running", LEGS, 24_680, -1_234.56, "")
        changed(tmp_path, environment="demo", accounts=["binance-7", "bybit-8"])
        run = run_of(tmp_path)
        assert run is not None
        assert (run.world, run.accounts) == ("live demo", ("binance-7", "bybit-8"))
        changed(tmp_path, time_ns=found.time_ns - 7 * 10**9)
        run = run_of(tmp_path)
        assert run is not None
        assert (run.state, run.note) == ("silent", "no sign of life for 7 s")
        (tmp_path / STATUS).unlink()
        run = run_of(tmp_path)
        assert run is not None
        assert (run.state, run.fills) == ("running", None)
    run = run_of(tmp_path)
    assert run is not None
    assert (run.state, run.note) == ("killed", "arb verify finishes its folder")


def test_runs_are_listed_in_their_order_and_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    status_in(runs / "b")
    manifest = {"command": "backtest", "created": "2024-08-08T12:00:00Z", "outcome": "ended", "error": None}
    for name, text in (
        ("c", json.dumps({**manifest, "inputs": [{"leg": "binance_spot:BTCUSDT"}] * 2})),
        ("d", '{"command": "back'),
        ("e", "{}"),
    ):
        (runs / name).mkdir()
        (runs / name / "manifest.json").write_text(text)
    (runs / "c" / "summary.json").write_text('{"fills": 12, "pnl_quote": 3.5}')
    # As its session left it.
    shutil.copy(runs / "b" / STATUS, runs / "c")
    changed(runs / "c", accounts=["bybit-8"])
    status_in(runs / "f")
    changed(runs / "f", format=99)
    (runs / "no run").mkdir()

    found = {run.folder.name: run for run in find_runs(runs)}
    assert list(found) == ["d", "e", "f", "c", "b"]
    legs = ("binance_spot:BTCUSDT",)
    ended = Run(runs / "c", "backtest", manifest["created"], "ended", legs, 12, 3.5)  # type: ignore[arg-type]
    assert found["c"] == ended._replace(accounts=("bybit-8",))
    assert [found[name].state for name in "def"] == ["unreadable"] * 3
    assert found["f"].note.endswith("status.json: is of format 99, this arb reads 2")
    assert find_runs(runs / "c") == [found["c"]]

    lines = [json.loads(line) for line in arb("runs", runs, "--json").stdout.splitlines()]
    assert [line["folder"] for line in lines] == [str(runs / name) for name in found]
    assert "backtest" in arb("runs", runs).stdout


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_without_runs_is_refused(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "runs"
    if there:
        folder.mkdir()
    with pytest.raises(InputError, match="there is no run in it" if there else "no such folder"):
        find_runs(folder)


def test_a_disk_that_refuses_a_status_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    status = StatusFile(tmp_path, "dry-run", Bounds(), lines.append)
    status.write(session_view(), status_figures())
    before = (tmp_path / STATUS).read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(status_file, "write_atomically", refuse)
        status.write(session_view(), status_figures())
        status.write(session_view(), status_figures())
    assert lines == ["status.json: cannot be written: No space left on device; others see an older one"]
    assert (tmp_path / STATUS).read_bytes() == before
    status.write(session_view(), status_figures())
    assert (tmp_path / STATUS).read_bytes() != before
