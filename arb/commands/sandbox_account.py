"""Accounts for a session that trades on a sandbox: one with the run's capital, or the key of a running sandbox."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from numpy.random import default_rng

from arb.accounts.start import account_needs
from arb.commands.sandbox import listing_of, starting_price
from arb.commands.serve import facts_of, keys_of
from arb.config import Config, VenueConfig
from arb.errors import InputError
from arb.leg import IN_QUOTE, IN_RECEIVED, Leg
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.profiles import WIDE
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.serve.urls import VenueUrls
from arb.sandbox.trading.setup import AccountSetup, Fees, TradingSetup

_ANSWER_S, _ANSWER_BYTES_MAX = 2.0, 1 << 20
#: The sandbox's names of wallets.
_WALLETS = {"binance_spot": "spot", "binance_usdm": "usdm", "bybit": "unified"}


class Key(NamedTuple):
    """A key of a sandbox. kind: "hmac" or "ed25519". private: the HMAC secret, or the Ed25519 key as PEM."""

    house: str
    kind: str
    id: str
    private: str


def trading_sandbox(config: Config, seed: int) -> tuple[Sandbox, list[Key]]:
    """A simulated market of the run's legs on free ports, and the keys of its one account.

    The account holds what `[capital]` states, and pays the fees of the venues' files. Raises InputError.
    """
    listings = [listing_of(leg.venue, leg.symbol, config.venues) for leg in config.legs]
    prices = {listing.symbol: starting_price(listing.symbol, config.venues) for listing in listings}
    keys = keys_of(seed)
    setup = TradingSetup((account_of(config),), tuple(one.key for one in keys))
    sandbox = Sandbox(
        SeededMarket(listings, prices, seed, WIDE),
        facts_of(listings, config.venues),
        trading=trading_of(setup, seed, default_rng(seed)),
    )
    return sandbox, [Key(**one.shown) for one in keys]


def account_of(config: Config) -> AccountSetup:
    """The account of a run: balances of its capital, fees of its venues. Raises InputError for unknown assets."""
    balances: dict[str, dict[str, Decimal]] = {}
    for wallet, needs in account_needs(config.legs).items():
        balances[_WALLETS[wallet]] = {asset: need.amount for asset, need in needs.items()}
    venues = {leg.venue: config.venues[leg.venue] for leg in config.legs}
    burns = "binance_usdm" in venues and venues["binance_usdm"].fees.asset not in (IN_QUOTE, IN_RECEIVED)
    return AccountSetup(
        "main",
        1,
        balances,
        {name: _fees(venue) for name, venue in venues.items()},
        {"binance": Modes(fee_burn=burns)},
    )


def running_keys(urls: Mapping[str, VenueUrls], legs: Sequence[Leg]) -> list[Key]:
    """The keys that a running sandbox shows for the venues of these legs. Raises InputError if it has none."""
    keys: dict[tuple[str, str], Key] = {}
    for venue in dict.fromkeys(leg.venue for leg in legs):
        found = _status(urls[venue].rest).get("keys")
        if not found:
            raise InputError(
                f"the sandbox at {urls[venue].rest} shows no keys: start one with arb sandbox serve without "
                "--accounts and --times, or leave --port-base out"
            )
        for one in found:
            keys[one["house"], one["id"]] = Key(one["house"], one["kind"], one["id"], one["private"])
    return list(keys.values())


def sandbox_started(urls: VenueUrls) -> int:
    """When the sandbox at a venue's addresses was started, ns: that names its accounts. Raises InputError if it does
    not answer."""
    return int(_status(urls.rest).get("started_ns", 0))


def _status(rest_url: str) -> dict[str, Any]:
    address = urlsplit(rest_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/sandbox")
        status = json.loads(connection.getresponse().read(_ANSWER_BYTES_MAX))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(f"{rest_url}: the sandbox does not answer: {error}") from None
    finally:
        connection.close()
    return status if isinstance(status, dict) else {}


def _fees(venue: VenueConfig) -> Fees:
    fees = venue.fees
    return Fees(_rate(fees.maker), _rate(fees.taker), fees.asset)


def _rate(rate: float) -> Decimal:
    return Decimal(repr(rate))
