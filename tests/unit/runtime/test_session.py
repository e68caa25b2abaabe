"""A session's own faults: kept for its host, which ends it in order, and never given to a socket."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hftbacktest.types import event_dtype

from arb.runtime.replay_marks import MARK, MarkKind
from arb.runtime.session import Session
from connectors.book.rows import LOCAL_ONLY
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.status import FeedStatus
from connectors.model import FUNDING_EVENT, Rows
from connectors.net.interfaces import Event, EventKind
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID, TRADE_BUY

FAULT = BrokenPipeError(32, "Broken pipe")


class Recorder:
    """Takes no frame."""

    def frame(self, *_: object) -> bool:
        raise FAULT

    def event(self, *_: object) -> None:
        return


def broken_log(event: str, text: str, time_ns: int) -> None:
    raise FAULT


CALLS: dict[str, Callable[[Session], None]] = {
    "frame": lambda session: session.on_frame(0, 1, b"{}"),
    "status": lambda session: session.on_status(0, FeedStatus.DOWN),
    "event": lambda session: session.on_event([0], Event(EventKind.GAP, "venue", "", 1, "")),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_fault_ends_it_and_is_kept_for_the_host(name: str) -> None:
    ended: list[bool] = []
    leg = SimpleNamespace(name="venue:A", venue="venue", symbol="A")
    session = Session(
        cast("Any", [leg]),
        cast("Any", SimpleNamespace(side=SimpleNamespace())),
        OffsetEstimator(0),
        Recorder(),
        log=broken_log,
        ended=lambda: ended.append(True),
    )
    CALLS[name](session)
    assert session.fault is FAULT
    assert session.is_over
    assert ended == [True]
    for call in (CALLS["frame"], CALLS["status"]):
        call(session)
    assert ended == [True], "behind its end nothing is taken"


def test_late_funding_data_and_a_leg_with_nothing_else_count_as_no_market_data() -> None:
    leg = SimpleNamespace(name="venue:A", venue="venue", symbol="A")
    side = SimpleNamespace()

    def on_rows(leg_no: int, rows: Rows, now_ns: int) -> bool:
        side.on_late(leg_no, len(rows), 5)
        return True

    driver = SimpleNamespace(side=side, fault=None, on_rows=on_rows)
    session = Session(
        cast("Any", [leg]),
        cast("Any", driver),
        OffsetEstimator(0),
        Recorder(),
        log=lambda *_: None,
        ended=lambda: None,
    )
    rows = np.zeros(1, event_dtype)
    rows["exch_ts"], rows["local_ts"] = 1, 10
    rows["ev"] = FUNDING_EVENT
    session.on_rows(0, rows)
    assert (session.late, session.legs_without_data, session.first_row_ns) == (0, ["venue:A"], 0)
    rows["ev"], rows["local_ts"] = TRADE_BUY, 20
    session.on_rows(0, rows)
    assert (session.late, session.legs_without_data) == (1, [])
    marks = np.frombuffer(session.snapshot().marks, MARK)
    assert marks["kind"].tolist() == [MarkKind.LATE, MarkKind.LATE]
    # A book that its feed empties is no data either.
    empty = np.zeros(2, event_dtype)
    empty["ev"], empty["px"], empty["local_ts"], empty["ival"] = (
        (CLEAR_BID, CLEAR_ASK),
        np.nan,
        30,
        LOCAL_ONLY,
    )
    session.on_rows(0, empty)
    assert session.last_rows_ns == [20]
