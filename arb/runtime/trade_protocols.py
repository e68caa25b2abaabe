"""The protocol classes of the venues' order entry, and the keys with which they sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from arb.errors import InputError
from arb.risk.rate_budget import Ban, RateBudget
from connectors.binance import limits as binance
from connectors.binance import order_examples as binance_examples
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.binance.user_events import SpotUser, UsdmUser
from connectors.bybit import limits as bybit
from connectors.bybit import order_examples as bybit_examples
from connectors.bybit.order_frames import BybitOrders
from connectors.bybit.user_events import BybitUser
from connectors.orders.examples import OrderTemplates
from connectors.orders.limits import LimitUse
from connectors.orders.model import Act, Instrument
from connectors.orders.protocol import OrderProtocol, UserProtocol
from connectors.orders.signing import Ed25519Signer, HmacSigner, Signer

#: The documented limits on requests, of the venues that can trade, in the order of the documentation.
_LIMITS = {
    "binance_spot": binance.SPOT_LIMITS,
    "binance_usdm": binance.USDM_LIMITS,
    "bybit_spot": bybit.SPOT_LIMITS,
    "bybit_linear": bybit.LINEAR_LIMITS,
}
VENUES = tuple(_LIMITS)


class Key(Protocol):
    """A key of an account. kind: "hmac" or "ed25519"; private: the secret, or the private key as PEM."""

    @property
    def house(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> str: ...

    @property
    def private(self) -> str: ...


def signer_of(key: Key) -> Signer:
    """What signs with a key."""
    return Ed25519Signer(key.id, key.private) if key.kind == "ed25519" else HmacSigner(key.id, key.private)


def budgets_of(venues: Iterable[str]) -> dict[str, RateBudget]:
    """The limits on requests of these venues. Bybit's markets are at one address, and banned together."""
    shared = Ban()
    return {
        venue: RateBudget(_LIMITS.get(venue, ()), shared if venue.startswith("bybit") else None)
        for venue in venues
    }


def uses_of(venue: str, act: Act, headers: Mapping[str, str]) -> tuple[LimitUse, ...]:
    """What the headers of a REST response say is used of the venue's limits. headers: names in lower case."""
    if venue.startswith("bybit"):
        return bybit.uses_of_header(act, headers)
    return binance.uses_of_headers(headers.items())


def banned_with(venue: str, venues: Iterable[str]) -> list[str]:
    """Those of these venues at whose address nothing may be sent while a venue refuses everything."""
    is_bybit = venue.startswith("bybit")
    return [one for one in venues if one == venue or (is_bybit and one.startswith("bybit"))]


def templates_of(venue: str, instrument: Instrument, tick: int, lots: int) -> OrderTemplates:
    """What a venue says about a purchase that rests and is then filled."""
    price, quantity = instrument.tick.text_of(tick), instrument.lot.text_of(lots)
    if venue.startswith("bybit_"):
        return bybit_examples.templates(
            venue.removeprefix("bybit_"), instrument.symbol, "Buy", price, quantity
        )
    return binance_examples.templates(venue, instrument.symbol, "BUY", price, quantity)


def protocols_of(
    venue: str, signer: Signer, recv_window_ms: int, *, has_switch: bool = False
) -> tuple[OrderProtocol, UserProtocol]:
    """New protocol objects of a venue. has_switch: its own dead-man's switch is on. Raises InputError for a venue that
    cannot trade yet."""
    if venue == "binance_spot":
        return SpotOrders(signer, recv_window_ms), SpotUser(signer, recv_window_ms)
    if venue == "binance_usdm":
        return UsdmOrders(signer, recv_window_ms), UsdmUser(signer)
    if venue == "bybit_spot":
        user = BybitUser("spot", signer, recv_window_ms, has_switch=has_switch)
        return BybitOrders("spot", signer, recv_window_ms), user
    if venue == "bybit_linear":
        user = BybitUser("linear", signer, recv_window_ms, has_switch=has_switch)
        return BybitOrders("linear", signer, recv_window_ms), user
    raise InputError(f"{venue}: arb live has no order entry for it; it has {', '.join(VENUES)}")
