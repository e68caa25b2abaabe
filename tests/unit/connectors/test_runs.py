"""Frames of one read together: what comes out is what comes of them one by one, whatever is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chaos import READ_NS, STREAMS, SYMBOLS, Chaos
from support.sim_market import LOT, TICK
from support.sim_time import EPOCH_NS, MS, S
from support.venues import VENUES

from connectors.feed.frame_loop import DECODED, END, FRAMES_MAX, OTHER_TOPIC, REFUSED, FrameLoop, StreamCounts
from connectors.feed.lags import BUCKETS
from connectors.feed.pipeline import Pipeline
from connectors.model import Instrument, Kind, Rows, Stream
from connectors.net.connection import Link
from connectors.parsing.batch import Batch
from connectors.parsing.scanner import PADDING


def history(chaos: Chaos, span_ns: int) -> tuple[Any, ...]:
    """All that a feed tells in a while of faults."""
    reported: list[Any] = []
    watch = chaos.watch
    check, keep = watch.on_rows, watch.on_frame

    def on_rows(no: int, rows: Rows) -> None:
        check(no, rows)
        reported.append((no, rows.tobytes(), repr(chaos.feed.touch(no))))

    def on_frame(no: int, local_ts: int, frame: bytes) -> None:
        keep(no, local_ts, frame)
        reported.append((no, local_ts, frame))

    watch.on_rows, watch.on_frame = on_rows, on_frame  # type: ignore[method-assign]
    chaos.run(span_ns)
    return reported, watch.events, repr(chaos.feed.states()), chaos.feed.offset.offset_ns


MARKED = (*STREAMS, Stream.MARK_PRICE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("venue", "streams"),
    [
        ("binance_spot", STREAMS),
        ("binance_usdm", STREAMS),
        ("bybit_linear", STREAMS),
        ("binance_usdm", MARKED),
        ("bybit_linear", MARKED),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} streams",
)
def test_runs_tell_what_single_frames_tell(
    venue: str, streams: tuple[Stream, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    take = FrameLoop.take

    def counted(self: FrameLoop, *args: Any, **kwargs: Any) -> int:
        code = take(self, *args, **kwargs)
        taken.append(len(self.row_ends))
        return code

    def one_by_one(self: Link, batch: Batch) -> None:
        for frame, local_ts in zip(batch.frames, batch.stamps, strict=True):
            self.on_frame(frame, local_ts)

    with monkeypatch.context() as patched:
        patched.setattr(FrameLoop, "take", counted)
        together = history(Chaos(21, venue, read_ns=READ_NS, streams=streams), 60 * S)
    monkeypatch.setattr(Link, "on_batch", one_by_one)
    single = history(Chaos(21, venue, read_ns=READ_NS, streams=streams), 60 * S)

    assert together == single
    assert sum(taken) > 1000
    assert max(taken) > 1
    frames = [one[2] for one in together[0] if isinstance(one[2], bytes)]
    has_funding = any(b"markPrice" in frame for frame in frames)
    assert has_funding == (Stream.MARK_PRICE in streams)


def usdm_frames(count: int, levels: int = 1) -> list[bytes]:
    """Changes of one chain; the first joins `snapshot`."""
    found = []
    for n in range(count):
        bids = ",".join(f'["{100 + n % 50 + k}.0","{1 + n % 7}.0"]' for k in range(levels))
        at = (EPOCH_NS + n * MS) // MS
        found.append(
            b'{"stream":"aaausdt@depth@100ms","data":{"e":"depthUpdate","E":%d,"T":%d,"s":"AAAUSDT","U":%d,"u":%d,'
            b'"pu":%d,"b":[%b],"a":[]}}' % (at, at, 101 + n, 101 + n, 100 + n, bids.encode())
        )
    return found


SNAPSHOT = b'{"lastUpdateId":100,"E":1,"T":1,"bids":[["90.0","1.0"]],"asks":[["9000.0","1.0"]]}'
OPENING = b'{"stream":"aaausdt@depth@100ms"'


class Line:
    """A pipeline whose book is proven by the first change."""

    def __init__(self, first: bytes, opening: bytes = OPENING) -> None:
        self.counts = np.zeros((1, 3), np.int64)
        self.lag_counts = np.zeros((1, BUCKETS), np.int64)
        self.pipeline = pipeline = Pipeline(
            VENUES["binance_usdm"],
            Instrument("binance_usdm", SYMBOLS[0], TICK, LOT),
            0,
            Kind.TRADE,
            streams=StreamCounts([opening], self.counts, self.lag_counts),
        )
        self.loop = pipeline.loop
        #: Why the last call stopped.
        self.code = END
        pipeline.decode(first, EPOCH_NS)
        pipeline.receive(0)
        pipeline.decode_snapshot(SNAPSHOT, EPOCH_NS)
        pipeline.receive(0)
        assert pipeline.is_synced

    def take(self, batch: Batch, first: int, lead_max: int = S) -> list[int]:
        """The row ends of the frames that were applied."""
        self.code = self.loop.take(batch, first, FRAMES_MAX, lead_max=lead_max, now_ns=77)
        return self.loop.row_ends


def batch_of(frames: list[bytes]) -> Batch:
    batch = Batch()
    for n, frame in enumerate(frames):
        batch.frames.append(frame)
        batch.stamps.append(EPOCH_NS + (n + 1) * MS)
    return batch


def rows_by_runs(line: Line, batch: Batch) -> tuple[Rows, int]:
    """All rows of a batch of plain frames, and in how many runs they came."""
    found, done, runs = [], 0, 0
    while done < len(batch.frames):
        ends = line.take(batch, done)
        assert ends
        found.append(line.loop.rows[: ends[-1]].copy())
        done += len(ends)
        runs += 1
    return np.concatenate(found), runs


def rows_one_by_one(line: Line, batch: Batch) -> Rows:
    found = []
    for frame, local_ts in zip(batch.frames, batch.stamps, strict=True):
        line.pipeline.decode(frame, local_ts)
        line.pipeline.receive(0)
        found.append(line.pipeline.rows.copy())
    return np.concatenate(found)


@pytest.mark.parametrize(
    ("count", "levels", "runs_max"), [(2 * FRAMES_MAX + 5, 1, 8), (40, 3000, 39), (3, 30_000, 2)]
)
def test_room_grows_with_what_comes(count: int, levels: int, runs_max: int) -> None:
    first, *rest = usdm_frames(count, levels)
    batch = batch_of(rest)
    line = Line(first)
    rows, runs = rows_by_runs(line, batch)
    assert rows.tobytes() == rows_one_by_one(Line(first), batch).tobytes()
    assert runs <= runs_max
    assert line.counts.tolist() == [[len(rest), sum(map(len, rest)), 77]]
    assert line.lag_counts.sum() == len(rest)


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        (b"", OTHER_TOPIC),
        (b'{"result":null,"id":3}', OTHER_TOPIC),
        (b'{"stream":"aaausdt@trade","data":{}}', OTHER_TOPIC),
        (OPENING, REFUSED),
        (OPENING + b',"data":{\n}}', REFUSED),
        *((frame[:-1], REFUSED) for frame in usdm_frames(3)[2:]),
        *((frame.replace(b"AAAUSDT", b"BBBUSDT"), DECODED) for frame in usdm_frames(3)[2:]),
        *((frame, DECODED) for frame in usdm_frames(9)[8:]),
    ],
    ids=["empty", "control", "stream", "cut early", "newline", "cut late", "symbol", "gap"],
)
def test_a_run_ends_before_what_is_not_plain(odd: bytes, code: int) -> None:
    first, second, third = usdm_frames(3)
    line = Line(first)
    batch = batch_of([second, odd, third])
    assert len(line.take(batch, 0)) == 1
    assert line.code == code
    assert line.take(batch, 1) == []
    assert line.code == code
    # Nothing of it was done: what follows still joins.
    assert len(line.take(batch, 2)) == 1
    assert line.code == END
    assert line.pipeline.is_synced
    assert line.pipeline.sync.gap_count == 0
    assert line.counts[0, 0] == 2


def test_a_venue_time_that_would_move_the_offset_is_not_plain() -> None:
    first, *rest = usdm_frames(3)
    line = Line(first)
    batch = batch_of(rest)
    batch.stamps[1] = EPOCH_NS  # 2 ms behind the venue's time
    assert len(line.take(batch, 0, MS)) == 1
    assert line.loop.lead == 0


def test_a_stream_with_an_opening_beyond_all_measure_is_known_by_its_number() -> None:
    first, second = usdm_frames(2)
    line = Line(first, OPENING + b"x" * 200)
    assert line.take(batch_of([second]), 0) == []
    assert line.code == OTHER_TOPIC
    assert line.loop.take(batch_of([second]), 0, FRAMES_MAX, stream=0, lead_max=S) == END
    assert len(line.loop.row_ends) == 1


def test_without_a_proven_book_nothing_is_taken() -> None:
    first, second = usdm_frames(2)
    line = Line(first)
    line.pipeline.doubt(EPOCH_NS)
    assert line.take(batch_of([second]), 0) == []


def test_touches_of_a_run_are_those_behind_each_frame() -> None:
    first, *rest = usdm_frames(20)
    line, single = Line(first), Line(first).pipeline
    batch = batch_of(rest)
    assert len(line.take(batch, 0)) == len(rest)
    for n, frame in enumerate(batch.frames):
        single.decode(frame, batch.stamps[n])
        single.receive(0)
        line.loop.shown = n
        assert line.pipeline.touch() == single.touch()
    line.loop.shown = -1
    assert line.pipeline.touch() == single.touch()


@given(st.lists(st.lists(st.binary(max_size=2000), min_size=1, max_size=400), min_size=1, max_size=4))
def test_a_packed_batch_holds_its_frames(reads: list[list[bytes]]) -> None:
    batch = Batch()
    for frames in reads:
        batch.frames.extend(frames)
        batch.stamps.extend(range(len(frames)))
        text, ends, stamps = batch.packed()
        begin = 0
        for n, frame in enumerate(frames):
            assert text[begin : ends[n]].tobytes() == frame
            assert stamps[n] == n
            begin = int(ends[n]) + 1
        assert not text[begin - 1 : begin - 1 + PADDING].any()
        batch.clear()
