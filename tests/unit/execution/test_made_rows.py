"""Records on the way of an order's bytes are made without their constructors: each has all fields, as these give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.order import GTC, LIMIT, NEW
from support.fake_protocol import instrument

from arb.engine.order_table import ORDER
from arb.execution.answers import request_of
from arb.execution.ids import SessionIds
from arb.execution.order_states import OrderStates
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.bybit.order_frames import BybitOrders
from connectors.orders.model import Act, Force, OrderRequest
from connectors.orders.protocol import OrderProtocol
from connectors.orders.signing import HmacSigner

_SIGNER = HmacSigner("a" * 64, "b" * 64)


def _row() -> bytes:
    row = np.zeros(1, ORDER)[0]
    for name, value in {"qty": 0.003, "order_id": 7, "request_no": 260, "req": NEW, "side": 1}.items():
        row[name] = value
    row["time_in_force"], row["order_type"], row["price_tick"], row["request_ts"] = GTC, LIMIT, 600_001, 5
    return row.tobytes()


def _is_whole(made: Any) -> bool:
    """Whether a named tuple has the fields that its constructor gives it."""
    return len(made) == len(made._fields) and type(made)(**made._asdict()) == made


def test_a_placement_is_what_the_constructors_make() -> None:
    row = request_of(_row(), 0.001)
    assert _is_whole(row)
    assert (row.act, row.force, row.tick, row.lots, row.reduces) == (Act.PLACE, Force.GTC, 600_001, 3, False)
    ids = SessionIds("tests1", 3, 0)
    made = OrderStates("bybit_spot", {4: instrument()}, ids).request_of(4, row._replace(reduces=True), None)
    assert _is_whole(made)
    assert made == OrderRequest(
        Act.PLACE,
        4,
        "BTCUSDT",
        260,
        ids.client_id(4, 260),
        side=1,
        force=Force.GTC,
        reduce_only=True,
        tick=600_001,
        lots=3,
    )


@pytest.mark.parametrize(
    "protocol",
    [SpotOrders(_SIGNER, 1_000), UsdmOrders(_SIGNER, 1_000), BybitOrders("spot", _SIGNER, 1_000)],
    ids=lambda protocol: protocol.venue,
)
def test_a_wire_request_is_what_its_constructor_makes(protocol: OrderProtocol) -> None:
    protocol.add_leg(0, instrument())
    request = OrderRequest(Act.PLACE, 0, "BTCUSDT", 9, "arb-tests1-1-0-0-9", side=-1, tick=600_001, lots=3)
    made = protocol.encode(request, "0-9-p", 5)
    assert _is_whole(made)
    assert (made.wire_id, made.act, made.leg, made.request_no) == ("0-9-p", Act.PLACE, 0, 9)
    assert '"60000.1"' in made.text
    assert made.method == made.path == made.query == ""
