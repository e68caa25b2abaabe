"""Both protocols without sockets: acknowledgements, errors, routes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.sandbox.serve.binance.session import BinanceSession
from arb.sandbox.serve.bybit.session import BybitSession
from arb.sandbox.serve.limits import LIMITS
from arb.sandbox.serve.session import Outcome, RouteError, Session


def binance(
    path: str = "/ws", venue: str = "binance_spot", streams_max: int = 3, **query: str
) -> BinanceSession:
    return BinanceSession(venue, path, query, streams_max)


def bybit(venue: str = "bybit_spot", *, is_private: bool = False) -> BybitSession:
    return BybitSession(venue, "c-1", {"BTCUSDT"}.__contains__, LIMITS[venue], is_private=is_private)


def ask(session: Session, **request: Any) -> Any:
    return answer_of(session.receive(json.dumps(request), 0, 1000))


def answer_of(outcome: Outcome) -> Any:
    (text,) = outcome.replies
    return json.loads(text)


def test_subscribing_lists_and_unsubscribing_at_binance() -> None:
    session = binance()
    assert ask(session, method="SUBSCRIBE", params=["a@trade", "b@trade"], id=1) == {"result": None, "id": 1}
    listed = ask(session, method="LIST_SUBSCRIPTIONS", id="x1")
    assert listed == {"result": ["a@trade", "b@trade"], "id": "x1"}
    outcome = session.receive('{"method":"SUBSCRIBE","params":["b@trade","c@trade"]}', 0, 0)
    assert outcome.added == ["c@trade"]
    outcome = session.receive('{"method":"UNSUBSCRIBE","params":["a@trade","z@trade"],"id":3}', 0, 0)
    assert (outcome.removed, answer_of(outcome)) == (["a@trade"], {"result": None, "id": 3})
    assert list(session.names) == ["b@trade", "c@trade"]


def test_the_combined_property_can_be_changed() -> None:
    session = binance()
    assert ask(session, method="SET_PROPERTY", params=["combined", True], id=1) == {"result": None, "id": 1}
    assert session.is_combined
    assert ask(session, method="GET_PROPERTY", params=["combined"], id=2) == {"result": True, "id": 2}
    assert ask(session, method="SET_PROPERTY", params=["combined", 1], id=3)["code"] == 1
    assert ask(session, method="GET_PROPERTY", params=["other"], id=3)["code"] == 0


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("", 3, "Invalid JSON"),
        ('"x"', 2, "expected an object"),
        ('{"id":1}', 2, "missing field `method`"),
        ('{"method":"NOPE","id":1}', 2, "unknown variant `NOPE`"),
        ('{"method":["SUBSCRIBE"],"id":1}', 2, "unknown variant"),
        ('{"method":"SUBSCRIBE","params":[],"id":1}', 2, "non-empty array"),
        ('{"method":"SUBSCRIBE","params":"a@trade","id":1}', 2, "non-empty array"),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2, "must be strings"),
        ('{"method":"SUBSCRIBE","params":["a","b","c","d"],"id":1}', 2, "too many streams"),
        ('{"method":"SUBSCRIBE","params":["a"],"id":true}', 2, "request ID"),
    ],
)
def test_what_binance_refuses(text: str, code: int, part: str) -> None:
    session = binance()
    answer = answer_of(session.receive(text, 0, 0))
    assert answer["code"] == code
    assert part in answer["msg"]
    assert not session.names


def test_paths_name_streams_and_forms() -> None:
    assert list(binance("/ws/a@trade/b@trade").names) == ["a@trade", "b@trade"]
    combined = binance("/stream", streams="a@trade/b@trade")
    assert (list(combined.names), combined.is_combined) == (["a@trade", "b@trade"], True)
    # ccxt's form: a path with the word, and a number that is no stream.
    assert not binance("/stream/ws/0").is_combined
    assert binance("/market/stream", venue="binance_usdm").route == "market"
    for path, venue in (
        ("/", "binance_spot"),
        ("/private/ws/key", "binance_usdm"),
        ("/public/ws", "binance_spot"),
    ):
        with pytest.raises(RouteError):
            binance(path, venue)


@pytest.mark.parametrize(
    ("stream", "public", "market", "legacy"),
    [
        ("btcusdt@depth@100ms", True, False, True),
        ("btcusdt@depth", True, False, True),
        ("btcusdt@bookTicker", True, False, True),
        ("btcusdt@trade", True, False, True),
        ("btcusdt@aggTrade", False, True, False),
        ("btcusdt@kline_1m", False, True, False),
        ("btcusdt@markPrice@1s", False, True, False),
        ("btcusdt@forceOrder", False, True, False),
    ],
)
def test_routes_of_usdm(stream: str, public: bool, market: bool, legacy: bool) -> None:
    for path, expected in (("/public/ws", public), ("/market/ws", market), ("/ws", legacy)):
        assert binance(path, "binance_usdm").delivers(stream) is expected


def test_acknowledgements_of_bybit_differ_between_spot_and_linear() -> None:
    request = {"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]}
    common = {"success": True, "conn_id": "c-1", "op": "subscribe"}
    assert ask(bybit(), **request, req_id="a") == common | {"ret_msg": "subscribe", "req_id": "a"}
    assert ask(bybit("bybit_linear"), **request) == common | {"ret_msg": "", "req_id": ""}


def test_pongs_of_bybit_differ_between_public_and_private() -> None:
    public = ask(bybit(), op="ping", req_id="9")
    assert (public["op"], public["ret_msg"], public["req_id"]) == ("ping", "pong", "9")
    private = ask(bybit(is_private=True), op="ping")
    assert (private["op"], private["args"]) == ("pong", ["1000"])


@pytest.mark.parametrize(
    "request_text",
    [
        "{",
        "[]",
        '{"op":"nope"}',
        '{"op":["subscribe"]}',
        '{"op":"subscribe"}',
        '{"op":"subscribe","args":[]}',
        '{"op":"subscribe","args":[1]}',
        '{"op":"subscribe","args":["orderbook.500.BTCUSDT"]}',
        '{"op":"subscribe","args":["orderbook.50.NOPEUSDT"]}',
        '{"op":"subscribe","args":["orderbook.50.BTCUSDT","nope"]}',
        '{"op":"subscribe","args":["tickers.BTCUSDT"],"req_id":{}}',
    ],
)
def test_what_bybit_refuses_changes_nothing(request_text: str) -> None:
    session = bybit()
    outcome = session.receive(request_text, 0, 0)
    assert answer_of(outcome)["success"] is False
    assert not outcome.added
    assert not session.names


def test_topics_of_a_bybit_connection_are_limited_in_characters() -> None:
    session = BybitSession("bybit_linear", "c", lambda symbol: True, LIMITS["bybit_linear"], is_private=False)
    topics = [f"orderbook.50.{'X' * 80}{n}" for n in range(300)]
    answer = ask(session, op="subscribe", args=topics)
    assert answer["success"] is False
    assert "21000" in answer["ret_msg"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY"])
        | VALUES,
        "op": st.sampled_from(["subscribe", "unsubscribe", "ping", "auth"]) | VALUES,
        "params": VALUES,
        "args": VALUES,
        "id": VALUES,
        "req_id": VALUES,
    },
)


@given(REQUESTS.map(json.dumps) | VALUES.map(json.dumps) | st.text(max_size=30))
def test_whatever_is_asked_is_answered(text: str) -> None:
    for session in (binance(), binance("/public/ws", "binance_usdm"), bybit(), bybit(is_private=True)):
        for reply in session.receive(text, 0, 0).replies:
            assert isinstance(json.loads(reply), dict)


def test_half_a_character_is_answered() -> None:
    for session in (binance(), bybit()):
        for text in ('{"method":"\\ud800","op":"\\ud800","id":"\\ud800","req_id":"\\ud800"}', "\ud800"):
            assert session.receive(text, 0, 0).replies
