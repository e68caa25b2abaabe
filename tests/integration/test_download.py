"""`arb download` as a process of its own: killed, interrupted, out of disk, asked, and what it prints."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import resource
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.archive_downloads import BYBIT_SPOT, LINEAR, SPOT, USDM, Place
from support.archive_server import ArchiveServer, Fault
from support.figure_tables import documented
from support.funding_history import EIGHT_HOURLY, marks_text, rates_text, serve_funding
from support.paths import ROOT
from support.recording_files import Finished, command, command_environment

from arb.cli import cli
from arb.data.catalog.days import recording_path
from arb.data.download.choice import ArchiveLeg, RemoteFile
from arb.data.download.fetch import Part
from arb.errors import ExitCode

pytestmark = pytest.mark.slow

FREE = date(2024, 1, 1)
KEYED = date(2024, 1, 2)
PATIENCE_S = 120.0


class Shell:
    """A folder with a configuration whose archives are a server on this machine, and `arb` run in it."""

    def __init__(self, folder: Path, server: ArchiveServer) -> None:
        self.folder = folder
        self.place = Place(server, folder / "recordings")
        shutil.copytree(ROOT / "config", folder / "config")
        main = folder / "config" / "arbitrage.toml"
        text = re.sub(r'^(\w+_url) = "https:.*$', rf'\1 = "{server.url}"', main.read_text(), flags=re.M)
        main.write_text(text)
        self.environment = {**command_environment(folder / "cache"), "COLUMNS": "160"}
        self.running: list[subprocess.Popen[bytes]] = []

    def arb(self, *words: str, **environment: str) -> Finished:
        """Runs a command to its end, in this process."""
        reported = CliRunner().invoke(cli, words, prog_name="arb", env=environment)
        return Finished(reported.exit_code, reported.stdout, reported.stderr)

    def start(
        self, *words: str, before: Callable[[], None] | None = None, **streams: int
    ) -> subprocess.Popen[bytes]:
        """A command under way in a process of its own."""
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **streams,
        }
        process = subprocess.Popen(
            command(words), env=self.environment, cwd=self.folder, preexec_fn=before, **streams
        )  # fmt: skip
        self.running.append(process)
        return process


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TARDIS_API_KEY", raising=False)
    with ArchiveServer() as server:
        own = Shell(tmp_path, server)
        yield own
        for process in own.running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.communicate()


def wait_for(is_there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_there():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def serve_all(place: Place, size: int = 200_000) -> list[RemoteFile]:
    """Both legs of the default configuration, on a free day."""
    return place.serve(SPOT, FREE, "tardis", size) + place.serve(BYBIT_SPOT, FREE, "tardis", size)


def refused(done: Finished) -> str:
    assert done.code == ExitCode.USER_INPUT, done
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1, done.err
    assert "Traceback" not in done.err
    return done.err


def words(*more: str) -> list[str]:
    return ["download", "--start", str(FREE), *more]


def test_a_download_as_the_manual_shows_it(shell: Shell) -> None:
    files = serve_all(shell.place)
    planned = shell.arb(*words("--dry-run"))
    assert (planned.code, planned.err) == (0, "")
    assert re.search(
        r"binance_spot:BTCUSDT +2024-01-01 +tardis +order book, touch, trades +3 +600.\d kB", planned.out
    )
    assert re.search(r"to fetch: 1\.2 MB at most; the disk has [\d,.]+ GB left", planned.out)
    assert not (shell.folder / "recordings").exists()
    done = shell.arb(*words())
    assert (done.code, done.err) == (0, "6 files fetched into recordings/archive\n")
    for file in files:
        assert shell.place.path(file).read_bytes() == shell.place.content(file)
    again = shell.arb(*words())
    assert (again.code, again.err) == (0, "all files are in recordings/archive\n")
    assert "to fetch: 0 B at most" in again.out


def test_funding_history_of_a_perpetual(shell: Shell) -> None:
    for day in (FREE, KEYED):
        serve_funding(shell.place.server, day, rates_text({FREE: EIGHT_HOURLY}), marks_text(day))
    usdm = ["--legs", "binance_usdm:BTCUSDT,binance_spot:BTCUSDT", "--kinds", "funding,mark"]
    days = words("--end", str(KEYED), *usdm)
    done = shell.arb(*days)
    assert (done.code, done.err) == (
        0,
        "left out: binance_spot:BTCUSDT: a spot market has no funding\n3 files fetched into recordings/archive\n",
    )
    assert re.search(r"binance_usdm:BTCUSDT +2024-01-01 +binance +funding, mark price +2 ", done.out)
    assert re.search(r"binance_usdm:BTCUSDT +2024-01-02 +binance +mark price +1 ", done.out)
    assert shell.place.files() == [
        "binance/binance_usdm/BTCUSDT/BTCUSDT-fundingRate-2024-01.zip",
        "binance/binance_usdm/BTCUSDT/BTCUSDT-markPriceKlines-1m-2024-01-01.zip",
        "binance/binance_usdm/BTCUSDT/BTCUSDT-markPriceKlines-1m-2024-01-02.zip",
    ]
    again = [json.loads(line) for line in shell.arb(*days, "--json").out.splitlines()]
    assert [(line["contents"], line["bytes_to_fetch"]) for line in again] == [
        ("funding", 0),
        ("mark", 0),
        ("mark", 0),
    ]
    # Beside the market's files, in one plan.
    shell.place.serve(USDM, FREE, "tardis")
    done = shell.arb(*words("--legs", "binance_usdm:BTCUSDT", "--kinds", "market,funding,mark"))
    assert (done.code, done.err) == (0, "3 files fetched into recordings/archive\n")


@pytest.mark.parametrize(
    ("more", "reported"),
    [
        (
            ["--legs", "bybit_linear:BTCUSDT,binance_spot:BTCUSDT"],
            "no funding history to download: bybit_linear:BTCUSDT: no archive has its funding rates and mark prices; "
            "record them with arb record --streams markPrice; binance_spot:BTCUSDT: a spot market has no funding",
        ),
        (
            ["--legs", "binance_usdm:BTCUSDT"],
            "BTCUSDT-fundingRate-2024-01.zip: it appears after the month has ended;",
        ),
        (["--kinds", "funding,rates"], "--kinds: 'rates' is none of market, funding, mark"),
        (["--source", "tardis"], "--source tardis has no funding rates and mark prices; only binance has"),
    ],
)
def test_funding_history_that_cannot_be_fetched(shell: Shell, more: list[str], reported: str) -> None:
    assert reported in refused(shell.arb(*words("--kinds", "funding,mark", *more)))


def test_json_lines_name_every_file(shell: Shell) -> None:
    files = serve_all(shell.place)
    lines = [json.loads(line) for line in shell.arb(*words("--dry-run", "--json")).out.splitlines()]
    assert [line["bytes"] for line in lines] == [len(shell.place.content(file)) for file in files]
    assert lines[0].keys() == documented("arb download --json")
    assert lines[0] == {
        "leg": "binance_spot:BTCUSDT", "day": "2024-01-01", "source": "tardis", "contents": "book",
        "bytes": lines[0]["bytes"], "bytes_to_fetch": lines[0]["bytes"],
        "file": "recordings/archive/tardis/binance_spot/BTCUSDT/incremental_book_L2_2024-01-01_BTCUSDT.csv.gz",
    }  # fmt: skip


def test_a_killed_download_goes_on_where_it_was(shell: Shell) -> None:
    files = serve_all(shell.place, 500_000)
    held = {file: 100_000 + 30_000 * n for n, file in enumerate(files)}
    for file, count in held.items():
        shell.place.server.faults[f"/{file.path}"] = [Fault(hold_after=count)]
    process = shell.start(*words())
    parts = {file: Part(shell.place.path(file)) for file in files}
    wait_for(lambda: all(parts[file].size() == count for file, count in held.items()), process)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    shell.place.server.release.set()
    assert not any(shell.place.path(file).exists() for file in files)
    assert shell.arb(*words()).code == 0
    for file in files:
        path, content = f"/{file.path}", shell.place.content(file)
        assert shell.place.path(file).read_bytes() == content
        assert sorted(shell.place.server.ranges(path)) == [
            (0, held[file]), (held[file], len(content) - held[file]),
        ]  # fmt: skip
    assert len(shell.place.files()) == len(files)


def test_ctrl_c_leaves_parts_to_go_on_from(shell: Shell) -> None:
    files = serve_all(shell.place, 500_000)
    for file in files:
        shell.place.server.faults[f"/{file.path}"] = [Fault(hold_after=100_000)]
    process = shell.start(*words())
    parts = [Part(shell.place.path(file)) for file in files]
    wait_for(lambda: all(part.size() == 100_000 for part in parts), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err.decode()) == (ExitCode.INTERRUPTED, "error: interrupted\n")
    assert [part.size() for part in parts] == [100_000] * len(files)
    done = shell.arb(*words("--dry-run", "--json"))
    for line, file in zip(done.out.splitlines(), files, strict=True):
        assert json.loads(line)["bytes_to_fetch"] == len(shell.place.content(file)) - 100_000


def test_a_file_size_limit_is_a_full_disk(shell: Shell) -> None:
    """The kernel's own refusal, half way through a file: what is whole stays, the part goes."""
    serve_all(shell.place, 100_000)
    (large, *_) = shell.place.serve(SPOT, FREE, "tardis", 600_000, "book")
    limit = 300_000
    process = shell.start(
        *words(), before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    )
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == ExitCode.USER_INPUT, err
    assert re.fullmatch(
        r"error: recordings: cannot be written: File too large; \d of 6 files are whole, the parts of others are"
        r" removed: make room and run it again\n",
        err.decode(),
    )
    assert not any(name.endswith((".part", ".json")) for name in shell.place.files())
    assert not shell.place.path(large).exists()
    assert shell.arb(*words()).code == 0


