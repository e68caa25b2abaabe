"""ccxt's REST client at one market, while faults happen.

Arguments: market, spot, usdm, bybit (addresses), key, secret.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import ccxt
from addresses import PATIENCE_MS, options_of_bybit, options_of_spot, options_of_usdm, usdt_of_usdm
from reporting import arguments, ask_test, begin, error_of, report, until

ARGUMENTS = arguments()
MARKET = ARGUMENTS["market"]
IS_SPOT = MARKET.endswith("spot")
IS_BYBIT = MARKET.startswith("bybit")
SYMBOL = "BTC/USDT" if IS_SPOT else "BTC/USDT:USDT"
#: A code by which the market refuses orders for want of funds.
NO_FUNDS = {"binance_spot": -2010, "binance_usdm": -2019, "bybit_spot": 170131, "bybit_linear": 110007}[
    MARKET
]


def a_client() -> Any:
    if IS_BYBIT:
        return ccxt.bybit(options_of_bybit(ARGUMENTS))
    if IS_SPOT:
        return ccxt.binance(options_of_spot(ARGUMENTS))
    return ccxt.binanceusdm(options_of_usdm(ARGUMENTS))


CLIENT = a_client()


def touch() -> tuple[float, float]:
    book = CLIENT.fetch_order_book(SYMBOL, 5)
    return book["bids"][0][0], book["asks"][0][0]


def place(side: str = "buy", amount: float = 0.01, price: float | None = None, **more: Any) -> Any:
    """A market order without a price."""
    kind = "market" if price is None else "limit"
    return CLIENT.create_order(SYMBOL, kind, side, amount, price, more)["id"]


def low() -> float:
    return float(CLIENT.price_to_precision(SYMBOL, touch()[0] * 0.997))


def resting(**more: Any) -> Any:
    return place(price=low(), **more)


def taking(side: str = "buy", amount: float = 0.02) -> Any:
    bid, ask = touch()
    price = ask * 1.002 if side == "buy" else bid * 0.998
    return place(side, amount, float(CLIENT.price_to_precision(SYMBOL, price)), timeInForce="IOC")


def fetched(order_id: str) -> dict:
    return CLIENT.fetch_order(order_id, SYMBOL, {"acknowledged": True} if IS_BYBIT else {})


def client_ids() -> list[str]:
    return [one["clientOrderId"] for one in CLIENT.fetch_open_orders(SYMBOL)]


def usdt() -> float:
    balance = CLIENT.fetch_balance()
    return float(usdt_of_usdm(balance)) if MARKET == "binance_usdm" else balance["USDT"]["total"]


def requests() -> None:
    begin("reject", request="place", code=NO_FUNDS)
    report("reject", error_of(resting))
    begin("lost_request", request="place", then="cut")
    error = error_of(lambda: resting(clientOrderId="lost"))
    report("lost_request", [error, "lost" in client_ids()])
    for kind in ("accepted_no_answer", "accepted_5xx"):
        begin(kind, request="place", order="unsure-*")
        order = partial(place, price=low(), clientOrderId=f"unsure-{kind}")
        CLIENT.timeout = 1500
        error = error_of(order)
        CLIENT.timeout = PATIENCE_MS
        report(kind, [error, f"unsure-{kind}" in client_ids()])


def orders() -> None:
    begin("partial_then_expire", share=0.25)
    order = fetched(taking(amount=0.04))
    report("partial_then_expire", [order["status"], order["filled"]])
    begin("not_visible", delay_s=1.5)
    order_id = resting()
    hidden = error_of(lambda: fetched(order_id))
    until(lambda: error_of(lambda: fetched(order_id)) == "none")
    report("not_visible", [hidden, fetched(order_id)["status"]])
    begin("pruned")
    order_id = taking()
    traded = [one["order"] for one in CLIENT.fetch_my_trades(SYMBOL)]
    report("pruned", [error_of(lambda: fetched(order_id)), order_id in traded])


def owner() -> None:
    CLIENT.cancel_all_orders(SYMBOL)
    order_id = resting()
    begin("self_trade", share=1.0)
    order = fetched(order_id)
    report("self_trade", [order["status"], order["filled"]])
    begin("foreign_order", quantity="0.02", side="buy", price_bps=-20.0)
    (order,) = CLIENT.fetch_open_orders(SYMBOL)
    report("foreign_order", [order["amount"], order["clientOrderId"]])
    before = usdt()
    begin("transfer", venue=MARKET, asset="USDT", quantity="-1000.5")
    report("transfer", round(usdt() - before, 8))
    if not IS_SPOT:
        begin("mode_switched", field="leverage", value="3")
        report("mode_switched", CLIENT.fetch_leverage(SYMBOL)["longLeverage"])


def venue() -> None:
    order_id = resting()
    begin("filter_changed", field="min_qty", value="0.5", duration_s=2.0)
    minimum = CLIENT.load_markets(True)[SYMBOL]["limits"]["amount"]["min"]
    report("filter_changed", [minimum, error_of(resting)])
    begin("cancel_only", duration_s=2.0)
    report("cancel_only", [error_of(resting), error_of(lambda: CLIENT.cancel_order(order_id, SYMBOL))])
    time.sleep(2.1)
    CLIENT.load_markets(True)
    begin("delisted", notice_s=0.3, duration_s=1.0)
    info = CLIENT.load_markets(True)[SYMBOL]["info"]
    ends_ms = int(info.get("deliveryDate") or info.get("deliveryTime") or 0)
    time.sleep(0.6)
    report("delisted", [0 < ends_ms < time.time() * 1000 + 1000, error_of(resting)])
    time.sleep(1.0)
    CLIENT.load_markets(True)
    begin("maintenance", notice_s=30.0, duration_s=0.1)
    entries = CLIENT.public_get_v5_system_status()["result"]["list"] if MARKET.startswith("bybit") else []
    report("maintenance", sorted({entry["state"] for entry in entries}))
    begin("key_revoked", duration_s=1.0)
    revoked = error_of(CLIENT.fetch_balance)
    time.sleep(1.1)
    report("key_revoked", [revoked, error_of(CLIENT.fetch_balance)])
    begin("clock", offset_ms=60_000, duration_s=1.0)
    report("clock", error_of(CLIENT.fetch_balance))
    time.sleep(1.1)
    before = usdt()
    begin("balance_lag", delay_s=1.5, duration_s=4.0)
    taking()
    lagging = usdt() == before
    until(lambda: usdt() != before)
    report("balance_lag", [lagging, usdt() == before])


def held() -> float:
    return sum(one["contracts"] for one in CLIENT.fetch_positions([SYMBOL]))


def positions() -> None:
    begin("liquidate", share=1.0)  # of what is left of before
    place("buy", 0.04)
    begin("adl", share=0.5)
    report("adl", [held(), kind_of_last()])
    begin("liquidate")
    report("liquidate", [held(), kind_of_last()])


def liquidation() -> None:
    """All but the margin of a position is withdrawn; then the mark price falls."""
    CLIENT.cancel_all_orders(SYMBOL)
    place("buy", 0.1)
    begin("transfer", venue=MARKET, asset="USDT", quantity="-10000000")
    if IS_BYBIT:  # its other assets count as margin
        for asset in ("BTC", "ETH"):
            begin("transfer", venue=MARKET, asset=asset, quantity="-10000000")
    ask_test("move_mark", venue=MARKET, share=0.6)
    until(lambda: held() == 0)
    report("liquidation", [held(), kind_of_last(), CLIENT.fetch_open_orders(SYMBOL)])


def kind_of_last() -> str:
    """How the venue names the last execution, or its order."""
    if IS_BYBIT:
        forced = [
            CLIENT.fetch_my_trades(SYMBOL, None, None, {"execType": one}) for one in ("AdlTrade", "BustTrade")
        ]
        return max((one for trades in forced for one in trades), key=lambda one: one["timestamp"])["info"][
            "execType"
        ]
    last = CLIENT.fetch_orders(SYMBOL)[-1]
    return last["clientOrderId"].rstrip("0123456789")


CLIENT.load_markets()
requests()
orders()
owner()
venue()
if not IS_SPOT:
    positions()
    liquidation()
