"""Maps, tables and queues of the live bot against Python's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.blocks import free

from arb.engine.blocks import Blocks
from arb.engine.int_map import INT_MAP, clear, entries_of, find, map_at, put, remove_at
from arb.engine.order_table import (
    ORDER,
    append,
    first_time,
    insert,
    make_orders,
    make_queue,
    orders_at,
    pop,
    queue_at,
    remove_row,
    row_of,
    rows_of,
)
from connectors.jit.compilation import compiled

KEYS = st.one_of(st.integers(-40, 40), st.integers(-(2**63), 2**63 - 1))


@compiled
def _map_act(address, what, key, value):
    int_map = map_at(address)
    if what == 0:
        place = put(int_map, key)
        entries_of(int_map)[place].value = value
    elif what == 1:
        place = find(int_map, key)
        if place >= 0:
            remove_at(int_map, place)
    else:
        clear(int_map)
    place = find(int_map, key)
    return entries_of(int_map)[place].value if place >= 0 else np.int64(-1), int_map.count


@compiled
def _map_get(address, key):
    int_map = map_at(address)
    place = find(int_map, key)
    return entries_of(int_map)[place].value if place >= 0 else np.int64(-1)


@compiled
def _table_act(address, is_insert, order):
    orders = orders_at(address)
    row = row_of(orders, order[0].order_id)
    if is_insert and row < 0:
        insert(orders, order[0])
    elif not is_insert and row >= 0:
        remove_row(orders, row)
    return orders.count


@compiled
def _table_qty(address, order_id):
    orders = orders_at(address)
    row = row_of(orders, order_id)
    return rows_of(orders)[row].qty if row >= 0 else -1.0


@compiled
def _send(address, order, timestamp):
    return append(queue_at(address), order[0], timestamp)


@compiled
def _take(address, order):
    queue = queue_at(address)
    timestamp = first_time(queue)
    if queue.count > 0:
        pop(queue, order)
    return timestamp, queue.count


def _order(order_id: int, qty: float) -> Any:
    made = np.zeros(1, ORDER)
    made["order_id"], made["qty"] = order_id, qty
    return made


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([0] * 6 + [1] * 5 + [2]), KEYS, st.integers(0, 9)), max_size=300))
def test_a_map_is_a_dictionary(acts: list[Any]) -> None:
    blocks, known = Blocks(), {}
    address = blocks.address(INT_MAP)
    for what, key, value in acts:
        if what == 0:
            known[key] = value
        elif what == 1:
            known.pop(key, None)
        else:
            known.clear()
        assert _map_act(address, what, key, value) == (known.get(key, -1), len(known))
    assert {key: _map_get(address, key) for key in known} == known
    free(blocks)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=200))
def test_a_table_keeps_orders_by_id(acts: list[Any]) -> None:
    blocks, known = Blocks(), {}
    address = make_orders(blocks)
    for number, (is_insert, order_id) in enumerate(acts):
        # The largest ids are not signed numbers.
        order_id += 2**64 - 20 if order_id > 15 else 0
        order_id %= 2**64
        if is_insert:
            known.setdefault(order_id, float(number))
        else:
            known.pop(order_id, None)
        assert _table_act(address, is_insert, _order(order_id, float(number))) == len(known)
    for order_id in range(31):
        assert _table_qty(address, np.uint64(order_id)) == known.get(order_id, -1.0)
    free(blocks)


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.integers(-5, 100)), max_size=300))
def test_a_queue_keeps_its_order_and_never_goes_back(acts: list[Any]) -> None:
    blocks, known, sent = Blocks(), [], 0
    address = make_queue(blocks)
    for timestamp in acts:
        if timestamp is not None:
            sent += 1
            assert _send(address, _order(sent, 0.0), timestamp)
            known.append((max(timestamp, known[-1][0] if known else 0), sent))
            continue
        order = np.zeros(1, ORDER)
        first, count = _take(address, order)
        expected = known.pop(0) if known else (2**63 - 1, 0)
        assert (first, int(order["order_id"][0]), count) == (*expected, len(known))
    free(blocks)
