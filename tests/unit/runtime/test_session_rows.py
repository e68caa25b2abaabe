"""The rows of a session are derived again from its recording, whatever went wrong with its feeds."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import LOCAL_EVENT
from support.chaos import FAULTS, TIMES, Chaos
from support.dry_market import leg
from support.sim_market import LOT, TICK
from support.sim_time import MS, S

from arb.engine.port import Late
from arb.engine.world import NEVER
from arb.errors import InputError
from arb.runtime.replay_marks import MARK, LegMarks, MarkKind, checksum
from arb.runtime.session import Session
from arb.simulation.watermark import VenueOrder
from arb.verify.session_rows import LegSource, leg_rows
from connectors.binance import BinanceUsdm
from connectors.book.rows import LOCAL_ONLY
from connectors.model import Instrument, Rows


class Reported:
    """In the place of a driver: keeps what both sides would hear of, and looks at its times."""

    def __init__(self) -> None:
        self.rows: dict[int, list[Any]] = {0: [], 1: []}
        self.released: dict[int, list[Any]] = {0: [], 1: []}
        # So short that many rows are too late for the venues' side.
        self._orders = [VenueOrder(5 * MS, 30 * MS) for _ in range(2)]
        self.on_late: Any = None
        self.latest = -1
        self.late = self.reads = 0
        self.next_due = NEVER
        self.fault = None
        self.side = self

    def on_rows(self, leg_no: int, rows: Rows, now_ns: int) -> bool:
        assert rows["local_ts"].min() > self.latest
        assert rows["local_ts"].max() <= now_ns
        self.latest = now_ns
        self.rows[leg_no].append(rows.copy())
        if late := self._orders[leg_no].receive(rows):
            self.late += late
            self.on_late(leg_no, late, self._orders[leg_no].watermark)
        return self.on_time(now_ns)

    #: Less than what a read may have.
    messages_max = 3

    def on_read(self, leg_no: int, rows: Rows, ends: Any, last_ts: int) -> tuple[int, bool, list[Late]]:
        start, found = 0, []
        on_late = self.on_late
        for number, end in enumerate(ends.tolist()):
            self.on_late = lambda _, late, watermark, at=number: found.append(Late(at, late, watermark))
            if end > start:
                self.on_rows(leg_no, rows[start:end], int(rows["local_ts"][end - 1]))
            start = end
        self.on_late = on_late
        self.reads += 1
        assert self.latest == last_ts
        return len(ends), True, found

    def on_time(self, now_ns: int) -> bool:
        assert now_ns >= self.latest
        self.latest = now_ns
        for leg_no, order in enumerate(self._orders):
            self.released[leg_no].append(order.release(now_ns).copy())
        return True

    def stop(self) -> bool:
        return True


class Lines:
    """In the place of a recorder."""

    def __init__(self) -> None:
        self.lines: dict[str, list[bytes]] = {}

    def frame(self, venue: str, symbol: str, local_ts_ns: int, frame: bytes) -> bool:
        self.lines.setdefault(symbol, []).append(b"%d %b\n" % (local_ts_ns, frame))
        return True

    def frames(self, venue: str, symbol: str, local_ts_ns: Any, frames: Any) -> int:
        # Sometimes not all of them.
        taken = len(frames) - (local_ts_ns[0] % 5 == 0)
        for at, frame in zip(local_ts_ns[:taken], frames, strict=False):
            self.frame(venue, symbol, at, frame)
        return taken

    def event(self, venue: str, symbol: str, local_ts_ns: int, kind: str, detail: Any = None) -> None:
        """Not of interest here."""


def session_of(chaos: Chaos) -> tuple[Session, Reported, Lines]:
    """A session on the feed of a simulated network."""
    reported, lines = Reported(), Lines()
    legs = [
        leg(0, venue=chaos.venue, symbol=instrument.symbol, tick_size=TICK, lot_size=LOT)
        for instrument in chaos.feed.instruments
    ]
    session = Session(
        legs,
        reported,  # type: ignore[arg-type]
        chaos.feed.offset,
        lines,
        log=lambda event, text, time_ns: None,
        ended=lambda: None,
        clock=chaos.timers.time_ns,
    )
    tap = session.tap_of([0, 1], chaos.venue)
    for part in (chaos.feed, chaos.feed._recovery):
        part._sink = part._tap = tap
    chaos.watch.feed = None
    chaos.timers.every(S // 100, session.on_time)
    return session, reported, lines


def test_rows_of_a_session_are_derived_again_with_marks_of_every_kind(tmp_path: Path) -> None:
    kinds: set[int] = set()
    for seed in range(3):
        chaos = Chaos(seed)
        session, reported, lines = session_of(chaos)
        chaos.run(60 * S, FAULTS)
        session.is_over = True
        record = session.snapshot()
        assert session.fault is None
        all_marks = np.frombuffer(record.marks, MARK)
        kinds |= set(all_marks["kind"].tolist())

        for number, instrument in enumerate(chaos.feed.instruments):
            file = tmp_path / f"{seed}-{instrument.symbol}.gz"
            file.write_bytes(gzip.compress(b"".join(lines.lines[instrument.symbol])))
            source = LegSource(chaos.feed.venue, Instrument(*instrument), 0, [file], TIMES.stale_after_ns)
            marks = all_marks[all_marks["leg"] == number]

            derived = leg_rows(source, marks, int(record.sums[number][0]), tmp_path)

            expected = np.concatenate(reported.rows[number])
            assert derived.rows == len(expected) > 500
            assert derived.checksum == checksum(expected) == record.sums[number][2]
            expected["ev"] |= np.uint64(LOCAL_EVENT)
            assert derived.local.tobytes() == expected.tobytes()
            released = np.concatenate(reported.released[number])
            assert derived.exch[: len(released)].tobytes() == released.tobytes()
            assert len(released) > 0.9 * np.count_nonzero(expected["ival"] != LOCAL_ONLY)
            assert session.late == reported.late > 100
        assert reported.reads > 1_000
    assert kinds == set(MarkKind)


def test_rows_from_before_what_was_reported_are_moved_up() -> None:
    rows = np.zeros(3, [("ev", "u8"), ("local_ts", "i8"), ("px", "f8")])
    rows["local_ts"] = 5, 6, 20
    marks = LegMarks(0)
    marks.on_frame()

    lifted = marks.take(rows, 0, 10)  # type: ignore[arg-type]

    assert lifted["local_ts"].tolist() == [11, 11, 20]
    assert rows["local_ts"].tolist() == [5, 6, 20]
    assert marks.since(0)[-1].tolist() == (0, MarkKind.LIFTED, 1, 10)
    assert len(marks.since(marks.count)) == 0


def test_a_line_without_its_time_is_named_by_its_own_file(tmp_path: Path) -> None:
    answer = b'{"result":null,"id":1}\n'
    files = [tmp_path / "first.gz", tmp_path / "second.gz"]
    for file, text in zip(files, (b"1 " + answer + b"2 " + answer, b"3 " + answer + answer), strict=True):
        file.write_bytes(gzip.compress(text))
    source = LegSource(BinanceUsdm(), Instrument("binance_usdm", "BTCUSDT", TICK, LOT), 0, files)
    with pytest.raises(InputError, match=r"second.gz: line 2: no frame with its time$"):
        leg_rows(source, np.zeros(0, MARK), 9, tmp_path)
