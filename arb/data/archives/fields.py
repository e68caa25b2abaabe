"""Compiled decoding of CSV lines into records with the columns of interest.

A line that is not of the plain form (a sign, an exponent, quotes, a wrong number of columns) is left to the caller,
which reads it by slow code and reports errors. The buffer needs zero bytes after its text, see
`connectors.parsing.scanner.PADDING`. Stateless; runs on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.jit.compilation import compiled
from connectors.parsing.scanner import (
    COMMA,
    DOT,
    NEWLINE,
    QUOTE,
    RETURN,
    ZERO,
    different_of_64,
    find_newline,
    load_8_bytes,
    pointer_to,
    read_bare_decimal,
    read_digits,
    read_int,
    trailing_zeros,
)


class Role(IntEnum):
    """The meaning of a column."""

    SKIP = 0
    WORD = 1
    """A text that must be the expected one: the symbol, the exchange."""
    PRICE = 2
    QTY = 3
    PRICE_2 = 4
    """The ask's, where `PRICE` is the bid's."""
    QTY_2 = 5
    TIME = 6
    """Since the epoch in s, ms or µs, with or without a fraction; the size of the number decides which."""
    TIME_2 = 7
    ID = 8
    SIDE = 9
    """buy, bid, sell or ask."""
    BUYER_IS_MAKER = 10
    """A flag: the aggressor sold."""
    FLAG = 11


BUY, SELL = 1, -1

#: The columns of interest of one line; zero for columns that a format lacks. Times in ns.
RECORD_DTYPE = np.dtype(
    [
        ("px", "f8"),
        ("qty", "f8"),
        ("px_2", "f8"),
        ("qty_2", "f8"),
        ("time", "i8"),
        ("time_2", "i8"),
        ("id", "i8"),
        ("side", "i8"),
        ("flag", "i8"),
        ("line", "i8"),
    ],
    align=True,
)

# Why the loop stopped, and the fields of its cursor, an int64 array that the loop updates.
DONE, BAD_LINE, FULL = 0, 1, 2
POSITION, LINE, COUNT = 0, 1, 2

#: Numbers from here on are ms, and µs; the first time that overflows an int64 of ns, in each unit.
MILLISECONDS_MIN, MICROSECONDS_MIN = 10**11, 10**14
TIMES_MAX = (2**63 // 10**9, 2**63 // 10**6, 2**63 // 10**3)
_SECONDS_MAX, _MILLISECONDS_MAX, _MICROSECONDS_MAX = TIMES_MAX
_FRACTION_DIGITS_MAX = 9
_TENS = np.array([10**k for k in range(_FRACTION_DIGITS_MAX + 1)])

_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_COMMAS = np.uint64(0x2C2C2C2C2C2C2C2C)
_QUOTES = np.uint64(0x2222222222222222)
_CONTROL_LIMIT = np.uint64(0x2020202020202020)
_U0, _U3, _U8, _U10, _U16, _U32 = (np.uint64(n) for n in (0, 3, 8, 10, 16, 32))
_ZEROS = np.uint64(0x3030303030303030)
_SIXES = np.uint64(0x0606060606060606)
_HIGH_NIBBLES = np.uint64(0xF0F0F0F0F0F0F0F0)
_NOT_A_DIGIT = np.uint64(0xFF00000000000000)
_PAIR_MASK = np.uint64(0x000000FF000000FF)
_PAIR_WEIGHTS_HIGH = np.uint64(0x000F424000000064)
_PAIR_WEIGHTS_LOW = np.uint64(0x0000271000000001)
_BYTE, _BYTE_BITS, _LAST_BYTE, _DOT = (np.uint64(n) for n in (0xFF, 0x78, 56, DOT))
_POWERS = np.array([10.0**k for k in range(9)])
_LOWER_CASE = np.uint64(0x2020202020202020)
_THREE_BYTES, _FOUR_BYTES, _FIVE_BYTES = (np.uint64((1 << 8 * n) - 1) for n in (3, 4, 5))
_BUY, _BID, _ASK, _SELL, _TRUE, _FALSE = (
    np.uint64(int.from_bytes(text, "little")) for text in (b"buy", b"bid", b"ask", b"sell", b"true", b"false")
)
#: Maximum length of an expected text in eight-byte words.
_WORDS_MAX = 8
_WORD_FIELDS = 1 + _WORDS_MAX


def word_table(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Expected texts in the form that the loop compares: a row each, its length, then its bytes, eight at a time.

    Raises ValueError for a text that is too long or not ASCII.
    """
    table = np.zeros((len(texts), _WORD_FIELDS), np.uint64)
    for row, text in zip(table, texts, strict=True):
        encoded = text.encode("ascii")
        if len(encoded) > 8 * _WORDS_MAX:
            raise ValueError(f"{text!r} has more than {8 * _WORDS_MAX} characters")
        row[0] = len(encoded)
        row[1:].view(np.uint8)[: len(encoded)] = np.frombuffer(encoded, np.uint8)
    return table


