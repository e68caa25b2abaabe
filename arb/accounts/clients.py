"""The clients of a session's accounts, for the addresses of its environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from arb.accounts.answer_log import ACCOUNTS, AnswerLog
from arb.accounts.binance import BinanceAccount
from arb.accounts.bybit import BybitAccount
from arb.accounts.ccxt_client import CcxtClient
from arb.accounts.facts import AccountClient
from arb.accounts.transport import GuardedSession
from arb.config.account_keys import house_of
from arb.sandbox.serve.urls import VenueUrls
from connectors.net.hosts import AllowedHosts
from connectors.orders.signing import Signer

#: As ccxt's: answers about an account may wait, and no order is among them.
_RECV_WINDOW_MS = 5_000
_ACCOUNTS: dict[str, Callable[[CcxtClient], AccountClient]] = {
    "binance": BinanceAccount,
    "bybit": BybitAccount,
}


def account_clients(
    urls: Mapping[str, VenueUrls],
    signers: Mapping[str, Signer],
    hosts: AllowedHosts,
    folder: Path | None,
) -> dict[str, AccountClient]:
    """A client for each house.

    urls: of the venues that are traded. signers: by venue. folder: of the session, which keeps the raw answers; None:
    they are not kept.
    """
    clients = {}
    for house in dict.fromkeys(map(house_of, signers)):
        own = {venue: urls[venue] for venue in signers if house_of(venue) == house}
        addresses = _addresses(house, own)
        signer = signers[next(iter(own))]
        log = AnswerLog(None if folder is None else folder / ACCOUNTS / f"{house}.jsonl", signer.key_id)
        session = GuardedSession(addresses.values(), hosts)
        clients[house] = _ACCOUNTS[house](CcxtClient(house, addresses, signer, session, log, _RECV_WINDOW_MS))
    return clients


def _addresses(house: str, urls: Mapping[str, VenueUrls]) -> dict[str, str]:
    """By ccxt's names of APIs."""
    rest = {venue: own.rest.rstrip("/") for venue, own in urls.items()}
    if house == "bybit":
        url = next(iter(rest.values()))
        return {"public": url, "private": url}
    found: dict[str, str] = {}
    usdm = rest.get("binance_usdm")
    wallet = urls["binance_usdm"].wallet.rstrip("/") if usdm is not None else ""
    if spot := rest.get("binance_spot", wallet):
        found |= {"public": f"{spot}/api/v3", "private": f"{spot}/api/v3", "sapi": f"{spot}/sapi/v1"}
    if usdm is not None:
        found |= {"fapiPublic": f"{usdm}/fapi/v1", "fapiPrivate": f"{usdm}/fapi/v1"}
        found |= {"fapiPrivateV2": f"{usdm}/fapi/v2", "fapiPrivateV3": f"{usdm}/fapi/v3"}
    return found
