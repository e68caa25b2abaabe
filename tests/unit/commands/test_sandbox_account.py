"""The account of a session that trades on a sandbox: the run's capital and fees, and the keys that sandboxes show."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.commands.sandbox_account import Key, account_of, running_keys, trading_sandbox
from arb.commands.serve import keys_of, sandbox_of
from arb.config import Config, load
from arb.errors import InputError
from arb.sandbox.serve.urls import VenueUrls

ROOT = Path(__file__).parents[3]
ALL = ("binance_spot", "bybit_spot", "binance_usdm", "bybit_linear")


def config_of(folder: Path, settings: Sequence[str] = (), symbols: Sequence[str] = ("BTCUSDT",)) -> Config:
    shutil.copytree(ROOT / "config", folder / "config")
    legs = [f"{venue}:SYMBOL" for venue in ALL]
    return load(folder / "config" / "arbitrage.toml", settings, legs, list(symbols))


def amounts(**texts: str) -> dict[str, Decimal]:
    return {asset: Decimal(text) for asset, text in texts.items()}


def test_the_account_holds_the_capital_in_the_wallets_of_the_venues(tmp_path: Path) -> None:
    settings = [
        "capital.binance_spot={base=1.25, quote=60000.5}",
        "capital.bybit_spot={base_of={BTCUSDT=2.0, ETHUSDT=20.0}, quote=50000.0}",
        "capital.binance_usdm={quote=7000.0}",
        "capital.bybit_linear={quote=0.1, quote_of={ETHUSDT=0.2}}",
    ]
    account = account_of(config_of(tmp_path, settings, ("BTCUSDT", "ETHUSDT")))
    assert account.balances == {
        "spot": amounts(BTC="1.25", ETH="1.25", USDT="60000.5"),
        "usdm": amounts(USDT="7000"),
        "unified": amounts(BTC="2", ETH="20", USDT="50000.3"),
    }
    assert not account.modes["binance"].is_hedge


def test_the_account_pays_the_fees_of_the_venues_files(tmp_path: Path) -> None:
    settings = [
        "binance_spot.fees.taker=0.00075",
        'binance_spot.fees.asset="BNB"',
        "binance_spot.fees.price=600.0",
        "capital.binance_spot.assets={BNB=10.0}",
        'bybit_spot.fees.asset="received"',
    ]
    account = account_of(config_of(tmp_path, settings))
    assert account.balances["spot"]["BNB"] == 10
    assert account.fees["binance_spot"].taker == Decimal("0.00075")
    assert [account.fees[venue].asset for venue in ALL] == ["BNB", "received", "quote", "quote"]
    assert not account.modes["binance"].fee_burn


def running(sandbox: Any, ask: Any) -> Any:
    """What `ask`, called on another thread with the addresses, returns."""

    async def serve() -> Any:
        async with sandbox as opened:
            return await asyncio.to_thread(ask, opened.urls)

    return asyncio.run(serve())


def test_a_running_sandbox_shows_its_keys(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    options: dict[str, Any] = {
        "recording": None, "seed": 3, "speed": 1.0, "venues": (), "symbols": (), "keeps_times": False,
        "faults": None, "fault_log": None, "port_base": 0,
    }  # fmt: skip
    keys = [Key(**one.shown) for one in keys_of(3)]

    def ask(urls: dict[str, VenueUrls]) -> list[Key]:
        assert threading.current_thread() is not threading.main_thread()
        assert urls["bybit_spot"].trade == urls["bybit_spot"].rest.replace("http", "ws")
        return running_keys(urls, config.legs)

    found = running(sandbox_of(config.venues, **options), ask)
    assert found == keys

    accounts = tmp_path / "accounts.toml"
    accounts.write_text("[accounts.mine.binance_spot.balances]\nUSDT = '5'\n")
    with pytest.raises(
        InputError, match="shows no keys: start one with arb sandbox serve without --accounts"
    ):
        running(sandbox_of(config.venues, **options, accounts=accounts), ask)


def test_the_sandbox_of_a_session_does_not_show_its_keys(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    sandbox, keys = trading_sandbox(config, 3)
    assert [key.kind for key in keys] == ["hmac", "ed25519", "hmac"]
    with pytest.raises(InputError, match="shows no keys"):
        running(sandbox, lambda urls: running_keys(urls, config.legs))
