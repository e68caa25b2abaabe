"""Processor time of a frame in a feed, by part and by the number of frames in one read. No socket.

The frames are those of `feed.py`. The minimum of several runs is reported: other load only adds time.

    python benchmarks/feed_parts.py [RECORDINGS]
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from alternate import show_machine
from feed import INSTRUMENT, STREAMS, Counts, KnownSnapshot, Sample, sample

from connectors.binance import BinanceUsdm
from connectors.book.fused import FusedBook
from connectors.book.sync import BookSync
from connectors.book.timestamps import RowClock
from connectors.feed.feed import Feed
from connectors.feed.interfaces import FeedTimes
from connectors.feed.pipeline import warm_up
from connectors.net.sockets import AsyncioTimers, new_event_loop
from connectors.parsing.batch import Batch
from connectors.parsing.lines import LineDecoder

RUNS = 7
#: Frames of a run in which each is given by itself.
SINGLE = 20_000
_PIECE = 1 << 16


class ByHand:
    """A transport and its one connection: what comes is given to the listener by whoever holds this."""

    listener: Any = None

    def connect(self, url: str, listener: Any) -> ByHand:
        self.listener = listener
        return self

    def send(self, frame: str) -> bool:
        """Nobody answers; the acknowledgement is given by hand too."""
        return True

    def close(self) -> None:
        """Nothing to close."""


async def synced(known: Sample) -> tuple[Feed, Any]:
    """A feed whose book is proven, and the listener that takes its frames."""
    by_hand, rest = ByHand(), KnownSnapshot(known.snapshot[20:])
    feed = Feed(
        BinanceUsdm(),
        [INSTRUMENT],
        STREAMS,
        ("ws://nowhere",),
        transport=by_hand,
        rest=rest,
        timers=AsyncioTimers(),
        chance=lambda: 0.5,
        sink=Counts(-1),
        times=FeedTimes(time_ns=0),
    )
    feed.start()
    await asyncio.sleep(0.02)
    by_hand.listener.on_open()
    by_hand.listener.on_frame(b'{"result":null,"id":1}', 0)
    for line in known.prelude:
        by_hand.listener.on_frame(line[20:], time.time_ns())
    await asyncio.sleep(0.02)
    rest.answer()
    await asyncio.sleep(0.02)
    return feed, by_hand.listener


async def us_a_frame(known: Sample, size: int) -> float:
    """Of reads that bring `size` frames each; 0: frame by frame, by the steps that a frame takes which is not plain."""
    feed, listener = await synced(known)
    frames = [line[20:] for line in known.rest][: SINGLE if size <= 1 else None]
    batch = Batch()
    began = time.thread_time()
    if size == 0:
        for frame in frames:
            listener.on_frame(frame, time.time_ns())
    for start in range(0, len(frames) if size else 0, size or 1):
        for frame in frames[start : start + size]:
            batch.frames.append(frame)
            batch.stamps.append(time.time_ns())
        listener.on_batch(batch)
        batch.clear()
    took = time.thread_time() - began
    feed.stop()
    return 1e6 * took / len(frames)


def us_of_parts(known: Sample) -> dict[str, float]:
    """us a frame of each part, over pieces of text as in a conversion."""
    text = b"\n".join([*known.prelude, known.snapshot, *known.rest]) + b"\n"
    venue = BinanceUsdm()
    sync, clock = BookSync(venue.sequence_rule, keep_bbo=True), RowClock(0, 0)
    book = FusedBook(INSTRUMENT.tick_size, INSTRUMENT.lot_size)
    spent = dict.fromkeys(("decode", "chain", "stamp", "fuse"), 0.0)
    at = time.thread_time()

    def note(part: str) -> None:
        nonlocal at
        now = time.thread_time()
        spent[part] += now - at
        at = now

    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    for rows, messages in LineDecoder(venue, INSTRUMENT.symbol).decode(pieces):
        note("decode")
        chained = sync.receive(rows, messages)
        note("chain")
        clock.stamp(chained)
        note("stamp")
        book.fuse(chained)
        note("fuse")
    return {part: 1e6 * seconds / len(known.frames) for part, seconds in spent.items()}


def main() -> None:
    show_machine()
    known = sample()
    warm_up(BinanceUsdm(), INSTRUMENT)
    us_of_parts(known)
    found = [us_of_parts(known) for _ in range(RUNS)]
    least = {part: min(one[part] for one in found) for part in found[0]}
    print("us a frame, by part: " + ", ".join(f"{part} {us:.2f}" for part, us in least.items()))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        for size, what in ((200, "200 frames a read"), (20, "20"), (1, "one"), (0, "one, step by step")):
            us = min(runner.run(us_a_frame(known, size)) for _ in range(RUNS))
            print(f"us a frame, from the socket's callback to the sink, {what}: {us:.2f}")


if __name__ == "__main__":
    main()
