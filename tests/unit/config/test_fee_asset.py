"""`fees.asset`, `fees.price` and `capital.<venue>.assets.<ASSET>`: what they give a leg, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from arb.config import Config, config_of, load

Refusal = Callable[..., str]

BNB = ('binance_spot.fees.asset="BNB"', "capital.binance_spot.assets.BNB=10.0")
PRICE = "binance_spot.fees.price=600.0"
LEGS = ["binance_spot:BTCUSDT", "bybit_spot:BTCUSDT"]
WITH_BNB = [*LEGS, "bybit_spot:BNBUSDT", "binance_spot:BNBUSDT"]
LISTED = tuple(
    f'{venue}.symbols.BNBUSDT={{tick_size="0.01", lot_size="0.001"}}'
    for venue in ("binance_spot", "bybit_spot")
)


def loaded(folder: Path, *overrides: str, legs: list[str] | None = None) -> Config:
    return load(folder / "arbitrage.toml", overrides, legs)


def test_fees_are_in_quote_unless_the_venue_says_otherwise(folder: Path) -> None:
    leg = loaded(folder).legs[0]

    assert (leg.fee_asset, leg.has_named_fee_asset, leg.fee_price_leg, leg.fee_units) == (
        "quote",
        False,
        -1,
        0.0,
    )
    assert math.isnan(leg.fee_price)


def test_received_is_a_matter_of_one_venue(folder: Path) -> None:
    config = loaded(folder, 'binance_spot.fees.asset="received"')

    assert [leg.fee_asset for leg in config.legs] == ["received", "quote"]
    assert not config.legs[0].has_named_fee_asset


def test_a_named_asset_has_a_price_and_a_holding(folder: Path) -> None:
    leg = loaded(folder, *BNB, PRICE).legs[0]

    assert (leg.fee_asset, leg.fee_price, leg.fee_price_leg, leg.fee_units) == ("BNB", 600.0, -1, 10.0)
    assert leg.has_named_fee_asset


def test_the_price_may_be_the_mid_of_a_leg(folder: Path) -> None:
    config = loaded(folder, *BNB, *LISTED, 'binance_spot.fees.price="binance_spot:BNBUSDT"', legs=WITH_BNB)

    assert [leg.fee_price_leg for leg in config.legs] == [3, -1, -1, 3]
    assert all(math.isnan(leg.fee_price) for leg in config.legs)


def test_a_perpetual_venue_may_charge_a_named_asset(folder: Path) -> None:
    config = loaded(
        folder,
        'binance_usdm.fees.asset="BNB"',
        "binance_usdm.fees.price=600",
        "capital.binance_usdm.assets.BNB=1",
        legs=["binance_spot:BTCUSDT", "binance_usdm:BTCUSDT"],
    )

    assert (config.legs[1].fee_price, config.legs[1].fee_units) == (600.0, 1.0)


def test_nothing_is_needed_of_an_asset_that_is_never_charged(folder: Path) -> None:
    free = ("binance_spot.fees.maker=0.0", "binance_spot.fees.taker=-0.0001")

    assert loaded(folder, BNB[0], PRICE, *free).legs[0].fee_units == 0.0


def test_a_manifest_holds_it(folder: Path) -> None:
    config = loaded(folder, *BNB, *LISTED, 'binance_spot.fees.price="binance_spot:BNBUSDT"', legs=WITH_BNB)

    assert config_of(config.as_dict(), "manifest.json").as_dict() == config.as_dict()
    assert config_of(config.as_dict(), "manifest.json").legs[0].fee_price_leg == 3


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ('binance_spot.fees.asset="bnb"',),
            '--set binance_spot.fees.asset: [fees] asset is "bnb"; it must be "quote", "received" or an asset in '
            'capitals such as "BNB"',
        ),
        (
            (*BNB, "binance_spot.fees.price=-1.0"),
            "--set binance_spot.fees.price: [fees] price is -1.0; it must be a number above 0, at most 1e12, or a leg "
            'such as "binance_spot:BNBUSDT"',
        ),
        (
            ("binance_spot.fees.price=600.0",),
            '--set binance_spot.fees.price: [fees] price is 600.0, but asset is "quote", which needs none: remove it, '
            'or name an asset such as "BNB"',
        ),
        (
            ('binance_spot.fees.asset="received"', 'binance_spot.fees.price="bybit_spot:BTCUSDT"'),
            '--set binance_spot.fees.price: [fees] price is "bybit_spot:BTCUSDT", but asset is "received", which needs '
            'none: remove it, or name an asset such as "BNB"',
        ),
        (
            (*BNB, 'binance_spot.fees.price="binance_spot:BNBUSDT"'),
            '--set binance_spot.fees.price: [fees] price is "binance_spot:BNBUSDT", which is no leg of this run (they '
            "are binance_spot:BTCUSDT, bybit_spot:BTCUSDT): add it, or write the price as a number",
        ),
        (
            (*BNB, 'binance_spot.fees.price="bybit_spot:BTCUSDT"'),
            '--set binance_spot.fees.price: [fees] price is "bybit_spot:BTCUSDT", whose base asset is BTC, not "BNB"',
        ),
        (
            ('binance_spot.fees.asset="USDT"', PRICE),
            '--set binance_spot.fees.asset: [fees] asset is "USDT", the quote asset of binance_spot:BTCUSDT: write '
            '"quote"',
        ),
        (
            ("capital.binance_spot.assets.BNB=1.0",),
            "--set capital.binance_spot.assets.BNB: [capital.binance_spot.assets] BNB is not the fee asset of "
            "binance_spot, which is none ([fees] asset): remove it",
        ),
        (
            (*BNB, PRICE, "capital.binance_spot.assets.BTC=1.0"),
            "--set capital.binance_spot.assets.BTC: [capital.binance_spot.assets] BTC is not the fee asset of "
            'binance_spot, which is "BNB" ([fees] asset): remove it',
        ),
        (
            (BNB[0], PRICE, "capital.binance_spot.assets.BNB=-1.0"),
            "--set capital.binance_spot.assets.BNB: [capital.binance_spot.assets] BNB is -1.0; it must be a number "
            "from 0 to 1e15",
        ),
        (
            (BNB[0], PRICE, "capital.binance_spot.assets.BNB=0"),
            "--set capital.binance_spot.assets.BNB: [capital.binance_spot.assets] BNB is 0; without any, no order "
            "could pay its fee: write under [capital.binance_spot.assets] what binance_spot holds, such as BNB = 10.0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    folder: Path, overrides: tuple[str, ...], line: str, refusal: Refusal
) -> None:
    assert refusal(folder, overrides) == line


def test_a_named_asset_without_a_price_is_refused(folder: Path, refusal: Refusal) -> None:
    line = refusal(folder, BNB)

    assert line == (
        f'{folder / "binance.toml"}: [fees] price is missing; asset is "BNB": write its price in quote, such as 600.0, '
        'or the leg whose mid it is, such as "binance_spot:BNBUSDT"'
    )


def test_a_named_asset_of_which_there_is_nothing_is_refused(folder: Path, refusal: Refusal) -> None:
    line = refusal(folder, (BNB[0], PRICE))

    assert line == (
        f"{folder / 'arbitrage.toml'}: [capital.binance_spot.assets] BNB is missing; without any, no order could pay "
        "its fee: write under [capital.binance_spot.assets] what binance_spot holds, such as BNB = 10.0"
    )


def test_a_perpetual_venue_receives_no_base(folder: Path, refusal: Refusal) -> None:
    legs = ["binance_spot:BTCUSDT", "binance_usdm:BTCUSDT"]

    assert refusal(folder, ('binance_usdm.fees.asset="received"',), legs) == (
        '--set binance_usdm.fees.asset: [fees] asset is "received", which is of spot venues; perpetuals charge fees '
        'in quote: write "quote", or the name of an asset such as "BNB"'
    )
