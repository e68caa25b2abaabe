"""One thing changed in the files of a live session, by kind: `arb verify` must report each, whatever the hashes.

Fields of private frames are those from which something follows; docs/live.md lists what is not proven.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.engine.order_table import ORDER
from support.mutations import FILLS, SESSION, mutate

Chance = np.random.Generator
Lines = list["Line"]

#: `live.answer_timeout_ms` of the sessions.
ANSWER_MS = 1_000
_ARRAYS = ("requests", "responses", "executions", "states")
_ROW_CHANGES = ("a field", "a row less", "a row twice", "two rows swapped", "a row more")
_MARKS = "><!@t{}"
_LINE_CHANGES = ("less", "twice", "swapped", "at another time")
_TEXTS = ("wire", "request", "due", "event")
_FACTS = ("changed", "removed", "added")
# Fields of frames from which something follows, by what the object with them is.
_EVENT = ("X", "q", "p", "z", "i")
_EVENT_TRADE = ("S", "l", "L", "n", "t", "m", "T")
_ORDER = ("orderId", "status", "price", "origQty", "executedQty")
_FILL = ("price", "qty", "commission", "commissionAsset", "tradeId")
_TRADE = ("id", "orderId", "price", "qty", "commission", "commissionAsset", "time", "isBuyer", "isMaker", "buyer",
          "maker")  # fmt: skip
_BYBIT_ORDER = ("orderId", "orderLinkId", "orderStatus", "qty", "cumExecQty")
_BYBIT_TRADE = (
    "orderId",
    "orderLinkId",
    "execId",
    "execPrice",
    "execQty",
    "execFee",
    "execTime",
    "side",
    "isMaker",
)


class Line(NamedTuple):
    """A line of a private file."""

    number: str
    ts: int
    mark: str
    where: str
    text: str


def kinds() -> list[str]:
    """All kinds of changes, those of rare things as often as the others."""
    own = [f"{array}: {change}" for array in _ARRAYS for change in _ROW_CHANGES]
    own += [f"line {mark}: {change}" for mark in _MARKS for change in _LINE_CHANGES]
    own += [f"text: {what}" for what in _TEXTS] + ["frame: a field"] * 20
    own += [f"fact: {change}" for change in _FACTS] + ["count"]
    return [*own, *FILLS, *SESSION]


def change(run: Path, kind: str, chance: Chance) -> str | None:
    """Makes a change of a kind; says where. None: the session has nothing of it."""
    group, _, what = kind.partition(": ")
    if group in _ARRAYS:
        return _change_rows(run / "orders.npz", group, what, chance)
    if group.startswith("line ") or group in ("text", "frame"):
        paths = sorted((run / "private").glob("*.gz"))
        return _change_lines(paths[int(chance.integers(len(paths)))], group, what, chance)
    if group in ("fact", "count"):
        return _change_facts(run, group, what, chance)
    if kind in FILLS and not _has_fills_at_both_legs(run / "trades.csv"):
        return None
    return mutate(run, kind, chance)


def _has_fills_at_both_legs(path: Path) -> bool:
    with path.open() as lines:
        return len({line["leg"] for line in csv.DictReader(lines)}) > 1


# Rows.


def _change_rows(path: Path, array: str, what: str, chance: Chance) -> str | None:
    with np.load(path) as file:
        arrays = {name: file[name].copy() for name in file.files}
    rows = arrays[array]
    if len(rows) < 2:
        return None
    place = int(chance.integers(len(rows)))
    where = f"row {place + 1} of {len(rows)}"
    if what == "a field":
        fields = [name for name in rows.dtype.names or () if name != "row"]
        fields += [f"row.{name}" for name in ORDER.names or ()] if "row" in (rows.dtype.names or ()) else []
        field = fields[int(chance.integers(len(fields)))]
        part = rows["row"].view(ORDER).reshape(-1) if field.startswith("row.") else rows
        name = field.removeprefix("row.")
        part[name][place] = _other(part[name][place])
        where += f", {field}"
    elif what == "a row less":
        rows = np.delete(rows, place)
    elif what == "a row twice":
        rows = np.insert(rows, place, rows[place])
    elif what == "a row more":
        rows = np.append(rows, rows[place : place + 1])
    else:
        others = [no for no in range(len(rows)) if rows[no].tobytes() != rows[place].tobytes()]
        other = others[int(chance.integers(len(others)))]
        rows[[place, other]] = rows[[other, place]]
    arrays[array] = rows
    np.savez_compressed(path, **arrays)
    return where


def _other(value: Any) -> Any:
    """Another value, as near as there is one."""
    if isinstance(value, np.bytes_):
        return value[:-1] + (b"0" if value[-1:] != b"0" else b"1")
    if isinstance(value, np.bool_):
        return not value
    if isinstance(value, np.floating):
        return np.float64(1.0) if value != value else np.nextafter(value, np.inf)
    return value + 1


# Private lines.


def _change_lines(path: Path, group: str, what: str, chance: Chance) -> str | None:
    lines = [Line(*_parsed(text)) for text in gzip.decompress(path.read_bytes()).decode().splitlines()]
    if group == "frame":
        where = _change_frame(lines, chance)
    elif group == "text":
        where = _change_text(lines, what, chance)
    else:
        where = _change_line(lines, group[-1], what, chance)
    if where is None:
        return None
    text = "".join(f"{one.number} {one.ts:019} {one.mark} {one.where} {one.text}\n" for one in lines)
    path.write_bytes(gzip.compress(text.encode()))
    return f"{path.name}, {where}"


def _parsed(text: str) -> tuple[str, int, str, str, str]:
    number, ts, mark, where, rest = text.split(" ", 4)
    return number, int(ts), mark, where, rest


def _change_line(lines: Lines, mark: str, what: str, chance: Chance) -> str | None:
    places = [no for no, line in enumerate(lines) if line.mark == mark]
    if not places:
        return None
    place = places[int(chance.integers(len(places)))]
    line = lines[place]
    if what == "less":
        del lines[place]
    elif what == "twice":
        lines.insert(place, line)
    elif what == "swapped":
        other = (place + 1 + int(chance.integers(len(lines) - 1))) % len(lines)
        lines[place], lines[other] = lines[other], line
    else:
        # Before an input before it, or after one behind it: only a time between them may be without a consequence.
        inputs = [one.ts for one in lines if one.mark in "<@t"]
        earlier, later = [ts for ts in inputs if ts < line.ts], [ts for ts in inputs if ts > line.ts]
        if mark in "{}" or not later or (earlier and chance.integers(2)):
            if not earlier:
                return None
            lines[place] = line._replace(ts=earlier[-1] - int(chance.integers(1, 1000)))
        else:
            lines[place] = line._replace(ts=later[0] + int(chance.integers(1, 1000)))
        if mark in "@>":
            lines[place] = line._replace(ts=line.ts + int(chance.choice([-1, 1, 1000])))
    return f"line {line.number}: {line.mark} {line.where} {line.text[:60]}"


def _change_text(lines: Lines, what: str, chance: Chance) -> str | None:
    """A digit of a line that the desk's own work gives."""
    is_of = {
        "wire": lambda one: one.mark == ">",
        "request": lambda one: one.mark == "@" and one.text != "end",
        "due": lambda one: one.mark == "t",
        "event": lambda one: one.mark == "!" and re.match(r"(sent|unsent|kept) ", one.text),
    }[what]
    places = [no for no, one in enumerate(lines) if is_of(one)]
    if not places:
        return None
    place = places[int(chance.integers(len(places)))]
    line = lines[place]
    digits = [found.start() for found in re.finditer(r"\d", line.text)]
    at = digits[int(chance.integers(len(digits)))]
    text = line.text[:at] + str((int(line.text[at]) + 1) % 10) + line.text[at + 1 :]
    lines[place] = line._replace(text=text)
    return f"line {line.number}, character {at}: {line.mark} {line.text[:60]}"


