"""Which addresses ccxt has for a session's venues: those of the environment, and no others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.guard.markers import marked

from arb.accounts.clients import account_clients
from arb.accounts.facts import AccountError
from arb.accounts.transport import GuardedSession, OnlyHosts
from arb.sandbox.serve.urls import VenueUrls
from connectors.errors import HostRefusedError
from connectors.net.hosts import ListedHosts
from connectors.orders.signing import HmacSigner

SPOT, USDM = "https://api.one.example", "https://fapi.one.example"
BYBIT = "https://api.two.example"
SIGNER = HmacSigner(marked("Key"), marked("Secret"))


def urls(rest: str, wallet: str = "") -> VenueUrls:
    return VenueUrls("wss://stream.example", rest, "", "wss://user.example", wallet)


def addresses_of(venues: dict[str, VenueUrls]) -> dict[str, dict[str, str]]:
    hosts = ListedHosts([one.rest for one in venues.values()])
    clients: Any = account_clients(venues, dict.fromkeys(venues, SIGNER), hosts, None)
    found = {}
    for house, client in clients.items():
        inner = client._client._ccxt
        found[house] = dict(inner.urls["api"])
        assert inner.secret == "-", "signatures are the signer's"
        asyncio.run(client.close())
    return found


def test_each_house_has_the_addresses_of_its_venues() -> None:
    found = addresses_of(
        {"binance_spot": urls(SPOT), "binance_usdm": urls(USDM), "bybit_linear": urls(BYBIT)}
    )
    assert found["bybit"] == {"public": BYBIT, "private": BYBIT}
    assert found["binance"] == {
        "public": f"{SPOT}/api/v3",
        "private": f"{SPOT}/api/v3",
        "sapi": f"{SPOT}/sapi/v1",
        "fapiPublic": f"{USDM}/fapi/v1",
        "fapiPrivate": f"{USDM}/fapi/v1",
        "fapiPrivateV2": f"{USDM}/fapi/v2",
        "fapiPrivateV3": f"{USDM}/fapi/v3",
    }


def test_the_wallet_of_perpetuals_alone() -> None:
    assert "sapi" not in addresses_of({"binance_usdm": urls(USDM)})["binance"]
    assert addresses_of({"binance_usdm": urls(USDM, SPOT)})["binance"]["sapi"] == f"{SPOT}/sapi/v1"


@pytest.mark.parametrize("name", ["dapiPrivateGetAccount", "papiGetBalance", "eapiPrivateGetAccount"])
def test_an_api_without_an_address_is_not_asked(name: str) -> None:
    async def ask() -> None:
        venues = {"binance_spot": urls(SPOT), "binance_usdm": urls(USDM)}
        clients: Any = account_clients(venues, dict.fromkeys(venues, SIGNER), ListedHosts([SPOT]), None)
        try:
            await clients["binance"]._client.ask(name, dict)
        finally:
            await clients["binance"].close()

    with pytest.raises(AccountError, match="URL"):
        asyncio.run(ask())


def test_an_address_of_another_host_is_not_connected_to() -> None:
    async def ask() -> None:
        """The environment has the host of futures alone."""
        venues = {"binance_spot": urls(SPOT), "binance_usdm": urls(USDM)}
        clients: Any = account_clients(venues, dict.fromkeys(venues, SIGNER), ListedHosts([USDM]), None)
        try:
            await clients["binance"].account_id()
        finally:
            await clients["binance"].close()

    with pytest.raises(AccountError, match="this host may not be connected to"):
        asyncio.run(ask())


def test_the_session_refuses_other_hosts_and_its_resolver_other_names() -> None:
    async def ask() -> None:
        session = GuardedSession([SPOT], ListedHosts([SPOT]))
        for method in (session.get, session.post, session.put, session.delete):
            with pytest.raises(HostRefusedError):
                method("https://api.binance.com/api/v3/time")
        resolver = OnlyHosts([SPOT])
        with pytest.raises(OSError, match=r"api\.binance\.com: this host may not be connected to"):
            await resolver.resolve("api.binance.com", 443)
        await resolver.close()
        await session.close()

    asyncio.run(ask())
