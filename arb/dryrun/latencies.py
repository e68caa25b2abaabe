"""Measured latencies in the form of hftbacktest's latency files (`BacktestAsset.intp_order_latency`). Times in ns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from connectors.types import Rows

_SAMPLE_NS = 1_000_000_000

#: A row of hftbacktest's order latency data.
LATENCY_ROW = np.dtype([("req_ts", "i8"), ("exch_ts", "i8"), ("resp_ts", "i8"), ("_padding", "i8")])


def order_latencies(answers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Requests, when they were processed and answered, by the time of the request.

    answers: of one leg, of dtype `arb.bot.world.ANSWER`. Fills that nobody asked for are left out.
    """
    asked = answers[(answers["request_no"] > 0) & (answers["exch_ts"] >= answers["request_ts"])]
    rows = np.zeros(len(asked), LATENCY_ROW)
    for name, source in (("req_ts", "request_ts"), ("exch_ts", "exch_ts"), ("resp_ts", "response_ts")):
        rows[name] = asked[source]
    return np.sort(rows, order="req_ts", kind="stable")


class FeedLags:
    """The latency of a feed, sampled."""

    def __init__(self) -> None:
        #: (time of receipt, latency), at most one a second.
        self.samples: list[tuple[int, int]] = []

    def follow(self, rows: Rows) -> None:
        """Rows as they were told, in the order of receipt."""
        local_ts = int(rows["local_ts"][-1])
        if not self.samples or local_ts - self.samples[-1][0] >= _SAMPLE_NS:
            self.samples.append((local_ts, local_ts - int(rows["exch_ts"][-1])))


def feed_latencies(lags: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
    """Order latencies that are guessed from the feed's: as long to the venue and back as its data took.

    lags: (time of receipt, latency).
    """
    rows = np.zeros(len(lags), LATENCY_ROW)
    for row, (local_ts, lag_ns) in zip(rows, lags, strict=True):
        row["req_ts"], row["exch_ts"], row["resp_ts"] = local_ts, local_ts + lag_ns, local_ts + 2 * lag_ns
    return rows