def test_tests_cannot_reach_real_hosts(shell: Shell) -> None:
    shutil.copy(ROOT / "config" / "arbitrage.toml", shell.folder / "config" / "arbitrage.toml")
    done = shell.arb(*words())
    assert done.code == ExitCode.OUR_FAULT
    assert "a test tried to reach 'datasets.tardis.dev'; only this machine may be reached" in done.err
    _, err = shell.start(*words()).communicate(timeout=PATIENCE_S)
    assert b"a test tried to reach 'datasets.tardis.dev'; only this machine may be reached" in err


def test_a_key_comes_from_the_environment(shell: Shell) -> None:
    server = shell.place.server
    server.needs_key = lambda path: path.startswith("/v1/")
    shell.place.serve(SPOT, KEYED, "tardis")
    shell.place.serve(BYBIT_SPOT, KEYED, "tardis")
    day = ["download", "--start", str(KEYED)]
    assert "any other day with the key in TARDIS_API_KEY" in refused(shell.arb(*day))
    assert "does not accept the key in TARDIS_API_KEY" in refused(shell.arb(*day, TARDIS_API_KEY="TD.other"))
    assert shell.arb(*day, TARDIS_API_KEY=server.key).code == 0
    own = ["--set", 'archive.tardis_key="${MY_KEY}"']
    shutil.rmtree(shell.place.directory)
    assert "with the key in MY_KEY" in refused(shell.arb(*day, *own))
    done = shell.arb(*day, *own, MY_KEY=server.key)
    assert done.code == 0
    assert server.key not in done.out + done.err


