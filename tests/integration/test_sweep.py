"""`arb sweep`: each set is its backtest, in threads and continued; and what it refuses."""

from __future__ import annotations

import contextlib
import csv
import json
import resource
import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import polars
import pytest
from support.command_line import arb
from support.recording_files import command_environment, run_command

from arb.backtest.runner import Compiled, compile_ahead
from arb.bot.recorder import Recorder
from arb.bot.uses import calls_itself
from arb.cli.period import Time, period_of
from arb.commands.legs import legs_of
from arb.commands.run_files import days_of_run
from arb.commands.sweep_plan import RANDOM, Choice, Span, varied
from arb.commands.sweep_sets import SetMaker, figures_of
from arb.config import Config, load
from arb.strategies.arguments import Arguments
from arb.strategies.loader import load_strategy
from arb.sweep.sets import key_of
from arb.sweep.table import read_head, read_results
from tests.parity.sweep import compare
from tests.soak.sweep_kills import kill_often

pytestmark = pytest.mark.slow

FREE = [f"{venue}.fees.{kind}=0" for venue in ("binance_usdm", "bybit_spot") for kind in ("taker", "maker")]
LEGS = "binance_usdm:BTCUSDT,bybit_spot:BTCUSDT"
SETTINGS = ["strategy.basis_halflife_s=5.0", *FREE]
VARY = [
    "strategy.min_spread_bps=0:3",
    "execution.order_timeout_ms=50:400",
    "binance_usdm.latency.entry_ms=0:20",
]
START, END = "2024-01-01T23:59:10", "2024-01-02T00:00:10Z"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration and a minute and a half over midnight."""
    folder = tmp_path_factory.mktemp("sweep")
    arb("init", folder / "my")
    words = ["--duration", "90s", "--start", "2024-01-01T23:59", "--venues", "binance_usdm,bybit_spot"]
    arb("sandbox", "record", "--out", folder / "data", *words)
    return folder


def loaded(place: Path, engine: str, further: Sequence[str]) -> Config:
    settings = (f'data.directory="{place / "data"}"', f'backtest.engine="{engine}"', *SETTINGS, *further)
    return load(place / "my" / "arbitrage.toml", settings, LEGS.split(","))


def words(place: Path) -> list[object]:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return ["-c", place / "my" / "arbitrage.toml", "--data", place / "data", "--legs", LEGS, *settings]


@pytest.mark.parametrize("engine", ["hftbacktest", "arb"])
def test_each_set_is_its_backtest_in_threads_and_continued(place: Path, engine: str, tmp_path: Path) -> None:
    time = Time()
    start, end = (time.convert(text, None, None) for text in (START, END))
    span = Span(*period_of(start, end), START, END)
    choice = Choice(RANDOM, 4, 1)
    found = compare(partial(loaded, place, engine), lambda _: varied(VARY, choice), span, tmp_path, threads=2)
    assert found.differing == ()
    assert found.sets == 4
    assert found.fills > 20


def test_only_keys_that_change_rows_divide_the_sets(place: Path) -> None:
    maker = SetMaker.of(partial(loaded, place, "arb"))
    days = days_of_run(maker.base, legs_of(maker.base), date(2024, 1, 1), None)
    dividing = [
        "clock.offset_ms=0,100",
        "execution.stale_after_ms=1000,2000",
        "binance_usdm.latency.feed_ms=1,2",
    ]
    others = [
        "strategy.min_spread_bps=1,2",
        "bybit_spot.latency.entry_ms=1,2",
        "bybit_spot.fees.taker=0.0,0.001",
    ]
    keys = [key_of(text, is_drawn=False) for text in (*others, *dividing)]
    assert maker.row_keys(keys, days) == [text.partition("=")[0] for text in dividing]


def test_groups_of_rows_tables_and_the_best_set(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    vary = ["--vary", "clock.offset_ms=0,100", "--vary", "strategy.min_spread_bps=0:1:0.5"]
    done = arb("sweep", *words(place), "--start", "2024-01-01", "--out", out, *vary, "--threads", 2)
    assert "6 of 6 sets" in done.stdout
    assert "LUCK: " in done.stdout
    assert json.loads(arb("sweep", "show", out, "--json").stdout)["sets"] == 6
    assert b"</html>" in (out / "sweep.html").read_bytes()
    shown = [
        json.loads(line)
        for line in arb("sweep", "show", out, "--by", "fills", "--all", "--json").stdout.splitlines()
    ]
    fills = [one["figures"]["fills"] for one in shown]
    assert fills == sorted(fills, reverse=True)
    assert len({one["set_no"] for one in shown}) == 6
    with (out / "sweep.csv").open() as file:
        lines = list(csv.DictReader(file))
    table = polars.read_parquet(out / "sweep.parquet")
    assert table["fills"].to_list() == [int(line["fills"]) for line in lines]
    assert table.columns == list(lines[0])
    assert [float(line["pnl_quote"]) for line in lines] == table["pnl_quote"].to_list()

    assert table.schema["error"] == polars.String
    arb("sweep", "best", out, "--by", "fills", "--out", tmp_path / "best")
    arb(
        "backtest", "-c", tmp_path / "best" / "arbitrage.toml", "--start", "2024-01-01", "--end", "2024-01-02",
        "--no-report", "--out", tmp_path / "whole",
    )  # fmt: skip
    assert json.loads((tmp_path / "whole" / "summary.json").read_bytes())["fills"] == max(fills)
    assert "exists already" in arb("sweep", "best", out, "--out", tmp_path / "best", code=2).output
    best = arb("sweep", "best", out, "--by", "fills").stdout
    (place / "my" / "best.toml").write_text(best)
    run = tmp_path / "run"
    free = [word for setting in FREE for word in ("--set", setting)]
    arb(
        "backtest", "-c", place / "my" / "best.toml", "--start", "2024-01-01", "--end", "2024-01-02", *free,
        "--no-report", "--out", run,
    )  # fmt: skip
    assert json.loads((run / "summary.json").read_bytes())["fills"] == max(fills)
    assert "within" in arb("sweep", "best", out, "--min", "fills=1e9", code=2).output


def test_an_edit_during_a_sweep_changes_no_set(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = shutil.copytree(place / "my", tmp_path / "my")
    given = [*words(place)[2:], "--start", "2024-01-01", "--vary", "strategy.min_spread_bps=0:1:0.5"]
    arb("sweep", "-c", files / "arbitrage.toml", *given, "--out", tmp_path / "a")
    compiled = SetMaker.compiled

    def edited(maker: SetMaker) -> Compiled:
        """After the sweep has read its configuration, before its first set."""
        main = files / "arbitrage.toml"
        main.write_text(main.read_text().replace("max_position_size = 1.0", "max_position_size = 0.001"))
        (files / "bybit.toml").unlink()
        return compiled(maker)

    monkeypatch.setattr(SetMaker, "compiled", edited)
    arb("sweep", "-c", files / "arbitrage.toml", *given, "--out", tmp_path / "b")
    assert "max_position_size = 0.001" in (files / "arbitrage.toml").read_text()
    first, second = ((tmp_path / name / "results.jsonl").read_bytes() for name in "ab")
    assert first == second


def test_a_search_is_the_same_in_threads_and_continued(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra of sweeps is not installed")
    given = ["--start", "2024-01-01", "--vary", "strategy.min_spread_bps=0.0:3", "--seed", 2]
    given += ["--optuna", 14, "--by", "equity.sharpe", "--out", tmp_path / "s"]
    arb("sweep", *words(place), *given, "--threads", 2)
    whole = (tmp_path / "s" / "results.jsonl").read_bytes()
    assert read_head(tmp_path / "s").by == "equity.sharpe"
    (tmp_path / "s" / "results.jsonl").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "s" / "optuna.log").unlink()
    arb("sweep", *words(place), *given, "--threads", 1)
    assert (tmp_path / "s" / "results.jsonl").read_bytes() == whole
    assert (tmp_path / "s" / "optuna.log").exists()
    given[-3] = "fills"
    assert "differs in its by" in arb("sweep", *words(place), *given, code=2).output


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--optuna", "4", "--vary", "clock.offset_ms=0,5"], "which --optuna cannot vary"),
        (["--optuna", "4", "--walk", "5s/5s", "--vary", "strategy.min_spread_bps=0:2"], "exclude each other"),
        (["--vary", "strategy.min_spread_bps=5:1:1"], "reversed"),
        (["--vary", "strategy.exit_spread_bps=0,1"], "does not read it"),
        (["--vary", "strategy.min_sprea_bps=0,1"], "min_spread_bps"),
        (["--vary", "strategy.min_spread_bps=-1,1"], "min_spread_bps"),
        (["--vary", "strategy.function=a,b"], "cannot be varied"),
        (["--vary", "data.directory=a,b"], "cannot be varied"),
        (["--vary", "strategy.min_spread_bps=0:5:1", "--max", "5"], "6 sets are more than 5"),
        (["--vary", "strategy.min_spread_bps=0:5"], "no step"),
        ([], "--vary is missing"),
        (["--vary", "strategy.min_spread_bps=1,2", "--random", "3", "--sobol", "3"], "exclude each other"),
        (["--vary", "strategy.min_spread_bps=1,2", "--seed", "3"], "only for drawn sets"),
    ],
)
def test_bad_input_is_one_line(place: Path, given: list[str], why: str, tmp_path: Path) -> None:
    done = arb("sweep", *words(place), "--start", "2024-01-01", "--out", tmp_path / "s", *given, code=2)
    assert why in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "s").exists()


def test_a_walk_runs_every_set_over_both_periods_of_each_step(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    vary = ["--vary", "strategy.min_spread_bps=0:1:0.5"]
    period = ["--start", "2024-01-01T23:59:10", "--end", "2024-01-02T00:00:20", "--walk", "30s/20s"]
    arb("sweep", *words(place), *period, "--out", out, *vary)
    head, results = read_head(out), list(read_results(out))
    assert [(one.role, one.step, one.start[-8:], (one.end or "")[-8:]) for one in head.periods] == [
        ("train", 0, "23:59:10", "23:59:40"), ("test", 0, "23:59:40", "00:00:00"),
        ("train", 1, "23:59:30", "00:00:00"), ("test", 1, "00:00:00", "00:00:20"),
    ]  # fmt: skip
    assert [(one.set_no, one.period_no) for one in results] == [(n, k) for n in range(3) for k in range(4)]
    run = tmp_path / "run"
    span = head.periods[3]
    setting = ["--set", "strategy.min_spread_bps=0.5", "--start", span.start, "--end", span.end]
    arb("backtest", *words(place), *setting, "--no-report", "--out", run)
    summary = json.loads((run / "summary.json").read_bytes())
    assert results[7].figures == figures_of(summary)
    assert json.loads(arb("sweep", "show", out, "--json").stdout)["walk"]
    done = arb(
        "sweep", *words(place), *period[:4], "--walk", "5m/20s", *vary, "--out", tmp_path / "t", code=2
    )
    assert "do not fit" in done.output


STRATEGY = """
from numba import njit


