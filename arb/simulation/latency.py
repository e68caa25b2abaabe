"""Order latencies: from the bot to the exchange, and of the response.

Constant, as in a backtest; drawn from measured pairs, the same in every run; interpolated by time from measured ones,
as in hftbacktest's `IntpOrderLatency`; or the recorded times of an earlier run, request by request, to replay it. Times
are ns.

Source: hftbacktest/src/backtest/models/latency.rs of hftbacktest 2.4.4 (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import carray

from arb.bot.memory import as_pointer, record_view
from arb.engine.blocks import Blocks
from arb.engine.world import ANSWER, NEVER
from arb.leg import Leg
from connectors.jit.compilation import compiled

_CONSTANT, _MEASURED, _RECORDED, _BY_TIME = range(4)
#: A row of hftbacktest's order latency data: times of request, processing (0: rejected on its way) and response.
LATENCY_ROW = np.dtype([("req_ts", "i8"), ("exch_ts", "i8"), ("resp_ts", "i8"), ("_padding", "i8")])
_REQ, _EXCH, _RESP = range(3)

#: samples: address of (entry, response) pairs. arrivals, replies: addresses of recorded times, by number of the request
#: and of the response. rows: address of LATENCY_ROWs. entry_row, response_row: where the last lookup ended.
LATENCY = np.dtype(
    [
        ("kind", "i8"),
        ("entry_ns", "i8"),
        ("response_ns", "i8"),
        #: State of the random numbers.
        ("chance", "u8"),
        ("samples", "i8"),
        ("samples_count", "i8"),
        ("arrivals", "i8"),
        ("arrivals_count", "i8"),
        ("replies", "i8"),
        ("replies_count", "i8"),
        ("replied", "i8"),
        ("rows", "i8"),
        ("rows_count", "i8"),
        ("entry_row", "i8"),
        ("response_row", "i8"),
    ]
)


class Latency(NamedTuple):
    """The latencies of one leg's orders. With only the two constants it is the backtest's model.

    An entry latency of -x means that the request is rejected on its way, and that the response arrives after x.
    """

    entry_ns: int
    response_ns: int
    #: (n, 2) measured pairs of entry and response, drawn instead of the constants.
    samples: Any = None
    #: The responses of a leg in an earlier run, of dtype `ANSWER`: their times are used as latencies.
    recorded: Any = None
    #: Measured latencies by time, of dtype LATENCY_ROW, in order.
    by_time: Any = None


def latency_of(leg: Leg) -> Latency:
    """The latencies of a leg's orders over recorded rows: its two constants, or its measured ones."""
    return Latency(leg.entry_latency_ns, leg.response_latency_ns, by_time=leg.order_latencies)


def live_latency(leg: Leg) -> Latency:
    """The latencies of a leg's orders on live data, which measured ones do not cover: pairs are drawn from those."""
    if leg.order_latencies is None:
        return latency_of(leg)
    rows = leg.order_latencies[leg.order_latencies["exch_ts"] > 0]
    pairs = np.stack((rows["exch_ts"] - rows["req_ts"], rows["resp_ts"] - rows["exch_ts"]), 1)
    return Latency(0, 0, samples=pairs)


def make_latency(blocks: Blocks, latency: Latency, kept: list[Any]) -> int:
    """Returns the address of the latency record; arrays that it refers to are appended to `kept`."""
    fields: dict[str, Any] = {
        "kind": _CONSTANT,
        "entry_ns": latency.entry_ns,
        "response_ns": latency.response_ns,
    }
    if latency.samples is not None:
        samples = np.ascontiguousarray(latency.samples, np.int64).reshape(-1, 2)
        if not len(samples):
            raise ValueError("no measured latencies: give at least one pair")
        kept.append(samples)
        fields |= {"kind": _MEASURED, "samples": samples.ctypes.data, "samples_count": len(samples)}
    if latency.recorded is not None:
        arrivals, replies = recorded_times(latency.recorded)
        kept += [arrivals, replies]
        fields |= {"kind": _RECORDED, "arrivals": arrivals.ctypes.data, "arrivals_count": len(arrivals)}
        fields |= {"replies": replies.ctypes.data, "replies_count": len(replies)}
    if latency.by_time is not None:
        rows = np.ascontiguousarray(latency.by_time, LATENCY_ROW)
        if not len(rows):
            raise ValueError("no measured latencies: give at least one row")
        kept.append(rows)
        fields |= {"kind": _BY_TIME, "rows": rows.ctypes.data, "rows_count": len(rows)}
    return blocks.address(LATENCY, **fields)


