"""Orders in compiled code: the order dictionary of an asset, its iterator, one order, and the state values.

Two things differ from hftbacktest on purpose. `values()` copies the ids of all orders first and looks each order up
when it is reached: leaving the loop early leaks nothing, and the loop may submit, cancel and clear, which in
hftbacktest reads freed memory. And `order.tick_size` is the tick size; hftbacktest returns the price in ticks.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from hftbacktest.order import NEW, NONE, PARTIALLY_FILLED
from hftbacktest.types import order_dtype, state_values_dtype
from numba import types
from numba.core import cgutils
from numba.extending import (
    intrinsic,
    make_attribute_wrapper,
    models,
    overload,
    overload_attribute,
    overload_method,
    register_model,
)

from arb.bot.function_table import ABI
from arb.bot.numba_types import OrdersType, OrderType, StateValuesType, order_type, struct_fields

struct_fields(OrderType, order_dtype)
struct_fields(StateValuesType, state_values_dtype)

# Cells of an iterator: address of the current order, index of the next cell to read, then the ids.
_CURRENT = 0
_NEXT = 1
_IDS = 2


class ValuesType(types.Type):  # type: ignore[misc]
    """Iterator over the orders of one asset, made by `orders.values()`."""

    def __init__(self) -> None:
        super().__init__(name=f"{type(self).__name__}[abi{ABI}]")


@register_model(ValuesType)
class _ValuesModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        members = [("ptr", types.intp), ("table", types.intp), ("cells", types.Array(types.int64, 1, "C"))]
        super().__init__(dmm, fe_type, members)


make_attribute_wrapper(ValuesType, "cells", "_cells")
values_type = ValuesType()


@intrinsic
def _make_values(typingctx: Any, orders: Any, cells: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = cgutils.create_struct_proxy(values_type)(context, builder)
        values.ptr = builder.extract_value(args[0], 0)
        values.table = builder.extract_value(args[0], 1)
        values.cells = args[1]
        context.nrt.incref(builder, sig.args[1], args[1])
        return values._getvalue()

    return values_type(orders, cells), codegen


@intrinsic
def _orders_of(typingctx: Any, values: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        fields = [builder.extract_value(args[0], index) for index in range(2)]
        return cgutils.pack_struct(builder, fields)

    return OrdersType()(values), codegen


@intrinsic
def order_at(typingctx: Any, address: Any) -> Any:
    """The order at `address`, which must not be 0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return cgutils.pack_struct(builder, [args[0]])

    return order_type(types.int64), codegen


@overload_attribute(OrderType, "price")
def _price(order: Any) -> Any:
    def impl(order: Any) -> Any:
        return order.price_tick * order.tick_size

    return impl


@overload_attribute(OrderType, "exec_price")
def _exec_price(order: Any) -> Any:
    def impl(order: Any) -> Any:
        return order.exec_price_tick * order.tick_size

    return impl


@overload_attribute(OrderType, "cancellable")
def _cancellable(order: Any) -> Any:
    def impl(order: Any) -> Any:
        return (order.status == NEW or order.status == PARTIALLY_FILLED) and order.req == NONE

    return impl


@overload_method(OrdersType, "get")
def _get(orders: Any, order_id: Any) -> Any:
    def impl(orders: Any, order_id: Any) -> Any:
        address = orders.c_orders_get(order_id)
        if address == 0:
            return None
        return order_at(address)

    return impl


@overload(operator.contains)
def _contains(orders: Any, order_id: Any) -> Any:
    if isinstance(orders, OrdersType):

        def impl(orders: Any, order_id: Any) -> Any:
            return orders.c_orders_contains(order_id)

        return impl
    return None


@overload_method(OrdersType, "__contains__")
def _contains_method(orders: Any, order_id: Any) -> Any:
    def impl(orders: Any, order_id: Any) -> Any:
        return orders.c_orders_contains(order_id)

    return impl


@overload(len)
def _len(orders: Any) -> Any:
    if isinstance(orders, OrdersType):

        def impl(orders: Any) -> Any:
            return np.int64(orders.c_orders_len())

        return impl
    return None


@overload_method(OrdersType, "values")
def _values(orders: Any) -> Any:
    def impl(orders: Any) -> Any:
        length = np.int64(orders.c_orders_len())
        cells = np.zeros(_IDS + length, np.int64)
        cells[_NEXT] = _IDS
        if length > 0:
            # The engine frees its iterator when it returns 0, so it is always read to its end.
            iterator = orders.c_orders_values()
            index = _IDS
            address = orders.c_orders_values_next(iterator)
            while address != 0:
                cells[index] = np.int64(order_at(address).order_id)
                index += 1
                address = orders.c_orders_values_next(iterator)
        return _make_values(orders, cells)

    return impl


@overload_method(ValuesType, "has_next")
def _has_next(values: Any) -> Any:
    def impl(values: Any) -> Any:
        cells = values._cells
        while cells[_NEXT] < len(cells):
            address = _orders_of(values).c_orders_get(np.uint64(cells[cells[_NEXT]]))
            cells[_NEXT] += 1
            # An order that was cleared since `values()` is skipped.
            if address != 0:
                cells[_CURRENT] = address
                return True
        cells[_CURRENT] = 0
        return False

    return impl


@overload_method(ValuesType, "get")
def _values_get(values: Any) -> Any:
    def impl(values: Any) -> Any:
        if values._cells[_CURRENT] == 0:
            raise RuntimeError("orders.values(): get() without an order; ask has_next() first")
        return order_at(values._cells[_CURRENT])

    return impl


@overload_method(ValuesType, "next")
def _next(values: Any) -> Any:
    def impl(values: Any) -> Any:
        if values.has_next():
            return order_at(values._cells[_CURRENT])
        return None

    return impl
