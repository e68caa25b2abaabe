"""pybit's sockets at Bybit linear, while faults happen. Arguments: bybit (address), key, secret."""

from __future__ import annotations

import queue
import time
from decimal import Decimal
from typing import Any

import pybit._websocket_trading
import pybit.unified_trading
from pybit.unified_trading import HTTP, WebSocket, WebSocketTrading
from reporting import arguments, await_streams, begin, report, settle, until

ARGUMENTS = arguments()
COMMON = {"category": "linear", "symbol": "BTCUSDT"}
SIGNING = {"api_key": ARGUMENTS["key"], "api_secret": ARGUMENTS["secret"]}
SOCKET = ARGUMENTS["bybit"].replace("http", "ws", 1)
pybit._websocket_trading.TRADE_WSS = f"{SOCKET}/v5/trade"
pybit.unified_trading.PRIVATE_WSS = f"{SOCKET}/v5/private"
REST = HTTP(**SIGNING, max_retries=1)
REST.endpoint = ARGUMENTS["bybit"]
(TICKER,) = REST.get_tickers(**COMMON)["result"]["list"]
LOW = f"{Decimal(TICKER['bid1Price']) * Decimal('0.995'):.0f}"
#: (topic, status of an order or "", the client's id of the order or "") of every message.
MESSAGES: list[tuple[str, str, str]] = []


def keep(topic: str) -> Any:
    def on(message: dict) -> None:
        one = message["data"][0]
        MESSAGES.append((topic, one.get("orderStatus", ""), one.get("orderLinkId", "")))

    return on


def order(link_id: str, **more: Any) -> dict:
    fields = {
        **COMMON,
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.01",
        "price": LOW,
        "orderLinkId": link_id,
    }
    return fields | more


def place(link_id: str, **more: Any) -> None:
    REST.place_order(**order(link_id, **more))


def seen(link_id: str, count: int = 2) -> list[str]:
    """Topics and states of the messages about an order, and of positions, since the last call: this many, or more."""

    def messages() -> list[str]:
        return [
            f"{topic} {state}".strip() for topic, state, about in list(MESSAGES) if about in ("", link_id)
        ]

    settle(lambda: len(messages()) >= count)
    found = messages()
    MESSAGES.clear()
    return found


def events(private: WebSocket) -> None:
    private.order_stream(keep("order"))
    private.position_stream(keep("position"))
    place("plain")
    report("plain", seen("plain"))
    begin("duplicate_event", event="order:new")
    place("twice")
    report("duplicate_event", seen("twice", 3))
    begin("reorder_event", event="order:new")
    place("later")
    report("reorder_event", seen("later"))
    begin("late_event", event="order:new", delay_s=2.0)
    place("late")
    early = seen("late", 1)
    report("late_event", [early, seen("late", 1)])
    begin("gap", stream="private")
    place("gap")
    report("gap", seen("gap", 1))
    begin("user_silent", duration_s=1.0)
    place("unseen")
    time.sleep(1.0)
    unseen = seen("unseen", 0)
    place("seen")
    report("user_silent", [unseen, seen("seen")])
    for kind in ("user_lost", "key_expired"):
        for attempt in range(3):
            begin(kind)
            place(f"{kind}-1{attempt}")
            lost = seen(f"{kind}-1{attempt}", 0)
            await_streams("bybit_linear", 2)  # pybit connects again and subscribes
            lost += seen(f"{kind}-1{attempt}", 0)
            if not lost:
                break  # else, on a busy machine, it was connected again before the order arrived
        place(f"{kind}-2")
        report(kind, [lost, seen(f"{kind}-2")])


def requests(trading: WebSocketTrading) -> None:
    answers: queue.Queue[dict] = queue.Queue()

    def ask(link_id: str) -> Any:
        trading.place_order(answers.put, answers.put, **order(link_id))
        try:
            return answers.get(timeout=1.5)["retCode"]
        except queue.Empty:
            return "no answer"

    def is_open(link_id: str) -> bool:
        found = REST.get_open_orders(**COMMON, orderLinkId=link_id)["result"]["list"]
        return bool(found) and found[0]["orderStatus"] == "New"

    begin("lost_request", request="place")
    report("lost_request", [ask("lost"), is_open("lost")])
    begin("accepted_no_answer", request="place")
    report("accepted_no_answer", [ask("unanswered"), is_open("unanswered")])
    begin("reject", request="place", code=110007)
    report("reject", ask("refused"))
    begin("accepted_5xx", request="place")
    report("accepted_5xx", [ask("unsure"), is_open("unsure")])
    begin("trade_lost", after_order=True)
    report("trade_lost", [ask("cut"), is_open("cut")])
    until(lambda: trading.is_connected() and trading.auth)  # pybit connects again
    REST.cancel_all_orders(**COMMON)
    gone = {"openOnly": 1, "limit": 50}
    before = len(REST.get_open_orders(**COMMON, **gone)["result"]["list"])
    for attempt in range(3):
        connection = trading.ws
        begin("restarting", notice_s=1.0)
        refused = ask(f"restarting-{attempt}")
        kept = len(REST.get_open_orders(**COMMON, **gone)["result"]["list"])
        until(lambda last=connection: trading.ws is not last and trading.auth)
        if refused != "no answer":
            break  # else, on a busy machine, the refusal arrived before pybit had registered its callback
    report("restarting", [refused, before > 0, kept, ask("restarted")])


# Both before anything is reported: pybit waits for its connections without a limit, and one that hangs is run again.
SOCKETS = (
    WebSocket(testnet=False, channel_type="private", **SIGNING),
    WebSocketTrading(testnet=False, **SIGNING),
)
events(SOCKETS[0])
requests(SOCKETS[1])
