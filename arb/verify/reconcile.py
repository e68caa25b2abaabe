"""Compares two results of one run: fill by fill, decision by decision, record by record. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from arb.bot.account import ACCOUNT
from arb.results.result import RunOutput
from arb.results.trades import Payment, Trade, time_text
from arb.verify.sums import SUMS, LegSums

#: Maximum number of differing decisions or records to report: later ones follow from the first.
_SHOWN = 3


class Difference(NamedTuple):
    """One difference between a run and its replay.

    ts: its time in ns; 0 if it has none. cause: "" if unknown. leg: the leg's name if it concerns one leg.
    """

    what: str
    where: str
    ts: int
    recorded: str
    replayed: str
    cause: str = ""
    leg: str = ""


def differences_of(
    then: RunOutput,
    now: RunOutput,
    *,
    decisions: int | None = None,
    records: int | None = None,
    end_ts: int | None = None,
    random_sums: Sequence[str] = (),
) -> list[Difference]:
    """Differences between the folder's results and the replay's.

    decisions, records: their number when a session was stopped; later ones result from the stop and are ignored.
    end_ts: results of the replay after this time are ignored.
    random_sums: names of the legs if hftbacktest's engine made one of the two: its sums of fills in the same nanosecond
    are random in their last digits (`arb.verify.sums`). Without it everything must be equal bit by bit.
    """
    found = _fills(then.trades, now.trades)
    found += _payments(then.payments, now.payments)
    found += _rows("decision", then.decisions, now.decisions, decisions, end_ts)
    is_sum = _sums(then, now, random_sums)
    found += _rows(
        "record", then.records, now.records, records, end_ts, {f: s[:-1] for f, s in is_sum.items()}
    )
    if then.edges is not None and now.edges is not None:
        found += _rows("edge", then.edges, now.edges, None, None)
    for number, (left, right) in enumerate(zip(then.final, now.final, strict=True)):
        for name in (*SUMS, "num_trades", *(ACCOUNT.names or ())):
            is_summed = name in is_sum and bool(is_sum[name][-1, number])
            if not (_is_same(left[name], right[name]) or is_summed):
                found.append(
                    Difference("state", f"leg {number} {name}", 0, repr(left[name]), repr(right[name]))
                )
    return found


def _sums(then: RunOutput, now: RunOutput, legs: Sequence[str]) -> dict[str, Any]:
    """By field, an array (row, leg), the final state last: whether the value is a sum of the replay's fills."""
    is_equal = all(
        left.tobytes() == right.tobytes()
        for left, right in ((then.records, now.records), (then.final, now.final))
    )
    if not legs or is_equal:
        return {}
    states = np.concatenate((then.records, then.final[None]))
    by_leg = [
        LegSums([trade for trade in now.trades if trade.leg == leg]).are_sums(states[:, number])
        for number, leg in enumerate(legs)
    ]
    return {field: np.stack([one[field] for one in by_leg], axis=1) for field in by_leg[0]}


def _fills(then: Sequence[Trade], now: Sequence[Trade]) -> list[Difference]:
    """Differences of fills, by leg and order, then field by field."""
    if list(then) == list(now):
        return []
    left, right = _by_order(then), _by_order(now)
    found = []
    for key in sorted({*left, *right}):
        for ours, theirs in zip_longest(left.get(key, ()), right.get(key, ())):
            found += _fill(f"{key[0]} order {key[1]}", ours, theirs)
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
        present = then or now
        if present is None:
            return []
        return [Difference("fill", where, present.exch_ts, _text(then), _text(now), leg=present.leg)]
    return [
        Difference(
            "fill", f"{where} {name}", min(then.exch_ts, now.exch_ts), str(left), str(right), leg=then.leg
        )
        for name, left, right in zip(Trade._fields, then, now, strict=True)
        if left != right
    ]


def _payments(then: Sequence[Payment], now: Sequence[Payment]) -> list[Difference]:
    """Differences of funding payments, by time and leg."""
    left, right = ({(one.exch_ts, one.leg): one for one in side} for side in (then, now))
    return [
        Difference("funding", f"{leg} at {time_text(ts)}", ts, str(ours), str(theirs), leg=leg)
        for ts, leg in sorted({*left, *right})
        if (ours := left.get((ts, leg))) != (theirs := right.get((ts, leg)))
    ]


def _text(trade: Trade | None) -> str:
    return "none" if trade is None else f"{trade.side} {trade.quantity!r} at {trade.price!r}, {trade.time}"


def _rows(
    what: str,
    then: Any,
    now: Any,
    count: int | None,
    end_ts: int | None,
    is_sum: Mapping[str, Any] | None = None,
) -> list[Difference]:
    """Decisions or records in order: the first differing ones, and a difference in number."""
    if count is not None:
        then = then[:count]
    if end_ts is not None and len(now):
        is_within = _times(now) <= end_ts
        # Records beyond `count` were written by the strategy while it was being stopped.
        now = now[is_within][: max(len(then), 0)] if count is not None else now[is_within]
    common = min(len(then), len(now))
    is_same: Any = np.ones((common, *then.shape[1:]), bool)
    for name in then.dtype.names or ():
        is_field_same = _is_same(then[:common][name], now[:common][name])
        if is_sum and name in is_sum:
            is_field_same |= is_sum[name][:common]
        is_same &= is_field_same
    if is_same.ndim > 1:
        is_same = is_same.all(axis=tuple(range(1, is_same.ndim)))
    places = [int(place) for place in np.flatnonzero(~is_same)[:_SHOWN]]
    found = [_row(what, place, then[place], now[place]) for place in places]
    if len(then) != len(now):
        surplus = int(_times(max(then, now, key=len))[common])
        found.append(Difference(what, "how many", surplus, str(len(then)), str(len(now))))
    return found


def _row(what: str, place: int, then: Any, now: Any) -> Difference:
    ts = min(int(np.ravel(one["timestamp"])[0]) for one in (then, now))
    return Difference(what, f"number {place}", ts, str(then), str(now))


def _times(rows: Any) -> Any:
    return rows["timestamp"] if rows.ndim == 1 else rows["timestamp"][:, 0]


def _is_same(then: Any, now: Any) -> Any:
    """Equal, or NaN in both."""
    return (then == now) | ((then != then) & (now != now))
