"""Bad input of every kind: one clear line on standard error, exit code 2, nothing half-written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.command_line import arb
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

from arb.errors import ExitCode

pytestmark = pytest.mark.slow

DAY = ("--start", "2024-08-08")
#: A line of an update that lacks its levels, and one whose quantity is no number.
UPDATE = f'{NOON_NS} {{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":1723118400000,"T":1723118400000,'
BROKEN_UPDATES = (
    UPDATE + '"s":"BTCUSDT","U":1}}',
    UPDATE + '"s":"BTCUSDT","U":101,"u":101,"pu":100,"b":[["60000.0","5.0x"]],"a":[]}}',
)


class Place(NamedTuple):
    """A working directory with recordings and a configuration."""

    folder: Path
    config: Path
    #: The recording of leg 0.
    recording: Path

    def files(self) -> list[str]:
        """Everything there is, but what the cache keeps on purpose."""
        names = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*")]
        kept = tuple(f"cache/arb/rows/{kind}-" for kind in ("file", "cold", "scan", "book", "rows"))
        return sorted(n for n in names if not n.startswith(kept) and "__pycache__" not in n)

    def strategy(self, text: str) -> tuple[str, str]:
        """The option for a strategy of this text."""
        (self.folder / "own.py").write_text(text)
        return "--strategy", "own.py:run"

    def backtest(
        self, *words: str, config: str = "config/arbitrage.toml", code: int | None = ExitCode.DONE
    ) -> Any:
        """`arb backtest` in this process."""
        with clean_imports(self.folder):
            return arb("backtest", "-c", config, "--data", "data", *words, code=code)

    def refusal(self, *words: str, day: Sequence[str] = DAY, out: str = "run", **more: Any) -> str:
        """The line with which `arb backtest` ends."""
        before = self.files()
        reported = self.backtest(*day, "--out", out, *words, code=None, **more)
        return self.checked(reported.exit_code, reported.stderr, before)

    def checked(self, code: int, err: str, before: list[str]) -> str:
        assert code == ExitCode.USER_INPUT, err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert self.files() == before
        return err.removeprefix("error: ").rstrip("\n")


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
    return Place(tmp_path, config / "arbitrage.toml", data / "binance_usdm" / "btcusdt_20240808.gz")


def test_no_recording_for_that_day_says_how_to_get_one(place: Place) -> None:
    reported = place.refusal(day=("--start", "2024-08-10"))
    assert reported.startswith(
        "data/binance_usdm/btcusdt_20240810.gz: no recording of binance_usdm:BTCUSDT for 2024-08-10"
    )
    for part in (
        "it has 2024-08-08 to 2024-08-08",
        "Put a collector's file there",
        "arb data list data",
    ):
        assert part in reported
    assert "for 2024-08-09 (and 2 more days)" in place.refusal("--end", "2024-08-11")
    place.recording.unlink()
    assert "no recording of binance_usdm:BTCUSDT for 2024-08-08; it has none" in place.refusal()


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["--end", "2024-08-07"], "--end 2024-08-07 lies before --start 2024-08-08"),
        (["--end", "tomorrow"], "Invalid value for '--end': 'tomorrow' is neither a day nor a time; write"),
        (["--start", ""], "Invalid value for '--start': '' is neither a day nor a time"),
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
        *(
            (["--set", f"{key}=0"], f"{key.partition('.')[2]} is 0; it must be a number above 0")
            for key in (
                *("risk.position_limit", "risk.max_drawdown", "risk.max_daily_loss", "risk.max_attempt_loss"),
                *("risk.stop_loss_bps", "risk.max_order_qty", "risk.max_order_notional"),
                "strategy.max_position_size",
            )
        ),
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
        (["--strategy", "mine.py"], '"FILE.py:FUNCTION" or "module:function"'),
        (["--strategy", "mine.py:run"], "mine.py: no such strategy file"),
        (["--strategy", "arb.strategies.spread.strategy:walk"], "no function 'walk' in it"),
        (["--strategy", "no.such:run"], "strategy module 'no.such'"),
        (["stray"], "unexpected extra argument (stray); see arb backtest --help"),
    ],
)
def test_words_that_cannot_be_used(place: Place, words: list[str], reported: str) -> None:
    assert reported in place.refusal(*words)


def test_a_configuration_that_cannot_be_used(place: Place) -> None:
    assert place.refusal(config="nowhere/arbitrage.toml") == (
        "nowhere/arbitrage.toml: no such file; `arb init nowhere` writes a configuration to start from"
    )
    place.config.write_text(place.config.read_text().replace("position_limit", "positoin_limit"))
    reported = place.refusal()
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
def test_a_strategy_that_cannot_run(place: Place, text: str, reported: str) -> None:
    assert reported in place.refusal(*place.strategy(text))


def test_a_recording_that_is_no_whole_gzip(place: Place) -> None:
    content = write_recording(place.folder / "data", "binance_usdm", depth_lines(5_000)).read_bytes()
    for share in (0.3, 0.95):
        place.recording.write_bytes(content[: int(share * len(content))])
        reported = place.refusal()
        assert reported.startswith("data/binance_usdm/btcusdt_20240808.gz: the file is cut off")
        assert "record or copy it again" in reported
    for damaged, reported in ((b"hello", "not a whole gzip file"), (b"", "the file is empty")):
        place.recording.write_bytes(damaged)
        assert reported in place.refusal()


def test_a_day_without_a_book_and_without_the_day_before(place: Place) -> None:
    lines = [line for line in depth_lines(50) if "lastUpdateId" not in line]
    write_recording(place.folder / "data", "binance_usdm", lines)
    reported = place.refusal()  # nor has it best bids and offers, which would do
    assert reported.startswith("data/binance_usdm/btcusdt_20240808.gz: no snapshot of the book in it")
    assert "day before" in reported


@pytest.mark.parametrize("line", [f"{NOON_NS} {{", f"{NOON_NS} not json", "no time at all", *BROKEN_UPDATES])
def test_a_corrupted_line_is_reported_with_its_number(place: Place, line: str) -> None:
    lines = depth_lines(20)
    lines[7] = line
    write_recording(place.folder / "data", "binance_usdm", lines)
    compared = arb(
        "convert", "data", "--compare", "-c", "config/arbitrage.toml", code=ExitCode.USER_INPUT
    ).stderr
    for reported in (place.refusal(), compared):
        assert "data/binance_usdm/btcusdt_20240808.gz" in reported
        assert "line 8" in reported


def test_folders_that_cannot_be_written(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file is in place of a read-only folder: permissions do not bind root, under which tests may run.
    (place.folder / "file").write_text("")
    assert place.refusal(out="file/run").startswith("file/run: cannot be written: ")
    assert place.refusal(out="file/deep/run").startswith("file/deep/run: cannot be written: ")
    (place.folder / "run").mkdir()
    assert place.refusal() == "run: exists already; name another folder with --out"
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.folder / "file"))
    assert "the row cache cannot be written" in place.refusal(out="other")


def test_a_run_that_fails_in_its_default_folder_leaves_its_folder(place: Place) -> None:
    reported = place.backtest(
        *DAY, *place.strategy("def run(bot):\n    raise ValueError('no')\n"), code=ExitCode.OUR_FAULT
    )
    (run,) = (place.folder / "runs").iterdir()
    assert reported.stderr == (
        "error: the strategy raised ValueError: no; own.py line 2 in run, before its first wait; "
        f"the run until then is in runs/{run.name}\n"
    )
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert manifest["outcome"] == "failed"
    assert "ValueError: no; own.py line 2 in run" in manifest["error"]


@pytest.mark.parametrize("words", [("--start", "2024-08-10"), (*DAY, "--strategy", "own.py:run"), None])
def test_a_process_says_no_more_than_that(place: Place, words: Sequence[str] | None) -> None:
    place.strategy("def run(bot):\n    return bot.nope\n")
    before = place.files()
    run = ["no-such-command"] if words is None else ["backtest", "--data", "data", *words]
    done = run_command(run, command_environment(place.folder / "cache"), place.folder)
    place.checked(done.code, done.err, before)
    assert done.out == ""


@pytest.mark.parametrize(
    "words", [["backtest"], ["convert", "nowhere"], ["data", "list", "nowhere"], ["init", "config"]]
)
def test_other_commands(place: Place, words: list[str]) -> None:
    before = place.files()
    reported = arb(*words, code=None)
    place.checked(reported.exit_code, reported.stderr, before)


def test_a_halted_run_is_written_and_exits_3(place: Place) -> None:
    strategy = place.strategy("def run(bot):\n    bot.elapse(1)\n    return 3\n")
    reported = place.backtest(*DAY, "--out", "run", "--json", *strategy, code=ExitCode.HALTED_BY_RISK)
    assert json.loads(reported.stdout)["outcome"] == "halted"


def test_a_gzip_of_several_members_is_whole(place: Place) -> None:
    # A collector that was restarted appends a second gzip member.
    lines = depth_lines(20)
    members = [gzip.compress("\n".join([*part, ""]).encode()) for part in (lines[:9], lines[9:])]
    place.recording.write_bytes(b"".join(members))
    place.backtest(*DAY, "--out", "run")
