"""A disk that fills at any stage of a backtest: one line, exit code 2, nothing half-written, and the next run is whole.

Stands for it: a limit on the size of any file that the process writes, which fails in the same calls.
"""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from support.command_line import arb
from support.recording_files import Finished, command_environment, example, write_pair

from arb.data.rows.npy import is_whole
from arb.errors import ExitCode

pytestmark = pytest.mark.slow

NO_LIMIT = 1 << 40


class Place(NamedTuple):
    folder: Path
    #: Runs `arb` with a limit on the size of files, in bytes.
    arb: Callable[..., Finished]

    @property
    def rows(self) -> Path:
        return self.folder / "cache" / "arb" / "rows"

    def backtest(self, limit: int, *words: str) -> Finished:
        return self.arb(
            limit,
            "backtest",
            "-c",
            example("usdm_bybit"),
            "--data",
            "data",
            "--start",
            "2024-08-08",
            "--out",
            "run",
            *words,
        )

    def clear(self) -> None:
        for path in self.rows.iterdir():
            path.unlink()


@contextmanager
def size_limit(limit: int) -> Iterator[None]:
    """Limits the size of files that this process writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A day that was run once without a limit, so that everything is compiled."""
    folder = tmp_path_factory.mktemp("full")
    write_pair(folder / "data", 3000)
    cache = command_environment(folder / "cache")["XDG_CACHE_HOME"]

    def limited(limit: int, *words: str) -> Finished:
        with pytest.MonkeyPatch.context() as patch, size_limit(limit):
            patch.setenv("XDG_CACHE_HOME", cache)
            patch.chdir(folder)
            done = arb(*words, code=None)
        return Finished(done.exit_code, done.stdout, done.stderr)

    made = Place(folder, limited)
    done = made.backtest(NO_LIMIT)
    assert done.code == 0, done.err
    (folder / "run").rename(folder / "first")
    return made


def refused(place: Place, limit: int) -> str:
    done = place.backtest(limit)
    assert done.code == ExitCode.USER_INPUT, (limit, done)
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert sorted(path.name for path in place.folder.iterdir()) == ["cache", "data", "first"]
    leftovers = [path.name for path in place.rows.iterdir() if path.name.startswith(".")]
    assert leftovers == []
    assert all(is_whole(path) for path in place.rows.glob("*.npy"))
    return done.err


def test_in_the_cache_and_the_next_run_is_whole(place: Place) -> None:
    assert max(path.stat().st_size for path in place.rows.iterdir()) > 384_900
    # A fingerprint is written first, then the spool of rows, then the row files.
    for limit in (10, 100_000, 384_900):
        place.clear()
        assert "the row cache" in refused(place, limit)
    done = place.backtest(NO_LIMIT, "--no-report")
    assert done.code == 0, done.err
    again = place.folder / "run"
    for name in ("summary.json", "trades.csv", "records.npz"):
        assert (again / name).read_bytes() == (place.folder / "first" / name).read_bytes()
    shutil.rmtree(again)


@pytest.mark.parametrize("name", ["records.npz", "charts/equity.png"])
def test_in_the_run_folder(place: Place, name: str) -> None:
    sizes = {path: path.stat().st_size for path in (place.folder / "first").rglob("*") if path.is_file()}
    limit = sizes[place.folder / "first" / name] - 1
    reported = refused(place, limit)
    assert reported == "error: run: cannot be written: File too large\n"


def test_while_a_report_is_made_again(place: Place) -> None:
    before = {path: path.read_bytes() for path in (place.folder / "first").rglob("*") if path.is_file()}
    done = place.arb((place.folder / "first" / "report.html").stat().st_size - 1, "report", "first")
    assert done.code == ExitCode.USER_INPUT
    assert done.err.count("\n") == 1
    assert "cannot be written: File too large" in done.err
    after = {path: path.read_bytes() for path in (place.folder / "first").rglob("*") if path.is_file()}
    assert after == before
