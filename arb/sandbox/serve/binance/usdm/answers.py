"""USD-M's answers about orders, trades, incomes and settings, as objects that are encoded as JSON. Pure.

Fields are those of the saved pages (openxapi e2791e4, read 2025-11), without `avgPrice`, `cumQuote` and `cumBase` in
answers to new, changed and cancelled orders (gone since 2026-07-14), and with `modifyId` (since 2026-07-28).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from arb.sandbox.accounts.amounts import ZERO, plain
from arb.sandbox.accounts.ledger import Entry, EntryCause
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY
from arb.sandbox.serve.binance.usdm.words import (
    PREVENTIONS,
    SIDES,
    Clock,
    Formats,
    force_of,
    good_till_of,
    money,
    status_of,
    type_of,
)
from arb.sandbox.trading.order_state import Execution, VenueOrder

Row = dict[str, Any]

#: Causes of ledger entries as types of income.
INCOMES = {
    EntryCause.TRANSFER: "TRANSFER",
    EntryCause.REALIZED: "REALIZED_PNL",
    EntryCause.FUNDING: "FUNDING_FEE",
    EntryCause.FEE: "COMMISSION",
    EntryCause.LIQUIDATION_FEE: "INSURANCE_CLEAR",
    EntryCause.INSURANCE: "INSURANCE_CLEAR",
}
SUCCESS: Row = {"code": 200, "msg": "success"}
ALL_CANCELED: Row = {"code": 200, "msg": "The operation of cancel all open order is done."}


def changed_order(order: VenueOrder, rules: InstrumentRules, clock: Clock) -> Row:
    """An order in the answer to a request that placed or cancelled it."""
    formats = Formats(rules)
    return {
        "orderId": int(order.order_id),
        "symbol": order.symbol,
        "status": status_of(order),
        "clientOrderId": order.client_id,
        "price": formats.price(order.price),
        "origQty": formats.quantity(order.quantity),
        "executedQty": formats.quantity(order.filled),
        "cumQty": formats.quantity(order.filled),
        **_constants(order, formats),
        "updateTime": clock(order.updated_ns),
    }


def acknowledged_order(order: VenueOrder, rules: InstrumentRules, clock: Clock) -> Row:
    """The answer to a new order that asks for no result: as it was accepted, whatever was executed since."""
    nothing = Formats(rules).quantity(ZERO)
    row = changed_order(order, rules, clock)
    return row | {
        "status": "NEW",
        "executedQty": nothing,
        "cumQty": nothing,
        "updateTime": clock(order.created_ns),
    }


def modified_order(order: VenueOrder, rules: InstrumentRules, clock: Clock, modify_id: int | None) -> Row:
    """The answer to a change of an order."""
    row: Row = {}
    for name, value in changed_order(order, rules, clock).items():
        row[name] = value
        if name == "symbol":
            row["pair"] = order.symbol
        elif name == "clientOrderId" and modify_id is not None:
            row["modifyId"] = modify_id
    return row


def queried_order(order: VenueOrder, rules: InstrumentRules, clock: Clock) -> Row:
    """An order in the answer to a query."""
    formats = Formats(rules)
    return {
        "orderId": int(order.order_id),
        "symbol": order.symbol,
        "status": status_of(order),
        "clientOrderId": order.client_id,
        "price": formats.price(order.price),
        "avgPrice": formats.quote(order.average),
        "origQty": formats.quantity(order.quantity),
        "executedQty": formats.quantity(order.filled),
        "cumQuote": formats.quote(order.value),
        **_constants(order, formats),
        "time": clock(order.created_ns),
        "updateTime": clock(order.updated_ns),
    }


def user_trade(execution: Execution, rules: InstrumentRules, clock: Clock) -> Row:
    """An execution in the answer to a query. A positive commission was paid."""
    formats = Formats(rules)
    return {
        "buyer": execution.side == BUY,
        "commission": money(execution.fee),
        "commissionAsset": execution.fee_asset,
        "id": execution.trade_id,
        "maker": execution.is_maker,
        "orderId": int(execution.order_id),
        "price": formats.price(execution.price),
        "qty": formats.quantity(execution.quantity),
        "quoteQty": formats.quote(execution.value),
        "realizedPnl": money(execution.realized),
        "side": SIDES[execution.side],
        "positionSide": execution.position_side.name,
        "symbol": execution.symbol,
        "time": clock(execution.at_ns),
    }


def income(entry: Entry, clock: Clock) -> Row:
    """A change of a balance; of a cause in `INCOMES`."""
    kind = INCOMES[entry.cause]
    return {
        "symbol": entry.symbol,
        "incomeType": kind,
        "income": money(entry.amount),
        "asset": entry.asset,
        "info": kind,
        "time": clock(entry.at_ns),
        "tranId": entry.no,
        "tradeId": str(entry.trade_id) if entry.trade_id else "",
    }


def leverage_brackets(rules: InstrumentRules) -> Row:
    """Brackets of one symbol. Their figures are JSON numbers."""
    return {
        "symbol": rules.symbol,
        "brackets": [
            {
                "bracket": no,
                "initialLeverage": one.max_leverage,
                "notionalCap": _number(one.cap),
                "notionalFloor": _number(one.floor),
                "maintMarginRatio": _number(one.maintenance),
                "cum": _number(one.amount),
            }
            for no, one in enumerate(rules.brackets, 1)
        ],
    }


def commission_rate(symbol: str, maker: Decimal, taker: Decimal) -> Row:
    """Fee rates. Of retail price improvement orders, which are not served: that of makers."""
    return {
        "symbol": symbol,
        "makerCommissionRate": plain(maker),
        "takerCommissionRate": plain(taker),
        "rpiCommissionRate": plain(maker),
    }


def account_config(modes: Modes, group: int) -> Row:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": modes.is_hedge,
        "updateTime": 0,
        "multiAssetsMargin": modes.is_multi_assets,
        "tradeGroupId": group,
    }


def symbol_config(rules: InstrumentRules, modes: Modes) -> Row:
    leverage = modes.leverage(rules.symbol)
    return {
        "symbol": rules.symbol,
        "marginType": "ISOLATED" if modes.is_isolated(rules.symbol) else "CROSSED",
        "isAutoAddMargin": False,
        "leverage": leverage,
        "maxNotionalValue": plain(rules.position_limit(leverage)),
    }


def changed_leverage(rules: InstrumentRules, leverage: int) -> Row:
    return {
        "leverage": leverage,
        "maxNotionalValue": plain(rules.position_limit(leverage)),
        "symbol": rules.symbol,
    }


def countdown(symbol: str, countdown_ms: int) -> Row:
    return {"symbol": symbol, "countdownTime": str(countdown_ms)}


def _constants(order: VenueOrder, formats: Formats) -> Row:
    """Fields that do not change while an order is executed."""
    kind = type_of(order)
    return {
        "timeInForce": force_of(order),
        "type": kind,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": SIDES[order.side],
        "positionSide": order.position_side.name,
        "stopPrice": formats.price(None),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": PREVENTIONS[order.prevention],
        "goodTillDate": good_till_of(order),
    }


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
