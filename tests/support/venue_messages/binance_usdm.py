"""Strict decoders of USD-M's answers and user data events, by the documents' examples.

`DECODERS` has one for each golden file of `tests/golden/binance_usdm/messages`, by its name. Optional are the fields of
orders that the sandbox does not take (trailing stops), and those that only some of the documents' examples have.
"""

from __future__ import annotations

from typing import Any

import msgspec

from support.venue_messages import struct

_ORDER = """symbol status clientOrderId price origQty executedQty timeInForce type side positionSide stopPrice
 workingType origType priceMatch selfTradePreventionMode"""
_OF_ORDERS: dict[str, Any] = {
    "orderId": int, "reduceOnly": bool, "closePosition": bool, "priceProtect": bool, "goodTillDate": int,
    "updateTime": int,
}  # fmt: skip
_TRAILING = "activatePrice priceRate"

CHANGED_ORDER = struct("ChangedOrder", _ORDER + " cumQty", _TRAILING, **_OF_ORDERS)
MODIFIED_ORDER = struct("ModifiedOrder", _ORDER + " cumQty pair", "", {"modifyId": int}, **_OF_ORDERS)
QUERIED_ORDER = struct(
    "QueriedOrder", _ORDER + " avgPrice cumQuote", _TRAILING + " cumBase pair", **_OF_ORDERS, time=int
)
TRADE = struct(
    "Trade", "commission commissionAsset price qty quoteQty realizedPnl side positionSide symbol",
    "baseQty marginAsset pair", buyer=bool, maker=bool, id=int, orderId=int, time=int,
)  # fmt: skip
INCOME = struct("Income", "symbol incomeType income asset info tradeId", time=int, tranId=int)
_BRACKET = struct(
    "Bracket", bracket=int, initialLeverage=int, notionalCap=float, notionalFloor=float, maintMarginRatio=float,
    cum=float,
)  # fmt: skip
BRACKETS = struct("Brackets", "symbol", "", {"notionalCoef": float}, brackets=list[_BRACKET])
CODE = struct("Code", "msg", code=int)
LEVERAGE = struct("Leverage", "maxNotionalValue symbol", leverage=int)
COUNTDOWN = struct("Countdown", "symbol countdownTime")
COMMISSION = struct("Commission", "symbol makerCommissionRate takerCommissionRate rpiCommissionRate")
ACCOUNT_CONFIG = struct(
    "AccountConfig", feeTier=int, canTrade=bool, canDeposit=bool, canWithdraw=bool, dualSidePosition=bool,
    updateTime=int, multiAssetsMargin=bool, tradeGroupId=int,
)  # fmt: skip
SYMBOL_CONFIG = struct(
    "SymbolConfig", "symbol marginType maxNotionalValue", isAutoAddMargin=bool, leverage=int
)
ORDER_LIMIT = struct("OrderLimit", "rateLimitType interval", intervalNum=int, limit=int)

BALANCE = struct(
    "Balance", "accountAlias asset balance crossWalletBalance crossUnPnl availableBalance maxWithdrawAmount",
    marginAvailable=bool, updateTime=int,
)  # fmt: skip
_POSITION = (
    "symbol positionSide positionAmt entryPrice breakEvenPrice markPrice liquidationPrice isolatedMargin"
)
_POSITION += " notional isolatedWallet"
POSITION_V2 = struct(
    "PositionV2",
    _POSITION + " unRealizedProfit leverage maxNotionalValue marginType isAutoAddMargin",
    updateTime=int,
)
_POSITION_V3 = (
    _POSITION
    + """ marginAsset initialMargin maintMargin positionInitialMargin openOrderInitialMargin
 bidNotional askNotional"""
)
POSITION_V3 = struct("PositionV3", _POSITION_V3 + " unRealizedProfit", adl=int, updateTime=int)
SOCKET_POSITION_V3 = struct("SocketPositionV3", _POSITION_V3 + " unrealizedProfit", adl=int, updateTime=int)

_TOTALS = """totalInitialMargin totalMaintMargin totalWalletBalance totalUnrealizedProfit totalMarginBalance
 totalPositionInitialMargin totalOpenOrderInitialMargin totalCrossWalletBalance totalCrossUnPnl availableBalance
 maxWithdrawAmount"""
_ASSET = """asset walletBalance unrealizedProfit marginBalance maintMargin initialMargin positionInitialMargin
 openOrderInitialMargin crossWalletBalance crossUnPnl availableBalance maxWithdrawAmount"""
