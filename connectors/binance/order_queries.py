"""Queries of Binance spot and USD-M: orders, executions, clock, balances, positions, modes, fee rates. Pure.

Executions are those of one order, if the request has its venue id, else those since a time, oldest first. After a full
page the answer has a cursor: the next page begins at it, and has executions of all orders of the symbol.

Sources: rest-api.md of binance-spot-api-docs ("Account Endpoints", read 2026-07-21); USD-M: saved pages of "Trade" and
"Account" (read 2025-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from connectors.binance.forms import Credentials, SignedForm
from connectors.binance.order_answers import PAGE_MAX
from connectors.errors import DecodeError, OffGridError
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    Decoded,
    Notice,
    NoticeKind,
    OrderRequest,
    PositionRisk,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.numbers import above_zero, amount_of

_LIMIT = {"limit": str(PAGE_MAX)}


class QueryWords(NamedTuple):
    """How one market names its queries."""

    #: Methods of the websocket API; a query that has none goes to REST.
    methods: Mapping[Act, str]
    paths: Mapping[Act, str]


SPOT_WORDS = QueryWords(
    {
        Act.LOOK_UP: "order.status",
        Act.OPEN_ORDERS: "openOrders.status",
        Act.EXECUTIONS: "myTrades",
        Act.TIME: "time",
    },
    {
        Act.LOOK_UP: "/api/v3/order",
        Act.OPEN_ORDERS: "/api/v3/openOrders",
        Act.EXECUTIONS: "/api/v3/myTrades",
        Act.TIME: "/api/v3/time",
        Act.BALANCES: "/api/v3/account",
        Act.COMMISSION: "/api/v3/account/commission",
    },
)
USDM_WORDS = QueryWords(
    {Act.LOOK_UP: "order.status"},
    {
        Act.LOOK_UP: "/fapi/v1/order",
        Act.OPEN_ORDERS: "/fapi/v1/openOrders",
        Act.EXECUTIONS: "/fapi/v1/userTrades",
        Act.TIME: "/fapi/v1/time",
        Act.BALANCES: "/fapi/v3/balance",
        Act.POSITION: "/fapi/v3/positionRisk",
        Act.MODE: "/fapi/v1/positionSide/dual",
        Act.COMMISSION: "/fapi/v1/commissionRate",
    },
)
#: Queries that are about one symbol.
_OF_SYMBOL = frozenset((Act.LOOK_UP, Act.OPEN_ORDERS, Act.EXECUTIONS, Act.COMMISSION))
_SELECTIONS = {
    Act.LOOK_UP: ("origClientOrderId", "orderId"),
    Act.EXECUTIONS: ("fromId", "orderId", "startTime", ""),
}


class QueryForms:
    """The queries of one leg."""

    def __init__(self, words: QueryWords, credentials: Credentials, symbol: str) -> None:
        self._words = words
        self._forms = {
            (act, name): SignedForm(
                credentials,
                act,
                (name,) if name else (),
                ({"symbol": symbol} if act in _OF_SYMBOL else {}) | (_LIMIT if act is Act.EXECUTIONS else {}),
                method=words.methods.get(act, ""),
                verb="GET",
                path=path,
            )
            for act, path in words.paths.items()
            if act is not Act.TIME
            for name in _SELECTIONS.get(act, ("",))
        }

    def encode(self, request: OrderRequest, wire_id: str, now_ms: int, *, over_rest: bool) -> WireRequest:
        """The request for the websocket if it has a method and REST is not asked for. Raises ValueError."""
        act = request.act
        if act is Act.TIME:
            return self._clock(request, wire_id, over_rest=over_rest)
        name, value = _selection(request)
        form = self._forms.get((act, name))
        if form is None:
            raise ValueError(f"there is no request {act.name} at this venue")
        values = (value, now_ms) if name else (now_ms,)
        return (form.rest if over_rest or act not in self._words.methods else form.socket)(
            request, wire_id, values
        )

    def _clock(self, request: OrderRequest, wire_id: str, *, over_rest: bool) -> WireRequest:
        method = self._words.methods.get(Act.TIME)
        leg, request_no = request.leg, request.request_no
        if method is None or over_rest:
            path = self._words.paths[Act.TIME]
            return WireRequest(Channel.REST, wire_id, Act.TIME, leg, request_no, method="GET", path=path)
        text = f'{{"id":"{wire_id}","method":"{method}"}}'
        return WireRequest(Channel.SOCKET, wire_id, Act.TIME, leg, request_no, text)


def _selection(request: OrderRequest) -> tuple[str, str | int]:
    """The parameter that selects orders or executions, with its value; "": none."""
    if request.act is Act.LOOK_UP:
        if request.client_id:
            return "origClientOrderId", request.client_id
        return "orderId", int(request.venue_order_id)
    if request.act is Act.EXECUTIONS:
        if request.cursor:
            return "fromId", int(request.cursor)
        if request.venue_order_id:
            return "orderId", int(request.venue_order_id)
        if request.since_ms:
            return "startTime", request.since_ms
    return "", ""


class _Balance(msgspec.Struct, frozen=True, rename="camel"):
    asset: str
    free: str
    locked: str


class _SpotAccount(msgspec.Struct, frozen=True, rename="camel"):
    update_time: int
    balances: tuple[_Balance, ...]


class _Rates(msgspec.Struct, frozen=True, rename="camel"):
    maker: str
    taker: str


class _SpotRates(msgspec.Struct, frozen=True, rename="camel"):
    standard_commission: _Rates


class _Wallet(msgspec.Struct, frozen=True, rename="camel"):
    asset: str
    balance: str
    update_time: int
    available_balance: str | None = None
    cross_wallet_balance: str = ""
    cross_un_pnl: str = ""


class _Position(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    position_amt: str
    update_time: int
    mark_price: str = ""
    liquidation_price: str = ""
    un_realized_profit: str = ""
    isolated_margin: str = ""
    margin_asset: str = ""
    maint_margin: str = ""

    @property
    def risk(self) -> PositionRisk:
        isolated = amount_of(self.isolated_margin)
        return PositionRisk(
            self.margin_asset,
            amount_of(self.maint_margin),
            isolated,
            amount_of(self.un_realized_profit) if isolated else Decimal(0),
            amount_of(self.mark_price),
            amount_of(self.liquidation_price),
        )


class _Mode(msgspec.Struct, frozen=True, rename="camel"):
    dual_side_position: bool


class _UsdmRates(msgspec.Struct, frozen=True, rename="camel"):
    maker_commission_rate: str
    taker_commission_rate: str


class _Key(msgspec.Struct, frozen=True, rename="camel"):
    listen_key: str = ""


_SPOT_ACCOUNT = msgspec.json.Decoder(_SpotAccount)
_SPOT_RATES = msgspec.json.Decoder(_SpotRates)
_WALLETS = msgspec.json.Decoder(tuple[_Wallet, ...])
_POSITIONS = msgspec.json.Decoder(tuple[_Position, ...])
_MODE = msgspec.json.Decoder(_Mode)
_USDM_RATES = msgspec.json.Decoder(_UsdmRates)
_KEY = msgspec.json.Decoder(_Key)
#: What is decoded here; the rest is decoded as answers about orders.
ACCOUNT_ACTS = frozenset(
    (Act.BALANCES, Act.POSITION, Act.MODE, Act.COMMISSION, Act.LISTEN_KEY, Act.RENEW_KEY)
)


def decode_account(
    venue: str, asked: WireRequest, body: bytes, symbols: Iterable[str]
) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
    """A REST response with status 200 to one of `ACCOUNT_ACTS`. Raises DecodeError.

    Balances and positions that are zero are in it; positions of USD-M are those of one-way mode. Fee rates and a listen
    key are the answer's text, the mode a notice's: "one-way" or "hedge".
    """
    try:
        match asked.act:
            case Act.BALANCES if venue == "binance_spot":
                account = _SPOT_ACCOUNT.decode(body)
                locked = {one.asset: amount_of(one.locked) for one in account.balances}
                return AccountView(
                    _totals(account.balances), {}, False, account.update_time, above_zero(locked)
                )
            case Act.BALANCES:
                wallets = _WALLETS.decode(body)
                balances = {one.asset: amount_of(one.balance) for one in wallets}
                tied = {
                    one.asset: balances[one.asset] - amount_of(one.available_balance)
                    for one in wallets
                    if one.available_balance is not None
                }
                unrealized = {one.asset: amount_of(one.cross_un_pnl) for one in wallets}
                margins = {
                    one.asset: amount_of(one.cross_wallet_balance) + unrealized[one.asset] for one in wallets
                }
                return AccountView(
                    balances, {}, False, _latest(wallets), above_zero(tied), unrealized, margins
                )
            case Act.POSITION:
                held = _POSITIONS.decode(body)
                positions = dict.fromkeys(symbols, Decimal(0))
                for one in held:
                    positions[one.symbol] = positions.get(one.symbol, Decimal(0)) + amount_of(
                        one.position_amt
                    )
                risks = {one.symbol: one.risk for one in held if amount_of(one.position_amt)}
                settings = {
                    f"margin mode of {one.symbol}": "isolated" if amount_of(one.isolated_margin) else "cross"
                    for one in held
                    if amount_of(one.position_amt)
                }
                return AccountView({}, positions, False, _latest(held), risks=risks, settings=settings)
            case Act.MODE:
                mode = "hedge" if _MODE.decode(body).dual_side_position else "one-way"
                return (Notice(NoticeKind.MODE_CHANGED, mode),)
            case Act.COMMISSION if venue == "binance_spot":
                rates = _SPOT_RATES.decode(body).standard_commission
                return _rates(asked, rates.maker, rates.taker)
            case Act.COMMISSION:
                of_symbol = _USDM_RATES.decode(body)
                return _rates(asked, of_symbol.maker_commission_rate, of_symbol.taker_commission_rate)
            case Act.LISTEN_KEY | Act.RENEW_KEY:
                key = _KEY.decode(body).listen_key
                if asked.act is Act.RENEW_KEY or key:
                    return VenueAnswer(asked.wire_id, Verdict.ACCEPTED, text=key)
    except (msgspec.DecodeError, OffGridError, UnicodeError) as error:
        raise DecodeError(venue, str(error), body) from None
    raise DecodeError(venue, f"no response to {asked.act.name}", body)


def _totals(balances: Iterable[_Balance]) -> dict[str, Decimal]:
    return {one.asset: amount_of(one.free) + amount_of(one.locked) for one in balances}


def _latest(items: Iterable[_Wallet | _Position]) -> int:
    return max((one.update_time for one in items), default=0)


def _rates(asked: WireRequest, maker: str, taker: str) -> VenueAnswer:
    amount_of(maker), amount_of(taker)
    return VenueAnswer(asked.wire_id, Verdict.FOUND, text=f"maker {maker} taker {taker}")