class Slots(NamedTuple):
    """The columns of a file in the form that the loop reads: a slot a column, or one for consecutive skipped ones."""

    roles: tuple[Role, ...]
    #: The number of columns of each slot.
    widths: NDArray[np.int64]
    #: A row of `word_table` per slot, concatenated.
    words: NDArray[np.uint64]


def slots_of(roles: Sequence[Role], texts: Sequence[str]) -> Slots:
    """The slots of columns, given each column's role and the text that a WORD must have.

    Raises ValueError for a text that is too long or not ASCII.
    """
    runs = [
        (role, expected, len(list(columns)))
        for (role, expected, _), columns in groupby(
            enumerate(zip(roles, texts, strict=True)),
            lambda column: (*column[1], 0 if column[1][0] == Role.SKIP else column[0]),
        )
    ]
    widths = np.array([width for _, _, width in runs], np.int64)
    return Slots(
        tuple(role for role, _, _ in runs), widths, word_table([text for _, text, _ in runs]).ravel()
    )


@cache
def record_reader(roles: tuple[Role, ...]) -> Any:
    """The compiled loop over the lines of a file whose slots have these roles.

    It is specialised for one order of columns, which halves the time per line compared with looking roles up. Its
    arguments are those of the inner `read_records`.
    """
    repeated = repeated_slots(roles)
    read_repeated = _slots_reader(roles, 0, repeated)
    read_others = _slots_reader(roles, repeated, len(roles))

    @compiled
    def read_records(text, end, column_counts, expected, records, cursor):
        """Reads lines of text[:end] into `records` until the end, a full array, or a line that it cannot read.

        column_counts, expected: `widths` and `words` of `Slots`. Blank lines are skipped.
        """
        buffer, widths, words = pointer_to(text), pointer_to(column_counts), pointer_to(expected)
        i, line, count = cursor[POSITION], cursor[LINE], cursor[COUNT]
        why = DONE
        # Position and length of the repeated columns' text in the line of the last record.
        known = length = np.int64(0)
        while i < end:
            if buffer[i] == NEWLINE or (buffer[i] == RETURN and buffer[i + 1] == NEWLINE):
                i = find_newline(buffer, i, end) + 1
                line += 1
                continue
            if count == len(records):
                why = FULL
                break
            record = records[count]
            behind = i
            if length > 0 and i + length < end and _is_same_text(buffer, known, i, length):
                record.time, record.time_2 = records[count - 1].time, records[count - 1].time_2
                behind = i + length
            else:
                behind = read_repeated(buffer, i, widths, words, record)
            after = read_others(buffer, behind, widths, words, record) if behind >= 0 else -1
            after = _read_line_end(buffer, after, end) if after >= 0 else -1
            if after < 0:
                why = BAD_LINE
                break
            known, length = i, behind - i
            record.line = line
            count += 1
            line += 1
            i = after
        cursor[POSITION], cursor[LINE], cursor[COUNT] = i, line, count
        return why

    return read_records


def repeated_slots(roles: Sequence[Role]) -> int:
    """The number of leading slots (not all) with columns that the lines of a message share: names and times."""
    n = 0
    while n < len(roles) - 1 and roles[n] in (Role.WORD, Role.TIME, Role.TIME_2):
        n += 1
    return n


