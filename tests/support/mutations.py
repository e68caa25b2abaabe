"""One thing changed in a run's folder, as it lies on the disk: what `arb verify` must tell of."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from arb.results.trades import iso_time

Line = dict[str, str]
Chance = np.random.Generator


def _next_float(text: str, chance: Chance) -> str:
    """Another number: a last digit, a tick, or much."""
    value = float(text)
    pick = int(chance.integers(4))
    changed = (math.nextafter(value, math.inf), value + 0.01, value * 2 + 1.0, -value - 1.0)[pick]
    return repr(changed)


def _price(line: Line, chance: Chance) -> None:
    line["price"] = _next_float(line["price"], chance)


def _quantity(line: Line, chance: Chance) -> None:
    line["quantity"] = _next_float(line["quantity"], chance)


def _fee(line: Line, chance: Chance) -> None:
    line["fee"] = _next_float(line["fee"], chance)


def _cash(line: Line, chance: Chance) -> None:
    line["cash"] = _next_float(line["cash"], chance)


def _time(line: Line, chance: Chance) -> None:
    """In both columns that tell it."""
    shift = int(chance.choice([1, -1, 1_000_000, -3_000_000_000]))
    line["exch_ts"] = str(int(line["exch_ts"]) + shift)
    line["time"] = iso_time(int(line["exch_ts"]))


def _time_number(line: Line, chance: Chance) -> None:
    line["exch_ts"] = str(int(line["exch_ts"]) + int(chance.integers(1, 100)))


def _time_text(line: Line, chance: Chance) -> None:
    line["time"] = iso_time(int(line["exch_ts"]) + int(chance.integers(1, 100)))


def _side(line: Line, chance: Chance) -> None:
    line["side"] = {"buy": "sell", "sell": "buy"}[line["side"]]


def _liquidity(line: Line, chance: Chance) -> None:
    line["liquidity"] = {"maker": "taker", "taker": "maker"}[line["liquidity"]]


def _order_id(line: Line, chance: Chance) -> None:
    line["order_id"] = str(int(line["order_id"]) + int(chance.integers(1, 1000)))


def _attempt(line: Line, chance: Chance) -> None:
    line["attempt"] = str(int(line["attempt"] or 0) + int(chance.integers(1, 5)))


#: What is changed in one line of `trades.csv`.
CELLS: dict[str, Callable[[Line, Chance], None]] = {
    "price": _price,
    "quantity": _quantity,
    "fee": _fee,
    "cash": _cash,
    "time": _time,
    "time as a number": _time_number,
    "time as text": _time_text,
    "side": _side,
    "liquidity": _liquidity,
    "order id": _order_id,
    "attempt": _attempt,
}
#: What is done with whole lines.
LINES = ("dropped", "doubled", "added", "swapped", "other leg")
#: What is changed in the run's other files; a session on live data has more of them.
ARRAYS = ("record's price", "record's time", "record's position", "decision's time", "summary")
SESSION = ("answer's time", "order latency", "feed latency")
FILLS = (*CELLS, *LINES)


def mutate(run: Path, kind: str, chance: Chance) -> str:
    """Changes one thing in the folder; where."""
    if kind in FILLS:
        return _mutate_trades(run / "trades.csv", kind, chance)
    if kind == "summary":
        return _mutate_summary(run / "summary.json")
    if kind == "answer's time":
        return _mutate_arrays(run / "session.npz", "answers", "response_ts", chance)
    if kind in SESSION:
        name = "orders" if kind == "order latency" else "feed"
        path = sorted((run / "latency").glob(f"*_{name}.npz"))[int(chance.integers(2))]
        return _mutate_arrays(path, "data", str(chance.choice(["req_ts", "exch_ts", "resp_ts"])), chance)
    array, field = {
        "record's price": ("0", "price"),
        "record's time": ("1", "timestamp"),
        "record's position": ("0", "position"),
        "decision's time": ("decisions", "timestamp"),
    }[kind]
    return _mutate_arrays(run / "records.npz", array, field, chance)


def _mutate_trades(path: Path, kind: str, chance: Chance) -> str:
    reader = csv.DictReader(io.StringIO(path.read_text()))
    lines, names = list(reader), reader.fieldnames or []
    place = int(chance.integers(len(lines)))
    line = dict(lines[place])
    if kind in CELLS:
        CELLS[kind](line, chance)
        lines[place] = line
    elif kind == "dropped":
        del lines[place]
    elif kind == "doubled":
        lines.insert(int(chance.integers(len(lines) + 1)), line)
    elif kind == "added":
        _time(line, chance)
        line["order_id"] = str(10_000_000 + place)
        lines.insert(place, line)
    elif kind == "other leg":
        line["leg"] = next(one["leg"] for one in lines if one["leg"] != line["leg"])
        lines[place] = line
    else:
        other = (place + 1 + int(chance.integers(len(lines) - 1))) % len(lines)
        lines[place], lines[other] = lines[other], lines[place]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    path.write_text(text.getvalue())
    return f"trades.csv, fill {place + 1} of {len(lines)}"


def _mutate_arrays(path: Path, array: str, field: str, chance: Chance) -> str:
    with np.load(path) as file:
        arrays: dict[str, Any] = {name: file[name].copy() for name in file.files}
    rows = arrays[array]
    place = int(chance.integers(len(rows)))
    rows[field][place] += 1
    np.savez_compressed(path, **arrays)
    return f"{path.name}, {array}, {field} of row {place + 1} of {len(rows)}"


def _mutate_summary(path: Path) -> str:
    summary = json.loads(path.read_bytes())
    summary["rows"] = int(summary["rows"]) + 1
    path.write_text(json.dumps(summary))
    return "summary.json, rows"
