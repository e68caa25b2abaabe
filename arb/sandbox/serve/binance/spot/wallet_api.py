"""Endpoints of `/sapi` that clients read before they trade: the key's rights, assets, fees, margin pairs. Pure.

Source: `binance.py` of ccxt 4.5.90 (the fields it reads) and the wallet client of binance-connector-python 29da329;
amounts of networks and withdrawals are not served: `networkList` is empty.
"""

from __future__ import annotations

from typing import Any

from arb.sandbox.accounts.amounts import plain
from arb.sandbox.serve.binance.api import Act, Api, Call, Operation
from arb.sandbox.serve.binance.parameters import Parameters

_ZERO = "0"


def _restrictions(call: Call) -> Act:
    key = call.key
    permissions = key.permissions if key is not None else frozenset()
    rights = {
        "ipRestrict": bool(key is not None and key.ips),
        "createTime": 1_640_995_200_000,
        "enableReading": "read" in permissions,
        "enableSpotAndMarginTrading": "spot" in permissions,
        "enableWithdrawals": "withdraw" in permissions,
        "enableInternalTransfer": "transfer" in permissions,
        "permitsUniversalTransfer": "transfer" in permissions,
        "enableVanillaOptions": False,
        "enableFutures": "futures" in permissions,
        "enableMargin": "margin" in permissions,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enablePortfolioMarginTrading": False,
    }
    return lambda _: rights


def _bnb_burn(call: Call) -> Act:
    def act(_: int) -> Any:
        account = call.api.trading.account(call.api.venue, call.account)
        return {"spotBNBBurn": account.modes.is_bnb_discount, "interestBNBBurn": False}

    return act


def _trade_fee(call: Call) -> Act:
    symbol = call.parameters.optional_symbol(call.api.desk.instruments)
    rule = call.api.trading.account(call.api.venue, call.account).fee_rules[call.api.venue]
    symbols = list(call.api.desk.instruments) if symbol is None else [symbol]
    return lambda _: [
        {"symbol": one, "makerCommission": plain(rule.maker), "takerCommission": plain(rule.taker)}
        for one in symbols
    ]


def _coins(call: Call) -> Act:
    def act(_: int) -> Any:
        wallet = call.api.trading.account(call.api.venue, call.account).wallet(call.api.venue)
        return [
            {
                "coin": asset,
                "depositAllEnable": True,
                "free": plain(wallet.free(asset)),
                "freeze": _ZERO,
                "ipoable": _ZERO,
                "ipoing": _ZERO,
                "isLegalMoney": False,
                "locked": plain(wallet.locked(asset)),
                "name": asset,
                "networkList": [],
                "storage": _ZERO,
                "trading": True,
                "withdrawAllEnable": True,
                "withdrawing": _ZERO,
            }
            for asset in dict.fromkeys((*_assets(call.api), *wallet.assets()))
        ]

    return act


def _assets(api: Api) -> list[str]:
    """Base and quote assets of the instruments."""
    return [asset for one in api.desk.instruments.values() for asset in (one.rules.base, one.rules.quote)]


def _none(call: Call) -> Act:
    return lambda _: []


def wallet_operations(weight: int) -> dict[tuple[str, str], Operation]:
    """By REST method and path. weight: of each, which is not documented."""

    def of(_: Parameters) -> int:
        return weight

    return {
        ("GET", "/sapi/v1/account/apiRestrictions"): Operation(_restrictions, of),
        ("GET", "/sapi/v1/bnbBurn"): Operation(_bnb_burn, of),
        ("GET", "/sapi/v1/asset/tradeFee"): Operation(_trade_fee, of, takes="symbol"),
        ("GET", "/sapi/v1/capital/config/getall"): Operation(_coins, of),
        ("GET", "/sapi/v1/margin/allPairs"): Operation(_none, of, takes="symbol"),
        ("GET", "/sapi/v1/margin/isolated/allPairs"): Operation(_none, of, takes="symbol"),
    }