def test_much_needs_a_yes(shell: Shell) -> None:
    serve_all(shell.place)
    little = ["--set", "archive.ask_above_gb=0.001"]
    reported = refused(shell.arb(*words(*little)))
    assert "1.2 MB to fetch; say --yes to fetch it, or --dry-run to see the plan only" in reported
    assert shell.place.files() == []
    assert shell.arb(*words(*little, "--yes")).code == 0


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", ExitCode.USER_INPUT), (b"y\n", ExitCode.DONE)])
def test_who_sits_at_a_terminal_is_asked(shell: Shell, answer: bytes, code: int) -> None:
    serve_all(shell.place)
    ours, theirs = pty.openpty()
    process = shell.start(*words("--set", "archive.ask_above_gb=0"), stdin=theirs)
    os.write(ours, answer)
    _, err = process.communicate(timeout=PATIENCE_S)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == code, err
    assert b"1.2 MB to fetch; go on? [y/N]" in err
    assert len(shell.place.files()) == (6 if answer == b"y\n" else 0)


def test_trades_only_is_warned_of(shell: Shell) -> None:
    legs = ["--legs", "binance_spot:BTCUSDT,binance_usdm:BTCUSDT", "--source", "binance"]
    shell.place.serve(SPOT, KEYED, "binance")
    shell.place.serve(ArchiveLeg("binance_usdm", "binance_usdm", "BTCUSDT"), KEYED, "binance")
    done = shell.arb("download", "--start", str(KEYED), *legs, "--dry-run")
    assert done.code == 0
    assert done.err == (
        "warning: binance_spot:BTCUSDT 2024-01-02: binance has trades only; a backtest needs a book\n"
    )