def _slots_reader(roles: tuple[Role, ...], start: int, stop: int) -> Any:
    """A compiled function: reads slots start..stop at `i` into `record`; the index after them and the comma, or -1."""
    if start == stop:
        return _read_nothing
    role, is_last = int(roles[start]), start == len(roles) - 1
    read_rest = _slots_reader(roles, start + 1, stop)

    @compiled(forceinline=True)
    def read_slots(buffer, i, widths, words, record):
        for column in range(widths[start] if role == Role.SKIP else 1):
            i = _read_field(buffer, i, role, words, start, record)
            if i < 0:
                return -1
            if not (is_last and column == widths[start] - 1):
                if buffer[i] != COMMA:
                    return -1
                i += 1
        return read_rest(buffer, i, widths, words, record)

    return read_slots


@compiled(forceinline=True)
def _read_nothing(buffer, i, widths, words, record):
    return i


@compiled(forceinline=True)
def _is_same_text(buffer, i, j, length):
    """Whether `length` bytes at two positions are equal."""
    k = np.int64(0)
    while k < length:
        different = different_of_64(buffer, i + k, j + k)
        if length - k < 64:
            different <<= np.uint64(64 - (length - k))
        if different != _U0:
            return False
        k += 64
    return True


@compiled(forceinline=True)
def _read_line_end(buffer, i, end):
    """The start of the next line, or -1 if the last column is not followed by a line end."""
    if buffer[i] == RETURN:
        i += 1
    if i >= end:
        return end if i == end else -1
    return i + 1 if buffer[i] == NEWLINE else -1


@compiled(forceinline=True)
def _read_field(buffer, i, role, words, slot, record):
    """Reads one field; returns the index after it, or -1."""
    if role == Role.SKIP:
        return _skip_text(buffer, i)
    if role == Role.WORD:
        return _match_word(buffer, i, words, slot)
    if role == Role.PRICE or role == Role.QTY or role == Role.PRICE_2 or role == Role.QTY_2:
        value, i = _read_decimal(buffer, i)
        if role == Role.PRICE:
            record.px = value
        elif role == Role.QTY:
            record.qty = value
        elif role == Role.PRICE_2:
            record.px_2 = value
        else:
            record.qty_2 = value
        return i
    if role == Role.TIME or role == Role.TIME_2:
        time, i = _read_time(buffer, i)
        if role == Role.TIME:
            record.time = time
        else:
            record.time_2 = time
        return i
    if role == Role.ID:
        number, j = read_int(buffer, i)
        record.id = number
        return j if j > i else -1
    if role == Role.SIDE:
        side, i = _read_side(buffer, i)
        record.side = side
        return i
    flag, i = _read_flag(buffer, i)
    if role == Role.FLAG:
        record.flag = flag
    else:
        record.side = SELL if flag else BUY
    return i


@compiled(forceinline=True)
def _read_decimal(buffer, i):
    """The plain decimal at `i` and the index after it, or -1: as `read_bare_decimal`, faster up to seven characters."""
    word = load_8_bytes(buffer, i)
    digits = word ^ _ZEROS
    whole = trailing_zeros(((digits + _SIXES) | digits) & _HIGH_NIBBLES) & _BYTE_BITS
    if whole > _U0 and whole < _LAST_BYTE and (word >> whole) & _BYTE == _DOT:
        # Shifts the digits after the point by one, over the point.
        low = (np.uint64(1) << whole) - np.uint64(1)
        digits = (digits & low) | ((digits >> _U8) & ~low) | _NOT_A_DIGIT
        all_digits = trailing_zeros(((digits + _SIXES) | digits) & _HIGH_NIBBLES) & _BYTE_BITS
        if all_digits > whole and all_digits < _LAST_BYTE:
            value = _number_of(digits << (np.uint64(64) - all_digits))
            return np.float64(value) / _POWERS[(all_digits - whole) >> _U3], i + np.int64(
                all_digits >> _U3
            ) + 1
    value, i, is_one = read_bare_decimal(buffer, i)
    return value, i if is_one else -1


