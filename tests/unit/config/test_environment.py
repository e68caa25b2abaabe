"""Each environment has its own addresses, and connects to no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arb.config import load
from arb.config.environment import Environment, environment_of

VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
LEGS = [f"{venue}:BTCUSDT" for venue in VENUES]
#: The venues' own hosts: nothing but a live session may connect to them.
LIVE = {
    "stream.binance.com", "data-stream.binance.vision", "api.binance.com", "ws-api.binance.com", "fstream.binance.com",
    "fapi.binance.com", "ws-fapi.binance.com", "stream.bybit.com", "api.bybit.com",
}  # fmt: skip
Edit = Callable[[str, str, str], None]
Refusal = Callable[..., str]


def environment(folder: Path, name: str, *settings: str) -> Environment:
    venues = load(folder / "arbitrage.toml", settings, legs=LEGS).venues
    return environment_of(name, venues)  # type: ignore[arg-type]


def test_the_hosts_of_each_environment(folder: Path) -> None:
    assert environment(folder, "live").hosts.names == LIVE
    assert environment(folder, "testnet").hosts.names == {
        "stream.testnet.binance.vision", "testnet.binance.vision", "ws-api.testnet.binance.vision",
        "fstream.binancefuture.com", "testnet.binancefuture.com", "stream-testnet.bybit.com", "api-testnet.bybit.com",
    }  # fmt: skip
    assert environment(folder, "demo").hosts.names == {
        "demo-stream.binance.com", "demo-api.binance.com", "demo-ws-api.binance.com",
        "demo-fstream.binance.com", "demo-fapi.binance.com", "stream-demo.bybit.com", "api-demo.bybit.com",
        "stream.bybit.com",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["testnet", "demo"])
def test_no_order_and_no_event_of_a_test_is_a_live_one(folder: Path, name: str) -> None:
    live, other = environment(folder, "live"), environment(folder, name)
    for urls in live.urls.values():
        for url in (urls.rest, urls.trade, urls.user):
            assert live.hosts.allows(f"{url}/x")
            assert not other.hosts.allows(f"{url}/v5/trade")
            assert not other.hosts.allows(f"{url}/v5/private")
            assert not other.hosts.allows(f"{url}/api/v3/order?symbol=BTCUSDT")
    for urls in other.urls.values():
        for url in (urls.rest, urls.trade or urls.user, urls.user):
            assert other.hosts.allows(f"{url}/x?y=z")
            assert not live.hosts.allows(f"{url}/x?y=z")


def test_bybit_demo_has_the_live_market_data_and_orders_by_rest(folder: Path) -> None:
    demo = environment(folder, "demo")
    assert demo.urls["bybit_linear"].websocket == "wss://stream.bybit.com/v5/public/linear"
    assert demo.urls["bybit_linear"].trade == ""
    assert demo.hosts.allows("wss://stream.bybit.com/v5/public/linear")
    assert demo.venues["bybit_linear"].connection.websocket_url == "wss://stream.bybit.com/v5/public/linear"
    assert demo.venues["bybit_linear"].connection.rest_api_url == "https://api-demo.bybit.com"


def test_what_a_key_for_futures_may_do_is_asked_at_spot(folder: Path) -> None:
    live, demo = environment(folder, "live"), environment(folder, "demo")
    assert live.urls["binance_usdm"].wallet == "https://api.binance.com"
    assert live.hosts.allows("https://api.binance.com/sapi/v1/account/apiRestrictions")
    assert demo.urls["binance_usdm"].wallet == "", "it is not served there"
    elsewhere = "binance_usdm.connection.wallet_url='https://wallet.example'"
    assert environment(folder, "live", elsewhere).hosts.names == LIVE | {"wallet.example"}


def test_fallback_addresses_are_live_ones(folder: Path) -> None:
    live, testnet = environment(folder, "live"), environment(folder, "testnet")
    fallbacks = live.venues["binance_spot"].connection.websocket_fallback_urls
    assert all(live.hosts.allows(url.replace("/ws", "/stream")) for url in fallbacks)
    assert testnet.venues["binance_spot"].connection.websocket_fallback_urls == ()


def test_hosts_that_a_session_cannot_do_without(folder: Path) -> None:
    needed = environment(folder, "live").needed
    assert needed["stream.bybit.com"] == ["bybit_spot", "bybit_linear"]
    assert needed["ws-fapi.binance.com"] == ["binance_usdm"]
    assert "data-stream.binance.vision" not in needed, "another address of the streams, which may be away"
    assert set(needed) == LIVE - {"data-stream.binance.vision"}


def test_addresses_of_this_machine_serve_as_a_testnet(folder: Path) -> None:
    table = "{websocket_url='ws://127.0.0.1:1/ws', rest_api_url='http://127.0.0.1:1', user_url='ws://127.0.0.1:1'}"
    config = load(
        folder / "arbitrage.toml", [f"{venue}.testnet={table}" for venue in ("binance_spot", "bybit_spot")]
    )
    local = environment_of("testnet", config.venues)
    assert local.hosts.names == {"127.0.0.1"}
    assert local.urls["binance_spot"].trade == "", (
        "a table is not completed: half of it would be another account's"
    )
    assert local.hosts.allows("http://127.0.0.1:1/api/v3/order?x=1")
    assert not local.hosts.allows("http://127.0.0.1:2/api/v3/order?x=1")


def test_missing_addresses_name_the_file_and_the_table(folder: Path, edit: Edit, refusal: Refusal) -> None:
    path = folder / "binance.toml"
    text = path.read_text()
    edit("binance.toml", 'user_url = "wss://ws-api.testnet.binance.vision"\n', "")

    def refused(name: str) -> str:
        venues = load(folder / "arbitrage.toml").venues
        with pytest.raises(Exception, match=r"^[^\n]*$") as caught:
            environment_of(name, venues)  # type: ignore[arg-type]
        return str(caught.value)

    assert refused("testnet") == f"{path}: [testnet] user_url is missing: `arb live` needs it"
    start, end = text.index("[testnet]"), text.index("[auth]")
    path.write_text(text[:start] + "[testnet]\n[demo]\n" + text[end:])
    assert refused("demo").startswith(
        f"{path}: there is no [demo]: binance_spot cannot be traded there; choose"
    )
    path.write_text(text.replace("wss://ws-api.binance.com", "wss://user@ws-api.binance.com"))
    assert refused("live") == (
        f"{path}: [connection] wss://user@ws-api.binance.com: not a plain address of a host, a port and a path"
    )


def test_a_short_file_has_the_addresses_of_its_venue(folder: Path) -> None:
    path = folder / "binance.toml"
    path.write_text(
        '[connection]\nwebsocket_url = "wss://stream.binance.com:9443/ws"\nrest_api_url = "https://api.binance.com"\n'
    )
    short = environment(folder, "live").urls["binance_spot"]
    assert (short.trade, short.user) == ("wss://ws-api.binance.com", "wss://ws-api.binance.com")
    assert environment(folder, "testnet").urls["binance_spot"].rest == "https://testnet.binance.vision"
    path.write_text(path.read_text().replace("stream.binance.com:9443", "elsewhere.example") + "[auth]\n")
    path.write_text('adapter = "connectors.binance:BinanceSpot"\n' + path.read_text())
    with pytest.raises(Exception, match=r"there is no \[testnet\]"):
        environment(folder, "testnet")