def test_a_day_without_trades_is_warned_of(shell: Shell) -> None:
    shell.place.serve(SPOT, FREE, "tardis")
    shell.place.serve(BYBIT_SPOT, FREE, "tardis", kinds="book touch")
    warning = (
        "warning: bybit_spot:BTCUSDT 2024-01-01: tardis has order book, touch;"
        " without trades, no trade fills a resting order\n"
    )
    assert shell.arb(*words("--dry-run")).err == warning
    assert warning in shell.arb("backtest", "--start", str(FREE), "--download").err


@pytest.mark.parametrize(
    ("more", "reported"),
    [
        (["--end", "2023-12-31"], "--end 2023-12-31 lies before --start 2024-01-01"),
        (["--end", "2199-12-31"], "2199-12-31 is not over; archives have whole days"),
        (
            ["--end", f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%d}"],
            "is not over; archives have whole days",
        ),
        (["--start", "2016-12-31"], "2016-12-31: no archive goes back beyond 2017-01-01"),
        (["--source", "kraken"], "'kraken' is not one of 'auto', 'binance', 'bybit', 'tardis'"),
        (["--source", "binance"], "bybit_spot:BTCUSDT 2024-01-01: binance has nothing of that day"),
        (["--set", "archive.parallel=0"], "[archive] parallel is 0; it must be a whole number from 1 to 32"),
        (["--set", 'archive.tardis_url="http://example.com"'], "http:// only on this machine"),
        (["--set", 'archive.binance_touch_from="2023-13-01"'], 'it must be a day "YYYY-MM-DD"'),
    ],
)
def test_what_cannot_be_is_said(shell: Shell, more: list[str], reported: str) -> None:
    serve_all(shell.place)
    shell.place.serve(SPOT, FREE, "binance")
    assert reported in refused(shell.arb(*words(*more)))
    assert shell.place.files() == []


def test_settings_change_what_is_done(shell: Shell) -> None:
    """The two days that are settings, and the address of each archive."""
    legs = ["--legs", "bybit_linear:BTCUSDT,bybit_spot:BTCUSDT", "--dry-run"]
    early = date(2025, 4, 2)
    shell.place.serve(LINEAR, early, "bybit")
    day = ["download", "--start", str(early), *legs]
    assert "bybit has the order book from 2025-05-01" in refused(shell.arb(*day))
    earlier = ["--set", 'archive.bybit_spot_books_from="2025-04-01"']
    assert "not there: bybit orderbook/spot/BTCUSDT/2025-04-02" in refused(shell.arb(*day, *earlier))


