"""C functions that do nothing and return a constant: for slots that a world does not implement, and after `close`.

`stop` uses some of them. They are built from LLVM IR at first use, each with the exact signature of its slot, which
takes milliseconds; a Numba callback for each would take seconds. The constants:

* waits, submits, modify, cancel, `_goto_end`: 1, the end of the data; `close`: 0
* touches: NaN, and hftbacktest's own ticks of an empty book; quantities and positions: 0; tick and lot size: NaN
* arrays: empty; the range of interest: 0 to -1; orders: none; latencies: None; state values and account: all 0
"""

from __future__ import annotations

from functools import cache

import numpy as np
from llvmlite import ir
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from arb.bot.function_table import SLOTS, C, Slot

#: C types in LLVM; an OUT argument is a pointer to a cell.
LLVM_TYPES: dict[C, ir.Type] = {
    C.I64: ir.IntType(64),
    C.U64: ir.IntType(64),
    C.F64: ir.DoubleType(),
    C.U8: ir.IntType(8),
    C.FLAG: ir.IntType(8),
    C.ADDRESS: ir.IntType(64),
    C.OUT: ir.IntType(64).as_pointer(),
    C.VOID: ir.VoidType(),
}

#: State values and account of a closed bot; never written.
_NO_STATE = np.zeros(16)

_ANSWERS: dict[str, float] = {
    **dict.fromkeys(("submit_buy_order", "submit_sell_order", "modify", "cancel"), 1),
    **dict.fromkeys(("wait_order_response", "wait_next_feed", "elapse", "elapse_bt", "goto_end"), 1),
    **dict.fromkeys(("best_bid", "best_ask", "tick_size", "lot_size"), np.nan),
    "best_bid_tick": np.iinfo(np.int64).min,
    "best_ask_tick": np.iinfo(np.int64).max,
    "roi_ub_tick": -1,
    "state_values": _NO_STATE.ctypes.data,
    "account_values": _NO_STATE.ctypes.data,
}


def function_type(slot: Slot) -> ir.FunctionType:
    """The slot's C signature, the owner's address first unless the slot is static."""
    params = [] if slot.is_static else [ir.IntType(64)]
    params += [LLVM_TYPES[kind] for _, kind in slot.params]
    return ir.FunctionType(LLVM_TYPES[slot.returns], params)


@cache
@global_compiler_lock
def empty_addresses() -> dict[str, int]:
    """Address of the constant function of every slot, valid for the life of the process."""
    codegen = cpu_target.target_context.codegen()
    library = codegen.create_library("arb.bot.stubs")
    module = library.create_ir_module("arb.bot.stubs")
    for slot in SLOTS:
        function = ir.Function(module, function_type(slot), name=_symbol(slot))
        builder = ir.IRBuilder(function.append_basic_block())
        if slot.returns is C.VOID:
            builder.ret_void()
        else:
            builder.ret(ir.Constant(LLVM_TYPES[slot.returns], _ANSWERS.get(slot.name, 0)))
    library.add_ir_module(module)
    library.finalize()
    return {slot.name: library.get_pointer_to_function(_symbol(slot)) for slot in SLOTS}


@global_compiler_lock
def holding_addresses(hold: int) -> dict[str, int]:
    """For every slot, a function that calls the C function `void hold(void)` at the address, in an endless loop."""
    codegen = cpu_target.target_context.codegen()
    library = codegen.create_library("arb.bot.holding")
    module = library.create_ir_module("arb.bot.holding")
    call = ir.FunctionType(ir.VoidType(), []).as_pointer()
    for slot in SLOTS:
        function = ir.Function(module, function_type(slot), name=f"arb_hold_{slot.name}")
        block = function.append_basic_block()
        builder = ir.IRBuilder(block)
        again = function.append_basic_block()
        builder.branch(again)
        builder.position_at_end(again)
        builder.call(builder.inttoptr(ir.Constant(ir.IntType(64), hold), call), [])
        builder.branch(again)
    library.add_ir_module(module)
    library.finalize()
    return {slot.name: library.get_pointer_to_function(f"arb_hold_{slot.name}") for slot in SLOTS}


def _symbol(slot: Slot) -> str:
    return f"arb_empty_{slot.name}"
