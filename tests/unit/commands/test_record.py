"""What `arb record` records, by configuration and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arb.cli.options import load_config
from arb.commands.record import record
from arb.commands.selection import wanted_of
from arb.config.templates import write_templates
from arb.errors import ArbError, ConfigError, InputError

BOT = ("depth", "touch", "trade")
ALL = ["aggTrade", "kline_1m", "markPrice", "ticker"]


def wanted(folder: Path, *options: list[str] | None, settings: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Venue, symbols and streams as plain texts; `options` are venues, symbols, streams."""
    path = folder / "arbitrage.toml"
    if not path.exists():
        write_templates(folder)
    venues, symbols, streams = (*options, None, None, None)[:3]
    found = wanted_of(
        load_config(path, settings, None, None, None, is_sandbox=False), path, venues, symbols, streams
    )
    return [(one.venue.name, *one.symbols, *(stream.value for stream in one.streams)) for one in found]


def test_the_legs_are_recorded_unless_options_say_otherwise(tmp_path: Path) -> None:
    assert wanted(tmp_path) == [("binance_spot", "BTCUSDT", *BOT), ("bybit_spot", "BTCUSDT", *BOT)]
    assert wanted(tmp_path, ["bybit_linear", "bybit_linear"]) == [("bybit_linear", "BTCUSDT", *BOT)]
    assert wanted(tmp_path, None, ["ETHUSDT", "BTCUSDT"]) == [
        ("binance_spot", "ETHUSDT", "BTCUSDT", *BOT),
        ("bybit_spot", "ETHUSDT", "BTCUSDT", *BOT),
    ]
    legs = "strategy.legs=['binance_usdm:ETHUSDT', 'bybit_linear:BTCUSDT']"
    assert wanted(tmp_path, settings=(legs,)) == [
        ("binance_usdm", "ETHUSDT", *BOT),
        ("bybit_linear", "BTCUSDT", *BOT),
    ]


def test_each_venue_gives_the_extra_streams_that_it_has(tmp_path: Path) -> None:
    venues = ["binance_spot", "binance_usdm", "bybit_linear"]
    expected = [
        ("binance_spot", "BTCUSDT", *BOT, "aggTrade", "kline_1m"),
        ("binance_usdm", "BTCUSDT", *BOT, "aggTrade", "kline_1m", "markPrice"),
        ("bybit_linear", "BTCUSDT", *BOT, "kline_1m", "markPrice", "ticker"),
    ]
    assert wanted(tmp_path, venues, None, ALL) == expected
    assert wanted(tmp_path, venues, settings=(f"record.streams={ALL}",)) == expected
    assert wanted(tmp_path, venues, None, ["aggTrade"], settings=(f"record.streams={ALL}",)) != expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            (["okx_spot"],),
            r"--venues okx_spot: no file beside .*arbitrage.toml describes it; known: binance_spot",
        ),
        (
            (None, ["DOGEUSDT"]),
            r"--symbols DOGEUSDT: .*binance.toml does not describe it; add \[symbols.DOGEUSDT\]",
        ),
        ((None, None, ["depth5"]), r"--streams depth5: no such stream; there are aggTrade, kline_1m"),
        (
            (None, None, ["markPrice"]),
            r"--streams markPrice: none of the venues has it: binance_spot, bybit_spot",
        ),
        ((["bybit_spot"], None, ["aggTrade"]), r"--streams aggTrade: none of the venues has it: bybit_spot"),
    ],
)
def test_what_there_is_not_is_one_line(tmp_path: Path, options: tuple[list[str], ...], text: str) -> None:
    with pytest.raises(InputError, match=text) as refusal:
        wanted(tmp_path, *options)
    assert "\n" not in str(refusal.value)


def test_the_sandbox_needs_no_configuration_and_the_venues_do(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "arbitrage.toml"
    config = load_config(missing, (), None, None, tmp_path / 'a "folder"', is_sandbox=True)
    assert config.data.directory == str(tmp_path / 'a "folder"')
    with pytest.raises(ConfigError, match=r"arbitrage.toml: no such file; `arb init"):
        load_config(missing, (), None, None, None, is_sandbox=False)


def test_a_stream_in_the_file_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ArbError, match=r"record.streams.*aggTrade"):
        wanted(tmp_path, settings=("record.streams=['depth5']",))


def test_the_recorder_is_opened_as_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[dict[str, Any]] = []

    def refuse(directory: Path, **options: Any) -> Any:
        opened.append({"directory": directory, **options})
        raise InputError("no more of it is needed")

    monkeypatch.setattr("arb.commands.record.Recorder", refuse)
    write_templates(tmp_path)
    path = tmp_path / "arbitrage.toml"
    settings = [
        "record.segment_s=7.0",
        "record.reserve_gb=3.0",
        "record.fsync_s=2.0",
        "record.streams=['kline_1m']",
    ]
    for given in ([], settings):
        config = load_config(path, given, None, None, tmp_path / "data", is_sandbox=False)
        with pytest.raises(InputError, match="no more"):
            record(config, wanted_of(config, path, None, None, None), lambda progress: None, duration_s=1.0)
    usual, changed = opened
    assert [usual[name] for name in ("segment_s", "reserve_gb", "fsync_s")] == [300.0, 1.0, 10.0]
    assert [changed[name] for name in ("segment_s", "reserve_gb", "fsync_s")] == [7.0, 3.0, 2.0]
    assert changed["directory"] == tmp_path / "data"
    assert changed["versions"].keys() >= {"arb", "python"}
