"""What venues say is tied up of balances, and of margin, in their responses about accounts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from support.venue_orders import NOW_MS, SIGNER, instrument, request

from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.bybit.order_frames import BybitOrders
from connectors.orders.model import AccountView, Act, PositionRisk, Transfer

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


def view_of(orders: Any, act: Act, body: object) -> AccountView:
    orders.add_leg(0, instrument())
    view = orders.decode_rest(
        orders.encode_rest(request(act), "w", NOW_MS), 200, json.dumps(body).encode(), 0
    )
    assert isinstance(view, AccountView)
    return view


def risk(asset: str, *amounts: str) -> PositionRisk:
    return PositionRisk(asset, *map(Decimal, amounts))


def test_margin_and_profits_of_a_usdm_account() -> None:
    wallet = {**USDM[0], "crossWalletBalance": "90", "crossUnPnl": "-2.5"}
    view = view_of(UsdmOrders(SIGNER, 1000), Act.BALANCES, [wallet])
    assert view.unrealized == {"USDT": Decimal("-2.5")}
    assert view.margins == {"USDT": Decimal("87.5")}
    assert view.margin_ratio is None


def test_margin_and_profits_of_a_bybit_account() -> None:
    coins = [{"coin": "USDT", "walletBalance": "100", "unrealisedPnl": "-2"}]
    for text, ratio in (("0.0012", Decimal("0.0012")), ("", None)):
        account = {"accountMMRate": text, "coin": coins}
        body = {"retCode": 0, "retMsg": "OK", "time": 5, "result": {"list": [account]}}
        view = view_of(BybitOrders("linear", SIGNER, 1000), Act.BALANCES, body)
        assert view.margin_ratio == ratio
        assert view.settings == {"margin mode": "isolated" if ratio is None else "cross"}
        assert view.unrealized == {"USDT": Decimal(-2)}


@pytest.mark.parametrize("isolated", ["0", "55"])
def test_the_margin_of_usdm_positions(isolated: str) -> None:
    row = {"symbol": "BTCUSDT", "positionAmt": "-0.5", "markPrice": "50000", "liquidationPrice": "52000.5",
           "unRealizedProfit": "7", "isolatedMargin": isolated, "marginAsset": "USDT", "maintMargin": "3",
           "updateTime": 5}  # fmt: skip
    view = view_of(UsdmOrders(SIGNER, 1000), Act.POSITION, [row, {**row, "symbol": "X", "positionAmt": "0"}])
    own = "7" if isolated != "0" else "0"
    assert view.risks == {"BTCUSDT": risk("USDT", "3", isolated, own, "50000", "52000.5")}
    assert view.settings == {"margin mode of BTCUSDT": "cross" if isolated == "0" else "isolated"}


@pytest.mark.parametrize(("text", "price"), [("", "0"), ("52000.5", "52000.5")])
def test_the_margin_of_bybit_positions(text: str, price: str) -> None:
    row = {"symbol": "BTCUSDT", "side": "Sell", "size": "0.5", "positionIdx": 0, "updatedTime": "5",
           "markPrice": "50000", "liqPrice": text, "positionMM": "3", "leverage": "4"}  # fmt: skip
    body = {"retCode": 0, "retMsg": "OK", "time": 5, "result": {"list": [row]}}
    view = view_of(BybitOrders("linear", SIGNER, 1000), Act.POSITION, body)
    assert view.risks == {"BTCUSDT": risk("USDT", "3", "0", "0", "50000", price)}
    assert view.settings == {"leverage of BTCUSDT": "4", "position mode": "one-way"}


@pytest.mark.parametrize(("attempt", "kind"), [(0, "TRANSFER_IN"), (1, "TRANSFER_OUT")])
def test_transfers_of_a_bybit_account_are_asked_for_by_direction(attempt: int, kind: str) -> None:
    orders = BybitOrders("linear", SIGNER, 1000)
    orders.add_leg(0, instrument())
    asked = orders.encode_rest(request(Act.TRANSFERS)._replace(since_ms=7, attempt=attempt), "w", NOW_MS)
    assert (asked.path, asked.query) == (
        "/v5/account/transaction-log",
        f"accountType=UNIFIED&type={kind}&startTime=7&limit=50",
    )
    row = {"id": "a_b", "currency": "USDT", "change": "-12.5", "transactionTime": "9", "type": kind}
    body = {"retCode": 0, "retMsg": "OK", "time": 5, "result": {"list": [row], "nextPageCursor": ""}}
    found = orders.decode_rest(asked, 200, json.dumps(body).encode(), 0)
    assert found == (Transfer("USDT", Decimal("-12.5"), "a_b", 9),)
