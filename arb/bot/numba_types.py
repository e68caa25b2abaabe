"""Numba types of the bot and its parts, and the calls through the function table.

A handle is two addresses, `{ptr, table}`: the world's object and its table of functions (`function_table`). Depth and
orders are handles of the same table; an order and the state values are bare addresses of hftbacktest's structs. Handles
hold nothing else: with arrays in them a strategy took eight seconds to compile.

Methods that are just a slot are typed and lowered here directly, without a Numba function for each, which saves most of
a strategy's compile time. Every slot is available in compiled code as `handle.c_<slot>(...)`; `methods`, `depth` and
`orders` build the public interface from these. A slot whose use by a strategy is marked is also available as
`handle.own_<slot>(...)`, without the mark.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, signature
from numba.extending import (
    intrinsic,
    lower_builtin,
    lower_getattr_generic,
    models,
    register_model,
)

from arb.bot.function_table import ABI, ASSETS, INDEX, ON_DEMAND, SLOTS, C, Owner, Slot
from arb.bot.stubs import LLVM_TYPES, function_type

_I64 = ir.IntType(64)

#: Prefix of the name of a mark; the slot's name follows.
MARK = "arb_uses_"


class Handle(types.Type):  # type: ignore[misc]
    """Object address and table address. The name contains the ABI, so that stale machine code is never loaded."""

    def __init__(self) -> None:
        super().__init__(name=f"{type(self).__name__}[abi{ABI}]")


class BotType(Handle):
    """The bot that a strategy is called with."""


class DepthType(Handle):
    """The local book of one asset."""


class OrdersType(Handle):
    """The local orders of one asset."""


class Address(types.Type):  # type: ignore[misc]
    """The address of one of hftbacktest's structs."""

    def __init__(self) -> None:
        super().__init__(name=f"{type(self).__name__}[abi{ABI}]")


class OrderType(Address):
    """One order; valid until the bot's next request, wait or clear."""


class StateValuesType(Address):
    """Position and money of one asset; shows the current values as long as the bot is open."""


@register_model(BotType)
@register_model(DepthType)
@register_model(OrdersType)
class _HandleModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, [("ptr", types.intp), ("table", types.intp)])


@register_model(OrderType)
@register_model(StateValuesType)
class _AddressModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, [("ptr", types.intp)])


bot_type = BotType()
depth_type = DepthType()
orders_type = OrdersType()
order_type = OrderType()
state_values_type = StateValuesType()

_OWNERS = {Owner.BOT: BotType, Owner.DEPTH: DepthType, Owner.ORDERS: OrdersType}

#: Numba types of arguments and plain results.
_NUMBA_TYPES = {
    C.I64: types.int64,
    C.U64: types.uint64,
    C.F64: types.float64,
    C.U8: types.uint8,
    C.FLAG: types.boolean,
    C.ADDRESS: types.intp,
    C.VOID: types.none,
}


def callback_signature(name: str) -> Any:
    """Numba signature of slot `name`, for `arb.bot.cache.bot_callback`; the owner's address is first.

    A flag is a uint8 that is 0 or 1, an OUT argument a pointer to int64.
    """
    slot = SLOTS[INDEX[name]]
    kinds = {**_NUMBA_TYPES, C.FLAG: types.uint8, C.OUT: types.CPointer(types.int64), C.VOID: types.void}
    owner = [] if slot.is_static else [types.intp]
    return kinds[slot.returns](*owner, *(kinds[kind] for _, kind in slot.params))


def emit_call(builder: Any, slot: Slot, handle: Any, values: list[Any]) -> tuple[Any, list[Any]]:
    """Emits one call through the table; returns the result and the contents of the OUT cells.

    values: the arguments in order without the OUT ones, each of its C type; a FLAG is an i1.
    """
    kind = function_type(slot)
    table = builder.inttoptr(builder.extract_value(handle, 1), _I64.as_pointer())
    cell = builder.gep(table, [ir.Constant(_I64, INDEX[slot.name])])
    function = builder.inttoptr(builder.load(cell), kind.as_pointer())
    given = iter(values)
    args = [] if slot.is_static else [builder.extract_value(handle, 0)]
    cells = []
    attributes = {}
    for _, param in slot.params:
        if param is C.OUT:
            cells.append(cgutils.alloca_once_value(builder, ir.Constant(_I64, 0)))
            args.append(cells[-1])
            continue
        value = next(given)
        if param in (C.FLAG, C.U8):
            # The C calling conventions expect small integers extended by the caller; Rust relies on it.
            attributes[len(args)] = ("zeroext",)
        args.append(builder.zext(value, LLVM_TYPES[C.FLAG]) if param is C.FLAG else value)
    result = builder.call(function, args, arg_attrs=attributes)
    if slot.returns is C.FLAG:
        result = builder.icmp_unsigned("!=", result, ir.Constant(LLVM_TYPES[C.FLAG], 0))
    return result, [builder.load(cell) for cell in cells]


