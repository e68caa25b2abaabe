"""All options that exclude each other, or need another: one line that names those that were given."""

from __future__ import annotations

import pytest
from support.command_line import arb

DAY = ["--start", "2024-01-01"]
OLD, NEW = ["--start", "2024-01-01"], ["--start-date", "2024-01-01"]
FUNCTION = "strategy.function='examples/quoting.py:quote'"
WITH_SANDBOX = [["doctor"], ["dry-run"], ["record"]]
#: Commands whose options for a run set keys of the configuration.
RUNS = [["backtest", *DAY], ["dry-run", *DAY], ["dry-run", "--sandbox"]]
#: An option, and a key that it sets as well.
TWICE = [
    (["--strategy", "my.py:run"], FUNCTION),
    (["--legs", "bybit_spot:BTCUSDT"], "strategy.legs=['bybit_spot:ETHUSDT']"),
    (["--legs", "bybit_spot:BTCUSDT"], "strategy.pairs=[]"),
    (["--symbols", "BTCUSDT"], "strategy.symbols=['ETHUSDT']"),
    (["--symbols", "BTCUSDT"], "strategy . symbol = 'ETHUSDT'"),
    (["--latency", "runs/first"], "bybit_spot.latency.order_file='a.npz'"),
]
DATA = (["--data", "data"], "data.directory='other'")

#: (words, the beginning of the line)
CONFLICTS = [
    # What a dry-run is on, and the options for one kind of it.
    (["dry-run", "--live-data", *DAY], "--live-data and --start exclude each other"),
    (["dry-run", "--live-data", "--sandbox"], "--live-data and --sandbox exclude each other"),
    (["dry-run", "--sandbox", *DAY], "--sandbox and --start exclude each other"),
    (["dry-run", "--live-data", "--sandbox", *DAY], "--live-data and --sandbox and --start exclude each other"),
    (["dry-run", "--live-data", "--speed", "3"], "--speed: only for recorded days; give --start, not --live-data"),
    (["dry-run", "--sandbox", "--end", "2024-01-01", "--speed", "3"], "--end and --speed: only for recorded days"),
    (["dry-run", "--sandbox", "--data", "data"], "--data: only for recorded days; give --start, not --sandbox"),
    (["dry-run", *DAY, "--duration", "1h"], "--duration: only for a live session; give --live-data or --sandbox"),
    (["dry-run", *DAY, "--log-json"], "--log-json: only for a live session; give --live-data or --sandbox"),
    (["dry-run", *DAY, "--watch"], "--watch: only for a live session; give --live-data or --sandbox"),
    # The sandbox.
    *(([*command, "--seed", "3"], "--seed: only of a sandbox; give --sandbox") for command in WITH_SANDBOX),
    *(([*command, "--port-base", "9000"], "--port-base: only of a sandbox") for command in WITH_SANDBOX),
    *(
        ([*command, "--sandbox", "--seed", "3", "--port-base", "9000"], "--port-base and --seed exclude each other")
        for command in WITH_SANDBOX
    ),
    (["sandbox", "serve", "--times", "recorded"], "--times recorded: only for a recording; give --recording"),
    (
        ["sandbox", "serve", "--times", "recorded", "--recording", "data", "--matching", "whole"],
        "--times recorded: market data only, without --accounts, --ledger and --matching; orders need --times now",
    ),
    # Where symbols are looked up.
    *(
        ([*command, "--recordings", "data", "--simulated"], "--recordings and --simulated exclude each other")
        for command in (["init", "none", "--symbols", "BTCUSDT"], ["symbols", "add", "BTCUSDT"])
    ),
    (["init", "none", "--venues", "bybit_spot", "--simulated"], "--venues and --simulated: only for symbols; give"),
    # An option and its key.
    *(
        ([*run, *words, "--set", setting], f"{words[0]} and --set {setting.partition('=')[0].replace(' ', '')} exclude")
        for run in RUNS
        for words, setting in TWICE
    ),
    *(
        ([*command, *DATA[0], "--set", DATA[1]], "--data and --set data.directory exclude each other")
        for command in (["backtest", *DAY], ["dry-run", *DAY], ["download", *DAY], ["doctor"], ["record"])
    ),
    (["download", *DAY, "--legs", "a:B", "--set", "strategy.legs=[]"], "--legs and --set strategy.legs exclude"),
    (["record", "--streams", "ticker", "--set", "record.streams=[]"], "--streams and --set record.streams exclude"),
    # Downloads and conversions.
    (["backtest", *DAY, "--yes"], "--yes: only for a download; give --download as well"),
    (["download", *DAY, "--dry-run", "--yes"], "--dry-run and --yes exclude each other"),
    (["convert", "none", "--compare", "--out", "rows"], "--compare and --out exclude each other"),
    # Other words for options.
    (["run", "--mode", "backtest", *OLD, *NEW], "--start-date and --start exclude each other"),
    (["run", "--mode", "dry-run", "--live-data", *NEW], "--live-data and --start-date exclude each other"),
    (["run", "--mode", "dry-run", "--live-data", *OLD], "--live-data and --start exclude each other"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "text"), CONFLICTS, ids=lambda part: part if isinstance(part, str) else "")
def test_they_are_named_in_one_line(words: list[str], text: str) -> None:
    line = arb(*words, code=2).stderr
    assert line.startswith(f"error: {text}")
    assert line.count("\n") == 1
