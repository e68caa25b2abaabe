"""Reading JSON text byte by byte with Numba: digits, strings, level lists, row packing. Shared by all venues.

The parsers accept a strict subset of JSON (no white space, no escapes, plain decimals) and return NOT_MINE for
everything else; the caller then uses the venue's JSON decoder. So a parser may refuse a valid frame, which only costs
speed, but must never emit rows that the JSON decoder would not emit.

Every buffer has `PADDING` zero bytes after its text: digits are read eight at a time, and a zero ends any token. Runs
on the caller's thread and holds no state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_BBO_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
)
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from connectors.jit.compilation import compiled
from connectors.units import MICROSECOND, MILLISECOND

#: Zero bytes that must follow the text in a buffer; more than the longest single load.
PADDING = 64
#: Shortest text of one level, `["1","1"]`, so that length / this bounds the rows of a frame.
LEVEL_BYTES_MIN = 9
#: Longest symbol that a parser compares; real symbols are much shorter.
SYMBOL_BYTES_MAX = 24

#: Venue timestamps below this are ms, others µs (Binance spot's `timeUnit=MICROSECOND`).
MICROSECONDS_MIN = 10**14
#: The first ms and µs timestamps that do not fit into int64 ns.
MILLISECONDS_MAX = 2**63 // MILLISECOND
STAMP_MAX = 2**63 // MICROSECOND

#: Result of a parser: the frame is not of the strict form. Zero or more is the row count after the frame.
NOT_MINE = -1

DELTA_BID = DEPTH_EVENT | BUY_EVENT
DELTA_ASK = DEPTH_EVENT | SELL_EVENT
CLEAR_BID = DEPTH_CLEAR_EVENT | BUY_EVENT
CLEAR_ASK = DEPTH_CLEAR_EVENT | SELL_EVENT
SNAPSHOT_BID = DEPTH_SNAPSHOT_EVENT | BUY_EVENT
SNAPSHOT_ASK = DEPTH_SNAPSHOT_EVENT | SELL_EVENT
BBO_BID = DEPTH_BBO_EVENT | BUY_EVENT
BBO_ASK = DEPTH_BBO_EVENT | SELL_EVENT
TRADE_BUY = TRADE_EVENT | BUY_EVENT
TRADE_SELL = TRADE_EVENT | SELL_EVENT

# Text that the parsers compare with; a uint8 array is the cheapest constant in compiled code.
QUOTE, COMMA, COLON, DOT, ZERO = 34, 44, 58, 46, 48
OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST, BACKSLASH, NEWLINE, RETURN = 123, 125, 91, 93, 92, 10, 13

_POWERS = np.array([10.0**k for k in range(23)])
_INT_POWERS = np.array([10**k for k in range(20)], np.uint64)
_EXACT_MAX = np.uint64(2**53)  # largest mantissa that a float64 holds exactly

_ZEROS = np.uint64(0x3030303030303030)
_SIXES = np.uint64(0x0606060606060606)
_HIGH_NIBBLES = np.uint64(0xF0F0F0F0F0F0F0F0)
_PAIR_MASK = np.uint64(0x000000FF000000FF)
_PAIR_WEIGHTS_HIGH = np.uint64(0x000F424000000064)
_PAIR_WEIGHTS_LOW = np.uint64(0x0000271000000001)
_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_CONTROL_LIMIT = np.uint64(0x2020202020202020)
_U0, _U3, _U8, _U10, _U16, _U32 = (np.uint64(n) for n in (0, 3, 8, 10, 16, 32))


def _address(context, builder, kind, value, index):
    """The address of byte `index` of a buffer; `kind` is the buffer's Numba type, a byte array or a byte pointer."""
    data = (
        value if isinstance(kind, types.CPointer) else context.make_array(kind)(context, builder, value).data
    )
    return builder.gep(data, [index])


@intrinsic
def pointer_to(typing_context, array):
    """A pointer to the items of a one-dimensional array, indexed like the array. The caller keeps the array alive.

    Passing an array costs an atomic reference count at the end of every inlined function, which takes longer than the
    small byte functions here. Every `buffer` argument may be the array or this pointer.
    """

    def codegen(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), codegen


