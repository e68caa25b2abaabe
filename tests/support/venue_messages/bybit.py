"""Strict decoders of Bybit's answers and topics, by the documents' tables and examples.

`DECODERS` has one for each golden file of `tests/golden/bybit_*/messages`, by its name. Fields that the documents name
for one category only, or in a table without the example, are optional.
"""

from __future__ import annotations

from typing import Any

import msgspec

from support.venue_messages import struct

EMPTY = struct("Empty")
FEES = dict[str, str]
_CODE = struct("Code", "msg", code=int)
CODES = struct("Codes", "", "", {"list": list[_CODE]})

_ORDER = """orderId orderLinkId blockTradeId symbol price qty side orderStatus cancelType rejectReason avgPrice
 leavesQty leavesValue cumExecQty cumExecValue cumExecFee timeInForce orderType stopOrderType orderIv triggerPrice
 takeProfit stopLoss tpTriggerBy slTriggerBy triggerBy smpType smpOrderId tpLimitPrice slLimitPrice
 placeType createdTime updatedTime"""
_OF_ORDERS: dict[str, Any] = {
    "positionIdx": int, "triggerDirection": int, "reduceOnly": bool, "closeOnTrigger": bool, "smpGroup": int,
    "cumFeeDetail": FEES,
}  # fmt: skip
_OF_CATEGORY = "parentOrderLinkId createType marketUnit ocoTriggerBy basePrice tpslMode lastPriceOnCreated"

OPEN_ORDER = struct("OpenOrder", _ORDER + " isLeverage", _OF_CATEGORY, **_OF_ORDERS)
PAST_ORDER = struct(
    "PastOrder", _ORDER + " isLeverage slippageToleranceType slippageTolerance extraFees rpiMatchedQty",
    _OF_CATEGORY, **_OF_ORDERS, rpiTakerAccess=bool,
)  # fmt: skip
STREAMED_ORDER = struct(
    "StreamedOrder", _ORDER + " category closedPnl feeCurrency lastPriceOnCreated rpiMatchedQty",
    "isLeverage slippageToleranceType slippageTolerance "
    + _OF_CATEGORY.replace("lastPriceOnCreated", ""),
    **_OF_ORDERS, rpiTakerAccess=bool,
)  # fmt: skip

_EXECUTION = """symbol orderType underlyingPrice orderLinkId side indexPrice orderId stopOrderType leavesQty execTime
 feeCurrency execFee feeRate execId tradeIv blockTradeId markPrice execPrice markIv orderQty orderPrice execValue
 execType execQty closedSize"""
EXECUTION = struct("Execution", _EXECUTION + " extraFees", "createType", isMaker=bool, seq=int)
STREAMED_EXECUTION = struct(
    "StreamedExecution", _EXECUTION + " category isLeverage marketUnit execPnl", "createType", isMaker=bool, seq=int,
    extraFees=list[FEES],
)  # fmt: skip
FAST_EXECUTION = struct(
    "FastExecution", "category symbol execId execPrice execQty orderId orderLinkId side execTime",
    isMaker=bool, seq=int,
)  # fmt: skip

_POSITION = """riskLimitValue symbol side size positionValue positionStatus leverage breakEvenPrice positionBalance
 markPrice liqPrice bustPrice positionMM positionMMByMp positionIM positionIMByMp tpslMode takeProfit stopLoss
 trailingStop unrealisedPnl curRealisedPnl cumRealisedPnl leverageSysUpdatedTime sessionAvgPrice createdTime
 updatedTime"""
_OF_POSITIONS: dict[str, Any] = {
    "positionIdx": int, "riskId": int, "tradeMode": int, "autoAddMargin": int, "adlRankIndicator": int, "seq": int,
    "isReduceOnly": bool,
}  # fmt: skip
#: The example of the query writes mmrSysUpdateTime, its table mmrSysUpdatedTime.
POSITION = struct(
    "Position",
    _POSITION + " avgPrice",
    "mmrSysUpdateTime mmrSysUpdatedTime",
    {"openTime": int},
    **_OF_POSITIONS,
)
STREAMED_POSITION = struct(
    "StreamedPosition",
    _POSITION + " category entryPrice mmrSysUpdatedTime",
    "",
    {"openTime": int},
    **_OF_POSITIONS,
)

_COIN = struct(
    "Coin", """coin equity usdValue walletBalance locked spotHedgingQty borrowAmount accruedInterest totalOrderIM
    totalPositionIM totalPositionMM unrealisedPnl cumRealisedPnl bonus spotBorrow availableToWithdraw
    availableToBorrow""",
    "colRes free", collateralSwitch=bool, marginCollateral=bool,
)  # fmt: skip
WALLET = struct(
    "Wallet", """accountType accountIMRate accountMMRate totalEquity totalWalletBalance totalMarginBalance
    totalAvailableBalance totalPerpUPL totalInitialMargin totalMaintenanceMargin accountIMRateByMp accountMMRateByMp
    totalInitialMarginByMp totalMaintenanceMarginByMp accountLTV""",
    coin=list[_COIN],
)  # fmt: skip

IDS = struct("Ids", "orderId orderLinkId")
_LEG = struct("Leg", "category symbol orderId orderLinkId", "createAt")
LEGS = struct("Legs", list=list[_LEG])
_TICKER = """symbol lastPrice prevPrice24h price24hPcnt highPrice24h lowPrice24h turnover24h volume24h bid1Price
 bid1Size ask1Price ask1Size"""
