"""Legs that do not belong together, accounts without money and numbers of legs that do not exist: refused, or noted."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.recording_files import clean_imports

from arb.commands.run_checks import fit_notes, refuse_coarse_lots
from arb.commands.run_setup import Setup, setup_of
from arb.commands.strategy_facts import facts_of
from arb.config import Config, load, write_templates
from arb.config.assets import Assets, assets_of, difference
from arb.errors import ConfigError

OWN = "strategy.function='own.py:run'"
MIXED = "strategy.legs=['binance_spot:BTCUSDT', 'bybit_spot:ETHUSDT']"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_templates(tmp_path)
    (tmp_path / "own.py").write_text(
        "PARAMS = {'hedge_leg_no': 1}\n\ndef run(hbt, recorder, params, asset_no=0):\n    return 0\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_of(folder: Path, *settings: str) -> Config:
    return load(folder / "arbitrage.toml", settings)


def setup(folder: Path, *settings: str) -> Setup:
    with clean_imports(folder):
        return setup_of(config_of(folder, *settings))


def refusal(folder: Path, *settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        setup(folder, *settings)
    line = str(caught.value)
    assert line.splitlines() == [line]
    return line


@pytest.mark.parametrize(
    ("symbol", "base", "quote"),
    [
        ("BTCUSDT", "BTC", "USDT"),
        ("BTCUSDC", "BTC", "USDC"),
        ("BTCFDUSD", "BTC", "FDUSD"),
        ("ETHBTC", "ETH", "BTC"),
        ("1000PEPEUSDT", "1000PEPE", "USDT"),
        ("BTCUSDT_240927", "BTC", "USDT"),
        ("BTCUSD_PERP", "BTC", "USD"),
        ("BTCUSD", "BTC", "USD"),
        ("BTCPERP", "BTC", "USDC"),
        ("BTC-27DEC24", "BTC", "USDC"),
        ("BTCUSDT-27DEC24", "BTC", "USDT"),
        ("BTCEUR", "BTC", "EUR"),
    ],
)
def test_assets_are_known_by_the_symbol(symbol: str, base: str, quote: str) -> None:
    assert assets_of(symbol) == Assets(base, quote)


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("BTCUSDT", "ETHUSDT", "their base assets are BTC and ETH"),
        ("BTCUSDT", "BTCUSDC", "their quote assets are USDT and USDC"),
        ("1000PEPEUSDT", "PEPEUSDT", "their base assets are 1000PEPE and PEPE"),
        ("BTCUSDT", "BTCUSD_PERP", "their quote assets are USDT and USD"),
        ("BTCUSDT", "XYZ", "the assets of XYZ are not known by its name"),
        ("XYZ", "XYZ", ""),
        ("BTCUSDT", "BTCUSDT_240927", ""),
    ],
)
def test_how_assets_differ(one: str, other: str, words: str) -> None:
    assert difference(one, other) == words


def test_legs_of_different_assets_are_refused_unless_allowed(folder: Path) -> None:
    assert refusal(folder, MIXED) == (
        "arbitrage.toml: [strategy] legs: arb.strategies.spread.strategy:run takes pairs of legs: "
        "binance_spot:BTCUSDT and bybit_spot:ETHUSDT cannot be compared: "
        "their base assets are BTC and ETH; name the same assets, or set allow_different_assets = true in [strategy]"
    ).replace("arbitrage.toml", str(folder / "arbitrage.toml"))
    allowed = (MIXED, "strategy.allow_different_assets=true")
    setup(folder, *allowed)
    (note,) = fit_notes(config_of(folder, *allowed))
    assert note.startswith("legs of different assets: binance_spot:BTCUSDT and bybit_spot:ETHUSDT")


def test_a_strategy_of_ones_own_may_trade_them_with_a_note(folder: Path) -> None:
    setup(folder, MIXED, OWN)
    assert len(fit_notes(config_of(folder, MIXED, OWN))) == 1
    assert fit_notes(config_of(folder)) == []


NOTHING = ("capital.binance_spot={base=0.0, quote=0.0}", "capital.bybit_spot={base=0.0, quote=0.0}")


@pytest.mark.parametrize(
    "settings",
    [
        NOTHING,
        ("capital.binance_spot.base=0.0", "capital.bybit_spot.base=0.0"),
        ("capital.binance_spot.quote=0.0", "capital.bybit_spot.quote=0.0"),
        ("capital.binance_spot={base=1.0, quote=0.0}", "capital.bybit_spot={base=1.0, quote=0.0}"),
        ("strategy.legs=['binance_spot:SYMBOL', 'binance_usdm:SYMBOL']", "capital.binance_usdm.quote=0.0"),
    ],
)
def test_a_pair_that_nothing_pays_for_is_refused(folder: Path, settings: tuple[str, ...]) -> None:
    line = refusal(folder, *settings)
    assert "[capital] has nothing to trade binance_spot:BTCUSDT against " in line
    setup(folder, *settings, OWN)
    (note,) = fit_notes(config_of(folder, *settings, OWN))
    assert note.startswith("no capital: ")


def test_one_direction_that_can_be_paid_is_enough(folder: Path) -> None:
    setup(folder, "capital.binance_spot={base=0.0, quote=10.0}", "capital.bybit_spot={base=1.0, quote=0.0}")


@pytest.mark.parametrize(
    ("setting", "least", "allowed"),
    [
        ("binance_spot.symbols.BTCUSDT.lot_size='10'", "10", "capital_allocation names allows 0.7"),
        ("bybit_spot.symbols.BTCUSDT.min_qty=50.0", "50", "capital_allocation names allows 0.7"),
        ("strategy.max_position_size=0.000001", "1.1e-05", "max_position_size allows 1e-06"),
        ("risk.position_limit=0.000001", "1.1e-05", "position_limit allows 1e-06"),
        ("risk.max_order_qty=0.000001", "1.1e-05", "[risk] max_order_qty allows 1e-06"),
    ],
)
def test_lots_that_no_attempt_can_reach_are_refused(
    folder: Path, setting: str, least: str, allowed: str
) -> None:
    setup(folder, setting)
    with pytest.raises(ConfigError) as found:
        refuse_coarse_lots(config_of(folder, setting))
    assert f"can never be traded: the least order of both is {least} (lot_size, min_qty)" in str(found.value)
    assert str(found.value).endswith(allowed)
    refuse_coarse_lots(config_of(folder, setting, OWN))


@pytest.mark.parametrize("name", ["asset_no", "hedge_leg_no"])
@pytest.mark.parametrize(
    ("value", "is_good"), [(0, True), (1, True), (2, False), (-1, False), (2**40, False)]
)
def test_the_number_of_a_leg_must_be_one(folder: Path, name: str, value: int, *, is_good: bool) -> None:
    setting = f"strategy.params.{name}={value}"
    if is_good:
        setup(folder, OWN, setting)
    else:
        assert refusal(folder, OWN, setting) == (
            f"[strategy.params] {name} is {value}; own.py:run runs on 2 legs, whose numbers are 0 to 1"
        )


#: Four venues of one symbol, and the same in pairs.
FOUR = ["binance_spot:SYMBOL", "bybit_spot:SYMBOL", "binance_usdm:SYMBOL", "bybit_linear:SYMBOL"]
PAIRS = [FOUR[:2], FOUR[2:]]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([f"strategy.legs={FOUR[:1]}"], "1 is an odd number of legs"),
        ([f"strategy.legs={FOUR[:3]}"], "3 is an odd number of legs"),
        ([f"strategy.legs={FOUR}"], "4 legs are of BTCUSDT: list the pairs in [strategy] pairs"),
        (
            ["strategy.legs=['binance_usdm:BTCUSDT', 'binance_usdm:ETHUSDT']"],
            "binance_usdm:BTCUSDT and binance_usdm:ETHUSDT are at one venue; the legs of a pair are at two",
        ),
        (
            ["strategy.pairs=[['binance_spot:BTCUSDT', 'bybit_spot:BTCUSDT'], "
             "['binance_usdm:BTCUSDT', 'bybit_linear:ETHUSDT']]"],
            "binance_usdm:BTCUSDT and bybit_linear:ETHUSDT cannot be compared: their base assets are BTC and ETH",
        ),
    ],
)  # fmt: skip
def test_legs_that_are_no_pairs_are_refused_where_pairs_are_taken(
    folder: Path, settings: list[str], words: str
) -> None:
    line = refusal(folder, *settings)
    assert "[strategy] legs: arb.strategies.spread.strategy:run takes pairs of legs: " + words in line
    setup(folder, *settings, OWN, "strategy.params.hedge_leg_no=0")


def test_listed_pairs_are_the_legs_in_their_order(folder: Path) -> None:
    listed = (f"strategy.pairs={PAIRS}", "strategy.symbols=['BTCUSDT', 'ETHUSDT']")
    config = setup_config(folder, *listed)
    names = [name.replace("SYMBOL", symbol) for symbol in ("BTCUSDT", "ETHUSDT") for name in FOUR]
    assert [leg.name for leg in config.legs] == names
    assert config.pairs == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert [leg.pair for leg in config.legs] == [0, 0, 1, 1, 2, 2, 3, 3]


def setup_config(folder: Path, *settings: str) -> Config:
    setup(folder, *settings)
    return config_of(folder, *settings)


@pytest.mark.parametrize(
    ("legs", "declared", "words"),
    [
        (1, "1", ""),
        (2, "1", "takes 1 leg: the configuration has 2"),
        (3, "2", "takes 2 legs: the configuration has 3"),
        (3, "3", ""),
        (4, '"any"', ""),
        (3, '"pairs"', "takes pairs of legs: 3 is an odd number of legs"),
    ],
)
def test_a_strategy_says_how_many_legs_it_takes(folder: Path, legs: int, declared: str, words: str) -> None:
    (folder / "own.py").write_text(f"LEGS = {declared}\n\ndef run(bot):\n    return 0\n")
    settings = (OWN, f"strategy.legs={FOUR[:legs]}")
    if words:
        assert words in refusal(folder, *settings)
    else:
        assert len(setup_config(folder, *settings).legs) == legs


def test_money_is_shared_by_the_legs_of_a_venue_unless_it_is_set_apart(folder: Path) -> None:
    legs = "strategy.legs=['binance_usdm:BTCUSDT', 'bybit_linear:BTCUSDT', 'binance_usdm:ETHUSDT']"
    shared = config_of(folder, OWN, legs)
    assert facts_of(shared)["funds"] == (0, 1, 0)
    apart = config_of(folder, OWN, legs, "capital.binance_usdm.quote_of.ETHUSDT=50.0")
    assert facts_of(apart)["funds"] == (0, 1, 2)
    assert [leg.quote for leg in apart.legs] == [60_000.0, 60_000.0, 50.0]
    assert [leg.funds for leg in apart.legs] == [
        ("binance_usdm", ""),
        ("bybit_linear", ""),
        ("binance_usdm", "ETHUSDT"),
    ]
