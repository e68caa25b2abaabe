"""Options that have the same form in every command."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from support.command_line import arb

from arb.cli import cli
from arb.cli.options import Duration, Names
from arb.cli.period import Time
from arb.commands.legs import KnownGrids, known_venues
from arb.errors import ConfigError

DAY = "2024-01-01"
TICK = "bybit_spot.symbols.BTCUSDT.tick_size='0.5'"
GRID = "data.grid.bybit_spot.BTCUSDT.tick_size='0.5'"


def commands(group: click.Group = cli) -> list[click.Command]:
    """All commands, without groups."""
    found: list[click.Command] = []
    for command in group.commands.values():
        found += commands(command) if isinstance(command, click.Group) else [command]
    return found


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_lists_have_one_form_and_each_configuration_can_be_overridden(command: click.Command) -> None:
    options = {word: option for option in command.params for word in option.opts}
    for word in {"--legs", "--streams", "--symbols", "--venues"} & options.keys():
        assert isinstance(options[word].type, Names), word
    # Commands that read the journal read one key of the file, and --state-directory replaces it.
    assert ("--config" in options) == bool({"--set", "--state-directory"} & options.keys())


def test_what_ends_by_time_has_a_duration_and_what_takes_days_takes_times() -> None:
    """Each option has one type, in all commands that have it."""
    found = {
        (word, command.name, type(option.type))
        for command in commands()
        for option in command.params
        for word in {"--duration", "--start", "--end"} & {*option.opts}
    }
    days = ("backtest", "capacity", "check", "convert", "download", "dry-run", "latency", "list")
    assert found == {
        *(("--duration", name, Duration) for name in ("dry-run", "live", "record", "serve")),
        *(("--start", name, Time) for name in (*days, "record")),
        *(("--end", name, Time) for name in days),
    }
    assert "--duration 90s|15m|1h|2d " in arb("record", "--help").stdout


@pytest.mark.parametrize(
    "words",
    [
        ["backtest", "--start", DAY, "--legs", "bybit_spot:BTCUSDT,"],
        ["record", "--venues", ""],
        ["data", "check", "none", "--symbols", ",BTCUSDT"],
    ],
)
def test_a_list_with_an_empty_name_is_one_line(words: list[str]) -> None:
    assert "is no list of names with commas between them" in arb(*words, code=2).stderr


def test_overrides_reach_the_venues_and_the_grids_of_data() -> None:
    missing = Path("none/arbitrage.toml")
    assert known_venues(missing, [TICK])["bybit_spot"].symbols["BTCUSDT"].tick_size == "0.5"
    venues = known_venues(missing, [GRID], has_grids=True)
    assert venues["bybit_spot"].symbols["BTCUSDT"].tick_size != "0.5"
    on_grid = KnownGrids.of_file(missing, [GRID]).venues(venues)
    assert on_grid["bybit_spot"].symbols["BTCUSDT"].tick_size == "0.5"
    with pytest.raises(ConfigError, match=r"--set data\.grid.*: has no effect: .* the venues' files only"):
        known_venues(missing, [GRID])


@pytest.mark.parametrize(
    "words", [["convert", "none"], ["data", "check", "none"], ["sandbox", "record", "--out", "none"]]
)
def test_an_override_without_effect_is_one_line(words: list[str]) -> None:
    done = arb(*words, "--set", "strategy.min_spread_bps=3", code=2)
    assert "--set strategy.min_spread_bps: has no effect: this command reads the venues' files" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_simulated_recording_takes_the_overridden_tick(tmp_path: Path) -> None:
    words = ["--duration", "6s", "--venues", "bybit_spot"]
    arb("sandbox", "record", "--out", tmp_path / "a", *words)
    arb("sandbox", "record", "--out", tmp_path / "b", *words, "--set", TICK)
    first, second = (next((tmp_path / name).glob("*/*.gz")).read_bytes() for name in "ab")
    assert first != second


def test_a_sandbox_serves_for_its_duration() -> None:
    done = arb("sandbox", "serve", "--port-base", "0", "--duration", "0.5s")
    assert done.stdout.splitlines()[-1] == "stopped"
