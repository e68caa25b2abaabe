"""What venues say is tied up of balances, in their responses about accounts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from support.venue_orders import NOW_MS, SIGNER, instrument, request

from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.bybit.order_frames import BybitOrders
from connectors.orders.model import AccountView, Act

SPOT = {
    "updateTime": 5,
    "balances": [
        {"asset": "BTC", "free": "4.5", "locked": "0.5"},
        {"asset": "USDT", "free": "7", "locked": "0.00000000"},
    ],
}
USDM = [
    {"asset": "USDT", "balance": "100.5", "availableBalance": "80.25", "updateTime": 5},
    {"asset": "USDC", "balance": "1", "availableBalance": "1", "updateTime": 5},
    {"asset": "BNB", "balance": "2", "availableBalance": "2.5", "updateTime": 5},
    {"asset": "BTC", "balance": "3", "updateTime": 5},
]
COINS: list[dict[str, str]] = [
    {"coin": "USDT", "walletBalance": "100", "locked": "10", "totalOrderIM": "3", "totalPositionIM": "4",
     "unrealisedPnl": "-2"},
    {"coin": "BTC", "walletBalance": "1", "locked": "0", "totalOrderIM": "", "totalPositionIM": "0",
     "unrealisedPnl": "7"},
    {"coin": "ETH", "walletBalance": "1"},
]  # fmt: skip
BYBIT = {"retCode": 0, "retMsg": "OK", "time": 5, "result": {"list": [{"coin": COINS}]}}


@pytest.mark.parametrize(
    ("orders", "body", "balances", "tied"),
    [
        (SpotOrders(SIGNER, 1000), SPOT, {"BTC": "5", "USDT": "7"}, {"BTC": "0.5"}),
        (
            UsdmOrders(SIGNER, 1000),
            USDM,
            {"USDT": "100.5", "USDC": "1", "BNB": "2", "BTC": "3"},
            {"USDT": "20.25"},
        ),
        (BybitOrders("spot", SIGNER, 1000), BYBIT, {"USDT": "100", "BTC": "1", "ETH": "1"}, {"USDT": "19"}),
    ],
)
def test_what_is_tied_up_is_in_the_view(
    orders: Any, body: object, balances: dict[str, str], tied: dict[str, str]
) -> None:
    orders.add_leg(0, instrument())
    asked = orders.encode_rest(request(Act.BALANCES), "w", NOW_MS)
    view = orders.decode_rest(asked, 200, json.dumps(body).encode(), 0)
    assert isinstance(view, AccountView)
    assert view.balances == {asset: Decimal(text) for asset, text in balances.items()}
    assert view.tied == {asset: Decimal(text) for asset, text in tied.items()}
