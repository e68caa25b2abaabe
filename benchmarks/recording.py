"""Cost of recording: the caller's time a frame, against a bare buffered write; sustained rate; bytes.

python benchmarks/recording.py [RECORDINGS]
"""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from alternate import show_machine
from numpy.typing import NDArray
from samples import raw_text

from arb.data.recordings.recorder import Recorder

VENUE, SYMBOL = "binance_usdm", "BTCUSDT"
#: Frames a second of the paced feed, a little less with the pauses' own time: USD-M BTC's busiest second was 2,466.
PACED_HZ = 2_500
PACED_S = 20

Frames = list[tuple[int, bytes]]
Take = Callable[[int, bytes], object]


@contextmanager
def recorder(segment_s: float = 300.0, fsync_s: float = 10.0) -> Iterator[tuple[Recorder, Path]]:
    """A recorder in a folder of its own, on the disk of the working directory."""
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        Recorder(Path(folder), segment_s=segment_s, fsync_s=fsync_s) as ours,
    ):
        yield ours, Path(folder)


def caller_times(take: Take, frames: Frames, pause_s: float = 0.0) -> NDArray[np.int64]:
    """ns of each call, in order."""
    clock = time.perf_counter_ns
    spent = np.empty(len(frames), np.int64)
    for n, (at, frame) in enumerate(frames):
        if pause_s:
            time.sleep(pause_s)
        began = clock()
        take(at, frame)
        spent[n] = clock() - began
    return spent


def show_times(what: str, spent: NDArray[np.int64]) -> None:
    p50, p99, p999 = (np.percentile(spent, q) / 1e3 for q in (50, 99, 99.9))
    print(
        f"{what:<58} p50 {p50:6.1f} us, p99 {p99:6.1f} us, p99.9 {p999:7.1f} us, most {spent.max() / 1e6:.1f} ms"
    )


def caller_cost(frames: Frames) -> None:
    """The loop over all frames on the caller's thread, files opened and closed outside of it."""

    def ours() -> float:
        with recorder(segment_s=3600) as (to, _):
            began = time.perf_counter()
            for at, frame in frames:
                to.frame(VENUE, SYMBOL, at, frame)
            return time.perf_counter() - began

    def floor() -> float:
        with tempfile.TemporaryFile(dir=".") as file:
            began = time.perf_counter()
            for at, frame in frames:
                file.write(b"%d %b\n" % (at, frame))
            return time.perf_counter() - began

    pairs = [(ours(), floor()) for _ in range(9)][1:]
    ratios = sorted(a / b for a, b in pairs)
    a, b = (1e9 * np.median(side) / len(frames) for side in zip(*pairs, strict=True))
    print(
        f"{'caller, ns a frame: recorder against a buffered write':<58} {a:.0f} against {b:.0f}, "
        f"{np.median(ratios):.1f}x [{ratios[2]:.1f} to {ratios[-3]:.1f}]"
    )


def latencies(frames: Frames) -> None:
    """Single calls, as a feed makes them: with pauses, while journals are compressed and synced."""
    some = frames[: PACED_HZ * PACED_S]
    with tempfile.TemporaryFile(dir=".") as file:

        def floor(at: int, frame: bytes) -> None:
            file.write(b"%d %b\n" % (at, frame))

        show_times("bare buffered write, no pause", caller_times(floor, frames))
        show_times("bare buffered write, paced", caller_times(floor, some, 1 / PACED_HZ))
    with recorder(segment_s=3600) as (ours, _):
        show_times("recorder, no pause", caller_times(partial(ours.frame, VENUE, SYMBOL), frames))
    for what, made in (
        ("as configured", recorder()),
        ("a segment and a sync a second", recorder(segment_s=1, fsync_s=1)),
        ("a segment a second, no sync", recorder(segment_s=1, fsync_s=0)),
    ):
        with made as (ours, _):
            spent = caller_times(partial(ours.frame, VENUE, SYMBOL), some, 1 / PACED_HZ)
        show_times(f"recorder, paced, {what}", spent)


def sustained(frames: Frames, times_over: int = 10) -> None:
    """Until everything is compressed and on the disk; against gzip of the same text in one piece."""
    text = b"".join(b"%d %b\n" % frame for frame in frames) * times_over
    with recorder(segment_s=1) as (ours, folder):
        began = time.perf_counter()
        for _ in range(times_over):
            for at, frame in frames:
                ours.frame(VENUE, SYMBOL, at, frame)
        taken_s = time.perf_counter() - began
        ours.close()
        done_s = time.perf_counter() - began
        size = sum(path.stat().st_size for path in folder.glob("*/*.gz"))
    count = len(frames) * times_over
    print(
        f"{'sustained: taken, and compressed too':<58} {count / taken_s / 1e3:.0f}k, {count / done_s / 1e3:.0f}k "
        f"frames/s ({len(text) / taken_s / 1e6:.0f}, {len(text) / done_s / 1e6:.0f} MB/s of text)"
    )
    began = time.perf_counter()
    one = len(gzip.compress(text, 5))
    print(
        f"{'bytes: members against one piece of gzip -5':<58} {size / one:.3f}x ({size / count:.1f} B a frame of "
        f"{len(text) / count:.0f}); gzip alone took {time.perf_counter() - began:.1f} s"
    )


def main() -> None:
    show_machine()
    lines = raw_text(VENUE, SYMBOL).splitlines()
    frames = [(int(line[:19]), line[20:]) for line in lines]
    caller_cost(frames)
    latencies(frames)
    sustained(frames)


if __name__ == "__main__":
    main()