def _change_frame(lines: Lines, chance: Chance) -> str | None:
    """A field of a frame that was received."""
    sent = {one.text.removeprefix("sent "): one.ts for one in lines if one.text.startswith("sent ")}
    places = [
        no for no, one in enumerate(lines) if one.mark == "<" and "{" in one.text and not _is_late(one, sent)
    ]
    for place in map(int, chance.permutation(places)):
        line = lines[place]
        head = line.text.index("{") if line.where[0] != "r" else len(" ".join(line.text.split(" ")[:4])) + 1
        body = json.loads(line.text[head:])
        fields = list(_read(body))
        if fields:
            parent, key = fields[int(chance.integers(len(fields)))]
            before, parent[key] = parent[key], _other_json(parent[key])
            lines[place] = line._replace(text=line.text[:head] + json.dumps(body, separators=(",", ":")))
            return f"line {line.number}, {key} {before!r} is {parent[key]!r}: {line.text[:300]}"
    return None


def _is_late(line: Line, sent: dict[str, int]) -> bool:
    """Whether it answers a query that was given up before: nothing of it is used. sent: times of requests by id."""
    found = re.match(r'\{"id":"((?:lookup|time)-\d+)"', line.text)
    return found is not None and line.ts - sent.get(found[1], 0) > ANSWER_MS * 1_000_000


