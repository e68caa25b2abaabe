"""Binance's own client at spot, by REST.

Arguments: spot (address), key, secret (of Ed25519: the private key as PEM), is_ed25519.
"""

from __future__ import annotations

from typing import Any

from addresses import PATIENCE_MS, signing_of_binance
from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_spot.spot import Spot
from reporting import arguments, report, report_absence
from views import order_of_binance, trade_of_binance, value

ARGUMENTS = arguments()
SYMBOL = "BTCUSDT"


def main() -> None:
    configuration = ConfigurationRestAPI(
        base_path=ARGUMENTS["spot"], timeout=PATIENCE_MS, **signing_of_binance(ARGUMENTS)
    )
    client = Spot(config_rest_api=configuration).rest_api

    def ask(method: str, **parameters: Any) -> Any:
        return value(getattr(client, method)(**parameters).data())

    def fetched(order: dict) -> dict:
        return order_of_binance(ask("get_order", symbol=SYMBOL, order_id=order["orderId"]))

    def place(kind: str, side: str, quantity: float, **more: Any) -> dict:
        return ask("new_order", symbol=SYMBOL, side=side, type=kind, quantity=quantity, **more)

    report("load_markets", [one["symbol"] for one in ask("exchange_info")["symbols"]])
    book = ask("depth", symbol=SYMBOL, limit=5)
    bid, ask_price = float(book["bids"][0][0]), float(book["asks"][0][0])
    low = round(bid * 0.95, 2)
    limit = {"kind": "LIMIT", "side": "BUY", "quantity": 0.01, "price": low, "time_in_force": "GTC"}
    one = place(**limit)
    amended = ask("order_amend_keep_priority", symbol=SYMBOL, order_id=one["orderId"], new_qty=0.005)
    two = ask(
        "order_cancel_replace", symbol=SYMBOL, side="BUY", type="LIMIT", cancel_replace_mode="STOP_ON_FAILURE",
        cancel_order_id=amended["amendedOrder"]["orderId"], quantity=0.02, price=low, time_in_force="GTC",
    )["newOrderResponse"]  # fmt: skip
    report("amend", fetched(two))
    report(
        "cancel",
        order_of_binance(ask("delete_order", symbol=SYMBOL, order_id=two["orderId"]), "origClientOrderId"),
    )
    for _ in range(2):
        place(**limit)
    report(
        "cancel_all",
        [order_of_binance(one, "origClientOrderId") for one in ask("delete_open_orders", symbol=SYMBOL)],
    )
    price = round(ask_price * 1.002, 2)
    report("limit_ioc", order_of_binance(place("LIMIT", "BUY", 0.03, price=price, time_in_force="IOC")))
    report("post_only", fetched(place("LIMIT_MAKER", "BUY", 0.01, price=low)))
    report("market", order_of_binance(place("MARKET", "SELL", 0.01)))
    report("limit_gtc", order_of_binance(place(**limit, new_client_order_id="kept-open")))
    report("query", fetched(one))
    report("open_orders", [order_of_binance(one) for one in ask("get_open_orders", symbol=SYMBOL)])
    report("history", [order_of_binance(one) for one in ask("all_orders", symbol=SYMBOL)])
    report("fills", [trade_of_binance(one) for one in ask("my_trades", symbol=SYMBOL)])
    balances = ask("get_account", omit_zero_balances=True)["balances"]
    report("balance", {one["asset"]: [one["free"], one["locked"]] for one in balances})
    rates = ask("account_commission", symbol=SYMBOL)["standardCommission"]
    report("fees", [rates["maker"], rates["taker"]])
    report_absence("stream", client, "stream", "listen", "user_data", "subscribe")


main()
