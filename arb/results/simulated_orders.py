"""`simulated.csv`: the orders of a live session, each with what the simulated exchange would have made of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

#: Name in the folder of a session.
SIMULATED = "simulated.csv"
#: Values of `filled_by`.
BOTH, LIVE_ONLY, SIMULATED_ONLY, NEITHER = "both", "live", "simulated", "neither"
#: Value of `filled_by` and `simulated_end`: the recorded market ends before the order arrived, or was filled.
UNKNOWN = "unknown"
#: Values of `live_end` beside "filled", "canceled" and "expired"; OPEN: its end is not known.
REFUSED, NOT_SENT, OPEN = "refused", "not sent", "open"
#: Value of `simulated_end`: it met an empty side of the book.
NO_PRICE = "no price"


class SimulatedOrder(NamedTuple):
    """An order. time: of its request. Times in ns are UTC, prices averages in quote per base; None: none, or unknown.

    price_ticks: as placed, None for a market order. changes: its amendments and cancellations. live_worse_bps: of the
    average prices, above zero where the venue's was worse. entry_ns: from the request to the venue's time of its
    answer; response_ns: from there to the answer's receipt; the simulated ones are those of the configuration.
    """

    time: str
    leg: str
    order_id: int
    client_id: str
    side: str
    force: str
    price_ticks: int | None
    lots: int
    changes: int
    request_ts: int
    filled_by: str
    live_worse_bps: float | None
    live_lots: int
    live_price: float | None
    live_end: str
    live_end_ts: int | None
    live_entry_ns: int | None
    live_response_ns: int | None
    simulated_lots: int
    simulated_price: float | None
    simulated_end: str
    simulated_end_ts: int | None
    simulated_entry_ns: int
    simulated_response_ns: int


def simulated_csv(orders: Iterable[SimulatedOrder]) -> str:
    """The text of the file; what is None is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SimulatedOrder._fields)
    writer.writerows(orders)
    return text.getvalue()


def read_simulated(path: Path, legs: Sequence[str]) -> list[SimulatedOrder] | None:
    """The orders in the file; None without one. Raises ValueError, OSError or csv.Error for an invalid file."""
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file, strict=True)
        if tuple(next(lines, ())) != SimulatedOrder._fields:
            raise ValueError(f"{path.name} has another header")
        found = []
        for line in lines:
            if len(line) != len(_READERS) or line[1] not in legs:
                raise ValueError(f"{path.name}, line {lines.line_num} is no order of this run")
            try:
                found.append(SimulatedOrder(*(read(cell) for read, cell in zip(_READERS, line, strict=True))))
            except ValueError:
                raise ValueError(f"{path.name}, line {lines.line_num} is no order") from None
        return found


def _int(text: str) -> int | None:
    return int(text) if text else None


def _float(text: str) -> float | None:
    return float(text) if text else None


_OF_KIND: Mapping[Any, Callable[[str], Any]] = {
    str: str, int: int, int | None: _int, float | None: _float,
}  # fmt: skip
_READERS = [_OF_KIND[kind] for kind in get_type_hints(SimulatedOrder).values()]
