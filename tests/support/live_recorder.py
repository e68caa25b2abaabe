"""Recorders whose thread sleeps, driven round by round, and what their folders hold."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from arb.data.recordings.recorder import Recorder
from arb.data.recordings.sidecar import Event, read_events

VENUE, SYMBOL = "binance_usdm", "BTCUSDT"
#: 2024-08-08 12:00 UTC.
NOON = 1_723_118_400_000_000_000
S = 1_000_000_000
MIDNIGHT = NOON + 12 * 3600 * S
DAY, NEXT_DAY = "20240808", "20240809"

Open = Callable[..., Recorder]


@contextlib.contextmanager
def opener(default: Path) -> Iterator[Open]:
    """Opens recorders whose thread sleeps until they are closed, and whose journals are complete at every round."""
    recorders = []

    def open_recorder(folder: Path = default, **settings: Any) -> Recorder:
        settings = {"segment_s": 0, "reserve_gb": 0, "tick_s": 3600, "clock": lambda: NOON, **settings}
        recorders.append(Recorder(folder, **settings))
        return recorders[-1]

    yield open_recorder
    for recorder in recorders:
        recorder.close()


def go_round(recorder: Recorder) -> None:
    """What the recorder's thread does each second."""
    recorder._guarded(recorder._tick)


def gz(folder: Path, day: str = DAY, venue: str = VENUE, name: str = "btcusdt") -> Path:
    return folder / venue / f"{name}_{day}.gz"


def text_of(folder: Path, *names: str) -> list[bytes]:
    return gzip.decompress(gz(folder, *names).read_bytes()).split(b"\n")[:-1]


def events(folder: Path, kind: str = "", day: str = DAY) -> list[Event]:
    found = read_events(gz(folder, day).with_suffix(".events.jsonl"))
    return [event for event in found if event.kind.startswith(kind)]


def forget(recorder: Recorder) -> None:
    """As if the process had been killed: its lock goes, and nothing else ever happens."""
    recorder._folder_lock.release()
    recorder._is_closed = True
