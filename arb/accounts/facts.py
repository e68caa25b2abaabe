"""What venues say about accounts, as values, and the client that asks them. Pure.

A house is a company with one account behind its venues: "binance" or "bybit".
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from arb.errors import InputError

MarginMode = Literal["cross", "isolated", "portfolio"]


#: No such path (HTTP, Binance USD-M); not supported on Bybit's demo.
_UNSERVED = ("404", "-5000", "10032")


class AccountError(InputError):
    """A question to a venue about an account was refused or not answered. One line, without secrets.

    code: the venue's, or the HTTP status; "" without an answer; "host", "answer" or "ccxt" if it is our side that
    refuses. text: the venue's words, or why.
    """

    def __init__(self, house: str, request: str, code: str, text: str) -> None:
        shown = f"{code} {text}".strip() or "no answer"
        super().__init__(f"{house}: {request}: {shown}")
        self.house, self.request, self.code, self.text = house, request, code, text

    @property
    def is_unserved(self) -> bool:
        """Whether the environment does not have the request, as testnets and demos lack some."""
        return self.code in _UNSERVED


class ClockFact(NamedTuple):
    """The venue's clock less ours, from the sample with the shortest round trip; times in ns."""

    offset_ns: int
    round_trip_ns: int
    samples: int


class Rights(NamedTuple):
    """What a key may do. trades: of "spot", "linear". expires: as the venue writes it; "" for never."""

    trades: frozenset[str]
    may_withdraw: bool
    may_transfer: bool
    has_ip_list: bool
    expires: str = ""


class SymbolModes(NamedTuple):
    """Settings of a perpetual instrument."""

    margin_mode: MarginMode
    leverage: Decimal


class Modes(NamedTuple):
    """Settings of an account for perpetuals.

    is_multi_assets: other assets count as margin (Binance). has_one_margin: the margin mode is the account's (Bybit),
    not each symbol's.
    """

    is_hedge: bool
    is_multi_assets: bool
    symbols: dict[str, SymbolModes]
    has_one_margin: bool = False


class ModeChange(NamedTuple):
    """One setting to make. symbol: "" where it is the account's."""

    key: Literal["one_way", "single_asset", "margin_mode", "leverage"]
    symbol: str = ""
    value: str = ""


class FeeRates(NamedTuple):
    """Rates of an account. paid_in: "received", "quote", or an asset. Each rate has every value that a venue file may
    state: where a discount is documented in two ways, both."""

    maker: tuple[Decimal, ...]
    taker: tuple[Decimal, ...]
    paid_in: str


class Balance(NamedTuple):
    """Of one asset: all, and what orders may use."""

    total: Decimal
    free: Decimal


class Position(NamedTuple):
    """An open position; quantity in base, negative for a short one."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal


class OpenOrder(NamedTuple):
    """An order that is open at the venue, anybody's."""

    venue: str
    symbol: str
    order_id: str
    client_id: str
    is_buy: bool
    price: Decimal
    quantity: Decimal
    filled: Decimal


class OrderLimit(NamedTuple):
    """Most orders in a time. interval: such as "10 seconds"; used: of it, None where the venue does not say."""

    interval: str
    limit: int
    used: int | None


class Payment(NamedTuple):
    """Money received or paid without a trade. kind: "funding", "transfer", or the venue's word in lower case; symbol,
    payment_id: "" if the venue gives none."""

    kind: str
    asset: str
    amount: Decimal
    at_ms: int
    symbol: str = ""
    payment_id: str = ""


class CheckedOrder(NamedTuple):
    """A limit order that a venue checks and does not place. Price and quantity as on the wire."""

    symbol: str
    price: str
    quantity: str
    is_buy: bool = True


class AccountClient(Protocol):
    """Asks one house about one account. Every method raises AccountError. Event loop's thread."""

    @property
    def house(self) -> str: ...

    def set_clock(self, offset_ns: int) -> None:
        """The venue's clock less ours, for the times of further requests."""

    async def account_id(self) -> str:
        """The venue's name of the account."""

    async def rights(self) -> Rights | None:
        """What the key may do; None where the environment does not serve the question."""

    async def modes(self, symbols: Sequence[str]) -> Modes:
        """Settings for perpetuals."""

    async def change(self, change: ModeChange) -> None:
        """Makes a setting; that it is so already is no error."""

    async def fees(self, venue: str, symbols: Sequence[str]) -> dict[str, FeeRates]:
        """By symbol."""

    async def balances(self, venue: str) -> dict[str, Balance]:
        """By asset, of the venue's wallet."""

    async def positions(self) -> list[Position]:
        """All open positions of perpetuals."""

    async def open_orders(self, venue: str) -> list[OpenOrder]:
        """All open orders at a venue."""

    async def order_limits(self, venue: str) -> list[OrderLimit]:
        """The account's limits of orders; empty where the venue reports them only in its answers' headers."""

    async def payments(self, since_ms: int) -> list[Payment]:
        """Funding, transfers and the like since a time of at most a week ago; of Binance those of futures."""

    async def test(self, venue: str, order: CheckedOrder) -> bool:
        """Has an order checked, which is not placed; False where the venue has no such request."""

    async def close(self) -> None:
        """Closes the connections."""
