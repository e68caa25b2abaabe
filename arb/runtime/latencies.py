"""Measured order latencies in hftbacktest's file format (`BacktestAsset.intp_order_latency`). Times in ns."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arb.errors import InputError
from arb.simulation.latency import LATENCY_ROW
from connectors.book.rows import LOCAL_ONLY
from connectors.model import FUNDING_EVENT, Rows

_SAMPLE_NS = 1_000_000_000

#: Subfolder of a session's folder.
LATENCY_FOLDER = "latency"


def read_order_latencies(path: Path, leg: str) -> np.ndarray[Any, Any]:
    """Reads a latency file of hftbacktest; returns rows of dtype LATENCY_ROW. leg: the name used in errors.

    Raises InputError for a file that hftbacktest cannot read, or that holds impossible times.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        rows = loaded["data"] if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
        if rows.dtype != LATENCY_ROW:
            raise ValueError(f"its fields are not those of hftbacktest's latency files: {rows.dtype}")
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: the order latencies of {leg} cannot be read: {error}; correct [latency] order_file, or leave "
            "it out"
        ) from None
    is_answered = rows["exch_ts"] > 0
    if not is_answered.any():
        fault = "no request was answered"
    elif (np.diff(rows["req_ts"]) < 0).any():
        fault = "requests are not in order"
    elif (rows["exch_ts"] < rows["req_ts"])[is_answered].any() or (rows["resp_ts"] < rows["exch_ts"]).any():
        fault = "one is below zero"
    else:
        return np.ascontiguousarray(rows)
    raise InputError(f"{path}: the order latencies of {leg} cannot be used: {fault}")


def order_latencies(answers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Times of request, processing and response, sorted by the time of the request. Dtype LATENCY_ROW.

    answers: one leg's, of dtype `arb.engine.world.ANSWER`. Responses without a request (later fills) are left out.
    """
    asked = to_requests(answers)
    rows = np.zeros(len(asked), LATENCY_ROW)
    for name, source in (("req_ts", "request_ts"), ("exch_ts", "exch_ts"), ("resp_ts", "response_ts")):
        rows[name] = asked[source]
    return np.sort(rows, order="req_ts", kind="stable")


def to_requests(answers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The answers to requests, of rows as in `order_latencies`."""
    return answers[(answers["request_no"] > 0) & (answers["exch_ts"] >= answers["request_ts"])]


class FeedLags:
    """Samples the latency of a feed."""

    def __init__(self) -> None:
        #: (time of receipt, latency), at most one per second.
        self.samples: list[tuple[int, int]] = []

    @property
    def due_ts(self) -> int:
        """From which time of receipt on rows are a sample."""
        return self.samples[-1][0] + _SAMPLE_NS if self.samples else 0

    def follow(self, rows: Rows) -> None:
        """Adds a sample from rows as the strategy received them, in the order of receipt."""
        if rows["ival"][-1] == LOCAL_ONLY or is_funding(rows):
            return  # made locally, not by the venue; or of another stream than the market's
        local_ts = int(rows["local_ts"][-1])
        if not self.samples or local_ts - self.samples[-1][0] >= _SAMPLE_NS:
            self.samples.append((local_ts, local_ts - int(rows["exch_ts"][-1])))


def is_funding(rows: Rows) -> bool:
    """Whether the rows of a frame are those of funding data."""
    return int(rows["ev"][-1]) & 0xFF == FUNDING_EVENT


def feed_latencies(lags: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
    """Order latencies estimated from the feed's: entry and response each take as long as the data did.

    lags: (time of receipt, latency).
    """
    rows = np.zeros(len(lags), LATENCY_ROW)
    for row, (local_ts, lag_ns) in zip(rows, lags, strict=True):
        row["req_ts"], row["exch_ts"], row["resp_ts"] = local_ts, local_ts + lag_ns, local_ts + 2 * lag_ns
    return rows