@njit
def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def run(bot, level=1):
    while bot.elapse(1_000_000_000) == 0:
        if level > 2:
            raise ValueError("the level is too high")
    return 0 * factorial(level)
"""


def test_a_set_whose_strategy_raises_is_marked_and_the_others_go_on(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(STRATEGY)
    out = tmp_path / "s"
    given = ["--strategy", f"{file}:run", "--vary", "strategy.params.level=1:4:1"]
    words = ["-c", place / "my" / "arbitrage.toml", "--data", place / "data", "--legs", LEGS, "--threads", 2]
    done = arb("sweep", *words, "--start", "2024-01-01", "--out", out, *given)
    assert "2 failed" in done.stdout
    assert "the first that failed is set 2: ValueError: the level is too high" in done.stdout
    results = list(read_results(out))
    assert [one.outcome for one in results] == ["ended", "ended", "failed", "failed"]
    assert {one.error for one in results[2:]} == {"ValueError: the level is too high"}
    refused = arb(
        "sweep", *words, "--start", "2024-01-01", "--out", tmp_path / "t", "--strategy", f"{file}:run",
        "--vary", "strategy.params.levle=1,2", code=2,
    )  # fmt: skip
    assert "did you mean level?" in refused.output


ENDING = """
import ctypes

end = ctypes.CDLL(None)["raise"]
end.argtypes = [ctypes.c_int]


