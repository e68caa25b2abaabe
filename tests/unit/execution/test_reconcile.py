"""A journal beside its venue: which orders are ours, what is missing, which difference is left."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.execution.reconcile import KnownOrder, PositionCheck, SymbolState, held
from connectors.orders.model import EndCause, Execution, ExecutionKind, OrderStatus, OrderUpdate

TAG = "s4k9zp"
MINE, LATER, OTHERS = f"arb-{TAG}-2-1f-0-5", f"arb-{TAG}-9-0-0-1", "arb-zzzzzz-2-0-0-5"


def state(filled_lots: int = 0) -> SymbolState:
    """An order of run 2 that has not ended; its execution "a" is known if lots are filled."""
    key = (2, 0, 5)
    known = {"a": frozenset({key})} if filled_lots else {}
    order = KnownOrder(key, (MINE,), 1_000, 10, filled_lots)
    return SymbolState("bybit_linear", "BTCUSDT", TAG, 3, known, {key: order})


def update(client_id: str, status: str = "NEW", executed: int = 0) -> OrderUpdate:
    return OrderUpdate(
        "BTCUSDT", client_id, f"v-{client_id}", OrderStatus[status], executed, 10, 100, EndCause.NONE, 5
    )


def execution(number: str, lots: int = 4, kind: ExecutionKind = ExecutionKind.TRADE) -> Execution:
    return Execution("BTCUSDT", "", "v1", number, 1, 100, lots, False, Decimal("0.1"), "USDT", 6, kind)


def test_only_orders_with_our_tag_are_ours() -> None:
    found = state()
    assert found.open_orders([update(MINE), update(OTHERS), update("web_1"), update("")]) == [MINE]
    assert found.foreign_open == [OTHERS, "web_1", "v-"]


def test_an_order_that_the_journal_lost_is_ours_if_its_run_was_given() -> None:
    found = state()
    lost = f"arb-{TAG}-3-2-1-7"
    assert found.key_of(lost) == (3, 1, 7)
    assert found.refusal(lost) == found.refusal(OTHERS) == found.refusal("web_1") == ""
    assert "run 9 is not in it (3 is the last one)" in found.refusal(LATER)


def test_an_execution_that_the_journal_has_is_not_added_again() -> None:
    found = state(filled_lots=4)
    found.add(execution("a"), MINE)
    found.add(execution("b", 2), MINE)
    found.add(execution("b", 2), MINE)
    assert [one.execution.execution_id for one in found.found.values()] == ["b"]
    assert found.executed_of((2, 0, 5)) == 6


def test_both_orders_of_a_trade_with_oneself_have_their_execution() -> None:
    found = state(filled_lots=4)
    found.add(execution("a"), f"arb-{TAG}-2-0-0-6")
    assert [one.key for one in found.found.values()] == [(2, 0, 6)]


def test_an_order_ends_when_its_executions_are_complete() -> None:
    found = state(filled_lots=4)
    assert "executed 6 lots, and lists executions of 4" in found.ended(
        (2, 0, 5), [update(MINE, "CANCELED", 6)]
    )
    assert not found.endings
    found.add(execution("b", 2), MINE)
    assert found.ended((2, 0, 5), [update(MINE, "CANCELED", 6)]) == ""
    assert [(one.status, one.executed) for one in found.endings.values()] == [("canceled", 6)]


@pytest.mark.parametrize(("filled", "status"), [(0, "expired"), (4, "canceled")])
def test_an_order_that_the_venue_does_not_know_keeps_its_executions(filled: int, status: str) -> None:
    found = state(filled_lots=filled)
    found.lost((2, 0, 5))
    assert [(one.status, one.executed) for one in found.endings.values()] == [(status, filled)]


def test_an_order_is_not_lost_while_an_execution_may_be_its_own() -> None:
    found = state()
    found.unclaimed.append(execution("z"))
    assert "nor that of the execution z of +4 lots: look there" in found.lost((2, 0, 5))
    assert not found.endings


def test_liquidations_and_trades_of_others_are_told_apart() -> None:
    found = state()
    found.add(execution("l", 3, ExecutionKind.LIQUIDATION), "autoclose-1")
    found.add(execution("f", 5), "web_1")
    forced = [x.lots for x in found.others.values() if x.kind is not ExecutionKind.TRADE]
    assert (forced, found.foreign_lots(), found.foreign_lots(7), found.found) == ([3], 5, 0, {})


def test_a_position_must_be_that_of_the_journal_to_the_lot() -> None:
    lot = Decimal("0.001")
    assert PositionCheck("binance_usdm", "BTCUSDT", 5, 5, 0).refusal(lot) == ""
    line = PositionCheck("binance_usdm", "BTCUSDT", 5, 6, 1).refusal(lot)
    assert "the position is 0.006, and the journal explains 0.005 (others traded +0.001 meanwhile)" in line
    assert "--adopt" in line
    assert "--close-first" in line


@given(st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 9)), max_size=20))
def test_a_position_is_its_changes_and_its_price_lies_among_theirs(changes: list[tuple[int, int]]) -> None:
    found = held((Decimal(qty), Decimal(price)) for qty, price in changes)
    assert found.qty == sum(qty for qty, _ in changes)
    if found.qty:
        prices = [price for _, price in changes]
        assert min(prices) <= round(found.price, 20) <= max(prices)
    else:
        assert found.price == 0
