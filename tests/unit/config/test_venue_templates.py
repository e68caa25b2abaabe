"""A venue's file is recognised by its address; what it leaves out is its venue's template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.smallest import BYBIT, write_smallest

from arb.config import load, load_venues

_CAPITAL = ("capital.binance_spot.quote=1.0", "capital.bybit_spot.quote=1.0")


@pytest.fixture
def smallest(tmp_path: Path) -> Path:
    return write_smallest(tmp_path / "small").parent


def _bybit(folder: Path, url: str, head: str = "") -> None:
    (folder / "bybit.toml").write_text(head + BYBIT.replace("wss://stream.bybit.com/v5/public/spot", url))


def test_a_file_of_addresses_alone_is_its_venues_template(smallest: Path, folder: Path) -> None:
    short = load(smallest / "arbitrage.toml", _CAPITAL).venues
    whole = load(folder / "arbitrage.toml").venues

    assert list(short) == ["binance_spot", "bybit_spot"]
    for name in short:
        for part in ("adapter", "kind", "connection", "fees", "latency", "queue", "symbols"):
            assert getattr(short[name], part) == getattr(whole[name], part)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("wss://stream.bybit.com/v5/public/linear", "bybit_linear"),
        ("wss://stream.bybit.com/v5/public/spot/", "bybit_spot"),
        ("wss://fstream.binance.com", "binance_usdm"),
        ("wss://fstream.binance.com/ws", "binance_usdm"),
        ("wss://data-stream.binance.vision/ws", "binance_spot"),
        ("wss://stream.binance.com/stream", "binance_spot"),
    ],
)
def test_the_address_names_the_venue(smallest: Path, url: str, name: str) -> None:
    (smallest / "binance.toml").unlink()
    _bybit(smallest, url)

    assert list(load_venues(smallest)) == [name]


def test_a_key_of_the_file_goes_before_the_templates(smallest: Path) -> None:
    text = '\n[fees]\ntaker = 0.0004\n[symbols.SOLUSDT]\ntick_size = "0.01"\nlot_size = "0.001"\n'
    (smallest / "bybit.toml").write_text(BYBIT + text)

    venue = load_venues(smallest)["bybit_spot"]

    assert (venue.fees.maker, venue.fees.taker) == (0.001, 0.0004)
    assert list(venue.symbols) == ["SOLUSDT", "BTCUSDT", "ETHUSDT"]


def test_a_short_file_can_be_overridden_by_its_venues_name(smallest: Path) -> None:
    override = "bybit_spot.symbols.BTCUSDT.min_notional=7.0"

    loaded = load(smallest / "arbitrage.toml", (*_CAPITAL, override))

    assert loaded.venues["bybit_spot"].symbols["BTCUSDT"].min_notional == 7.0
    assert override.partition("=")[0] in [one.name for one in loaded.given]


def test_only_what_the_user_wrote_counts_as_given(smallest: Path) -> None:
    loaded = load(smallest / "arbitrage.toml", _CAPITAL)

    assert {one.name for one in loaded.given if one.venue} == set()


@pytest.mark.parametrize("url", ["ws://localhost:9003/v5/public/spot", "wss://stream.bybit.com/v5/public"])
def test_an_unknown_address_needs_an_adapter(smallest: Path, url: str, refusal: Callable[..., str]) -> None:
    _bybit(smallest, url)

    assert refusal(smallest, _CAPITAL) == (
        f'{smallest / "bybit.toml"}: [connection] websocket_url is "{url}", the address of no known venue: write the '
        'venue\'s address, or add a line above the sections, such as adapter = "connectors.binance:BinanceSpot"'
    )


def test_at_an_address_of_ones_own_the_venues_fallbacks_are_not_tried(smallest: Path) -> None:
    text = (
        (smallest / "binance.toml")
        .read_text()
        .replace("wss://stream.binance.com:9443/ws", "ws://localhost:9001")
    )
    (smallest / "binance.toml").write_text(f'adapter = "connectors.binance:BinanceSpot"\n{text}')

    venue = load_venues(smallest)["binance_spot"]

    assert venue.connection.websocket_fallback_urls == ()
    assert venue.fees.taker == 0.001


def test_keys_of_an_account_are_only_those_that_the_file_names(smallest: Path) -> None:
    (smallest / "bybit.toml").write_text(BYBIT.partition("[auth]")[0])

    assert load_venues(smallest)["bybit_spot"].auth.api_key is None


def test_a_file_of_an_adapter_of_ones_own_needs_a_name(smallest: Path, refusal: Callable[..., str]) -> None:
    _bybit(smallest, "wss://example.com", 'adapter = "mine:Venue"\n')

    assert refusal(smallest, _CAPITAL) == (
        f'{smallest / "bybit.toml"}: name is missing; it must be a venue name such as "binance_spot"'
    )


def test_an_unknown_file_that_no_leg_needs_stops_nothing(smallest: Path) -> None:
    (smallest / "other.toml").write_text(BYBIT.replace("stream.bybit.com", "example.com"))

    assert len(load(smallest / "arbitrage.toml", _CAPITAL).legs) == 2


def test_two_other_venues_are_the_legs_if_none_are_written(smallest: Path) -> None:
    _bybit(smallest, "wss://stream.bybit.com/v5/public/linear")

    assert [leg.name for leg in load(smallest / "arbitrage.toml").legs] == [
        "binance_spot:BTCUSDT",
        "bybit_linear:BTCUSDT",
    ]


def test_one_venue_is_no_pair(smallest: Path, refusal: Callable[..., str]) -> None:
    (smallest / "bybit.toml").unlink()

    assert "names the venue bybit_spot, which no file beside this one describes" in refusal(smallest)
