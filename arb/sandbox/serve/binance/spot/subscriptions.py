"""Subscriptions to user data on connections of the websocket API. Pure.

Source: web-socket-api.md of binance-spot-api-docs, "User Data Stream requests" (read 2026-07-21).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from arb.sandbox.serve.binance.api import Act, Call, Operation, Security
from arb.sandbox.serve.binance.errors import ApiError
from arb.sandbox.serve.binance.spot.events import SpotEvents
from arb.sandbox.serve.binance.ws_api import Subscription, WsApi, session_of

_ACTIVE_MAX, _MADE_MAX = 1000, 65_535


def subscription_operations(events: SpotEvents) -> dict[str, Operation]:
    """By method."""
    signed = Operation(partial(_subscribe, events, False), 2)
    return {
        "userDataStream.subscribe": Operation(partial(_subscribe, events, True), 2, Security.NONE),
        "userDataStream.subscribe.signature": signed,
        "userDataStream.unsubscribe": Operation(_unsubscribe, 2, Security.NONE, "subscriptionId"),
        "session.subscriptions": Operation(_subscriptions, 2, Security.NONE),
    }


def _subscribe(events: SpotEvents, is_own: bool, call: Call) -> Act:
    session = session_of(call)
    if is_own and session.key is None:
        raise ApiError(-2014, "API-key format invalid.", call.api.assumed.key_error_status)
    if not is_own:
        call.parameters.required("apiKey")
    account = session.key.account if is_own and session.key is not None else call.account

    def act(_: int) -> Any:
        if any(one.account == account for one in session.subscriptions.values()):
            raise ApiError(-2035, "User Data Stream subscription already active.")
        if len(session.subscriptions) >= _ACTIVE_MAX or session.subscriptions_made >= _MADE_MAX:
            raise ApiError(-2042, "Maximum subscription ID reached for this connection.")
        number = session.subscriptions_made
        session.subscriptions_made += 1
        _listen(session, events, account, number)
        if is_own:
            session.own_subscription = number
        return {"subscriptionId": number}

    return act


def _listen(session: WsApi, events: SpotEvents, account: str, number: int) -> None:
    def send(text: str) -> None:
        if text:
            session.send(f'{{"subscriptionId":{number},"event":{text}}}')

    session.subscriptions[number] = Subscription(
        account,
        session.api.trading.listen(session.api.venue, account, lambda event: send(events.texts.of(event))),
        lambda at_ns: send(events.terminated(at_ns)),
    )


def _unsubscribe(call: Call) -> Act:
    session = session_of(call)
    number = call.parameters.integer("subscriptionId")

    def act(at_ns: int) -> Any:
        if number is not None and number not in session.subscriptions:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        for one in list(session.subscriptions) if number is None else [number]:
            session.unsubscribe_user(one, at_ns)
        return {}

    return act


def _subscriptions(call: Call) -> Act:
    session = session_of(call)
    return lambda _: [{"subscriptionId": number} for number in session.subscriptions]
