"""Frames of one socket read, recorded together."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.live_recorder import NOON, SYMBOL, VENUE, Open, text_of

from connectors.units import DAY, MILLISECOND


def test_frames_of_a_read_are_the_lines_that_single_ones_are(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = opened()
    assert recorder.frames(VENUE, SYMBOL, [NOON], [b"{}"]) == 0, "the first one opens the file"
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    writes = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, text: writes.append(text) or write(handle, text))

    assert recorder.frames(VENUE, SYMBOL, [NOON + 1, NOON + 2], [b'{"n":1}', b'{"n":2}']) == 2

    assert len(writes) == 1
    assert recorder.state.frames == 3
    assert recorder.state.frame_bytes == sum(map(len, (*writes, b"%d {}\n" % NOON)))
    recorder.close()
    lines = text_of(tmp_path)
    assert lines == [b"%d {}" % NOON, b'%d {"n":1}' % (NOON + 1), b'%d {"n":2}' % (NOON + 2)]


@pytest.mark.parametrize(
    ("times", "frames"),
    [
        ([NOON, NOON + DAY], [b"{}", b"{}"]),
        ([NOON - 60 * MILLISECOND, NOON], [b"{}", b"{}"]),
        ([NOON, NOON - 60 * MILLISECOND], [b"{}", b"{}"]),
        ([NOON, NOON + 1], [b"{}", b"{\n}"]),
        ([NOON, NOON + 1], [b"{\0}", b"{}"]),
    ],
)
def test_what_needs_more_than_a_write_is_left_to_single_frames(
    tmp_path: Path, opened: Open, times: list[int], frames: list[bytes]
) -> None:
    recorder = opened()
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")

    assert recorder.frames(VENUE, SYMBOL, times, frames) == 0

    assert recorder.state.frames == 1
    recorder.close()
    assert recorder.frames(VENUE, SYMBOL, [NOON + 1], [b"{}"]) == 0
    assert text_of(tmp_path) == [b"%d {}" % NOON]


@pytest.mark.parametrize("written", range(0, 90, 7))
def test_a_disk_that_is_full_within_a_read_has_its_first_frames(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    recorder = opened()
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    write = os.write
    sizes = [written]

    def some(handle: int, text: bytes) -> int:
        if not sizes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, text[: sizes.pop()])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", some)
        taken = recorder.frames(VENUE, SYMBOL, [NOON + n for n in range(1, 5)], [b"{}"] * 4)

    assert taken == written // len(b"%d {}\n" % NOON)
    assert recorder.error is not None
    assert recorder.state.frames == 1 + taken
    assert not recorder.frame(VENUE, SYMBOL, NOON + 9, b"{}")
    recorder.close()
    assert [int(line[:19]) - NOON for line in text_of(tmp_path)] == list(range(taken + 1))