def recorded_times(answers: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """When each request of a leg arrived, by its number, and when each response was received, in order.

    answers: of one leg, of dtype `ANSWER`. A request without a response never arrives. A request that was rejected on
    its way has no venue time: its "arrival" is as long before the request as its response was after it.
    """
    is_rejected = (answers["request_no"] > 0) & (answers["exch_ts"] < answers["request_ts"])
    answers = answers.copy()
    answers["exch_ts"][is_rejected] = (2 * answers["request_ts"] - answers["response_ts"])[is_rejected]
    answered = answers[answers["request_no"] > 0]
    count = int(answered["request_no"].max()) if len(answered) else 0
    arrivals = np.full(count, NEVER, np.int64)
    arrivals[answered["request_no"] - 1] = answered["exch_ts"]
    return arrivals, np.ascontiguousarray(answers["response_ts"][~is_rejected])


def answers_by_asset(answers: np.ndarray[Any, Any], assets: int) -> Sequence[np.ndarray[Any, Any]]:
    """A run's responses, one array per leg."""
    if answers.dtype != ANSWER:
        raise ValueError(f"answers have the dtype {ANSWER}, not {answers.dtype}")
    return [answers[answers["asset_no"] == number] for number in range(assets)]


def recorded_latencies(answers: np.ndarray[Any, Any], assets: int) -> list[Latency]:
    """The times of a run's responses as latencies, by leg: a replay with them gives the same responses."""
    return [Latency(0, 0, recorded=of_leg) for of_leg in answers_by_asset(answers, assets)]


#: The latencies at `address`.
latency_at = record_view(LATENCY)


@compiled
def _draw(latency):
    """The next uniform number in [0, 1): splitmix64."""
    latency.chance = latency.chance + np.uint64(0x9E3779B97F4A7C15)
    z = latency.chance
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) / 9007199254740992.0


@compiled
def _sample(latency, way):
    samples = carray(as_pointer(latency.samples), (latency.samples_count, 2), np.int64)
    return samples[np.int64(_draw(latency) * latency.samples_count), way]


@compiled
def _between(x, x1, y1, x2, y2):
    """hftbacktest's interpolation, in its order of operations, so that all bits are equal."""
    return np.int64(np.float64(y2 - y1) / np.float64(x2 - x1) * np.float64(x - x1)) + y1


@compiled
def _rows_by_time(latency):
    """The measured times as integers, shape (n, 4): request, processing, response, padding."""
    return carray(as_pointer(latency.rows), (latency.rows_count, 4), np.int64)


@compiled
def _row_at(rows, row, at, column):
    """The row that starts the interval of `at`, searched from `row` on; -1 before the first."""
    if at < rows[0, column]:
        return -1
    while row + 1 < len(rows) and not rows[row, column] <= at < rows[row + 1, column]:
        row += 1
    return row


@compiled
def _span(rows, row, at, start, stop):
    """The interpolated time from column `start` to `stop`; outside the rows, that of the first or the last."""
    near = max(row, 0)
    if row < 0 or row + 1 == len(rows):
        return rows[near, stop] - rows[near, start]
    first, second = rows[row, stop] - rows[row, start], rows[row + 1, stop] - rows[row + 1, start]
    return _between(at, rows[row, start], first, rows[row + 1, start], second)


@compiled
def _entry_by_time(latency, request_ts):
    """Negative if one of the two neighbouring requests was rejected."""
    rows = _rows_by_time(latency)
    row = _row_at(rows, latency.entry_row, request_ts, _REQ)
    latency.entry_row = max(latency.entry_row, row)
    if 0 <= row < len(rows) - 1 and (rows[row, _EXCH] <= 0 or rows[row + 1, _EXCH] <= 0):
        return -_span(rows, row, request_ts, _REQ, _RESP)
    return _span(rows, row, request_ts, _REQ, _EXCH)


@compiled
def _response_by_time(latency, exch_ts):
    rows = _rows_by_time(latency)
    row = _row_at(rows, latency.response_row, exch_ts, _EXCH)
    latency.response_row = max(latency.response_row, row)
    return _span(rows, row, exch_ts, _EXCH, _RESP)


@compiled
def entry_ns(latency, request_ts, request_no):
    """Latency from the request to the matching engine."""
    if latency.kind == _MEASURED:
        return _sample(latency, 0)
    if latency.kind == _RECORDED:
        times = carray(as_pointer(latency.arrivals), latency.arrivals_count, np.int64)
        known = 0 < request_no <= latency.arrivals_count
        return (times[request_no - 1] if known else NEVER) - request_ts
    if latency.kind == _BY_TIME:
        return _entry_by_time(latency, request_ts)
    return latency.entry_ns


@compiled
def response_ns(latency, exch_ts):
    """Latency from the matching engine to the bot."""
    if latency.kind == _MEASURED:
        return _sample(latency, 1)
    if latency.kind == _RECORDED:
        number = latency.replied
        latency.replied += 1
        times = carray(as_pointer(latency.replies), latency.replies_count, np.int64)
        return (times[number] if number < latency.replies_count else NEVER) - exch_ts
    if latency.kind == _BY_TIME:
        return _response_by_time(latency, exch_ts)
    return latency.response_ns
