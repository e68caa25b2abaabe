"""Without `[capital]` a run begins with the same quote at each venue, and base of the same worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from support.smallest import MAIN, write_smallest

from arb.config import config_of, load
from arb.config.starting_capital import STARTING_QUOTE, with_starting_capital
from arb.errors import InputError


def test_the_base_is_worth_the_quote_in_whole_lots(tmp_path: Path) -> None:
    config = with_starting_capital(load(write_smallest(tmp_path)), [40_000.0, 30_000.0])

    assert [(leg.base, leg.quote) for leg in config.legs] == [(0.25, 10_000.0), (0.333333, 10_000.0)]
    assert config.capital["bybit_spot"].base_of == {"BTCUSDT": 0.333333}


def test_a_run_folder_holds_it_as_if_it_had_been_written(tmp_path: Path) -> None:
    config = with_starting_capital(load(write_smallest(tmp_path)), [40_000.0, 30_000.0])

    assert config_of(config.as_dict(), "manifest.json").legs == config.legs


def test_symbols_share_it_and_a_perpetual_has_no_base(folder: Path) -> None:
    (folder / "arbitrage.toml").write_text(MAIN)
    legs = [
        f"{venue}:{symbol}" for venue in ("binance_spot", "binance_usdm") for symbol in ("BTCUSDT", "ETHUSDT")
    ]

    config = with_starting_capital(
        load(folder / "arbitrage.toml", legs=legs), [50_000.0, 2_500.0, math.nan, math.nan]
    )

    assert [leg.base for leg in config.legs] == [0.1, 2.0, 0.0, 0.0]
    assert {leg.quote for leg in config.legs} == {STARTING_QUOTE}


def test_a_spot_leg_without_a_price_is_refused(tmp_path: Path) -> None:
    config = load(write_smallest(tmp_path))

    with pytest.raises(
        InputError, match=r"^bybit_spot:BTCUSDT: no book .*: write \[capital.bybit_spot\] with"
    ):
        with_starting_capital(config, [40_000.0, math.nan])


def test_a_section_for_one_venue_requires_the_others(tmp_path: Path, refusal: Callable[..., str]) -> None:
    main = write_smallest(tmp_path)

    assert refusal(tmp_path, ("capital.binance_spot.quote=5.0",)) == (
        f"{main}: [capital.bybit_spot] is missing; it says what bybit_spot starts with (base, quote)"
    )