@intrinsic
def load_8_bytes(typing_context, buffer, index):
    """The eight bytes at `buffer[index:]` as a little-endian uint64; no bounds check (see PADDING)."""

    def codegen(context, builder, signature, args):
        address = _address(context, builder, signature.args[0], args[0], args[1])
        return builder.load(builder.bitcast(address, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(buffer, types.int64), codegen


@intrinsic
def different_of_64(typing_context, buffer, i, j):
    """Bit mask of the 64 bytes at `buffer[i:]` that differ from those at `buffer[j:]`; no bounds check."""

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(ir.IntType(8), 64)

        def load(index):
            address = _address(context, builder, signature.args[0], args[0], index)
            return builder.load(builder.bitcast(address, vector.as_pointer()), align=1)

        different = builder.icmp_unsigned("!=", load(args[1]), load(args[2]))
        return builder.bitcast(different, ir.IntType(64))

    return types.uint64(buffer, types.int64, types.int64), codegen


@intrinsic
def trailing_zeros(typing_context, word):
    """The number of zero bits below the lowest set bit of a uint64; 64 for zero."""

    def codegen(context, builder, signature, args):
        function_type = ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(1)])
        cttz = cgutils.get_or_insert_function(builder.module, function_type, "llvm.cttz.i64")
        return builder.call(cttz, [args[0], ir.Constant(ir.IntType(1), 0)])

    return types.uint64(types.uint64), codegen


@compiled
def read_digits(buffer, i):
    """Up to eight digits at `i`: their value and count. The classic multiply-and-shift reduction of ASCII digits."""
    word = load_8_bytes(buffer, i) ^ _ZEROS
    not_digits = ((word + _SIXES) | word) & _HIGH_NIBBLES
    count = trailing_zeros(not_digits) >> _U3
    if count == _U0:
        return _U0, 0
    word <<= (_U8 - count) << _U3
    word = (word * _U10) + (word >> _U8)
    high = (word & _PAIR_MASK) * _PAIR_WEIGHTS_HIGH
    low = ((word >> _U16) & _PAIR_MASK) * _PAIR_WEIGHTS_LOW
    return (high + low) >> _U32, np.int64(count)


def _decimal_reader(*, is_quoted: bool) -> Any:
    """Compiles the reader of a plain decimal at `i`: value, index after it and its quote, whether it is valid.

    The value is the float64 nearest to the text: mantissa and power of ten are both exact, so one division rounds once.
    Mantissas above 2**53 (after removing trailing zeros), or of more than 19 digits, are refused. Two functions are
    compiled from one source, since calling one from the other added a fifth to the time of a depth frame.
    """
    behind = 1 if is_quoted else 0

    @compiled
    def read(buffer, i):
        mantissa, count = read_digits(buffer, i)
        i += count
        digits = count
        while count == 8:
            value, count = read_digits(buffer, i)
            mantissa = mantissa * _INT_POWERS[count] + value
            i += count
            digits += count
        if digits == 0:
            return 0.0, i, False
        scale = 0
        if buffer[i] == DOT:
            i += 1
            value, count = read_digits(buffer, i)
            mantissa = mantissa * _INT_POWERS[count] + value
            i += count
            scale = count
            while count == 8:
                value, count = read_digits(buffer, i)
                mantissa = mantissa * _INT_POWERS[count] + value
                i += count
                scale += count
            digits += scale
            if scale == 0:
                return 0.0, i, False
        if digits > 19 or (is_quoted and buffer[i] != QUOTE):
            return 0.0, i, False
        while mantissa > _EXACT_MAX and scale > 0 and mantissa % _U10 == _U0:
            mantissa //= _U10
            scale -= 1
        if mantissa > _EXACT_MAX or scale > 22:
            return 0.0, i, False
        return np.float64(mantissa) / _POWERS[scale], i + behind, True

    return read


#: Readers of a number in quotes, and of one without.
read_decimal = _decimal_reader(is_quoted=True)
read_bare_decimal = _decimal_reader(is_quoted=False)


