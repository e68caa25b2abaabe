"""The keys of live sessions reach those who read them, and are checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arb.commands.idle_keys import World, idle_notes
from arb.commands.legs import legs_of
from arb.commands.order_setup import order_setup
from arb.commands.run_setup import setup_of
from arb.config import load
from arb.config.environment import state_directory
from arb.execution.ids import SessionIds
from connectors.units import SECOND

Refusal = Callable[..., str]


def test_defaults_of_a_live_session(folder: Path) -> None:
    live = load(folder / "arbitrage.toml").live
    assert (live.price_band_bps, live.reconcile_s, live.flush_ms, live.sync) == (50.0, 30.0, 20, "background")
    assert (live.max_notional, live.max_daily_notional, live.state_directory) == (None, None, None)


def test_an_account_is_of_a_venue_that_a_file_describes(folder: Path, refusal: Refusal) -> None:
    config = load(
        folder / "arbitrage.toml",
        ["account.binance_spot={margin_mode='isolated', leverage=3.0, fee_asset='BNB'}"],
    )
    account = config.account["binance_spot"]
    assert (account.margin_mode, account.leverage, account.fee_asset) == ("isolated", 3.0, "BNB")
    assert refusal(folder, ["account.binance_usdmm.leverage=2.0"]).startswith(
        "--set account.binance_usdmm.leverage: [account.binance_usdmm] names a venue which no file"
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("live.sync='none'", 'it must be one of "background", "full"'),
        ("live.max_notional=0.0", "it must be a number above 0"),
        ("live.max_daily_notional=-1.0", "it must be a number above 0"),
        ("live.flush_ms=0", "it must be a whole number from 1"),
        ("live.reconcile_s=0.5", "it must be a number from 1 to 3_600"),
        ("account.bybit_linear.margin_mode='portfolio'", 'it must be one of "cross", "isolated"'),
        ("account.bybit_linear.leverage=0.5", "it must be a number from 1 to 125"),
    ],
)
def test_a_value_out_of_range_is_refused(folder: Path, refusal: Refusal, setting: str, words: str) -> None:
    assert words in refusal(folder, [setting])


def test_the_state_directory_is_the_user_s_data_folder_unless_it_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert state_directory(load(folder / "arbitrage.toml").live) == tmp_path / "arb"
    named = load(folder / "arbitrage.toml", ["live.state_directory='own/state'"]).live
    assert state_directory(named) == Path("own/state")


def test_keys_of_accounts_have_no_effect_elsewhere(folder: Path) -> None:
    def notes(world: World, *settings: str) -> list[str]:
        config = load(folder / "arbitrage.toml", settings)
        return idle_notes(config, setup_of(config), world)

    settings = (
        "live.price_band_bps=20.0",
        "account.binance_spot.leverage=2.0",
        "account.binance_spot.fee_asset='BNB'",
        "binance_spot.testnet.rest_api_url='https://a.example'",
        "binance_spot.connection.user_url='wss://b.example'",
    )
    assert notes(World.ACCOUNTS, *settings) == [
        "no effect: account.binance_spot.leverage: binance_spot is a spot venue",
        "no effect: binance_spot.testnet.rest_api_url: not read in a live session",
    ]
    assert notes(World.TESTNET, *settings) == [
        "no effect: account.binance_spot.leverage: binance_spot is a spot venue",
        "no effect: binance_spot.connection.user_url: [testnet] has the addresses",
    ]
    assert len(notes(World.BACKTEST, *settings)) == 1


def test_the_interval_of_queries_about_accounts_reaches_the_desks(folder: Path) -> None:
    config = load(folder / "arbitrage.toml", ["supervisor.account_s=7.5"])
    setup = order_setup(config, legs_of(config), {}, SessionIds("tests1", 1, 0))
    assert setup.times.account_ns == 7.5 * SECOND