def run(bot, level=1):
    while bot.elapse(1_000_000_000) == 0:
        if level == 3:
            end(11)
    return 0
"""


def test_a_set_whose_strategy_ends_the_process_is_marked_and_the_others_go_on(
    place: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(ENDING)
    out = tmp_path / "s"
    given = [
        "--strategy",
        f"{tmp_path / 'own.py'}:run",
        "--vary",
        "strategy.params.level=1:4:1",
        "--threads",
        "2",
    ]
    where = ["-c", str(place / "my" / "arbitrage.toml"), "--data", str(place / "data"), "--legs", LEGS]
    done = run_command(
        ["sweep", *where, "--start", "2024-01-01", "--out", str(out), *given],
        command_environment(tmp_path / "cache"),
        tmp_path,
    )
    assert done.code == 0
    line = "set 2: the strategy ended the process with SIGSEGV; it is marked as failed, the others go on"
    assert done.err.splitlines().count(line) == 1
    assert "Traceback" not in done.err
    assert [(one.outcome, one.error) for one in read_results(out)] == [
        ("ended", None), ("ended", None), ("failed", "the strategy ended the process with SIGSEGV"), ("ended", None)
    ]  # fmt: skip


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A write beyond this size fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_whole_results_and_the_same_command_goes_on(place: Path, tmp_path: Path) -> None:
    def sweep(name: str, code: int = 0) -> str:
        given = [
            "--start",
            "2024-01-01",
            "--vary",
            "strategy.min_spread_bps=0:2:0.5",
            "--out",
            tmp_path / name,
        ]
        return arb("sweep", *words(place), *given, code=code).output

    sweep("whole")
    whole = (tmp_path / "whole" / "results.jsonl").read_bytes()
    two = sum(len(line) for line in whole.splitlines(keepends=True)[:2])
    for limit, kept in ((two + 100, whole[:two]), (len(whole), whole)):
        with no_file_above(limit):
            output = sweep("cut", 2)
        assert "cannot be written: " in output
        assert "; what is done is kept, the same command continues it" in output
        assert output.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in output
        assert (tmp_path / "cut" / "results.jsonl").read_bytes() == kept
        assert {file.name for file in (tmp_path / "cut").iterdir()} <= {
            "sweep.json", "results.jsonl", "sweep.csv", "sweep.parquet"
        }  # fmt: skip
    sweep("cut")
    for name in ("results.jsonl", "sweep.csv", "sweep.parquet", "sweep.html"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_recursive_strategy_is_known(tmp_path: Path) -> None:
    """Two of them must not run at the same time: the bound of the stack is one for the whole process."""
    (tmp_path / "own.py").write_text(STRATEGY)
    strategy = load_strategy(f"{tmp_path / 'own.py'}:run")
    assert calls_itself(compile_ahead(strategy, Arguments(strategy, {}, {}, legs=2), Recorder(2)).function)
    spread = load_strategy("arb.strategies.spread.strategy:run")
    assert not calls_itself(compile_ahead(spread, Arguments(spread, {}, {}, legs=2), Recorder(2)).function)


def test_a_killed_sweep_continues_to_the_same_bytes(place: Path, tmp_path: Path) -> None:
    vary = ["strategy.min_spread_bps=0:1:0.25", "execution.order_timeout_ms=50:400:50"]
    found = kill_often(place / "my" / "arbitrage.toml", place / "data", tmp_path, 2, 1, vary)
    assert found.is_equal
    assert not found.twice


def test_capacity_shows_nothing_that_was_taken_and_its_points_are_backtests(
    place: Path, tmp_path: Path
) -> None:
    given = ["--set", "strategy.min_spread_bps=0.0", "--set", "execution.attempt_interval_ms=0"]
    given += ["--start", START, "--end", END]
    swept = ["--points", 3, "--to", 100, "--out", tmp_path / "s", "--json"]
    printed = arb("sweep", "capacity", *words(place), *given, *swept)
    assert "every set runs over all rows: orders that take a whole touch" in printed.stderr
    points = [json.loads(line) for line in printed.stdout.splitlines()]
    sizes = [one["size"] for one in points]
    assert sizes == pytest.approx([sizes[0], 10 * sizes[0], 100 * sizes[0]])
    assert b'data-key="curves.2.marginal"' in (tmp_path / "s" / "sweep.html").read_bytes()
    profits = {}
    for consumes in ("true", "false"):
        run = tmp_path / consumes
        own = [f"strategy.max_position_size={sizes[2]}", f"backtest.liquidity_consumption={consumes}"]
        settings = [word for setting in own for word in ("--set", setting)]
        arb("backtest", *words(place), *given, *settings, "--no-report", "--out", run)
        profits[consumes] = json.loads((run / "summary.json").read_bytes())["pnl_quote"]
        assert json.loads((run / "manifest.json").read_bytes())["outcome"] == "ended"
    assert profits["true"] == points[2]["pnl_quote"]
    assert profits["true"] != profits["false"]
    assert "0 differences" in arb("verify", tmp_path / "true").stdout
    refused = arb("sweep", "capacity", *words(place), *given, "--to", 1, code=2)
    assert "--to" in refused.stderr
    without = ["--set", "backtest.liquidity_consumption=false"]
    refused = arb("sweep", "capacity", *words(place), *given, *without, code=2)
    assert "a capacity needs it" in refused.stderr


def test_latency_has_a_curve_for_each_venue_whose_points_are_backtests(place: Path, tmp_path: Path) -> None:
    given = [
        "--set",
        "strategy.min_spread_bps=0.0",
        "--start",
        START,
        "--end",
        END,
        "--points",
        3,
        "--to",
        10,
    ]
    printed = arb("sweep", "latency", *words(place), *given, "--out", tmp_path / "s", "--json").stdout
    points = [json.loads(line) for line in printed.splitlines()]
    assert [(one["venue"], one["added_ms"]) for one in points] == [
        (venue, added) for venue in ("binance_usdm", "bybit_spot") for added in (0.0, 5.0, 10.0)
    ]
    assert points[0]["pnl_quote"] == points[3]["pnl_quote"]
    assert points[1]["marginal"] == (points[1]["pnl_quote"] - points[0]["pnl_quote"]) / 5.0
    late = f"binance_usdm.latency.entry_ms={points[2]['entry_ms']}"
    run = tmp_path / "run"
    arb("backtest", *words(place), *given[:6], "--set", late, "--no-report", "--out", run)
    assert json.loads((run / "summary.json").read_bytes())["pnl_quote"] == points[2]["pnl_quote"]
    assert len({one["pnl_quote"] for one in points}) > 1