SPOT_TICKER = struct("SpotTicker", _TICKER, "usdIndexPrice")
LINEAR_TICKER = struct(
    "LinearTicker", _TICKER + """ indexPrice markPrice prevPrice1h openInterest openInterestValue fundingRate
    nextFundingTime predictedDeliveryPrice basisRate deliveryFeeRate deliveryTime basis preOpenPrice preQty
    curPreListingPhase fundingIntervalHour basisRateYear fundingCap""",
)  # fmt: skip
_LOG = struct(
    "Log", """transSubType id symbol side funding orderLinkId orderId fee change cashFlow transactionTime type feeRate
    bonusChange size qty cashBalance currency category tradePrice tradeId extraFees""",
)  # fmt: skip
_CHAIN = struct(
    "Chain", """chainType confirmation withdrawFee depositMin withdrawMin chain chainDeposit chainWithdraw minAccuracy
    withdrawPercentageFee contractAddress safeConfirmNumber withdrawMax""",
)  # fmt: skip
_COIN_INFO = struct("CoinInfo", "name coin remainAmount", chains=list[_CHAIN])
_KEY = struct(
    "Key", """id note apiKey secret expiredAt createdAt vipLevel mktMakerLevel rsaPublicKey parentUid kycLevel
    kycRegion""",
    "userIDInt64 inviterIDInt64 affiliateIDInt64", readOnly=int, permissions=dict[str, list[str]], ips=list[str],
    type=int, deadlineDay=int, unified=int, uta=int, userID=int, inviterID=int, affiliateID=int, isMaster=bool,
)  # fmt: skip


def _answer(result: Any, extra: Any = EMPTY) -> Any:
    """An answer of REST. Examples leave out the last two fields, and the result of `disconnected-cancel-all`."""
    options = {"retExtInfo": extra, "time": int, "result": result}
    return msgspec.json.Decoder(struct("Answer", "retMsg", "", options, retCode=int))


def _list(row: Any, *, optional: str = "nextPageCursor category") -> Any:
    return _answer(struct("Listed", "", optional, list=list[row]))


def _topic(row: Any, *, has_id: bool = True) -> Any:
    return msgspec.json.Decoder(
        struct("Topic", "topic id" if has_id else "topic", creationTime=int, data=list[row])
    )


#: Answers of the trade socket; `data` is the result of the REST answer. auth and pong have fewer fields.
TRADE_ANSWER = msgspec.json.Decoder(
    struct(
        "TradeAnswer", "retMsg op connId", "reqId",
        {"data": Any, "retExtInfo": CODES, "header": dict[str, str]}, retCode=int,
    )
)  # fmt: skip
PRIVATE_ANSWER = msgspec.json.Decoder(
    struct("PrivateAnswer", "op conn_id", "req_id ret_msg", {"success": bool, "args": list[str]})
)

DECODERS: dict[str, Any] = {
    "order_create": _answer(IDS),
    "order_amend": _answer(IDS),
    "order_cancel": _answer(IDS),
    "order_cancel_all": _answer(struct("Cancelled", "success", list=list[IDS])),
    "order_create_batch": _answer(LEGS, CODES),
    "order_amend_batch": _answer(LEGS, CODES),
    "order_cancel_batch": _answer(LEGS, CODES),
    "order_pre_check": _answer(
        struct("Check", "orderId orderLinkId", preImrE4=int, preMmrE4=int, postImrE4=int, postMmrE4=int)
    ),
    "order_dcp": _answer(EMPTY),
    "order_realtime": _list(OPEN_ORDER),
    "order_history": _list(PAST_ORDER),
    "execution_list": _list(EXECUTION),
    "position_list": _list(POSITION),
    "set_leverage": _answer(EMPTY),
    "switch_mode": _answer(EMPTY),
    "set_margin_mode": _answer(
        struct("Margin", reasons=list[struct("Why", "reasonCode reasonMsg")])
    ),
    "wallet_balance": _list(WALLET),
    "account_info": _answer(
        struct("Info", "marginMode updatedTime dcpStatus spotHedgingStatus", unifiedMarginStatus=int,
               timeWindow=int, smpGroup=int, isMasterTrader=bool)
    ),
    "fee_rate": _list(struct("Rate", "symbol takerFeeRate makerFeeRate", "baseCoin")),
    "transaction_log": _list(_LOG),
    "query_dcp_info": _answer(
        struct("Dcp", dcpInfos=list[struct("DcpInfo", "product dcpStatus timeWindow")])
    ),
    "query_api": _answer(_KEY),
    "coin_query_info": _answer(struct("Coins", rows=list[_COIN_INFO])),
    "tickers_spot": _list(SPOT_TICKER),
    "tickers_linear": _list(LINEAR_TICKER),
    "funding_history": _list(struct("Funding", "symbol fundingRate fundingRateTimestamp")),
    "topic_order": _topic(STREAMED_ORDER),
    "topic_execution": _topic(STREAMED_EXECUTION),
    "topic_execution_fast": _topic(FAST_EXECUTION, has_id=False),
    "topic_position": _topic(STREAMED_POSITION),
    "topic_wallet": _topic(WALLET),
    "trade_socket": TRADE_ANSWER,
    "private_socket": PRIVATE_ANSWER,
}  # fmt: skip
