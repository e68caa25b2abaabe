"""The source lines of an error that compiled strategy code raises.

Numba records the line of a `raise` statement only: a bounds check, a division by zero or an error inside a NumPy
function has none. Functions compiled with `StrategyCompiler` record file, function and line of every error that they
raise or propagate, in a buffer of the process. Only error branches do so; the machine code of the normal path is
unchanged.

The buffer holds the lines of the last error, the innermost first. One strategy runs at a time in a process.
"""

from __future__ import annotations

import copy
import ctypes
import resource
from collections.abc import Iterable
from functools import cache
from operator import getitem, setitem
from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import callconv, cgutils, compiler, lowering, typed_passes, untyped_passes
from numba.core import ir as numba_ir
from numba.core.caching import NullCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.cpu import CPUContext
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target
from numba.core.typing import signature

#: Maximum number of lines per error; in a deeper chain of calls the last entry is the outermost line.
LINES_MAX = 16

# Argument of `_NOTE`: start with this line, append this line, or drop the lines because the error was caught.
_FIRST, _NEXT, _CAUGHT = 0, 1, 2

_NOTE, _ENTER = "arb_note_error_line", "arb_enter_strategy"
#: Called by functions that call themselves.
STACK_END = "arb_stack_end"
_I64, _TEXT = ir.IntType(64), ir.IntType(8).as_pointer()
_NOTE_TYPE = ir.FunctionType(ir.VoidType(), [_TEXT, _I64, _I64])
_STACK_END_TYPE = ir.FunctionType(_I64, [])

# Cells of the buffer: number of lines, lowest address that the stack may reach, then (text address, line) pairs.
_COUNT, _END, _LINES = 0, 1, 2
_buffer = np.zeros(_LINES + 2 * LINES_MAX, np.int64)


class ErrorLine(NamedTuple):
    """A line of source that an error passed through."""

    file: str
    function: str
    line: int


def enter_strategy() -> None:
    """Drops the lines of earlier errors, and sets the stack limit of this thread.

    Call it on the strategy's thread, right before the strategy: recursion may use half of a default stack from here.
    """
    _buffer[_COUNT] = 0
    soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
    size = 2 << 20 if soft == resource.RLIM_INFINITY else min(soft, 8 << 20)
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(_functions()[_ENTER])(size // 2)


def error_lines() -> list[ErrorLine]:
    """The lines of the last error, the innermost first; empty if none was recorded."""
    count = min(int(_buffer[_COUNT]), LINES_MAX)
    found = []
    for text, line in _buffer[_LINES : _LINES + 2 * count].reshape(-1, 2).tolist():
        file, _, function = ctypes.string_at(text).decode("utf-8", "replace").partition("\n")
        found.append(ErrorLine(file, function, line))
    return found


@cache
@global_compiler_lock
def _functions() -> dict[str, int]:
    """Addresses of the functions that compiled code calls, by name; valid for the life of the process."""
    codegen = cpu_target.target_context.codegen()
    library = codegen.create_library("arb.bot.error_lines")
    module = library.create_ir_module("arb.bot.error_lines")
    _define_note(module)
    function = ir.Function(module, _STACK_END_TYPE, STACK_END)
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(builder.load(_cell(builder, _I64(_END))))
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_I64]), _ENTER)
    builder = ir.IRBuilder(function.append_basic_block())
    builder.store(builder.sub(_stack_address(builder), function.args[0]), _cell(builder, _I64(_END)))
    builder.ret_void()
    library.add_ir_module(module)
    library.finalize()
    return {name: library.get_pointer_to_function(name) for name in (_NOTE, STACK_END, _ENTER)}