@compiled
def read_int(buffer, i):
    """The JSON integer at `i`: value and index after it; the index is `i` if there is none.

    No sign, no leading zero, at most 18 digits; a fraction or exponent makes the caller refuse what follows.
    """
    if buffer[i] == ZERO:
        return 0, i + 1
    value, count = read_digits(buffer, i)
    j = i + count
    while count == 8:
        more, count = read_digits(buffer, j)
        value = value * _INT_POWERS[count] + more
        j += count
        if j - i > 18:
            return 0, i
    return np.int64(value), j


@compiled
def _plain_text_length(word):
    """How many of the eight bytes come before a quote, backslash, control or non-ASCII byte (8: all of them)."""
    quote = word ^ _QUOTES
    backslash = word ^ _BACKSLASHES
    special = (
        ((quote - _ONES) & ~quote)
        | ((backslash - _ONES) & ~backslash)
        | ((word - _CONTROL_LIMIT) & ~word)
        | word
    ) & _HIGH_BITS
    return np.int64(trailing_zeros(special) >> _U3)


@compiled
def read_string(buffer, i):
    """Index after the closing quote of the plain ASCII string whose text begins at `i`; -1 if it is not one."""
    while True:
        length = _plain_text_length(load_8_bytes(buffer, i))
        i += length
        if length < 8:
            return i + 1 if buffer[i] == QUOTE else -1


@compiled
def find_newline(buffer, i, end):
    """Index of the first newline at or after `i`; `end` if there is none before it."""
    while i < end:
        word = load_8_bytes(buffer, i) ^ _NEWLINES
        found = (word - _ONES) & ~word & _HIGH_BITS
        if found != _U0:
            return min(i + np.int64(trailing_zeros(found) >> _U3), end)
        i += 8
    return end


@compiled
def find_last_newline(buffer, start, end):
    """Index of the last newline of buffer[start:end]; -1 if there is none."""
    i = end - 1
    while i >= start and buffer[i] != NEWLINE:
        i -= 1
    return i if i >= start else -1


@compiled
def matches(buffer, i, text):
    """Whether the bytes at `i` are `text` (a uint8 array)."""
    for k in range(len(text)):  # noqa: SIM110 (a generator is no compiled code)
        if buffer[i + k] != text[k]:
            return False
    return True


@compiled
def skip_scalar(buffer, i):
    """Index after the scalar value at `i` (string, plain integer, true, false, null); -1 otherwise.

    Nested values of unknown keys are left to the JSON decoder.
    """
    first = buffer[i]
    if first == QUOTE:
        return read_string(buffer, i + 1)
    if first == 116 or first == 110:  # true, null
        is_true = buffer[i + 1] == 114 and buffer[i + 2] == 117 and buffer[i + 3] == 101
        is_null = buffer[i + 1] == 117 and buffer[i + 2] == 108 and buffer[i + 3] == 108
        return i + 4 if (is_true and first == 116) or (is_null and first == 110) else -1
    if first == 102:  # false
        tail = buffer[i + 1] == 97 and buffer[i + 2] == 108 and buffer[i + 3] == 115 and buffer[i + 4] == 101
        return i + 5 if tail else -1
    _, j = read_int(buffer, i)
    return j if j > i else -1


@compiled
def read_number(buffer, i):
    """Reads the unsigned integer at `i`: its value and the index after it (-1: there is none)."""
    number, end = read_int(buffer, i)
    return number, end if end > i else -1


@compiled
def put_row(rows, row, event, exch_ts, local_ts, px, qty):
    """Writes all fields of one event row, so that nothing remains of an earlier use of the buffer."""
    out = rows[row]
    out.ev = event
    out.exch_ts = exch_ts
    out.local_ts = local_ts
    out.px = px
    out.qty = qty
    out.order_id = 0
    out.ival = 0
    out.fval = 0.0