def mark_use(builder: Any, slot: Slot) -> None:
    """Marks in the module that it calls the slot, if it is one that worlds provide on demand.

    The mark is an empty global variable. Linking copies it into the code of every caller, and a cache stores it with
    the machine code. Typing would not do: it does not run for code from a cache. The linkage is "common", as for
    Numba's own variables that several modules define; LLVM does not remove such a variable if nothing reads it.
    """
    name = MARK + slot.name
    if slot.name in ON_DEMAND and name not in builder.module.globals:
        mark = ir.GlobalVariable(builder.module, ir.IntType(8), name)
        mark.linkage = "common"
        mark.initializer = ir.Constant(ir.IntType(8), 0)


#: Error text for an unknown asset number.
NO_SUCH_ASSET = "asset_no: the bot has no such asset"

#: Slots that take hftbacktest's ALL_ASSETS, which is -1.
_OF_ALL_ASSETS = ("clear_last_trades", "clear_inactive_orders")


def _emit_asset_check(context: Any, builder: Any, handle: Any, asset_no: Any, *, allows_all: bool) -> None:
    """Emits code that raises IndexError for an unknown asset number."""
    is_wrong = builder.icmp_unsigned(">=", asset_no, builder.load(_cell_at(builder, handle, _I64(ASSETS))))
    if allows_all:
        is_wrong = builder.and_(is_wrong, builder.icmp_signed("!=", asset_no, _I64(-1)))
    with cgutils.if_unlikely(builder, is_wrong):
        context.call_conv.return_user_exc(builder, IndexError, (NO_SUCH_ASSET,))


class Member:
    """One method or attribute that is just a slot.

    returns: Numba type of the result. `wrap` converts (builder, handle, raw result, OUT contents) to a value of it.
    """

    def __init__(self, slot: Slot, returns: Any, wrap: Callable[..., Any]) -> None:
        self.slot = slot
        self.returns = returns
        self.wrap = wrap
        names = [(name, kind) for name, kind in slot.params if kind is not C.OUT]
        self.formals = [_NUMBA_TYPES[kind] for _, kind in names]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.pysig = inspect.Signature([inspect.Parameter(name, kind) for name, _ in names])
        self._takes_asset = bool(names) and names[0][0] == "asset_no"

    def emit(self, context: Any, builder: Any, handle: Any, values: list[Any]) -> Any:
        """Emits the call and the conversion of its result.

        With bounds checks on, the asset number is checked, too; otherwise the caller must pass a valid one.
        """
        if self._takes_asset and context.enable_boundscheck:
            _emit_asset_check(
                context, builder, handle, values[0], allows_all=self.slot.name in _OF_ALL_ASSETS
            )
        result, outs = emit_call(builder, self.slot, handle, values)
        return self.wrap(builder, handle, result, outs)


#: Members by owner class and public name; filled at import only.
_methods: dict[tuple[type, str], Member] = {}
_attributes: dict[tuple[type, str], Member] = {}


def bind_method(owner: type, name: str, member: Member, *, is_marked: bool = True) -> None:
    """Binds `owner.name(...)` in compiled code to the member's slot.

    is_marked: whether the call counts as a use of the slot by the strategy (`mark_use`).
    """
    _methods[owner, name] = member

    @lower_builtin(_key(owner, name), owner, types.VarArg(types.Any))
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if is_marked:
            mark_use(builder, member.slot)
        return member.emit(context, builder, args[0], list(args[1:]))


def bind_attribute(owner: type, name: str, member: Member) -> None:
    """Binds `owner.name` in compiled code to a call of the member's slot."""
    _attributes[owner, name] = member


def _key(owner: type, name: str) -> str:
    return f"arb.bot.{owner.__name__}.{name}"


def _bound_method(owner: type, this: Any, name: str, member: Member) -> Any:
    class Template(AbstractTemplate):  # type: ignore[misc]
        key = _key(owner, name)

        def generic(self, args: Any, kws: Any) -> Any:
            try:
                actual = member.pysig.bind(*args, **kws).args
            except TypeError:
                return None
            if len(actual) != len(member.formals) or not all(map(self._fits, actual, member.formals)):
                return None
            sig = signature(member.returns, *member.formals, recvr=this)
            return sig.replace(pysig=member.pysig)

        def _fits(self, actual: Any, formal: Any) -> bool:
            return self.context.can_convert(actual, formal) is not None

    return types.BoundFunction(Template, this)


