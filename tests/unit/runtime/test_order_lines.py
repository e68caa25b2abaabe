"""The connections of one venue's orders: what reaches the desk, in which order, and what follows from it."""

from __future__ import annotations

from pathlib import Path

from support.fake_protocol import FakeOrders, FakeUser, frame, instrument
from support.sim_time import SimTimers
from support.trade_lines import FakeNet

from arb.execution.desk_wires import Outputs
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from arb.runtime.order_lines import OrderLines, Sockets
from arb.runtime.private_log import PRIVATE, PrivateLog, finish_private, read_private
from connectors.orders.model import Notice, NoticeKind
from connectors.parsing.batch import Batch
from connectors.trade.times import TradeTimes

VENUE = "bybit_spot"


def test_of_the_frames_of_one_read_the_last_has_no_more_after_it(tmp_path: Path) -> None:
    timers = SimTimers()
    net, times = FakeNet(timers), TradeTimes()
    applied: list[tuple[int, bool]] = []

    def apply(venue: str, outputs: Outputs, now: int, has_more: bool) -> None:
        applied.append((now, has_more))

    log = PrivateLog(tmp_path / PRIVATE / VENUE, lambda text: text)
    desk = VenueDesk(
        VENUE, FakeOrders(VENUE), FakeUser(VENUE), {0: instrument()}, SessionIds("tests1", 1, 0), times
    )
    lines = OrderLines(
        VENUE, Sockets("ws://trade", "ws://user", net, net, timers, lambda: 0.5),
        (FakeOrders(VENUE), FakeUser(VENUE)), desk, log, times, now_of=lambda ns: ns + 5, earliest=lambda: 0,
        failed=lambda error: None, apply=apply,
    )  # fmt: skip
    batch = Batch()
    batch.frames += [frame(Notice(NoticeKind.IGNORED, text)) for text in ("one", "two", "three")]
    batch.stamps += [100, 101, 101]
    lines.line_batch("u1", batch)
    log.close()
    finish_private(tmp_path)

    assert applied == [(105, True), (106, True), (106, False)]
    assert [(line.ts, line.where) for line in read_private(tmp_path, VENUE)] == [
        (105, "u1"), (106, "u1"), (106, "u1")
    ]  # fmt: skip
