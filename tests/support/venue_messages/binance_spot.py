"""Strict decoders of Binance spot's answers and user data events, by the documents' examples.

`DECODERS` has one for each golden file of `tests/golden/binance_spot/messages`, by its name. Optional are the fields
that the documents list as conditional, as far as the sandbox has them; `sors` and fields of networks are those of the
documents alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from support.venue_messages import struct

_CONDITIONAL = {"strategyId": int, "strategyType": int, "preventedMatchId": int}
_TEXTS_IF = "preventedQuantity expiryReason"
_NEW: dict[str, Any] = {"orderId": int, "orderListId": int, "transactTime": int}
_FIGURES = "price origQty executedQty origQuoteOrderQty cummulativeQuoteQty status timeInForce type side"
_FILL = struct("Fill", "price qty commission commissionAsset", tradeId=int)
ACK = struct("Ack", "symbol clientOrderId", **_NEW)
RESULT = struct(
    "Result", f"symbol clientOrderId {_FIGURES} selfTradePreventionMode", _TEXTS_IF, _CONDITIONAL, **_NEW,
    workingTime=int,
)  # fmt: skip
FULL = struct(
    "Full", f"symbol clientOrderId {_FIGURES} selfTradePreventionMode", _TEXTS_IF, _CONDITIONAL, **_NEW,
    workingTime=int, fills=list[_FILL],
)  # fmt: skip
CANCELLED = struct(
    "Cancelled", f"symbol clientOrderId origClientOrderId {_FIGURES} selfTradePreventionMode", _TEXTS_IF, _CONDITIONAL,
    **_NEW,
)  # fmt: skip
QUERIED = struct(
    "Queried", f"symbol clientOrderId {_FIGURES} selfTradePreventionMode stopPrice icebergQty", _TEXTS_IF, _CONDITIONAL,
    orderId=int, orderListId=int, time=int, updateTime=int, workingTime=int, isWorking=bool,
)  # fmt: skip
_AMENDED = struct(
    "AmendedOrder",
    "symbol origClientOrderId clientOrderId price qty executedQty preventedQty quoteOrderQty cumulativeQuoteQty status"
    " timeInForce type side selfTradePreventionMode",
    _TEXTS_IF, _CONDITIONAL, orderId=int, orderListId=int, workingTime=int,
)  # fmt: skip
AMENDED = struct("Amended", transactTime=int, executionId=int, amendedOrder=_AMENDED)
ERROR = struct("Error", "msg", code=int)
#: Answers of new orders in all forms; which one is meant the fields decide.
_PLACED = struct(
    "Placed", "symbol clientOrderId", f"{_FIGURES} selfTradePreventionMode {_TEXTS_IF}",
    {"workingTime": int, "fills": list[_FILL], **_CONDITIONAL}, **_NEW,
)  # fmt: skip
REPLACED = struct(
    "Replaced", "cancelResult newOrderResult", cancelResponse=CANCELLED, newOrderResponse=_PLACED
)
_OUTCOME = struct(
    "Outcome",
    "cancelResult newOrderResult",
    cancelResponse=dict[str, Any],
    newOrderResponse=dict[str, Any] | None,
)
REPLACE_ERROR = struct("ReplaceError", "msg", code=int, data=_OUTCOME)
TRADE = struct(
    "Trade", "symbol price qty quoteQty commission commissionAsset", id=int, orderId=int, orderListId=int, time=int,
    isBuyer=bool, isMaker=bool, isBestMatch=bool,
)  # fmt: skip
_RATES = struct("Rates", "maker taker")
_SIDED = struct("SidedRates", "maker taker buyer seller")
_DISCOUNT = struct("Discount", "discountAsset discount", enabledForAccount=bool, enabledForSymbol=bool)
TEST = struct(
    "Test", "",
    options={
        "standardCommissionForOrder": _RATES, "specialCommissionForOrder": _RATES, "taxCommissionForOrder": _RATES,
        "discount": _DISCOUNT,
    },
)  # fmt: skip
COMMISSION = struct(
    "Commission", "symbol", standardCommission=_SIDED, specialCommission=_SIDED, taxCommission=_SIDED,
    discount=_DISCOUNT,
)  # fmt: skip
ACCOUNT = struct(
    "Account", "accountType", makerCommission=int, takerCommission=int, buyerCommission=int, sellerCommission=int,
    commissionRates=_SIDED, canTrade=bool, canWithdraw=bool, canDeposit=bool, brokered=bool,
    requireSelfTradePrevention=bool, preventSor=bool, updateTime=int,
    balances=list[struct("Balance", "asset free locked")], permissions=list[str], uid=int,
)  # fmt: skip
_LIMIT = struct("Limit", "rateLimitType interval", "", {"count": int}, intervalNum=int, limit=int)
_RULE = struct("Rule", "ruleType bidLimitMultUp bidLimitMultDown askLimitMultUp askLimitMultDown")
EXECUTION_RULES = struct(
    "ExecutionRules", "", symbolRules=list[struct("SymbolRules", "symbol", rules=list[_RULE])]
)
REFERENCE = struct("ReferencePrice", "symbol", referencePrice=str | None, timestamp=int)
_SYMBOL = struct(
    "Symbol", "symbol status baseAsset quoteAsset defaultSelfTradePreventionMode",
    baseAssetPrecision=int, quotePrecision=int, quoteAssetPrecision=int, baseCommissionPrecision=int,
    quoteCommissionPrecision=int, orderTypes=list[str], icebergAllowed=bool, ocoAllowed=bool, otoAllowed=bool,
    opoAllowed=bool, quoteOrderQtyMarketAllowed=bool, allowTrailingStop=bool, cancelReplaceAllowed=bool,
    amendAllowed=bool, pegInstructionsAllowed=bool, isSpotTradingAllowed=bool, isMarginTradingAllowed=bool,
    filters=list[dict[str, Any]], permissions=list[str], permissionSets=list[list[str]],
    allowedSelfTradePreventionModes=list[str],
)  # fmt: skip
EXCHANGE_INFO = struct(
    "ExchangeInfo", "timezone", "", {"sors": list[Any]}, serverTime=int, rateLimits=list[_LIMIT],
    exchangeFilters=list[Any], symbols=list[_SYMBOL],
)  # fmt: skip
SESSION = struct(
    "Session", "", apiKey=str | None, authorizedSince=int | None, connectedSince=int, returnRateLimits=bool,
    serverTime=int, userDataStream=bool,
)  # fmt: skip
SUBSCRIPTION = struct("Subscription", "", subscriptionId=int)
NOTHING = struct("Nothing")
#: Of too many requests, or of a replacement.
_ERROR_DATA = struct(
    "ErrorData", "", "cancelResult newOrderResult",
    {
        "serverTime": int, "retryAfter": int, "cancelResponse": dict[str, Any],
        "newOrderResponse": dict[str, Any] | None,
    },
)  # fmt: skip
_SOCKET_ERROR = struct("SocketError", "msg", "", {"data": _ERROR_DATA}, code=int)
SOCKET_ANSWER = struct(
    "SocketAnswer", "", options={"result": Any, "error": _SOCKET_ERROR, "rateLimits": list[_LIMIT]},
    id=int | str | None, status=int,
)  # fmt: skip

_RIGHTS = (
    "ipRestrict enableReading enableSpotAndMarginTrading enableWithdrawals enableInternalTransfer "
    "permitsUniversalTransfer enableVanillaOptions enableFutures enableMargin enableFixApiTrade enableFixReadOnly "
    "enablePortfolioMarginTrading"
)
RESTRICTIONS = struct(
    "Restrictions", "", createTime=int,
    **dict.fromkeys(_RIGHTS.split(), bool),
)  # fmt: skip
COIN = struct(
    "Coin", "coin name free locked freeze withdrawing ipoing ipoable storage", depositAllEnable=bool,
    withdrawAllEnable=bool, isLegalMoney=bool, trading=bool, networkList=list[dict[str, Any]],
)  # fmt: skip

_REPORT = struct(
    "ExecutionReport", "e s c S o f q p P F C x X r l z L n Z Y Q V", "A B Cs pl pL pY eR",
    {"v": int, "W": int, "j": int, "J": int, "u": int, "U": int},
    E=int, g=int, i=int, N=str | None, T=int, t=int, I=int, w=bool, m=bool, M=bool, O=int,
)  # fmt: skip
_POSITION = struct("AccountPosition", "e", E=int, u=int, B=list[struct("Asset", "a f l")])
_BALANCE = struct("BalanceUpdate", "e a d", E=int, T=int)
_TERMINATED = struct("Terminated", "e", E=int)


def _event(kind: Any) -> Any:
    return struct("Envelope", "", subscriptionId=int, event=kind)


TYPES: dict[str, Any] = {
    "order_ack": ACK,
    "order_result": RESULT,
    "order_full": FULL,
    "order_test": TEST,
    "order_cancel": CANCELLED,
    "orders_cancelled": list[CANCELLED],
    "cancel_replace": REPLACED,
    "cancel_replace_error": REPLACE_ERROR,
    "order_amend": AMENDED,
    "order_query": QUERIED,
    "open_orders": list[QUERIED],
    "all_orders": list[QUERIED],
    "my_trades": list[TRADE],
    "account": ACCOUNT,
    "commission": COMMISSION,
    "order_limits": list[_LIMIT],
    "execution_rules": EXECUTION_RULES,
    "reference_price": REFERENCE,
    "exchange_info": EXCHANGE_INFO,
    "error": ERROR,
    "ping": NOTHING,
    "time": struct("Time", "", serverTime=int),
    "session": SESSION,
    "subscription": SUBSCRIPTION,
    "unsubscribed": NOTHING,
    "subscriptions": list[SUBSCRIPTION],
    "socket_answer": SOCKET_ANSWER,
    "restrictions": RESTRICTIONS,
    "bnb_burn": struct("BnbBurn", "", spotBNBBurn=bool, interestBNBBurn=bool),
    "trade_fee": list[struct("TradeFee", "symbol makerCommission takerCommission")],
    "coins": list[COIN],
    "margin_pairs": list[NOTHING],
    "event_order": _event(_REPORT),
    "event_account": _event(_POSITION),
    "event_balance": _event(_BALANCE),
    "event_terminated": _event(_TERMINATED),
    "event_shutdown": struct("Notice", "", event=_TERMINATED),
}
DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in TYPES.items()}
