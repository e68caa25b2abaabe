"""One thing changed in a run's folder, on the disk: each must be reported by `arb verify`."""

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
    changed = (math.nextafter(value, math.inf), value + 0.01, value * 2 + 1.0, -value - 1.0)
    return repr(changed[int(chance.integers(4))])


def _shifted(line: Line, chance: Chance) -> Line:
    """Another time, in both columns that show it."""
    exch_ts = int(line["exch_ts"]) + int(chance.choice([1, -1, 1_000_000, -3_000_000_000]))
    return {"exch_ts": str(exch_ts), "time": iso_time(exch_ts)}


def _later(line: Line, chance: Chance) -> int:
    return int(line["exch_ts"]) + int(chance.integers(1, 100))


#: What is changed in one line of `trades.csv`: the new cells.
CELLS: dict[str, Callable[[Line, Chance], Line]] = {
    "price": lambda line, chance: {"price": _next_float(line["price"], chance)},
    "quantity": lambda line, chance: {"quantity": _next_float(line["quantity"], chance)},
    "fee": lambda line, chance: {"fee": _next_float(line["fee"], chance)},
    "fee amount": lambda line, chance: {"fee_amount": _next_float(line["fee_amount"], chance)},
    "fee asset": lambda line, _: {"fee_asset": "base" if line["fee_asset"] == "quote" else "quote"},
    "kind": lambda line, _: {"kind": "funding" if line["kind"] == "fill" else "fill"},
    "cash": lambda line, chance: {"cash": _next_float(line["cash"], chance)},
    "time": _shifted,
    "time as a number": lambda line, chance: {"exch_ts": str(_later(line, chance))},
    "time as text": lambda line, chance: {"time": iso_time(_later(line, chance))},
    "side": lambda line, _: {"side": {"buy": "sell", "sell": "buy"}[line["side"]]},
    "liquidity": lambda line, _: {"liquidity": {"maker": "taker", "taker": "maker"}[line["liquidity"]]},
    "order id": lambda line, chance: {"order_id": str(int(line["order_id"]) + int(chance.integers(1, 1000)))},
    "attempt": lambda line, chance: {"attempt": str(int(line["attempt"] or 0) + int(chance.integers(1, 5)))},
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
        lines[place] = line | CELLS[kind](line, chance)
    elif kind == "dropped":
        del lines[place]
    elif kind == "doubled":
        lines.insert(int(chance.integers(len(lines) + 1)), line)
    elif kind == "added":
        lines.insert(place, line | _shifted(line, chance) | {"order_id": str(10_000_000 + place)})
    elif kind == "other leg":
        lines[place] = line | {"leg": next(one["leg"] for one in lines if one["leg"] != line["leg"])}
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
