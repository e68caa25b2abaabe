"""Two tellings of one run compared: fill by fill, decision by decision, record by record. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.run.trades import Trade

#: What one row filled together is added up in a random order by hftbacktest's engine: room for the last digits.
_SUM_ROOM = 1e-11
#: Further differences of decisions and records follow from the first one; so many are shown.
_SHOWN = 3
_SUMS = ("balance", "fee", "trading_volume", "trading_value")
_STATE = ("position", "balance", "fee", "num_trades")


class Run(NamedTuple):
    """One telling. records: (row, leg); final: the last state, one a leg."""

    trades: Sequence[Trade]
    decisions: Any
    records: Any
    final: Any


class Difference(NamedTuple):
    """One thing that is not the same. ts: when, ns; 0: no time of its own. cause: "" where there is none known."""

    what: str
    where: str
    ts: int
    recorded: str
    replayed: str
    cause: str = ""


def differences_of(
    then: Run,
    now: Run,
    *,
    decisions: int | None = None,
    records: int | None = None,
    end_ts: int | None = None,
) -> list[Difference]:
    """What the folder tells and the replay does not, or otherwise.

    decisions, records: how many of them there were when a session was stopped: what came behind is that of the stop.
    end_ts: what the replay tells of later than this has no counterpart.
    """
    found = _fills(then.trades, now.trades)
    found += _rows("decision", then.decisions, now.decisions, decisions, end_ts)
    found += _rows("record", then.records, now.records, records, end_ts)
    for number, (left, right) in enumerate(zip(then.final, now.final, strict=True)):
        for name in _STATE:
            if not _is_close(left[name], right[name]):
                found.append(
                    Difference("state", f"leg {number} {name}", 0, repr(left[name]), repr(right[name]))
                )
    return found


def _fills(then: Sequence[Trade], now: Sequence[Trade]) -> list[Difference]:
    """By leg and order, then by line."""
    if list(then) == list(now):
        return []
    left, right = _by_order(then), _by_order(now)
    found = []
    for key in sorted({*left, *right}):
        ours, theirs = left.get(key, []), right.get(key, [])
        where = f"{key[0]} order {key[1]}"
        for n in range(max(len(ours), len(theirs))):
            found += _fill(where, ours[n] if n < len(ours) else None, theirs[n] if n < len(theirs) else None)
    if not found:
        found.append(Difference("fill", "order of the lines", 0, "other", "by time"))
    return found


def _by_order(trades: Sequence[Trade]) -> dict[tuple[str, int], list[Trade]]:
    by_order = defaultdict(list)
    for trade in trades:
        by_order[trade.leg, trade.order_id].append(trade)
    return by_order


def _fill(where: str, then: Trade | None, now: Trade | None) -> list[Difference]:
    if then is None or now is None:
        one = then or now
        ts = one.exch_ts if one is not None else 0
        return [Difference("fill", where, ts, _told(then), _told(now))]
    return [
        Difference("fill", f"{where} {name}", min(then.exch_ts, now.exch_ts), str(left), str(right))
        for name, left, right in zip(Trade._fields, then, now, strict=True)
        if left != right
    ]


def _told(trade: Trade | None) -> str:
    return "none" if trade is None else f"{trade.side} {trade.quantity!r} at {trade.price!r}, {trade.time}"


def _rows(what: str, then: Any, now: Any, count: int | None, end_ts: int | None) -> list[Difference]:
    """Decisions or records, in order: the first places at which they differ."""
    if count is not None:
        then = then[:count]
    if end_ts is not None and len(now):
        times = now["timestamp"] if now.ndim == 1 else now["timestamp"][:, 0]
        is_within = times <= end_ts
        # What a stopped strategy says at its end is of the stop.
        now = now[is_within][: max(len(then), 0)] if count is not None else now[is_within]
    common = min(len(then), len(now))
    names = then.dtype.names or ()
    is_same: Any = np.ones((common, *then.shape[1:]), bool)
    for name in names:
        is_same &= _are_close(then[:common][name], now[:common][name], is_sum=name in _SUMS)
    if is_same.ndim > 1:
        is_same = is_same.all(axis=tuple(range(1, is_same.ndim)))
    places = [int(place) for place in np.flatnonzero(~is_same)[:_SHOWN]]
    found = [_row(what, place, then[place], now[place]) for place in places]
    if len(then) != len(now):
        found.append(Difference(what, "how many", 0, str(len(then)), str(len(now))))
    return found


def _row(what: str, place: int, then: Any, now: Any) -> Difference:
    ts = int(np.ravel(then["timestamp"])[0])
    return Difference(what, f"number {place}", ts, str(then), str(now))


def _are_close(then: Any, now: Any, *, is_sum: bool) -> Any:
    if then.dtype.kind != "f":
        return then == now
    is_same = (then == now) | (np.isnan(then) & np.isnan(now))
    return is_same | np.isclose(then, now, rtol=_SUM_ROOM, atol=1e-9) if is_sum else is_same


def _is_close(then: Any, now: Any) -> bool:
    return bool(np.isclose(then, now, rtol=_SUM_ROOM, atol=1e-9, equal_nan=True))
