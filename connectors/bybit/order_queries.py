"""Bybit's queries: orders, executions, clock, balances, position, mode, fee rates. Pure. All are REST.

A look-up asks for open and recent orders and for the history in turn, by its attempt: an order that was closed before
the venue restarted is in the history only. The history has no open orders, so that it never says "not found". Lists are
given newest first, page by page.

Source: bybit-exchange/docs v5 `order/{open-order,order-list,execution}.mdx`, `position/position.mdx`,
`account/{wallet-balance,fee-rate,transaction-log}.mdx`, `market/time.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from connectors.bybit.order_answers import decode_envelope, rest_answer
from connectors.bybit.order_rows import ExecutionRow, OrderRow, execution_of, update_of
from connectors.bybit.order_words import UnreadableError, ms_of
from connectors.bybit.user_events import signed_size
from connectors.errors import DecodeError, OffGridError
from connectors.orders.model import (
    AccountView,
    Act,
    Decoded,
    Execution,
    Instrument,
    Notice,
    NoticeKind,
    OrderRequest,
    PositionRisk,
    Transfer,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.numbers import above_zero, amount_of
from connectors.text import percent_encoded

_HISTORY = "/v5/order/history"
#: Positions are asked for by symbol; those that settle in another asset are traded by no session.
_SETTLE = "USDT"


class _Orders(msgspec.Struct, frozen=True, rename="camel"):
    list: tuple[OrderRow, ...]
    next_page_cursor: str = ""


class _Executions(msgspec.Struct, frozen=True, rename="camel"):
    list: tuple[ExecutionRow, ...]
    next_page_cursor: str = ""


class _Coin(msgspec.Struct, frozen=True, rename="camel"):
    coin: str
    wallet_balance: str
    locked: str = ""
    unrealised_pnl: str = ""
    total_order_im: str = msgspec.field(default="", name="totalOrderIM")
    total_position_im: str = msgspec.field(default="", name="totalPositionIM")

    @property
    def tied(self) -> Decimal:
        """Of spot orders, of orders and positions of perpetuals, and losses that are not realised."""
        margin = amount_of(self.total_order_im) + amount_of(self.total_position_im)
        return amount_of(self.locked) + margin - min(amount_of(self.unrealised_pnl), Decimal(0))


class _Account(msgspec.Struct, frozen=True):
    coin: tuple[_Coin, ...]
    #: Empty of accounts with isolated margin.
    maintenance: str = msgspec.field(default="", name="accountMMRate")


class _Transfer(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    currency: str
    change: str
    transaction_time: str


class _Transfers(msgspec.Struct, frozen=True, rename="camel"):
    list: tuple[_Transfer, ...]


class _Wallet(msgspec.Struct, frozen=True):
    list: tuple[_Account, ...]


class _Position(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    side: str
    size: str
    position_idx: int
    updated_time: str | int = 0
    mark_price: str = ""
    liq_price: str = ""
    leverage: str = ""
    maintenance: str = msgspec.field(default="", name="positionMM")

    @property
    def risk(self) -> PositionRisk:
        """Whether it is isolated is the account's business, whose ratio is then not said."""
        return PositionRisk(
            _SETTLE,
            amount_of(self.maintenance),
            Decimal(0),
            Decimal(0),
            amount_of(self.mark_price),
            amount_of(self.liq_price),
        )


class _Positions(msgspec.Struct, frozen=True):
    list: tuple[_Position, ...]


