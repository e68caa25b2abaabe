"""pybit's REST client at one Bybit address.

Arguments: bybit (address), category, key, secret.
"""

from __future__ import annotations

from decimal import Decimal

from pybit.unified_trading import HTTP
from reporting import arguments, report, report_absence
from views import order_of_bybit, trade_of_bybit

ARGUMENTS = arguments()
CATEGORY = ARGUMENTS["category"]
IS_LINEAR = CATEGORY == "linear"
COMMON = {"category": CATEGORY, "symbol": "BTCUSDT"}


def main() -> None:
    client = HTTP(api_key=ARGUMENTS["key"], api_secret=ARGUMENTS["secret"], max_retries=1)
    client.endpoint = ARGUMENTS["bybit"]
    info = client.get_instruments_info(category=CATEGORY)["result"]["list"]
    names = {"linear": "{baseCoin}/{quoteCoin}:{quoteCoin}", "spot": "{baseCoin}/{quoteCoin}"}
    report("load_markets", [names[CATEGORY].format(**one) for one in info])
    if IS_LINEAR:
        client.set_leverage(**COMMON, buyLeverage="5", sellLeverage="5")
        report("leverage", client.get_positions(**COMMON)["result"]["list"][0]["leverage"])
        client.switch_position_mode(**COMMON, mode=3)
        client.switch_position_mode(**COMMON, mode=0)
        client.set_margin_mode(setMarginMode="ISOLATED_MARGIN")
        client.set_margin_mode(setMarginMode="REGULAR_MARGIN")
        margin = client.get_account_info()["result"]["marginMode"]
        report("modes", {"is_hedge": False, "margin": margin})
    (ticker,) = client.get_tickers(**COMMON)["result"]["list"]
    bid, ask = Decimal(ticker["bid1Price"]), Decimal(ticker["ask1Price"])
    low = f"{bid * Decimal('0.95'):.0f}"
    above, below = f"{ask * Decimal('1.002'):.0f}", f"{bid * Decimal('0.998'):.0f}"

    def place(side: str, qty: str, price: str | None = None, **more: object) -> str:
        kind = "Market" if price is None else "Limit"
        return client.place_order(**COMMON, side=side, orderType=kind, qty=qty, price=price, **more)[
            "result"
        ]["orderId"]

    def fetched(order_id: str) -> dict:
        (found,) = client.get_open_orders(**COMMON, orderId=order_id)["result"]["list"]
        return order_of_bybit(found)

    one = place("Buy", "0.01", low)
    client.amend_order(**COMMON, orderId=one, qty="0.02", price=f"{Decimal(low) - 10}")
    report("amend", fetched(one))
    client.cancel_order(**COMMON, orderId=one)
    report("cancel", fetched(one))
    legs = [
        {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": low}
        for _ in range(2)
    ]
    made = client.place_batch_order(category=CATEGORY, request=legs)["result"]["list"]
    some = [leg["orderId"] for leg in made]
    client.cancel_all_orders(**COMMON)
    report("cancel_all", [fetched(order_id) for order_id in some])
    report("limit_ioc", fetched(place("Buy", "0.03", above, timeInForce="IOC")))
    report("post_only", fetched(place("Buy", "0.01", above, timeInForce="PostOnly")))
    report("market", fetched(place("Sell", "0.01")))
    if IS_LINEAR:
        report("reduce_only", fetched(place("Sell", "0.01", below, timeInForce="IOC", reduceOnly=True)))
    report("limit_gtc", fetched(place("Buy", "0.01", low, orderLinkId="kept-open")))
    report("query", fetched(one))
    report(
        "open_orders", [order_of_bybit(found) for found in client.get_open_orders(**COMMON)["result"]["list"]]
    )
    report(
        "history", [order_of_bybit(found) for found in client.get_order_history(**COMMON)["result"]["list"]]
    )
    report("fills", [trade_of_bybit(found) for found in client.get_executions(**COMMON)["result"]["list"]])
    (wallet,) = client.get_wallet_balance(accountType="UNIFIED", coin="BTC,USDT")["result"]["list"]
    report("balance", {coin["coin"]: coin["walletBalance"] for coin in wallet["coin"]})
    report_absence("stream", client, "stream", "topic")
    if IS_LINEAR:
        (held,) = client.get_positions(**COMMON)["result"]["list"]
        side = {"Buy": "long", "Sell": "short"}[held["side"]]
        report(
            "position",
            {
                "side": side,
                "contracts": held["size"],
                "entryPrice": held["avgPrice"],
                "leverage": held["leverage"],
            },
        )


main()
