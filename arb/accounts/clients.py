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
from connectors.net.hosts import AllowedHosts
from connectors.orders.signing import Signer

_ACCOUNTS: dict[str, Callable[[CcxtClient], AccountClient]] = {
    "binance": BinanceAccount,
    "bybit": BybitAccount,
}


def account_clients(
    rest_urls: Mapping[str, str],
    signers: Mapping[str, Signer],
    hosts: AllowedHosts,
    recv_window_ms: int,
    folder: Path | None,
) -> dict[str, AccountClient]:
    """A client for each house.

    rest_urls: of the venues that are traded; binance_spot's also where only perpetuals are traded, as what a key may do
    is asked there. signers: by venue that is traded. folder: of the session, which keeps the raw answers; None: they
    are not kept.
    """
    clients = {}
    for house in dict.fromkeys(map(house_of, signers)):
        addresses = _addresses(house, {name: url.rstrip("/") for name, url in rest_urls.items()})
        signer = next(own for venue, own in signers.items() if house_of(venue) == house)
        log = AnswerLog(None if folder is None else folder / ACCOUNTS / f"{house}.jsonl", signer.key_id)
        session = GuardedSession(addresses.values(), hosts)
        clients[house] = _ACCOUNTS[house](CcxtClient(house, addresses, signer, session, log, recv_window_ms))
    return clients


def _addresses(house: str, rest_urls: Mapping[str, str]) -> dict[str, str]:
    """By ccxt's names of APIs."""
    found: dict[str, str] = {}
    if house == "bybit":
        url = next(url for name, url in rest_urls.items() if house_of(name) == house)
        return {"public": url, "private": url}
    if (spot := rest_urls.get("binance_spot")) is not None:
        found |= {"public": f"{spot}/api/v3", "private": f"{spot}/api/v3", "sapi": f"{spot}/sapi/v1"}
    if (usdm := rest_urls.get("binance_usdm")) is not None:
        found |= {"fapiPublic": f"{usdm}/fapi/v1", "fapiPrivate": f"{usdm}/fapi/v1"}
        found |= {"fapiPrivateV2": f"{usdm}/fapi/v2", "fapiPrivateV3": f"{usdm}/fapi/v3"}
    return found
