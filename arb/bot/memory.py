"""Conversions between addresses and arrays in compiled code, and operations that Numba lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.extending import intrinsic

from connectors.jit.addresses import as_pointer as as_pointer

_I64 = ir.IntType(64)


@intrinsic
def load_int64(typingctx: Any, address: Any) -> Any:
    """The 64-bit integer at `address`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], _I64.as_pointer()))

    return types.int64(types.int64), codegen


@intrinsic
def publish_int64(typingctx: Any, address: Any, value: Any) -> Any:
    """Stores `value` with release order: other threads see all earlier stores first."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        memory = builder.inttoptr(args[0], _I64.as_pointer())
        builder.store_atomic(args[1], memory, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def call_int64(typingctx: Any, function: Any, argument: Any) -> Any:
    """Calls the C function `int64 f(int64)` at address `function`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I64, [_I64])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def reallocate(typingctx: Any, address: Any, size: Any) -> Any:
    """C's `realloc`: a block of `size` bytes with the old block's content, or 0. Address 0 allocates a new one."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(cgutils.voidptr_t, [cgutils.voidptr_t, _I64])
        function = cgutils.get_or_insert_function(builder.module, kind, "realloc")
        block = builder.call(function, [builder.inttoptr(args[0], cgutils.voidptr_t), args[1]])
        return builder.ptrtoint(block, _I64)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def allocate_zeroed(typingctx: Any, size: Any) -> Any:
    """C's `calloc`: the address of a zeroed block of `size` bytes, or 0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(cgutils.voidptr_t, [_I64, _I64])
        function = cgutils.get_or_insert_function(builder.module, kind, "calloc")
        return builder.ptrtoint(builder.call(function, [args[0], ir.Constant(_I64, 1)]), _I64)

    return types.int64(types.int64), codegen


@intrinsic
def release(typingctx: Any, address: Any) -> Any:
    """C's `free`, for a block from `reallocate` or `allocate_zeroed`; 0 is ignored."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
        function = cgutils.get_or_insert_function(builder.module, kind, "free")
        builder.call(function, [builder.inttoptr(args[0], cgutils.voidptr_t)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def store_int64(typingctx: Any, address: Any, value: Any) -> Any:
    """Stores a 64-bit integer at `address`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _I64.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def record_view(dtype: np.dtype[Any]) -> Any:
    """A compiled function that returns the record of `dtype` at an address.

    It closes over the dtype, so that cached code for another layout is never loaded.
    """

    @intrinsic
    def record_at(typingctx: Any, address: Any) -> Any:
        record = from_dtype(dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(record))

        return record(types.int64), codegen

    return record_at


@intrinsic
def record_address(typingctx: Any, record: Any) -> Any:
    """Address of a record of an array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], _I64)

    return types.int64(record), codegen