def _register(owner: type) -> None:
    @infer_getattr
    class Attributes(AttributeTemplate):  # type: ignore[misc]
        key = owner

        def generic_resolve(self, typ: Any, attr: str) -> Any:
            if (owner, attr) in _attributes:
                return _attributes[owner, attr].returns
            if (owner, attr) in _methods:
                return _bound_method(owner, typ, attr, _methods[owner, attr])
            return None

    @lower_getattr_generic(owner)
    def lower(context: Any, builder: Any, typ: Any, value: Any, attr: str) -> Any:
        mark_use(builder, _attributes[owner, attr].slot)
        return _attributes[owner, attr].emit(context, builder, value, [])


def _raw(slot: Slot) -> Member:
    outs = sum(kind is C.OUT for _, kind in slot.params)
    if not outs:
        plain = _NUMBA_TYPES[slot.returns]
        if slot.returns is C.VOID:
            return Member(
                slot,
                plain,
                lambda builder, handle, result, outs: ir.Constant(ir.IntType(8).as_pointer(), None),
            )
        return Member(slot, plain, lambda builder, handle, result, outs: result)

    def wrap(builder: Any, handle: Any, result: Any, cells: list[Any]) -> Any:
        first = builder.zext(result, _I64) if slot.returns is C.FLAG else result
        return cgutils.pack_array(builder, [first, *cells])

    return Member(slot, types.UniTuple(types.int64, 1 + outs), wrap)


def handle_of(builder: Any, handle: Any, result: Any, outs: list[Any]) -> Any:
    """`wrap` of a member whose result is the address of an object with the same table."""
    return cgutils.pack_struct(builder, [result, builder.extract_value(handle, 1)])


def zero_for_nan(builder: Any, handle: Any, result: Any, outs: list[Any]) -> Any:
    """`wrap` of a member that returns 0.0 when its slot returns NaN."""
    is_known = builder.fcmp_ordered("==", result, result)
    return builder.select(is_known, result, ir.Constant(ir.DoubleType(), 0.0))


def address_of(builder: Any, handle: Any, result: Any, outs: list[Any]) -> Any:
    """`wrap` of a member whose result is the address of a struct."""
    return cgutils.pack_struct(builder, [result])


#: Every slot without conversions of the public interface.
RAW: dict[str, Member] = {slot.name: _raw(slot) for slot in SLOTS}

for _owner in _OWNERS.values():
    _register(_owner)
for _slot in SLOTS:
    bind_method(_OWNERS[_slot.owner], f"c_{_slot.name}", RAW[_slot.name])
    if _slot.name in ON_DEMAND:
        bind_method(_OWNERS[_slot.owner], f"own_{_slot.name}", RAW[_slot.name], is_marked=False)


@intrinsic
def cell(typingctx: Any, handle: Any, index: Any) -> Any:
    """Content of data cell `index` of the handle's table."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_cell_at(builder, *args))

    return types.int64(handle, types.int64), codegen


@intrinsic
def set_cell(typingctx: Any, handle: Any, index: Any, value: Any) -> Any:
    """Writes cell `index` of the handle's table."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _cell_at(builder, *args[:2]))
        return context.get_dummy_value()

    return types.void(handle, types.int64, types.int64), codegen


def _cell_at(builder: Any, handle: Any, index: Any) -> Any:
    table = builder.inttoptr(builder.extract_value(handle, 1), _I64.as_pointer())
    return builder.gep(table, [index])


def struct_fields(owner: type, dtype: np.dtype[Any]) -> None:
    """Makes every field of `dtype` an attribute of the address type `owner`, read directly from memory."""
    fields: dict[str, tuple[Any, int]] = {}
    for name, (kind, offset, *_) in (dtype.fields or {}).items():
        if not name.startswith("_"):
            fields[name] = (_SCALARS[kind.str[1:]], offset)

    @infer_getattr
    class Fields(AttributeTemplate):  # type: ignore[misc]
        key = owner

        def generic_resolve(self, typ: Any, attr: str) -> Any:
            return fields[attr][0] if attr in fields else None

    @lower_getattr_generic(owner)
    def lower(context: Any, builder: Any, typ: Any, value: Any, attr: str) -> Any:
        kind, offset = fields[attr]
        address = builder.add(builder.extract_value(value, 0), ir.Constant(_I64, offset))
        memory = builder.inttoptr(address, context.get_data_type(kind).as_pointer())
        return context.unpack_value(builder, kind, memory)


_SCALARS = {
    "f8": types.float64,
    "i8": types.int64,
    "u8": types.uint64,
    "u1": types.uint8,
    "i1": types.int8,
    "b1": types.boolean,
}