class _Rate(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    maker_fee_rate: str
    taker_fee_rate: str


class _Rates(msgspec.Struct, frozen=True):
    list: tuple[_Rate, ...]


class _Protection(msgspec.Struct, frozen=True, rename="camel"):
    product: str
    dcp_status: str


class _Protections(msgspec.Struct, frozen=True, rename="camel"):
    dcp_infos: tuple[_Protection, ...] = ()


_ORDERS = msgspec.json.Decoder(_Orders)
_EXECUTIONS = msgspec.json.Decoder(_Executions)
_WALLET = msgspec.json.Decoder(_Wallet)
_POSITIONS = msgspec.json.Decoder(_Positions)
_TRANSFERS = msgspec.json.Decoder(_Transfers)
_RATES = msgspec.json.Decoder(_Rates)
_PROTECTIONS = msgspec.json.Decoder(_Protections)


def query_of(request: OrderRequest, category: str) -> tuple[str, str]:
    """Path and query. Raises ValueError for a request that the venue does not have."""
    act, own = request.act, f"category={category}&symbol={request.symbol}"
    cursor = f"&cursor={percent_encoded(request.cursor)}" if request.cursor else ""
    if act is Act.LOOK_UP:
        path = _HISTORY if request.attempt % 2 else "/v5/order/realtime"
        if request.client_id:
            return path, f"{own}&orderLinkId={request.client_id}"
        return path, f"{own}&orderId={request.venue_order_id}"
    if act is Act.OPEN_ORDERS:
        return "/v5/order/realtime", f"{own}&openOnly=0&limit=50{cursor}"
    if act is Act.EXECUTIONS:
        if request.venue_order_id:
            return "/v5/execution/list", f"{own}&orderId={request.venue_order_id}&limit=100{cursor}"
        since = f"&startTime={request.since_ms}" if request.since_ms else ""
        return "/v5/execution/list", f"{own}{since}&limit=100{cursor}"
    if act is Act.TIME:
        return "/v5/market/time", ""
    if act is Act.BALANCES:
        return "/v5/account/wallet-balance", "accountType=UNIFIED"
    if act is Act.TRANSFERS:
        kind = "TRANSFER_OUT" if request.attempt else "TRANSFER_IN"
        since = f"&startTime={request.since_ms}&limit=50"
        return "/v5/account/transaction-log", f"accountType=UNIFIED&type={kind}{since}"
    if act is Act.COMMISSION:
        return "/v5/account/fee-rate", own
    if act in (Act.POSITION, Act.MODE) and category == "linear":
        return "/v5/position/list", own
    raise ValueError(f"bybit_{category} has no request {act.name}")


def decode_query(
    venue: str,
    instruments: Mapping[str, Instrument],
    asked: WireRequest,
    status: int,
    body: bytes,
    retry_after_ns: int,
) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
    """The response to a query. Raises DecodeError.

    Fee rates are the answer's text, the mode a notice's: "one-way" or "hedge".
    """
    answer = rest_answer(asked, status, body, retry_after_ns)
    envelope = decode_envelope(body)
    if answer.verdict is not Verdict.ACCEPTED or envelope is None:
        return answer
    try:
        return _content(instruments, asked, answer._replace(verdict=Verdict.FOUND), envelope.result)
    except (msgspec.DecodeError, OffGridError, UnicodeError, UnreadableError) as error:
        raise DecodeError(venue, str(error), body) from None


def protection_of(
    venue: str, product: str, asked: WireRequest, status: int, body: bytes, retry_after_ns: int
) -> VenueAnswer:
    """The response to `account/query-dcp-info`: accepted if the product's protection is on. Raises DecodeError."""
    answer = rest_answer(asked, status, body, retry_after_ns)
    envelope = decode_envelope(body)
    if answer.verdict is not Verdict.ACCEPTED or envelope is None:
        return answer
    try:
        found = _PROTECTIONS.decode(envelope.result).dcp_infos
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DecodeError(venue, str(error), body) from None
    if any(one.product == product and one.dcp_status == "ON" for one in found):
        return answer
    return answer._replace(verdict=Verdict.NOT_FOUND, text=f"the account's protection of {product} is not on")


def _content(
    instruments: Mapping[str, Instrument], asked: WireRequest, answer: VenueAnswer, result: msgspec.Raw
) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
    match asked.act:
        case Act.LOOK_UP | Act.OPEN_ORDERS:
            orders = _ORDERS.decode(result)
            updates = tuple(
                update_of(row, instruments[row.symbol])
                for row in reversed(orders.list)
                if row.symbol in instruments
            )
            if asked.act is Act.LOOK_UP and not updates:
                is_history = asked.path == _HISTORY
                return answer._replace(verdict=Verdict.UNKNOWN if is_history else Verdict.NOT_FOUND)
            return answer._replace(updates=updates, cursor=orders.next_page_cursor)
        case Act.EXECUTIONS:
            page = _EXECUTIONS.decode(result)
            found = [
                execution_of(row, instruments[row.symbol])
                for row in reversed(page.list)
                if row.symbol in instruments
            ]
            executions = tuple(one for one in found if isinstance(one, Execution))
            return answer._replace(executions=executions, cursor=page.next_page_cursor)
        case Act.BALANCES:
            accounts = _WALLET.decode(result).list
            coins = [coin for account in accounts for coin in account.coin]
            balances = {coin.coin: amount_of(coin.wallet_balance) for coin in coins}
            tied = above_zero({coin.coin: coin.tied for coin in coins})
            unrealized = {coin.coin: amount_of(coin.unrealised_pnl) for coin in coins}
            ratios = [amount_of(one.maintenance) for one in accounts if one.maintenance]
            ratio = max(ratios, default=None)
            # Only accounts with cross margin have figures of the whole account.
            settings = {"margin mode": "cross" if ratios else "isolated"} if accounts else {}
            return AccountView(
                balances, {}, False, answer.venue_ms, tied, unrealized, margin_ratio=ratio, settings=settings
            )
        case Act.TRANSFERS:
            return tuple(
                Transfer(one.currency, amount_of(one.change), one.id, ms_of(one.transaction_time))
                for one in reversed(_TRANSFERS.decode(result).list)
            )
        case Act.POSITION:
            held = _POSITIONS.decode(result).list
            positions = {one.symbol: signed_size(one.side, one.size) for one in held if not one.position_idx}
            risks = {one.symbol: one.risk for one in held if positions.get(one.symbol)}
            latest_ms = max((ms_of(one.updated_time) for one in held), default=0)
            settings = {f"leverage of {one.symbol}": one.leverage for one in held if one.leverage}
            if held:
                settings["position mode"] = _mode(held)
            return AccountView({}, positions, False, latest_ms, risks=risks, settings=settings)
        case Act.MODE:
            return (Notice(NoticeKind.MODE_CHANGED, _mode(_POSITIONS.decode(result).list)),)
        case Act.COMMISSION:
            for rate in _RATES.decode(result).list:
                if rate.symbol in instruments:
                    amount_of(rate.maker_fee_rate), amount_of(rate.taker_fee_rate)
                    return answer._replace(text=f"maker {rate.maker_fee_rate} taker {rate.taker_fee_rate}")
            return answer._replace(verdict=Verdict.NOT_FOUND)
        case _:
            return answer


def _mode(positions: Iterable[_Position]) -> str:
    return "hedge" if any(one.position_idx for one in positions) else "one-way"