def command_in(line: str) -> list[str]:
    """The words of the command that an error ends with."""
    return shlex.split(line.rpartition("get history: arb ")[2])


def test_a_backtest_without_data_names_the_command_that_gets_them(shell: Shell) -> None:
    serve_all(shell.place)
    reported = refused(shell.arb("backtest", "--start", str(FREE)))
    named = command_in(reported)
    assert named == [
        "download", "--start", "2024-01-01", "--legs", "binance_spot:BTCUSDT,bybit_spot:BTCUSDT",
        "--data", "recordings",
    ]  # fmt: skip
    assert shell.arb(*named).code == 0
    moved = shell.folder / "my files"
    (shell.folder / "config").rename(moved)
    days = ["--start", str(FREE + timedelta(days=1)), "--end", str(FREE + timedelta(days=3))]
    more = ["--config", "my files/arbitrage.toml", "--data", "my data"]
    assert command_in(refused(shell.arb("backtest", *days, *more))) == [
        "download", *days, "--legs", "binance_spot:BTCUSDT,bybit_spot:BTCUSDT", "--data", "my data",
        "--config", "my files/arbitrage.toml",
    ]  # fmt: skip


def test_a_backtest_downloads_what_it_lacks_and_no_more(shell: Shell) -> None:
    """One leg has a recording: only the other's files are fetched, of the first day alone."""
    files = serve_all(shell.place)
    recording = recording_path(shell.place.directory, "bybit_spot", "BTCUSDT", FREE)
    recording.parent.mkdir(parents=True)
    recording.touch()
    done = shell.arb("backtest", "--start", str(FREE), "--download", "--json")
    assert "3 files fetched into recordings/archive" in done.err
    assert "binance_spot:BTCUSDT  2024-01-01  tardis" in done.err
    assert done.out == ""  # what was fetched is noise, and no run came of it
    for file in files:
        assert shell.place.path(file).exists() == (file.leg == SPOT)
    before = len(shell.place.server.requests)
    shell.arb("backtest", "--start", str(FREE), "--download")
    assert len(shell.place.server.requests) == before


def test_a_backtest_completes_a_download_that_was_broken_off(shell: Shell) -> None:
    """From where it began, though another archive is preferred; with no key for what is here."""
    legs = ["--legs", "binance_usdm:BTCUSDT,bybit_linear:BTCUSDT"]
    usdm = ArchiveLeg("binance_usdm", "binance_usdm", "BTCUSDT")
    for leg in (usdm, LINEAR):
        shell.place.serve(leg, KEYED, "tardis")
    shell.place.serve(usdm, FREE, "binance", kinds="touch trades")
    shell.place.serve(LINEAR, FREE, "bybit")
    for leg, source in ((usdm, "binance"), (LINEAR, "bybit")):
        shell.place.carry_out(shell.place.plan([leg], [FREE], source))
    files = shell.place.files()
    next(shell.place.directory.rglob("BTCUSDT2024-01-01.csv.gz")).unlink()
    done = shell.arb("backtest", "--start", str(FREE), "--download", *legs)
    assert "1 file fetched" in done.err
    assert shell.place.files() == files

    key = {"TARDIS_API_KEY": shell.place.server.key}
    day = ["--start", str(KEYED), *legs]
    shell.place.server.needs_key = lambda path: path.startswith("/v1/")
    assert shell.arb("download", *day, "--source", "tardis", **key).code == 0
    before = len(shell.place.server.requests)
    assert "fetched" not in shell.arb("backtest", *day, "--download").err
    assert len(shell.place.server.requests) == before
    next(shell.place.directory.rglob("book_ticker_2024-01-02*.gz")).unlink()
    reported = shell.arb("backtest", *day, "--download").err
    assert "set the environment variable TARDIS_API_KEY to a key of Tardis" in reported
    assert "1 file fetched" in shell.arb("backtest", *day, "--download", **key).err
