"""A session's own faults: kept for its host, which ends it in order, and never given to a socket."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from arb.runtime.session import Session
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.status import FeedStatus
from connectors.net.interfaces import Event, EventKind

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
