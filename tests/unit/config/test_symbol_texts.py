"""Files for symbols of the user's own: legs, limits of the same value for every price, and no capital."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from arb.config import load, write_templates
from arb.config.symbol_texts import (
    AttemptLimits,
    NewSymbol,
    Traded,
    limits_of,
    main_text,
    traded,
    with_symbol,
)
from arb.config.templates import TEMPLATE_NAMES, template_text, template_texts

SPOT, BYBIT, USDM = "binance_spot", "bybit_spot", "binance_usdm"


def symbol(venue: str, name: str, lot: str = "0.001", min_qty: str = "", min_notional: str = "") -> NewSymbol:
    return NewSymbol(venue, name, "0.01", lot, min_qty, min_notional, "Made up.")


@pytest.mark.parametrize(
    ("news", "price", "attempt", "position"),
    [
        ([symbol(SPOT, "A")], 101.5, "9.9", "99"),
        ([symbol(SPOT, "A", "1")], 0.615, "1600", "16000"),
        ([symbol(SPOT, "A", "0.5")], 42_280.0, "1", "10"),
        ([symbol(SPOT, "A", "0.00001")], 42_280.0, "0.024", "0.24"),
        # The coarser of two lots, and the larger of two minima.
        ([symbol(SPOT, "A", "0.001"), symbol(BYBIT, "A", "0.25")], 1_000.0, "1", "10"),
        ([symbol(SPOT, "A"), symbol(BYBIT, "A", min_notional="2000")], 1_000.0, "4", "40"),
        ([symbol(SPOT, "A", min_qty="3")], 1_000.0, "6", "60"),
        ([symbol(SPOT, "A", "1")], 1e-7, "1000000000", "1000000000"),
    ],
)
def test_limits_are_worth_the_same_at_every_price(
    news: list[NewSymbol], price: float, attempt: str, position: str
) -> None:
    assert limits_of(news, price) == AttemptLimits(attempt, position)


def test_without_a_price_there_are_no_limits() -> None:
    assert limits_of([symbol(SPOT, "A")], math.nan) is None


@pytest.mark.parametrize(
    ("venues_of", "symbols", "legs"),
    [
        ({"A": [USDM, BYBIT, SPOT]}, ["A"], [f"{SPOT}:SYMBOL", f"{BYBIT}:SYMBOL"]),
        ({"A": [USDM, SPOT], "B": [SPOT, BYBIT, USDM]}, ["A", "B"], [f"{SPOT}:SYMBOL", f"{USDM}:SYMBOL"]),
        ({"A": ["mine", USDM]}, ["A"], [f"{USDM}:SYMBOL", "mine:SYMBOL"]),
        (
            {"A": [SPOT, BYBIT], "B": [SPOT, USDM]},
            ["A", "B"],
            [f"{SPOT}:A", f"{BYBIT}:A", f"{SPOT}:B", f"{USDM}:B"],
        ),
        ({"A": [SPOT, BYBIT], "B": [SPOT]}, ["A"], [f"{SPOT}:SYMBOL", f"{BYBIT}:SYMBOL"]),
        ({"A": [SPOT]}, ["A"], [f"{SPOT}:SYMBOL"]),
        ({"A": [SPOT], "B": [BYBIT]}, ["A", "B"], [f"{SPOT}:A", f"{BYBIT}:B"]),
    ],
)
def test_legs_are_two_venues_of_every_symbol(
    venues_of: dict[str, list[str]], symbols: list[str], legs: list[str]
) -> None:
    assert traded(venues_of) == Traded(tuple(symbols), tuple(legs))


@pytest.mark.parametrize("names", [["AAAUSDT"], ["AAAUSDT", "BBBUSDT"], ["BTCUSDT", "AAAUSDT"]])
def test_the_files_load_with_their_limits_and_without_capital(tmp_path: Path, names: list[str]) -> None:
    texts = template_texts()
    for name, venue in (("binance.toml", SPOT), ("bybit.toml", BYBIT)):
        for own in names:
            texts[name] = with_symbol(texts[name], symbol(venue, own, "0.5"), name)
    limits = {name: AttemptLimits(f"{no}.5", f"{no}0") for no, name in enumerate(names, start=1)}
    legs = traded({name: [SPOT, BYBIT] for name in names})
    main = TEMPLATE_NAMES[0]
    texts[main] = main_text(texts[main], main, legs, limits, "the data")
    write_templates(tmp_path, texts)

    config = load(tmp_path / main)

    assert [leg.symbol for leg in config.legs] == [name for name in names for _ in range(2)]
    assert {leg.lot_size for leg in config.legs} == {0.5}
    assert (dict(config.capital), config.data.directory) == ({}, "the data")
    for no, name in enumerate(names, start=1):
        own = config.symbols[name]
        if len(names) == 1:
            assert (config.strategy.max_position_size, config.risk.position_limit) == (1.5, 10.0)
        else:
            assert (own.max_position_size, own.position_limit) == (no + 0.5, no * 10.0)


def test_every_other_line_is_that_of_the_template() -> None:
    main = TEMPLATE_NAMES[0]
    template = template_text(main).splitlines()
    lines = main_text(
        template_text(main), main, Traded(("AAAUSDT",), ("a:SYMBOL", "b:SYMBOL")), {}
    ).splitlines()
    left_out = [line for line in template if line not in lines]
    kept = [
        line
        for line in left_out
        if not any(word in line for word in ("capital", "base", "quote", "cash", "asset", "BNB"))
    ]
    assert kept == ['symbol = "BTCUSDT"', 'legs = ["binance_spot:SYMBOL", "bybit_spot:SYMBOL"]',
                    "# BTCUSDT = 1.0", "# BTCUSDT = 60000.0", "[symbols.BTCUSDT]"]  # fmt: skip