def _read(part: Any) -> Iterator[tuple[Any, str]]:
    """The fields of a frame from which something follows, by their object and name."""
    if isinstance(part, list):
        for one in part:
            yield from _read(one)
    if not isinstance(part, dict) or part.get("topic") in ("wallet", "position"):
        return
    if part.get("e", "executionReport") not in ("executionReport", "ORDER_TRADE_UPDATE"):
        return
    yield from ((part, name) for name in _names(part) if part.get(name) not in (None, ""))
    for value in part.values():
        yield from _read(value)


def _names(part: dict[str, Any]) -> tuple[str, ...]:
    if "X" in part:
        client = "C" if part["x"] == "CANCELED" and part.get("C") else "c"
        return (*_EVENT, client, *(_EVENT_TRADE if part["x"] == "TRADE" else ()))
    if "execId" in part:
        return _BYBIT_TRADE
    if "orderStatus" in part:
        return (*_BYBIT_ORDER, *(("price",) if part["orderType"] == "Limit" else ()))
    if "retCode" in part:
        return ("reqId", "retCode", *(("retMsg",) if part["retCode"] else ()))
    if "origQty" in part:
        is_cancelled = part["status"] == "CANCELED" and part.get("origClientOrderId")
        return (*_ORDER, "origClientOrderId" if is_cancelled else "clientOrderId")
    if "commission" in part:
        return _FILL if "tradeId" in part else _TRADE
    if "id" in part and "status" in part:
        return ("id", *(("status",) if "result" in part else ()))
    return ("code", "msg") if "code" in part and "msg" in part else ()


def _leaves(part: Any) -> Iterator[tuple[Any, Any]]:
    """Every value that is neither an object nor a list, by its parent and key."""
    entries = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in entries:
        if isinstance(value, dict | list):
            yield from _leaves(value)
        else:
            yield part, key


def _other_json(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + 1
    digits = [found.start() for found in re.finditer(r"\d", value)]
    if not digits:
        return value + "X"
    at = digits[-1]
    return value[:at] + str((int(value[at]) + 1) % 10) + value[at + 1 :]


# Facts.


def _change_facts(run: Path, group: str, what: str, chance: Chance) -> str:
    path = run / ("manifest.json" if group == "count" else "facts.json")
    whole = json.loads(path.read_bytes())
    part = whole["session"]["orders"] if group == "count" else whole
    places = list(_leaves(part))
    parent, key = places[int(chance.integers(len(places)))]
    if what == "removed":
        del parent[key]
    elif what == "added" and isinstance(parent, dict):
        parent["audited"] = None
    else:
        parent[key] = _other_json(parent[key])
    path.write_text(json.dumps(whole, indent=2))
    return f"{path.name}, {key}"
