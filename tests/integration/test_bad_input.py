"""Bad input of every kind: one clear line on standard error, exit code 2, nothing half-written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from support.recording_files import (
    NOON_NS,
    clean_imports,
    command_environment,
    depth_lines,
    example,
    run_command,
    write_pair,
    write_recording,
)

from arb.cli import cli
from arb.errors import ExitCode

pytestmark = pytest.mark.slow


class Place(NamedTuple):
    """A working directory with recordings and a configuration."""

    folder: Path
    data: Path
    config: Path

    def files(self) -> list[str]:
        """Everything there is, but what the cache keeps on purpose."""
        names = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*")]
        kept = tuple(f"cache/arb/rows/{kind}-" for kind in ("file", "cold", "scan", "book", "rows"))
        return sorted(n for n in names if not n.startswith(kept) and "__pycache__" not in n)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    config = tmp_path / "config"
    config.mkdir()
    for path in Path(example("usdm_bybit")).parent.glob("*.toml"):
        (config / path.name).write_text(path.read_text())
    data = write_pair(tmp_path / "data", count=20)
    environment = command_environment(tmp_path / "cache")
    (tmp_path / "cache" / "arb" / "rows").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, data, config / "arbitrage.toml")


@pytest.fixture
def refusal(place: Place) -> Callable[..., str]:
    """What `arb backtest` says, checked for its form; `--out` and the rest are given unless named."""

    def of(
        *words: str, start: str = "2024-08-08", config: str = "config/arbitrage.toml", out: str = "run"
    ) -> str:
        before = place.files()
        with clean_imports(place.folder):
            reported = CliRunner().invoke(
                cli,
                ["backtest", "-c", config, "--data", "data", "--start", start, "--out", out, *words],
                prog_name="arb",
            )
        return checked(reported.exit_code, reported.stderr, before, place.files())

    return of


def checked(code: int, err: str, before: list[str], after: list[str]) -> str:
    assert code == ExitCode.USER_INPUT, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert after == before
    return err.removeprefix("error: ").rstrip("\n")


def test_the_place_itself_is_good(place: Place) -> None:
    reported = CliRunner().invoke(
        cli, ["backtest", "-c", str(place.config), "--data", "data", "--start", "2024-08-08", "--out", "run"]
    )
    assert reported.exit_code == 0, reported.output


def test_no_recording_for_that_day_says_how_to_get_one(refusal: Callable[..., str]) -> None:
    reported = refusal(start="2024-08-10")
    assert reported.startswith(
        "data/binance_usdm/btcusdt_20240810.gz: no recording of binance_usdm:BTCUSDT for 2024-08-10"
    )
    assert "it has 2024-08-08 to 2024-08-08" in reported
    assert "Put a collector's file there" in reported
    assert "arb data list data" in reported


def test_a_leg_without_any_recording(refusal: Callable[..., str], place: Place) -> None:
    (place.data / "bybit_linear" / "btcusdt_20240808.gz").unlink()
    assert "no recording of bybit_linear:BTCUSDT for 2024-08-08; it has none" in refusal()


def test_days_beyond_the_last(refusal: Callable[..., str]) -> None:
    assert "for 2024-08-09 (and 2 more days)" in refusal("--end", "2024-08-11")


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["--end", "2024-08-07"], "--end 2024-08-07 lies before --start 2024-08-08"),
        (["--end", "tomorrow"], "Invalid value for '--end': 'tomorrow' is not a day; write it as 2024-08-08"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--legs", "binance_usdm"], "--legs"),
        (["--legs", ""], "--legs"),
        (["--legs", "binance_usdm:BTCUSDT,bybit_linear:BTCUSDT,x:Y"], "--legs"),
        (
            ["--legs", "binance_usdm:BTCUSDT,binance_usdm:ETHUSDT"],
            "are at one venue; the legs of a pair are at two",
        ),
        (["--legs", "binance_usdm:BTCUSDT,kraken:BTCUSDT"], "names the venue kraken, which no file beside"),
        (["--legs", "binance_usdm:XRPUSDT,bybit_linear:XRPUSDT"], "[symbols.XRPUSDT] is missing"),
        (["--set", 'strategy.symbol="NOUSDT"'], "[symbols.NOUSDT] is missing"),
        (["--set", "=1"], "must be section.key=TOML_VALUE"),
        (["--set", "risk.position_limit=-1"], "position_limit is -1"),
        (["--set", "risk.position_limit=0"], "[risk] position_limit is 0; it must be a number above 0"),
        (["--set", "risk.max_drawdown=0"], "[risk] max_drawdown is 0; it must be a number above 0"),
        (["--set", "risk.max_daily_loss=0.0"], "[risk] max_daily_loss is 0.0; it must be a number above 0"),
        (["--set", "risk.max_attempt_loss=0"], "[risk] max_attempt_loss is 0; it must be a number above 0"),
        (["--set", "risk.stop_loss_bps=0"], "[risk] stop_loss_bps is 0; it must be a number above 0"),
        (["--set", "risk.max_order_qty=0"], "[risk] max_order_qty is 0; it must be a number above 0"),
        (
            ["--set", "risk.max_order_notional=0"],
            "[risk] max_order_notional is 0; it must be a number above 0",
        ),
        (["--set", "strategy.max_position_size=0"], "max_position_size is 0; it must be a number above 0"),
        (["--set", "strategy.basis_halflife_s=-1"], "basis_halflife_s is -1; it must be a number from 0"),
        (["--set", "strategy.basis_halflife_s=1e9"], "basis_halflife_s is 1000000000.0; it must be"),
        (["--set", "data.cache_gb=-1"], "cache_gb is -1; it must be a number from 0"),
        (["--set", "risk.max_orders_per_second=3"], "must be 0 (no limit) or at least 4"),
        (
            ["--symbols", "BTCUSDT,ETHUSDT", "--set", "risk.max_orders_per_second=7"],
            "must be 0 (no limit) or at least 8",
        ),
        (
            ["--set", "strategy.params.no_such=1"],
            "[strategy.params] no_such: not a parameter of arb.strategies.spread.strategy",
        ),
        (["--set", "strategy.params.common_lot=true"], "[strategy.params] common_lot: True given"),
        (["--strategy", "mine"], '"FILE.py:FUNCTION" or "module:function"'),
        (["--strategy", "mine.py"], '"FILE.py:FUNCTION" or "module:function"'),
        (["--strategy", "mine.py:run"], "mine.py: no such strategy file"),
        (["--strategy", "arb.strategies.spread.strategy:walk"], "no function 'walk' in it"),
        (["--strategy", "no.such:run"], "strategy module 'no.such'"),
        (["--no-such-option"], "No such option '--no-such-option'"),
        (["stray"], "unexpected extra argument (stray); see arb backtest --help"),
    ],
)
def test_what_is_said(refusal: Callable[..., str], words: list[str], reported: str) -> None:
    assert reported in refusal(*words)


@pytest.mark.parametrize("start", ["8-8", "2024-02-30", "", "2024-08-08T00:00"])
def test_a_malformed_day(refusal: Callable[..., str], start: str) -> None:
    assert refusal(start=start).startswith(f"Invalid value for '--start': {start!r} is not a day")


def test_a_missing_configuration(refusal: Callable[..., str]) -> None:
    reported = refusal(config="nowhere/arbitrage.toml")
    assert reported == (
        "nowhere/arbitrage.toml: no such file; `arb init nowhere` writes a configuration to start from"
    )


def test_an_unknown_key(refusal: Callable[..., str], place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("position_limit", "positoin_limit"))
    reported = refusal()
    assert "config/arbitrage.toml" in reported
    assert "positoin_limit" in reported


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (
            "def run(bot):\n    return bot.nope\n",
            "own.py:run: does not compile: line 2: Unknown attribute 'nope'",
        ),
        ("def run(bot):\n    return f'{1.0:.1f}'\n", "own.py:run: does not compile: line 2: "),
        (
            "def run(bot):\n    f = bot.feed_latency(0)\n    return 0 if f is None else f[1] - f[0]\n",
            "own.py:run: does not compile: ",
        ),
        ("def run(bot:\n", "own.py, line 1: SyntaxError"),
        ("import no_such_module\n", "own.py, line 1: ModuleNotFoundError"),
        (
            "def run(bot, skew): ...\n",
            "its argument 'skew' has no value; give one: --set strategy.params.skew",
        ),
        ("def run(recorder): ...\n", "a strategy takes the bot"),
        ("PARAMS = 3\ndef run(bot, params): ...\n", "PARAMS must be a dict"),
    ],
)
def test_a_strategy_that_cannot_run(
    refusal: Callable[..., str], place: Place, text: str, reported: str
) -> None:
    (place.folder / "own.py").write_text(text)
    assert reported in refusal("--strategy", "own.py:run")


def damaged(place: Place, change: Callable[[bytes], bytes]) -> Path:
    path = place.data / "binance_usdm" / "btcusdt_20240808.gz"
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_recording(refusal: Callable[..., str], place: Place, share: float) -> None:
    lines = depth_lines(5_000)
    write_recording(place.data, "binance_usdm", lines)
    damaged(place, lambda content: content[: int(share * len(content))])
    reported = refusal()
    assert reported.startswith("data/binance_usdm/btcusdt_20240808.gz: the file is cut off")
    assert "record or copy it again" in reported


def test_a_day_without_a_book_and_without_the_day_before(refusal: Callable[..., str], place: Place) -> None:
    write_recording(
        place.data, "binance_usdm", [line for line in depth_lines(50) if "lastUpdateId" not in line]
    )
    reported = refusal()  # nor has it best bids and offers, which would do
    assert reported.startswith("data/binance_usdm/btcusdt_20240808.gz: no snapshot of the book in it")
    assert "day before" in reported


def test_a_recording_that_is_no_gzip(refusal: Callable[..., str], place: Place) -> None:
    damaged(place, lambda content: b"hello")
    assert "not a whole gzip file" in refusal()


def test_an_empty_recording(refusal: Callable[..., str], place: Place) -> None:
    damaged(place, lambda content: b"")
    assert "the file is empty" in refusal()


@pytest.mark.parametrize(
    "line",
    [
        f"{NOON_NS} {{",
        f"{NOON_NS} not json",
        "no time at all",
        f'{NOON_NS} {{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1}}}}',
        f'{NOON_NS} {{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":1723118400000,"T":1723118400000,'
        '"s":"BTCUSDT","U":101,"u":101,"pu":100,"b":[["60000.0","5.0x"]],"a":[]}}',
    ],
)
def test_a_corrupted_line_is_reported_with_its_number(
    refusal: Callable[..., str], place: Place, line: str
) -> None:
    lines = depth_lines(20)
    lines[7] = line
    write_recording(place.data, "binance_usdm", lines)
    reported = refusal()
    assert "data/binance_usdm/btcusdt_20240808.gz" in reported
    assert "line 8" in reported


def test_a_path_below_a_file_cannot_be_written(refusal: Callable[..., str], place: Place) -> None:
    # Stands for a read-only folder: permissions do not bind root, under which tests may run.
    (place.folder / "file").write_text("")
    assert refusal(out="file/run").startswith("file/run: cannot be written: ")
    assert refusal(out="file/deep/run").startswith("file/deep/run: cannot be written: ")


def test_an_output_folder_that_exists(refusal: Callable[..., str], place: Place) -> None:
    (place.folder / "run").mkdir()
    assert refusal() == "run: exists already; name another folder with --out"


def test_a_row_cache_that_cannot_be_written(
    refusal: Callable[..., str], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.folder / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.folder / "file"))
    assert "the row cache cannot be written" in refusal()


def test_a_run_that_fails_in_its_default_folder_leaves_its_folder(place: Place) -> None:
    (place.folder / "own.py").write_text("def run(bot):\n    raise ValueError('no')\n")
    with clean_imports(place.folder):
        reported = CliRunner().invoke(
            cli,
            [
                "backtest",
                "-c",
                str(place.config),
                "--data",
                "data",
                "--start",
                "2024-08-08",
                "--strategy",
                "own.py:run",
            ],
        )
    assert reported.exit_code == ExitCode.OUR_FAULT
    (run,) = (place.folder / "runs").iterdir()
    assert reported.stderr == (
        "error: the strategy raised ValueError: no; own.py line 2 in run, before its first wait; "
        f"the run until then is in runs/{run.name}\n"
    )
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert manifest["outcome"] == "failed"
    assert "ValueError: no; own.py line 2 in run" in manifest["error"]


@pytest.mark.parametrize(
    "words",
    [
        ["backtest", "-c", "config/arbitrage.toml", "--data", "data", "--start", "2024-08-10"],
        [
            "backtest",
            "-c",
            "config/arbitrage.toml",
            "--data",
            "data",
            "--start",
            "2024-08-08",
            "--strategy",
            "own.py:run",
        ],
        ["backtest", "-c", "config/arbitrage.toml"],
        ["convert", "nowhere"],
        ["data", "list", "nowhere"],
        ["data", "list"],
        ["init", "config"],
        ["no-such-command"],
        ["--no-such-option"],
    ],
)
def test_a_process_says_no_more_than_that(place: Place, words: list[str]) -> None:
    (place.folder / "own.py").write_text("def run(bot):\n    return bot.nope\n")
    before = place.files()
    done = run_command(words, command_environment(place.folder / "cache"), place.folder)
    checked(done.code, done.err, before, place.files())
    assert done.out == ""


def test_a_halted_run_is_written_and_exits_3(place: Place) -> None:
    (place.folder / "own.py").write_text("def run(bot):\n    bot.elapse(1)\n    return 3\n")
    with clean_imports(place.folder):
        reported = CliRunner().invoke(
            cli,
            ["backtest", "-c", str(place.config), "--data", "data", "--start", "2024-08-08", "--strategy", "own.py:run",
             "--out", "run", "--json"],
        )  # fmt: skip
    assert reported.exit_code == ExitCode.HALTED_BY_RISK
    assert json.loads(reported.stdout)["outcome"] == "halted"


def test_a_gzip_of_several_members_is_whole(place: Place) -> None:
    # A collector that was restarted appends a second gzip member.
    lines = depth_lines(20)
    halves = [gzip.compress("".join(f"{x}\n" for x in part).encode()) for part in (lines[:9], lines[9:])]
    damaged(place, lambda _: b"".join(halves))
    reported = CliRunner().invoke(
        cli, ["backtest", "-c", str(place.config), "--data", "data", "--start", "2024-08-08", "--out", "run"]
    )
    assert reported.exit_code == 0, reported.output
