"""A message about an order has to agree with the order, also if nothing follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from support.order_table import OneOrder

from arb.verify.order_messages import CheckedStates, Contrary


def order(force: str = "GTC", venue: str = "bybit_linear") -> OneOrder:
    return OneOrder(force, venue, states=CheckedStates)


def contrary(one: OneOrder) -> list[Contrary]:
    assert isinstance(one.states, CheckedStates)
    return one.states.contrary()


def over() -> OneOrder:
    """Filled in two parts; its update says so."""
    return order().update("NEW").execute("a", 4).execute("b", 6).update("FILLED", 10)


def refused_replacement() -> OneOrder:
    one = order(venue="binance_spot").update("NEW").amend(101, 8)
    return one.update("REJECTED", of=2, tick=101, total=8)


@pytest.mark.parametrize(
    "one",
    [
        over(),
        over().update("FILLED", 10).update("PARTIAL", 4).update("NEW").execute("a", 4),
        order()
        .update("NEW")
        .amend(101, 8)
        .update("NEW", tick=101, total=8)
        .update("CANCELED", total=8, tick=101),
        order(venue="binance_spot").update("NEW").amend(101, 8).update("NEW", of=2, tick=101, total=8),
        # An order that was to replace it was refused: the venue gave it an id.
        refused_replacement().answer("REFUSED").update("CANCELED"),
        # The venue cut it, and a look-up confirmed that.
        order().update("NEW").update("NEW", total=8).update("NEW", total=8, asked=True),
        order("MARKET").execute("a", 9).update("FILLED", 9, total=9),
        order("IOC").execute("a", 4, has_client=False).update("EXPIRED", 4),
        order("IOC").update("EXPIRED", 4).execute("a", 4, has_client=False),
    ],
)
def test_messages_of_every_order_agree(one: OneOrder) -> None:
    assert contrary(one) == []


@pytest.mark.parametrize(
    ("status", "cum", "fields"),
    [
        ("FILLED", 10, {"tick": 99}),
        ("FILLED", 10, {"total": 11}),
        ("PARTIAL", 5, {}),
        ("PARTIAL", 0, {}),
        ("NEW", 4, {}),
        ("CANCELED", 10, {}),
    ],
)
def test_an_update_without_an_effect_that_says_something_else(
    status: str, cum: int, fields: dict[str, Any]
) -> None:
    one = over()
    before = one.state.phase
    one.update(status, cum, **fields)
    assert (one.state.phase, one.said) == (before, [])
    (found,) = contrary(one)
    assert found.client_id == one.id()


def test_a_refused_order_has_one_id() -> None:
    one = refused_replacement()
    update = one.an_update("REJECTED", of=2, tick=101, total=8)
    one.states.update(update._replace(venue_order_id="v77"), 9)
    assert [found.at for found in contrary(one)] == [9]


def test_ids_of_a_message_are_those_of_one_order() -> None:
    one = over()
    update = one.an_update("FILLED", 10)
    one.states.update(update._replace(client_id="arb-tests1-1-0-0-77"), 5)
    one.states.update(update._replace(venue_order_id="v77"), 6)
    one.states.execution(one.an_execution("a", 4)._replace(venue_ms=7), 7)
    assert [found.at for found in contrary(one)] == [5, 6, 7]