def _define_note(module: Any) -> None:
    function = ir.Function(module, _NOTE_TYPE, _NOTE)
    text, line, kind = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    count = builder.load(_cell(builder, _I64(_COUNT)))
    count = builder.select(builder.icmp_signed("==", kind, _I64(_NEXT)), count, _I64(0))
    is_caught = builder.icmp_signed("==", kind, _I64(_CAUGHT))
    with builder.if_then(builder.not_(is_caught)):
        last = _I64(LINES_MAX - 1)
        place = builder.select(builder.icmp_signed("<", count, last), count, last)
        cell = builder.add(builder.mul(place, _I64(2)), _I64(_LINES))
        builder.store(builder.ptrtoint(text, _I64), _cell(builder, cell))
        builder.store(line, _cell(builder, builder.add(cell, _I64(1))))
    after = builder.select(is_caught, _I64(0), builder.add(count, _I64(1)))
    builder.store(after, _cell(builder, _I64(_COUNT)))
    builder.ret_void()


def _cell(builder: Any, index: Any) -> Any:
    return builder.gep(_I64(_buffer.ctypes.data).inttoptr(_I64.as_pointer()), [index])


def _stack_address(builder: Any) -> Any:
    return builder.ptrtoint(builder.alloca(_I64), _I64)


def link_error_lines() -> None:
    """Registers the functions with the linker; before any function of a strategy is compiled or loaded."""
    for name, address in _functions().items():
        llvmlite.binding.add_symbol(name, address)


class _LocatingCalls(callconv.CPUCallConv):  # type: ignore[misc]
    """Numba's calling convention; its error branches also record the line that is being compiled."""

    def return_user_exc(self, builder: Any, exc: Any, *args: Any, **named: Any) -> None:
        # Inside a try block the same function catches it.
        if not getattr(builder, "_in_try_block", False):
            self._note(builder, _I64(_FIRST))
        super().return_user_exc(builder, exc, *args, **named)

    def return_dynamic_user_exc(self, builder: Any, *args: Any, **named: Any) -> None:
        self._note(builder, _I64(_FIRST))
        super().return_dynamic_user_exc(builder, *args, **named)

    def return_status_propagate(self, builder: Any, status: Any) -> None:
        is_caught = self.check_try_status(builder).in_try
        self._note(builder, builder.select(is_caught, _I64(_CAUGHT), _I64(_NEXT)))
        super().return_status_propagate(builder, status)

    def _note(self, builder: Any, kind: Any) -> None:
        lower = self.context.located_lower
        if not isinstance(lower.loc, numba_ir.Loc):  # before the first statement
            return
        text = f"{lower.loc.filename}\n{lower.func_ir.func_id.func_qualname}"
        note = cgutils.get_or_insert_function(builder.module, _NOTE_TYPE, _NOTE)
        where = self.context.insert_const_string(builder.module, text)
        builder.call(note, [where, _I64(lower.loc.line), kind])


class _LocatingContext(CPUContext):  # type: ignore[misc]
    """The target context of one function whose errors are located."""

    #: The lowering object, which has the line that is being compiled.
    located_lower: Any = None
    #: The original context, for functions that Numba compiles in addition to this one.
    plain: Any = None

    @property
    def call_conv(self) -> Any:
        return _LocatingCalls(self)

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        found = super().get_function(fn, sig, _firstcall)
        is_flat = bool(sig.args) and isinstance(sig.args[0], types.NumpyFlatType)
        is_item = getattr(fn, "typing_key", fn) in (getitem, setitem)
        return _checked_flat(self, found, sig) if is_flat and is_item else found

    # Numba shares these functions between callers, so they must not record this function's lines.
    def compile_subroutine(self, builder: Any, *args: Any, **named: Any) -> Any:
        return self.plain.compile_subroutine(builder, *args, **named)


def _checked_flat(context: Any, item: Any, sig: Any) -> Any:
    """`array.flat[index]` with a bounds check, which Numba omits; negative indices are not supported there either."""
    size = context.get_function(len, signature(types.intp, sig.args[0]))

    def checked(builder: Any, args: Any, loc: Any = None) -> Any:
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        is_out = builder.icmp_unsigned(">=", index, size(builder, args[:1]))
        with cgutils.if_unlikely(builder, is_out):
            context.call_conv.return_user_exc(builder, IndexError, ("index is out of bounds",))
        return item(builder, args, loc)

    return checked


