"""What loads: defaults, legs, overrides, and the whole as data."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli
from support.keys import MAIN_KEYS, VENUE_KEYS, concrete

from arb.commands.strategy_facts import facts_of
from arb.config import Config, config_of, load
from arb.errors import ConfigError


def test_templates_load_with_the_documented_defaults(folder: Path) -> None:
    loaded = load(folder / "arbitrage.toml")

    assert loaded.strategy.symbol == "BTCUSDT"
    assert loaded.strategy.min_spread_bps == 10
    assert loaded.strategy.max_position_size == 1.0
    assert loaded.strategy.rebalance_threshold == 0.1
    assert loaded.strategy.basis_halflife_s == 0
    assert loaded.strategy.function == "arb.strategies.spread.strategy:run"
    assert loaded.strategy.params == {}
    assert (loaded.risk.max_drawdown, loaded.risk.stop_loss_bps, loaded.risk.position_limit) == (0.05, 50, 10)
    assert (loaded.risk.max_order_qty, loaded.risk.max_order_notional) == (None, None)
    assert loaded.execution.order_timeout_ms == 5000
    assert loaded.execution.slippage_tolerance == 0.001
    assert loaded.clock.offset_ms is None
    assert loaded.data.directory == "recordings"
    assert [leg.name for leg in loaded.legs] == ["binance_spot:BTCUSDT", "bybit_spot:BTCUSDT"]
    assert loaded.strategy.legs == ("binance_spot:BTCUSDT", "bybit_spot:BTCUSDT")


def test_addresses_and_variables_are_those_of_the_venues(folder: Path) -> None:
    legs = [f"{venue}:BTCUSDT" for venue in ("binance_spot", "bybit_spot", "binance_usdm", "bybit_linear")]
    venues = load(folder / "arbitrage.toml", legs=legs).venues

    spot = [venues[name].connection for name in ("binance_spot", "bybit_spot")]
    assert [(one.websocket_url, one.rest_api_url) for one in spot] == [
        ("wss://stream.binance.com:9443/ws", "https://api.binance.com"),
        ("wss://stream.bybit.com/v5/public/spot", "https://api.bybit.com"),
    ]
    assert venues["binance_usdm"].connection.websocket_url == "wss://fstream.binance.com"
    assert venues["bybit_linear"].connection.websocket_url == "wss://stream.bybit.com/v5/public/linear"
    for name, venue in venues.items():
        prefix = name.partition("_")[0].upper()
        assert (venue.auth.api_key, venue.auth.secret_key) == (
            f"${{{prefix}_API_KEY}}",
            f"${{{prefix}_SECRET_KEY}}",
        )


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize("venues", [("binance_spot", "bybit_linear"), ("bybit_spot", "binance_usdm")])
def test_every_shipped_venue_and_symbol_makes_a_leg(
    folder: Path, venues: tuple[str, str], symbol: str
) -> None:
    legs = load(folder / "arbitrage.toml", legs=[f"{venue}:{symbol}" for venue in venues]).legs

    for leg, venue in zip(legs, venues, strict=True):
        assert leg.name == f"{venue}:{symbol}"
        assert leg.is_spot == venue.endswith("spot")
        assert leg.tick_size == float(leg.tick_size_text)
        assert leg.lot_size == float(leg.lot_size_text)
        assert leg.min_qty >= leg.lot_size
        assert leg.contract_size == 1.0
        assert leg.base == (1.0 if leg.is_spot else 0.0)
        assert leg.quote == 60_000.0


def test_a_tick_keeps_its_text(folder: Path) -> None:
    leg = load(folder / "arbitrage.toml", legs=["binance_usdm:BTCUSDT", "bybit_spot:BTCUSDT"]).legs[0]

    assert leg.tick_size_text == "0.10"
    assert leg.tick_size == 0.1


def test_least_quantity_is_one_lot_unless_given(folder: Path) -> None:
    first, second = load(folder / "arbitrage.toml").legs

    assert first.min_qty == first.lot_size
    assert second.min_qty == 0.000011


def test_placeholder_in_legs_follows_the_symbol(folder: Path) -> None:
    loaded = load(
        folder / "arbitrage.toml",
        ['strategy.symbol="ETHUSDT"'],
        ["binance_usdm:SYMBOL", "bybit_spot:BTCUSDT"],
    )

    assert [leg.name for leg in loaded.legs] == ["binance_usdm:ETHUSDT", "bybit_spot:BTCUSDT"]


def test_an_almost_empty_main_file_will_do(folder: Path) -> None:
    full = load(folder / "arbitrage.toml").as_dict()
    (folder / "arbitrage.toml").write_text(
        "[capital]\nbinance_spot = {base = 1, quote = 60000}\nbybit_spot = {base = 1, quote = 60000}\n"
    )
    short = load(folder / "arbitrage.toml").as_dict()

    full["capital"] = {name: full["capital"][name] for name in ("binance_spot", "bybit_spot")}
    # The sections that the template shows for a symbol and for a rule of alerts are empty.
    assert set(full["alerts"]["rules"].pop("lag").values()) == {None}
    assert set(full["symbols"].pop("BTCUSDT").values()) == {None}
    assert set(full["data"]["grid"].pop("binance_spot")["BTCUSDT"].values()) == {None}
    assert short == full


def test_whole_numbers_are_taken_as_floats(folder: Path) -> None:
    loaded = load(folder / "arbitrage.toml", ["strategy.min_spread_bps=12", "strategy.params.skew=3"])

    assert isinstance(loaded.strategy.min_spread_bps, float)
    # A parameter keeps its type: a strategy may count with it.
    assert isinstance(loaded.strategy.params["skew"], int)


@pytest.mark.parametrize("value", ["1.5", "-3", "true", "9223372036854775807"])
def test_params_take_numbers_and_booleans(folder: Path, value: str) -> None:
    loaded = load(folder / "arbitrage.toml", [f"strategy.params.skew={value}"])

    assert loaded.strategy.params == {"skew": tomli.loads(f"x={value}")["x"]}


def test_local_addresses_may_do_without_tls(folder: Path) -> None:
    loaded = load(
        folder / "arbitrage.toml", ['binance_spot.connection.websocket_url="ws://127.0.0.1:9001/ws"']
    )

    assert loaded.venues["binance_spot"].connection.websocket_url == "ws://127.0.0.1:9001/ws"


def test_overrides_reach_main_file_and_venues_and_the_last_one_wins(folder: Path) -> None:
    loaded = load(
        folder / "arbitrage.toml",
        [
            "strategy.min_spread_bps=1",
            "strategy.min_spread_bps = 2.5",
            "binance_spot.fees.taker=0.0001",
            'bybit_spot.symbols.BTCUSDT.tick_size="0.01"',
            "clock.offset_ms=1270",
        ],
    )

    assert loaded.strategy.min_spread_bps == 2.5
    assert loaded.legs[0].taker_fee == 0.0001
    assert loaded.legs[1].tick_size == 0.01
    assert loaded.clock.offset_ms == 1270.0


def test_overrides_change_no_file(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    load(folder / "arbitrage.toml", ["strategy.min_spread_bps=1", "binance_spot.fees.taker=0"])

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_argument_legs_beats_an_override_of_legs(folder: Path) -> None:
    loaded = load(
        folder / "arbitrage.toml",
        ['strategy.legs=["a:B", "c:D"]'],
        ["binance_usdm:BTCUSDT", "bybit_linear:BTCUSDT"],
    )

    assert [leg.venue for leg in loaded.legs] == ["binance_usdm", "bybit_linear"]


def test_the_dict_is_json_complete_and_independent_of_place_and_order(folder: Path, tmp_path: Path) -> None:
    first = load(folder / "arbitrage.toml").as_dict()
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    main = (other / "arbitrage.toml").read_text()
    block = "[capital.bybit_linear]\nquote = 60000.0\n"
    (other / "main.toml").write_text(block + main.replace(block, ""))
    (other / "arbitrage.toml").unlink()

    second = load(other / "main.toml").as_dict()

    assert json.dumps(first) == json.dumps(second)
    assert set(first) == {
        *(
            "strategy",
            "risk",
            "execution",
            "capital",
            "symbols",
            "clock",
            "data",
            "record",
            "backtest",
            "dry_run",
            "live",
            "supervisor",
            "guard",
            "alerts",
            "account",
            "archive",
            "venues",
        ),
    }
    assert list(first["venues"]) == ["binance_spot", "bybit_spot"]
    for key in MAIN_KEYS:
        holder: Any = first
        for part in concrete(key)[:-1]:
            holder = holder[part]
        assert key.path[-1] in ("<name>", "<SYMBOL>", "<ASSET>") or key.path[-1] in holder
    for key in VENUE_KEYS:
        holder = first["venues"]["binance_spot"]
        for part in concrete(key):
            holder = holder[part]


def test_the_dict_shows_what_is_in_effect(folder: Path) -> None:
    shown = load(
        folder / "arbitrage.toml",
        ["binance_spot.fees.taker=0.0002", "strategy.params.skew=2"],
        ["binance_spot:ETHUSDT", "bybit_linear:SYMBOL"],
    ).as_dict()

    assert shown["strategy"]["legs"] == ["binance_spot:ETHUSDT", "bybit_linear:BTCUSDT"]
    assert shown["strategy"]["params"] == {"skew": 2}
    assert shown["venues"]["binance_spot"]["fees"]["taker"] == 0.0002
    assert shown["venues"]["binance_spot"]["auth"]["api_key"] == "${BINANCE_API_KEY}"


def test_the_configuration_is_frozen_and_crosses_processes(folder: Path) -> None:
    loaded = load(folder / "arbitrage.toml")

    with pytest.raises(AttributeError):
        loaded.strategy.min_spread_bps = 1.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        loaded.legs[0].base = 2.0  # type: ignore[misc]
    copy: Config = pickle.loads(pickle.dumps(loaded))
    assert copy == loaded


def test_several_symbols_have_both_legs_each_and_their_own_sizes(folder: Path) -> None:
    settings = [
        "symbols.ETHUSDT.max_position_size=10.0",
        "symbols.ETHUSDT.position_limit=100.0",
        "capital.binance_spot.base_of.ETHUSDT=20.0",
    ]
    loaded = load(folder / "arbitrage.toml", settings, symbols=["BTCUSDT", "ETHUSDT"])

    assert [leg.name for leg in loaded.legs] == [
        *("binance_spot:BTCUSDT", "bybit_spot:BTCUSDT", "binance_spot:ETHUSDT", "bybit_spot:ETHUSDT"),
    ]
    assert [leg.base for leg in loaded.legs] == [1.0, 1.0, 20.0, 1.0]
    assert facts_of(loaded)["max_position_size"] == (1.0, 1.0, 10.0, 10.0)
    assert [leg.position_limit for leg in loaded.legs] == [10.0, 10.0, 100.0, 100.0]


@pytest.mark.parametrize(
    ("settings", "symbols", "line"),
    [
        ([], ["BTCUSDT", "BTCUSDT"], "[strategy] symbols names a symbol twice"),
        (
            ['strategy.legs=["binance_spot:BTCUSDT","bybit_spot:SYMBOL"]'],
            ["BTCUSDT", "ETHUSDT"],
            "[strategy] legs names symbols of its own, but there are several; write them as venue:SYMBOL",
        ),
        (
            ["symbols.ETHUSD.position_limit=1.0"],
            None,
            "[symbols] ETHUSD is a symbol that no file of the venues describes; did you mean ETHUSDT?",
        ),
        (
            [
                "capital.binance_usdm.base_of.BTCUSDT=1.0",
                'strategy.legs=["binance_usdm:SYMBOL","bybit_spot:SYMBOL"]',
            ],
            None,
            "[capital.binance_usdm.base_of] BTCUSDT is 1.0; a perpetual venue holds margin in quote only",
        ),
    ],
)
def test_symbols_that_make_no_run_are_refused(
    folder: Path, settings: list[str], symbols: list[str] | None, line: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder / "arbitrage.toml", settings, symbols=symbols)

    assert line in str(caught.value)


@pytest.mark.parametrize("symbols", [None, ["BTCUSDT", "ETHUSDT"]])
def test_a_configuration_comes_again_from_its_dict(symbols: list[str] | None, folder: Path) -> None:
    first = load(folder / "arbitrage.toml", ["clock.offset_ms=3.5"], None, symbols)

    again = config_of(json.loads(json.dumps(first.as_dict())), "run/manifest.json")

    assert again.as_dict() == first.as_dict()
    assert [leg.name for leg in again.legs] == [leg.name for leg in first.legs]
    assert [leg.tick_size for leg in again.legs] == [leg.tick_size for leg in first.legs]


def test_what_loads_of_the_same_files_share_is_never_mixed_up(folder: Path) -> None:
    """Parsed texts and checked venues are found again by their content and overrides."""
    file = folder / "arbitrage.toml"
    first = load(file)
    for fee in (0.001, 0.002, 0.001):
        other = load(file, (f"binance_spot.fees.taker={fee}",))
        assert other.venues["binance_spot"].fees.taker == fee
        assert other.venues["bybit_spot"] == first.venues["bybit_spot"]
        assert len(other.given) == len(first.given) + 1
    assert load(file) == first
    place = Path(first.venues["binance_spot"].file)
    place.write_text(place.read_text().replace("[fees]", "[fees]\nextra = 1", 1))
    with pytest.raises(ConfigError, match="extra"):
        load(file)