@compiled(forceinline=True)
def _number_of(digits):
    """The number of eight digits 0 to 9, a byte each, the first in the lowest; see `scanner.read_digits`."""
    pairs = (digits * _U10) + (digits >> _U8)
    high = (pairs & _PAIR_MASK) * _PAIR_WEIGHTS_HIGH
    low = ((pairs >> _U16) & _PAIR_MASK) * _PAIR_WEIGHTS_LOW
    return (high + low) >> _U32


@compiled(forceinline=True)
def _match_word(buffer, i, words, slot):
    """Index after the expected word at `i`; -1 for any other text. The caller checks what follows it."""
    length = np.int64(words[slot * _WORD_FIELDS])
    j = 0
    while j < length:
        word = load_8_bytes(buffer, i + j) ^ words[slot * _WORD_FIELDS + 1 + (j >> 3)]
        if length - j < 8:
            word <<= np.uint64(8 * (8 - (length - j)))
        if word != _U0:
            return -1
        j += 8
    return i + length


@compiled(forceinline=True)
def _skip_text(buffer, i):
    """Index of the comma or line end after the text at `i`; -1 for a quote in it."""
    while True:
        word = load_8_bytes(buffer, i)
        comma = word ^ _COMMAS
        quote = word ^ _QUOTES
        special = (
            ((comma - _ONES) & ~comma) | ((quote - _ONES) & ~quote) | ((word - _CONTROL_LIMIT) & ~word)
        ) & _HIGH_BITS
        length = np.int64(trailing_zeros(special) >> _U3)
        i += length
        if length < 8:
            return -1 if buffer[i] == QUOTE else i


@compiled(forceinline=True)
def _read_time(buffer, i):
    """The time at `i` in ns and the index after it; -1 if there is none, or one that overflows."""
    high, count = read_digits(buffer, i)
    low, count_low = read_digits(buffer, i + 8)
    if count == 8 and count_low == 8 and buffer[i] != ZERO and not _is_digit(buffer[i + 16]):
        whole, j = np.int64(high) * 100_000_000 + np.int64(low), i + 16
    else:
        whole, j = read_int(buffer, i)
        if j == i:
            return 0, -1
    if whole < MILLISECONDS_MIN:
        unit, most = 1_000_000_000, _SECONDS_MAX
    elif whole < MICROSECONDS_MIN:
        unit, most = 1_000_000, _MILLISECONDS_MAX
    else:
        unit, most = 1_000, _MICROSECONDS_MAX
    if whole >= most:
        return 0, -1
    time = whole * unit
    if buffer[j] == DOT:
        fraction, digits = read_digits(buffer, j + 1)
        if digits == 0:
            return 0, -1
        j += 1 + digits
        scale = np.int64(digits)
        number = np.int64(fraction)
        if digits == 8:
            more, digits = read_digits(buffer, j)
            if digits > 1:
                return 0, -1
            if digits == 1:
                number = number * 10 + np.int64(more)
                scale += 1
                j += 1
        time += number * unit // _TENS[scale]
    return time, j


@compiled(forceinline=True)
def _is_digit(byte):
    return byte >= 48 and byte <= 57


@compiled(forceinline=True)
def _read_side(buffer, i):
    word = load_8_bytes(buffer, i) | _LOWER_CASE
    three = word & _THREE_BYTES
    is_ask = three == _ASK
    if is_ask | (three == _BUY) | (three == _BID):
        # Branch-free: bids and asks alternate at random, so a branch would be mispredicted half of the time.
        return BUY + (SELL - BUY) * np.int64(is_ask), i + 3
    if word & _FOUR_BYTES == _SELL:
        return SELL, i + 4
    return 0, -1


@compiled(forceinline=True)
def _read_flag(buffer, i):
    word = load_8_bytes(buffer, i) | _LOWER_CASE
    if word & _FIVE_BYTES == _FALSE:
        return 0, i + 5
    if word & _FOUR_BYTES == _TRUE:
        return 1, i + 4
    return 0, -1
