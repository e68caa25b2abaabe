"""Reads a CSV file of an archive into records: finds its columns, decodes its lines, and reports errors."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arb.data.archives.fields import (
    BAD_LINE,
    BUY,
    COUNT,
    DONE,
    LINE,
    MICROSECONDS_MIN,
    MILLISECONDS_MIN,
    POSITION,
    RECORD_DTYPE,
    SELL,
    TIMES_MAX,
    Role,
    record_reader,
    slots_of,
)
from arb.data.archives.text import LINE_BYTES_MAX, Text
from arb.errors import InputError
from connectors.model import Rows
from connectors.parsing.json_fields import decimal
from connectors.parsing.scanner import PADDING, find_last_newline, find_newline

#: Maximum number of records yielded at a time.
_RECORDS_MAX = 1 << 14
_SHOWN_MAX = 60

_SIDES = {"buy": BUY, "bid": BUY, "sell": SELL, "ask": SELL}
_UNKNOWN_SIDE = {"unknown": 0}
_FLAGS = {"true": 1, "false": 0}
#: The field of a record that a role fills.
_FIELDS = {
    Role.PRICE: "px",
    Role.QTY: "qty",
    Role.PRICE_2: "px_2",
    Role.QTY_2: "qty_2",
    Role.TIME: "time",
    Role.TIME_2: "time_2",
    Role.ID: "id",
    Role.SIDE: "side",
    Role.BUYER_IS_MAKER: "side",
    Role.FLAG: "flag",
}


class Column(NamedTuple):
    """A column of interest. `names`: its spellings in headers; case and underscores are ignored."""

    role: Role
    names: tuple[str, ...]
    is_optional: bool = False


class Layout(NamedTuple):
    """The columns of a format. `headerless`: column names of files that may lack a header, by their number."""

    columns: tuple[Column, ...]
    headerless: tuple[tuple[str, ...], ...] = ()
    #: Whether a price or quantity may be empty and is read as zero: a side without a best price.
    has_empty: bool = False
    #: Whether a trade's side may be "unknown"; such trades are skipped.
    has_unknown_side: bool = False


class Table:
    """The records of one file. `slow_lines` counts lines that were not of the plain form."""

    def __init__(self, path: Path, layout: Layout, words: Mapping[str, str]) -> None:
        """`words`: the required text of columns of role WORD, by the first of their names."""
        self._path = path
        self._layout = layout
        self._words = words
        self._names: list[str] = []
        self._roles: tuple[Role, ...] = ()
        self._expected: list[str] = []
        self._slots = slots_of([], [])
        self._buffer: NDArray[np.uint8] = np.zeros(PADDING, np.uint8)
        self._records = np.zeros(_RECORDS_MAX, RECORD_DTYPE)
        self._cursor = np.zeros(3, np.int64)
        self._cursor[LINE] = 1
        self.slow_lines = 0

    def read(self, texts: Iterable[Text]) -> Iterator[Rows]:
        """The records of a text given in pieces of any size; yields views that are valid until the next request.

        Raises InputError that names file, line and column.
        """
        begun = self._buffer[:0]  # an incomplete line
        for buffer, start, stop in texts:
            first = start - len(begun)
            buffer[first:start] = begun
            cut = int(find_last_newline(buffer, start, stop)) + 1 or first
            begun = np.array(buffer[cut:stop])
            if cut > first:
                yield from self._read_text(buffer, first, cut)
            if len(begun) > LINE_BYTES_MAX:
                raise self.error("a line of more than 1 MB")
        if len(begun):
            yield from self._read_text(np.append(begun, np.zeros(PADDING, np.uint8)), 0, len(begun))
        if not self._names:
            raise InputError(f"{self._path}: there is nothing in it; download it again")

    def _read_text(self, buffer: NDArray[np.uint8], start: int, end: int) -> Iterator[Rows]:
        """The records of the complete lines of buffer[start:end]."""
        self._buffer = buffer
        cursor = self._cursor
        cursor[POSITION], cursor[COUNT] = start, 0
        if not self._names:
            self._read_header(end)
        roles, widths, words = self._slots
        while True:
            why = record_reader(roles)(self._buffer, end, widths, words, self._records, cursor)
            if why == BAD_LINE:
                self._read_slowly(end)
                continue
            if cursor[COUNT]:
                yield self._records[: cursor[COUNT]]
            if why == DONE:
                return
            cursor[COUNT] = 0

    def _line(self, end: int) -> tuple[bytes, int]:
        """The line at the cursor, and the index of the next one."""
        start = int(self._cursor[POSITION])
        line_end = int(find_newline(self._buffer, start, end))
        return self._buffer[start:line_end].tobytes(), min(line_end + 1, end)

    def _read_header(self, end: int) -> None:
        """Determines the columns from the first line; skips it if it is a header."""
        first, behind = self._line(end)
        names = _split(first.removeprefix(b"\xef\xbb\xbf"))
        if not names:
            raise self.error("the line is blank where a header or a row belongs")
        if not names[0][:1].isdigit():
            self._set_columns(names)
            self._cursor[LINE] += 1
            self._cursor[POSITION] = behind
            return
        known = [columns for columns in self._layout.headerless if len(columns) == len(names)]
        if not known:
            wanted = " or ".join(str(len(columns)) for columns in self._layout.headerless)
            if wanted:
                raise self.error(f"{len(names)} columns, where {wanted} belong")
            raise self.error("the header is missing: the line begins with a number")
        self._set_columns(known[0])

    def _set_columns(self, names: Sequence[str]) -> None:
        plain = [_plain(name) for name in names]
        roles = [Role.SKIP] * len(names)
        self._expected = [""] * len(names)
        for column in self._layout.columns:
            wanted = [_plain(name) for name in column.names]
            found = [n for n, name in enumerate(plain) if name in wanted]
            if len(found) > 1:
                raise self.error(f"the column {column.names[0]!r} is there twice")
            if found:
                roles[found[0]] = column.role
                if column.role == Role.WORD:
                    self._expected[found[0]] = self._words.get(column.names[0], "")
                    if not self._expected[found[0]]:
                        roles[found[0]] = Role.SKIP
            elif not column.is_optional:
                raise self.error(f"no column {column.names[0]!r}; there are {_shown(', '.join(names))}")
        self._names = list(names)
        self._roles = tuple(roles)
        self._slots = slots_of(roles, self._expected)

    def _read_slowly(self, end: int) -> None:
        """Reads the line at the cursor with the csv module, or raises an error that describes its fault."""
        cursor = self._cursor
        line, behind = self._line(end)
        fields = _split(line)
        if len(fields) != len(self._names):
            raise self.error(f"{len(fields)} columns, where {len(self._names)} belong")
        record = self._records[cursor[COUNT]]
        for name, role, expected, field in zip(self._names, self._roles, self._expected, fields, strict=True):
            if role == Role.SKIP:
                continue
            try:
                value = self._value(role, field, expected)
            except ValueError as error:
                raise self.error(f"column {name!r}: {error}") from None
            if role != Role.WORD:
                record[_FIELDS[role]] = value
        record["line"] = cursor[LINE]
        cursor[COUNT] += 1
        cursor[LINE] += 1
        cursor[POSITION] = behind
        self.slow_lines += 1

    def _value(self, role: Role, field: str, expected: str) -> Any:
        """The value of a field by its role. Raises ValueError."""
        if role == Role.WORD:
            if field != expected:
                raise ValueError(f"{_shown(field)!r} where {expected!r} belongs")
            return None
        if role in (Role.PRICE, Role.QTY, Role.PRICE_2, Role.QTY_2):
            return 0.0 if not field and self._layout.has_empty else decimal(_shown(field))
        if role in (Role.TIME, Role.TIME_2):
            return time_ns(field)
        if role == Role.ID:
            return _whole(field)
        values = _FLAGS
        if role == Role.SIDE:
            values = _SIDES | _UNKNOWN_SIDE if self._layout.has_unknown_side else _SIDES
        if field.lower() not in values:
            raise ValueError(f"{_shown(field)!r} is none of {', '.join(values)}")
        value = values[field.lower()]
        return (SELL if value else BUY) if role == Role.BUYER_IS_MAKER else value

    def error(self, reason: str) -> InputError:
        """An error of this file, at the current line."""
        return InputError(f"{self._path}, line {int(self._cursor[LINE])}: {reason}")


def time_ns(text: str) -> int:
    """Converts a decimal time since the epoch to ns; its size decides between s, ms and µs. Raises ValueError."""
    try:
        number = Decimal(text) if text.isascii() else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number < 0 or text[:1] in "+- ":
        raise ValueError(f"{_shown(text)!r} is no time")
    unit = 0 if number < MILLISECONDS_MIN else 1 if number < MICROSECONDS_MIN else 2
    if number >= TIMES_MAX[unit]:
        raise ValueError(f"{_shown(text)!r} is no time in s, ms or µs")
    return int(number * (10**9, 10**6, 10**3)[unit])


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{_shown(text)!r} is not a whole number")
    if int(text[:40]) >= 2**63 or len(text) > 40:
        raise ValueError(f"{_shown(text)!r} is too large")
    return int(text)


def _split(line: bytes) -> list[str]:
    """The fields of a line; empty for a blank line."""
    text = line.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}").rstrip("\r\n")
    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return [text]


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "")


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."
