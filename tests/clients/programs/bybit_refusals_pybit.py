"""Wrong requests of pybit at a Bybit address: class and code of each error.

Arguments: bybit (address), category, key, secret, reader (a key without permissions), reader_secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pybit._helpers
from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP
from reporting import arguments, report, until_refused

ARGUMENTS = arguments()
CATEGORY = ARGUMENTS["category"]
COMMON = {"category": CATEGORY, "symbol": "BTCUSDT"}


def a_client(key: str = ARGUMENTS["key"], secret: str = ARGUMENTS["secret"]) -> HTTP:
    # Otherwise pybit waits and tries again by itself.
    client = HTTP(api_key=key, api_secret=secret, max_retries=1, retry_codes={1})
    client.endpoint = ARGUMENTS["bybit"]
    return client


def outcome(action: Callable[[], Any]) -> str:
    try:
        action()
    except (InvalidRequestError, FailedRequestError) as error:
        return f"{type(error).__name__} {error.status_code}"
    return "none"


def query(client: HTTP) -> str:
    return outcome(lambda: client.get_open_orders(**COMMON))


def order(client: HTTP, qty: str = "0.01", price: str = "40000", **more: object) -> str:
    fields = {**COMMON, "side": "Buy", "orderType": "Limit", "qty": qty, "price": price, **more}
    return outcome(lambda: client.place_order(**fields))


def altered(change: Callable[[str], str]) -> HTTP:
    client = a_client()
    send = client.client.send

    def changed(request: Any, **options: Any) -> Any:
        request.url = change(request.url)
        return send(request, **options)

    client.client.send = changed
    return client


def reordered(url: str) -> str:
    path, _, text = url.partition("?")
    return f"{path}?{'&'.join(reversed(text.split('&')))}"


def main() -> None:
    good = a_client()
    report("wrong_secret", query(a_client(secret="other")))
    report("unknown_key", query(a_client(key="other")))
    report("encoded_after_signing", query(altered(lambda url: url.replace("BTCUSDT", "BTC%55SDT"))))
    report("reordered_after_signing", query(altered(reordered)))
    report("no_permission", order(a_client(ARGUMENTS["reader"], ARGUMENTS["reader_secret"])))
    if CATEGORY == "linear":
        good.set_leverage(**COMMON, buyLeverage="1", sellLeverage="1")
    report("no_funds", order(good, "40"))
    report("too_small", order(good, "0.00002" if CATEGORY == "spot" else "0.001", "1000"))
    report("unknown_order", outcome(lambda: good.cancel_order(**COMMON, orderId="7")))
    order(good, orderLinkId="twice")
    report("duplicate_id", order(good, orderLinkId="twice"))
    now = pybit._helpers.generate_timestamp
    for name, shift_ms in (("old_timestamp", -60_000), ("early_timestamp", 5_000)):
        pybit._helpers.generate_timestamp = lambda shift_ms=shift_ms: now() + shift_ms
        report(name, query(good))
    pybit._helpers.generate_timestamp = now
    # The lowest of the limits a second.
    report("too_many", until_refused(lambda: outcome(lambda: good.get_fee_rates(**COMMON))))


main()