@compiled
def read_levels(buffer, i, rows, row, event, local_ts):
    """Reads the list of `["px","qty"]` at `i` into rows: index after it (-1: refused) and the next free row.

    `exch_ts` is left zero: a frame has its time before or after the levels; `stamp_rows` sets it.
    """
    if buffer[i] != OPEN_LIST:
        return -1, row
    i += 1
    if buffer[i] == CLOSE_LIST:
        return i + 1, row
    while True:
        if buffer[i] != OPEN_LIST or buffer[i + 1] != QUOTE:
            return -1, row
        px, i, is_px = read_decimal(buffer, i + 2)
        if not is_px or buffer[i] != COMMA or buffer[i + 1] != QUOTE:
            return -1, row
        qty, i, is_qty = read_decimal(buffer, i + 2)
        if not is_qty or buffer[i] != CLOSE_LIST:
            return -1, row
        put_row(rows, row, event, 0, local_ts, px, qty)
        row += 1
        after = buffer[i + 1]
        i += 2
        if after == CLOSE_LIST:
            return i, row
        if after != COMMA:
            return -1, row


@compiled
def read_snapshot_side(buffer, i, rows, row, clear_event, event, local_ts):
    """Reads one side of a snapshot: a clear row up to its last price (NaN: an empty side), then its levels."""
    clear_row = row
    i, row = read_levels(buffer, i, rows, row + 1, event, local_ts)
    px = rows[row - 1].px if row > clear_row + 1 else np.nan
    put_row(rows, clear_row, clear_event, 0, local_ts, px, 0.0)
    return i, row


@compiled
def stamp_rows(rows, start, end, exch_ts):
    """Sets the exchange time of rows[start:end]."""
    for row in range(start, end):
        rows[row].exch_ts = exch_ts


@compiled
def is_stamp(stamp):
    """Whether a non-negative number is a time in ms or µs that fits into an int64 of ns."""
    return stamp < MILLISECONDS_MAX or (stamp >= MICROSECONDS_MIN and stamp < STAMP_MAX)


@compiled
def nanoseconds(stamp):
    """A venue's timestamp (see `is_stamp`) in ns."""
    return stamp * MILLISECOND if stamp < MICROSECONDS_MIN else stamp * MICROSECOND


@compiled
def is_letter(byte):
    """Whether a one-byte key is plain text: a letter, or one of `[]^_` and the backtick.

    A quote, backslash, control or non-ASCII byte would be an escape, the end of the string, or invalid.
    """
    return byte >= 65 and byte <= 122 and byte != BACKSLASH


@compiled
def find_symbol(buffer, start, end, symbols):
    """Index in `symbols` (see `symbol_table`) of the symbol at buffer[start:end]; -1 if it is none of them."""
    length = end - start
    for k in range(symbols.shape[0]):
        if symbols[k, SYMBOL_BYTES_MAX] == length:
            same = True
            for b in range(length):
                if symbols[k, b] != buffer[start + b]:
                    same = False
                    break
            if same:
                return k
    return -1


@compiled
def read_symbol(buffer, i, symbols):
    """Reads a string from `i` to its quote as a symbol: index after it (-1: refused), and `find_symbol` of it."""
    end = read_string(buffer, i)
    if end <= i + 1:
        return -1, -1
    return end, find_symbol(buffer, i, end - 1, symbols)


def symbol_table(symbols: list[str]) -> NDArray[np.uint8]:
    """Symbols in the parsers' form: one row each, the text padded with zeros, its length in the last byte.

    Raises ValueError for a symbol that is empty, too long or not ASCII.
    """
    table = np.zeros((len(symbols), SYMBOL_BYTES_MAX + 1), np.uint8)
    for row, symbol in zip(table, symbols, strict=True):
        text = symbol.encode("ascii")
        if not 0 < len(text) <= SYMBOL_BYTES_MAX:
            raise ValueError(f"symbol {symbol!r} has not between 1 and {SYMBOL_BYTES_MAX} characters")
        row[: len(text)] = np.frombuffer(text, np.uint8)
        row[SYMBOL_BYTES_MAX] = len(text)
    return table


def text(literal: str) -> NDArray[np.uint8]:
    """`literal` as a uint8 array, the form in which compiled code compares text."""
    return np.frombuffer(literal.encode("ascii"), np.uint8)


def padded(data: bytes) -> NDArray[np.uint8]:
    """`data` followed by the zero bytes that every parser relies on."""
    buffer = np.zeros(len(data) + PADDING, np.uint8)
    buffer[: len(data)] = np.frombuffer(data, np.uint8)
    return buffer
