"""Rows for the bot: the floats of whole fills are the bot's own, everything else is lots; ids decode themselves."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    GTC,
    LIMIT,
    NEW,
    NONE,
    PARTIALLY_FILLED,
    REJECTED,
)
from support.fake_protocol import instrument

from arb.engine.account import EXECUTED, REPLACED
from arb.engine.order_table import ORDER
from arb.engine.world import FEE_AS_RECEIVED, FEE_IN_OTHER, FEE_IN_QUOTE
from arb.execution.answers import AnswerKind, BotAnswer, BotOrder, charged_in, request_of
from arb.execution.ids import (
    ATTEMPT_MAX,
    REQUESTS_MAX,
    RUNS_MAX,
    SessionIds,
    cancel_id,
    ids_of,
    parse_client_id,
    wire_id,
)
from connectors.orders.model import Act, Force

LOT = 0.001
QTY = 0.1 + 0.2  # not the float of 300 lots


def row(req: int = NEW, qty: float = QTY, no: int = 1, at: int = 5) -> Any:
    made = np.zeros(1, ORDER)
    made["req"], made["qty"], made["leaves_qty"] = req, qty, qty
    made["order_id"], made["side"], made["time_in_force"], made["order_type"] = 9, BUY, GTC, LIMIT
    made["price_tick"], made["tick_size"] = 100, 0.1
    made["request_no"], made["request_ts"], made["local_timestamp"] = no, at, at
    return made[0]


def answer(
    kind: AnswerKind, status: int, leaves: int, *, total: int = 300, fill: int = 0, no: int = 0
) -> BotAnswer:
    return BotAnswer(
        0, 9, no, kind, status, 100, total, leaves, 100, fill, False, fill, Decimal("0.25"), "USDT", "x", 7, 8, ""
    )  # fmt: skip


def test_a_request_is_ticks_and_whole_lots() -> None:
    request = request_of(row().tobytes(), LOT)
    assert (request.order_id, request.act, request.tick, request.lots) == (9, Act.PLACE, 100, 300)
    assert (request.side, request.force, request.is_market) == (1, Force.GTC, False)
    assert request_of(row(CANCELED).tobytes(), LOT).act is Act.CANCEL
    assert request_of(row(REPLACED).tobytes(), LOT).act is Act.AMEND
    assert request_of(row(qty=0.30001).tobytes(), LOT).lots == -1


def test_an_order_that_is_filled_whole_has_the_quantity_that_the_bot_asked_for() -> None:
    order = BotOrder(row().tobytes(), LOT, 300)
    (made,) = order.row_of(answer(AnswerKind.ENDED, FILLED, 0, fill=300, no=1), charged=1)
    assert (made["exec_qty"], made["fill_qty"], made["leaves_qty"], made["qty"]) == (QTY, QTY, 0.0, QTY)
    assert (made["req"], made["status"], made["request_no"], made["charged"]) == (NONE, FILLED, 1, 1)
    assert made["fee"] == 0.25


def test_an_answer_has_all_other_fields_of_the_request() -> None:
    asked = row()
    for number, name in enumerate(ORDER.names or ()):
        if name not in ("req", "order_type", "side", "time_in_force"):
            asked[name] = number + 2
    (made,) = BotOrder(asked.tobytes(), LOT, 300).row_of(answer(AnswerKind.ACCEPTED, NEW, 300, no=1))
    changed = {
        "qty", "leaves_qty", "req", "status", "price_tick", "exec_qty", "exec_price_tick", "maker",
        "exch_timestamp", "request_no", "fill_qty", "charged", "fee", "fee_price",
    }  # fmt: skip
    for name in set(ORDER.names or ()) - changed:
        assert made[name] == asked[name], name


def test_parts_are_lots() -> None:
    order = BotOrder(row().tobytes(), LOT, 300)
    (first,) = order.row_of(answer(AnswerKind.EXECUTED, PARTIALLY_FILLED, 200, fill=100))
    assert (first["req"], first["fill_qty"], first["leaves_qty"]) == (EXECUTED, 100 * LOT, 200 * LOT)
    (last,) = order.row_of(answer(AnswerKind.ENDED, FILLED, 0, fill=200))
    assert (last["fill_qty"], last["leaves_qty"], last["qty"]) == (200 * LOT, 0.0, QTY)


def test_a_rejected_amendment_has_the_values_from_before() -> None:
    order = BotOrder(row().tobytes(), LOT, 300)
    order.row_of(answer(AnswerKind.ACCEPTED, NEW, 300, no=1))
    order.request(row(REPLACED, 0.123, 2, 6).tobytes())
    (made,) = order.row_of(answer(AnswerKind.MODIFIED, NEW, 300, no=2))
    assert (made["qty"], made["leaves_qty"], made["request_no"], made["request_ts"]) == (QTY, QTY, 2, 6)
    (rejected,) = order.row_of(answer(AnswerKind.REJECTED, NEW, 300, no=2))
    assert (rejected["req"], rejected["local_timestamp"]) == (REJECTED, 6)


def test_an_accepted_amendment_has_the_quantity_that_the_bot_asked_for() -> None:
    order = BotOrder(row().tobytes(), LOT, 300)
    order.request(row(REPLACED, QTY / 3, 2, 6).tobytes())
    (made,) = order.row_of(answer(AnswerKind.MODIFIED, NEW, 100, total=100, no=2))
    assert (made["qty"], made["leaves_qty"]) == (QTY / 3, QTY / 3)
    (ended,) = order.row_of(answer(AnswerKind.ENDED, EXPIRED, 100, total=100))
    assert (ended["qty"], ended["leaves_qty"], ended["fill_qty"], ended["charged"]) == (
        QTY / 3,
        QTY / 3,
        0.0,
        0,
    )


@pytest.mark.parametrize(
    ("asset", "is_spot", "code"),
    [
        ("USDT", True, FEE_IN_QUOTE),
        ("", True, FEE_IN_QUOTE),
        ("BTC", True, FEE_AS_RECEIVED),
        ("BTC", False, FEE_IN_OTHER),
        ("BNB", True, FEE_IN_OTHER),
    ],
)
def test_a_fee_is_charged_in_its_asset(asset: str, is_spot: bool, code: int) -> None:
    assert charged_in(asset, instrument(is_spot=is_spot)) == 1 + code


def test_ids_decode_themselves() -> None:
    ids = SessionIds("l4k9zp", 31, 1_704_067_200_123)
    client = ids.client_id(3, 65_536, 12)
    assert client == "arb-l4k9zp-1f-c-3-10000"
    assert parse_client_id(client) == ("l4k9zp", 31, 12, 3, 65_536)
    assert parse_client_id(ids.client_id(0, 1)) == ("l4k9zp", 31, 0, 0, 1)
    assert ids.owns(client)
    assert not any(ids._replace(**other).owns(client) for other in ({"run": 32}, {"tag": "t4k9zp"}))
    assert ids_of(ids.head) == ids
    # Without an attempt: of an earlier version, whose journal is refused.
    for text in ("", "web_1", "arb-1-2", "arb-l4k9zp-1f-3-10000", client + "-e1", client.upper()):
        assert parse_client_id(text) is None
    assert (wire_id(0, 7, Act.PLACE), wire_id(2, 7, Act.CANCEL, 3)) == ("0-7-p", "2-7-c3")


def test_ids_fit_into_what_every_venue_accepts() -> None:
    longest = SessionIds("l4k9zp", RUNS_MAX - 1, 0).client_id(63, REQUESTS_MAX - 1, ATTEMPT_MAX)
    assert parse_client_id(longest) == ("l4k9zp", RUNS_MAX - 1, ATTEMPT_MAX, 63, REQUESTS_MAX - 1)
    # Bybit: letters, digits, "-" and "_"; Binance has further signs; both: 36 characters.
    for wire in ("63-7-p", "63-7-c12", "63-7-e9", "63-7-e345"):
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", cancel_id(longest, wire))
    assert cancel_id("arb-1", "0-7-c") == "arb-1-c"