_ASSET_V2 = struct("AssetV2", _ASSET, marginAvailable=bool, updateTime=int)
_ASSET_V3 = struct("AssetV3", _ASSET, "", {"marginAvailable": bool}, updateTime=int)
_ACCOUNT_POSITION_V2 = struct(
    "AccountPositionV2", """symbol initialMargin maintMargin unrealizedProfit positionInitialMargin
 openOrderInitialMargin leverage entryPrice maxNotional bidNotional askNotional positionSide positionAmt""",
    isolated=bool, updateTime=int,
)  # fmt: skip
_ACCOUNT_POSITION_V3 = struct(
    "AccountPositionV3", """symbol positionSide positionAmt unrealizedProfit isolatedMargin notional isolatedWallet
 initialMargin maintMargin""", updateTime=int,
)  # fmt: skip
ACCOUNT_V2 = struct(
    "AccountV2", _TOTALS, feeTier=int, feeBurn=bool, canTrade=bool, canDeposit=bool, canWithdraw=bool, updateTime=int,
    multiAssetsMargin=bool, tradeGroupId=int, assets=list[_ASSET_V2], positions=list[_ACCOUNT_POSITION_V2],
)  # fmt: skip
ACCOUNT_V3 = struct("AccountV3", _TOTALS, assets=list[_ASSET_V3], positions=list[_ACCOUNT_POSITION_V3])

_UPDATE = struct(
    "OrderUpdate", "s c S o f q p ap sp x X l z L b a wt ot ps rp V pm er", "n N M",
    i=int, T=int, t=int, m=bool, R=bool, cp=bool, pP=bool, si=int, ss=int, gtd=int,
)  # fmt: skip
ORDER_EVENT = struct("OrderEvent", "e", E=int, T=int, o=_UPDATE)
TRADE_LITE = struct("TradeLite", "e s q p c S L l", E=int, T=int, m=bool, t=int, i=int)
_BALANCE_CHANGE = struct("BalanceChange", "a wb cw bc")
_POSITION_CHANGE = struct("PositionChange", "s pa ep bep cr up mt iw ps")
_ACCOUNT_CHANGE = struct("AccountChange", "m", "S", B=list[_BALANCE_CHANGE], P=list[_POSITION_CHANGE])
ACCOUNT_EVENT = struct("AccountEvent", "e", E=int, T=int, a=_ACCOUNT_CHANGE)
CONFIG_EVENT = struct(
    "ConfigEvent", "e", "", {"ac": struct("SymbolChange", "s", l=int), "ai": struct("AssetsChange", j=bool)},
    E=int, T=int,
)  # fmt: skip
MARGIN_CALL = struct(
    "MarginCall", "e", "cw", E=int, p=list[struct("CalledPosition", "s ps pa mt iw mp up mm")]
)
KEY_EXPIRED = struct("KeyExpired", "e listenKey", E=int)

_PREMIUM = struct(
    "Premium", "symbol markPrice indexPrice estimatedSettlePrice lastFundingRate interestRate",
    nextFundingTime=int, time=int,
)  # fmt: skip
_FUNDING = struct("Funding", "symbol fundingRate markPrice", fundingTime=int)
_FUNDING_INFO = struct(
    "FundingInfo", "symbol adjustedFundingRateCap adjustedFundingRateFloor", fundingIntervalHours=int,
    disclaimer=bool,
)  # fmt: skip

DECODERS = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "order_place": CHANGED_ORDER,
        "order_cancel": CHANGED_ORDER,
        "order_modify": MODIFIED_ORDER,
        "order_query": QUERIED_ORDER,
        "open_orders": list[QUERIED_ORDER],
        "all_orders": list[QUERIED_ORDER],
        "cancel_all": CODE,
        "countdown": COUNTDOWN,
        "user_trades": list[TRADE],
        "income": list[INCOME],
        "leverage_brackets": list[BRACKETS] | BRACKETS,
        "leverage": LEVERAGE,
        "margin_type": CODE,
        "position_mode": struct("PositionMode", dualSidePosition=bool),
        "multi_assets": struct("MultiAssets", multiAssetsMargin=bool),
        "fee_burn": struct("FeeBurn", feeBurn=bool),
        "commission_rate": COMMISSION,
        "account_config": ACCOUNT_CONFIG,
        "symbol_config": list[SYMBOL_CONFIG],
        "order_limits": list[ORDER_LIMIT],
        "premium_index": list[_PREMIUM] | _PREMIUM,
        "funding_rate": list[_FUNDING],
        "funding_info": list[_FUNDING_INFO],
        "listen_key": struct("ListenKey", "listenKey"),
        "balances": list[BALANCE],
        "account_v2": ACCOUNT_V2,
        "account_v3": ACCOUNT_V3,
        "positions_v2": list[POSITION_V2],
        "positions_v3": list[POSITION_V3],
        "socket_positions_v3": list[SOCKET_POSITION_V3],
        "event_order": ORDER_EVENT,
        "event_trade_lite": TRADE_LITE,
        "event_account": ACCOUNT_EVENT,
        "event_config": CONFIG_EVENT,
        "event_margin_call": MARGIN_CALL,
        "event_listen_key_expired": KEY_EXPIRED,
    }.items()
}