class _LocatingLower(lowering.Lower):  # type: ignore[misc]
    def __init__(self, context: Any, *args: Any, **named: Any) -> None:
        super().__init__(context, *args, **named)
        plain: Any = self.context
        located = copy.copy(plain)
        located.__class__ = _LocatingContext
        located.plain = plain
        located.located_lower = self
        located.error_model = type(plain.error_model)(located.call_conv)
        self.context: Any = located

    def _lower_call_RecursiveCall(self, fnty: Any, expr: Any, signature: Any) -> Any:  # noqa: N802 - Numba's name
        stack_end = cgutils.get_or_insert_function(self.builder.module, _STACK_END_TYPE, STACK_END)
        is_deep = self.builder.icmp_unsigned(
            "<", _stack_address(self.builder), self.builder.call(stack_end, [])
        )
        with cgutils.if_unlikely(self.builder, is_deep):
            self.context.call_conv.return_user_exc(
                self.builder, RecursionError, ("it calls itself too often",)
            )
        return super()._lower_call_RecursiveCall(fnty, expr, signature)


@register_pass(mutates_CFG=True, analysis_only=False)
class _LocatingLowering(typed_passes.NativeLowering):  # type: ignore[misc]
    _name = "locating_native_lowering"

    @property
    def lowering_class(self) -> Any:
        return _LocatingLower


@register_pass(mutates_CFG=True, analysis_only=False)
class _CheckedInnerFunctions(untyped_passes.MakeFunctionToJitFunction):  # type: ignore[misc]
    """Compiles inner functions like the function that contains them."""

    _name = "checked_inner_functions"

    def run_pass(self, state: Any) -> bool:
        is_changed = bool(super().run_pass(state))
        for block in state.func_ir.blocks.values():
            for statement in block.find_insts(numba_ir.Assign):
                if isinstance(statement.value, numba_ir.Global):
                    function = statement.value.value
                    if isinstance(function, Dispatcher) and _INNER in function.py_func.__qualname__:
                        check_helpers([function])
        return is_changed


#: Part of the name of a function that Numba creates from an inner one.
_INNER = "closure.<locals>."

_REPLACED = {
    typed_passes.NativeLowering: _LocatingLowering,
    untyped_passes.MakeFunctionToJitFunction: _CheckedInnerFunctions,
}


class StrategyCompiler(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's compiler for functions of a strategy: errors carry their lines, endless recursion is an error."""

    def define_pipelines(self) -> list[Any]:
        usual = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager = PassManager("nopython")
        for kind, description in usual.passes:
            manager.add_pass(_REPLACED.get(kind, kind), description)
        manager.finalize()
        return [manager]


def check_helpers(dispatchers: Iterable[Any]) -> None:
    """Makes functions under the user's own `@njit` check bounds and record lines; their other flags are kept.

    dispatchers: those that a strategy reaches, each after those that it calls. Functions that were already compiled are
    compiled again. The user's `cache=True` is dropped, because they are cached with the strategy that calls them.
    """
    compiled_before = [(one, list(one.overloads)) for one in dispatchers if _set_checked(one)]
    for dispatcher, _ in compiled_before:
        dispatcher._make_finalizer()()
        dispatcher._reset_overloads()
    for dispatcher, signatures in compiled_before:
        can_compile, dispatcher._can_compile = dispatcher._can_compile, True
        for one in signatures:
            dispatcher.compile(one)
        dispatcher._can_compile = can_compile


def _set_checked(dispatcher: Any) -> bool:
    """Whether the function had to be changed."""
    if dispatcher._compiler.pipeline_class is StrategyCompiler:
        return False
    if dispatcher.targetoptions.get("parallel"):  # its loops are lowered differently: bounds checks only
        if dispatcher.targetoptions.get("boundscheck"):
            return False
    else:
        dispatcher._compiler.pipeline_class = StrategyCompiler
    dispatcher.targetoptions["boundscheck"] = True
    dispatcher._cache = NullCache()
    return True
