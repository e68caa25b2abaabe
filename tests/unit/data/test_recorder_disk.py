"""A recorder whose disk is full, slow, broken or not there."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from support.broken_disk import BrokenDisk, break_disk
from support.live_recorder import (
    NOON,
    SYMBOL,
    VENUE,
    Open,
    events,
    forget,
    go_round,
    gz,
    text_of,
)

from arb.config import load, write_templates
from arb.data.recordings.recorder import Recorder
from arb.errors import ArbError, InputError, InvariantError


def test_a_backlog_does_not_keep_the_thread_from_its_other_work(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arb.data.recordings.recorder._BUDGET_S", 0.0)
    recorder = opened()
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    go_round(recorder)
    assert recorder._is_behind
    assert recorder.state.journals_waiting == 1
    recorder._reserve_gb = 1e9

    go_round(recorder)

    assert recorder.error is not None
    assert not recorder._is_behind


def test_a_full_disk_stops_the_recording_with_whole_files(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[ArbError] = []
    recorder = opened(on_error=received.append)
    disk = BrokenDisk(4, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), for_good=True)
    with monkeypatch.context() as patch:
        break_disk(patch, disk)
        for n in range(20):
            recorder.frame(VENUE, SYMBOL, NOON + n, b'{"n":%d}' % n)
    taken = recorder.state.frames

    assert 0 < taken < 20
    assert recorder.state.lost_frames == 20 - taken
    assert received == [recorder.error]
    assert str(recorder.error) == (
        f"{tmp_path}: No space left on device: recording stops, what is there is whole; make room or see to the "
        "disk, and start again"
    )
    journal = gz(tmp_path).with_suffix(".000001.journal")
    assert journal.read_bytes().endswith(b"\n")
    recorder.close()
    with opened() as again:
        again.frame(VENUE, SYMBOL, NOON + 99, b"{}")
    assert [int(line[:19]) - NOON for line in text_of(tmp_path)] == [*range(taken), 99]


def test_a_disk_that_fails_at_any_change_loses_nothing_that_was_taken(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(1000):
        folder = tmp_path / str(at)
        recorder = opened(folder)
        disk = BrokenDisk(at, lambda: OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)))
        with monkeypatch.context() as patch:
            break_disk(patch, disk)
            for n in range(6):
                recorder.frame(VENUE, SYMBOL, NOON + n, b'{"n":%d}' % n)
                if n % 2:
                    go_round(recorder)
        taken = recorder.state.frames
        assert (recorder.error is None) == (not disk.is_broken), at
        assert taken == 6 or disk.is_broken
        recorder.close()
        opened(folder).close()
        assert [int(line[:19]) - NOON for line in text_of(folder)] == [*range(taken)] if taken else True, at
        if not disk.is_broken:
            break
    assert at > 20


def test_recording_stops_before_the_disk_is_full_and_puts_away_what_it_has(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = opened(reserve_gb=1e-9)
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    recorder._reserve_gb = 1e9
    go_round(recorder)
    recorder.frame(VENUE, SYMBOL, NOON + 1, b"{}")
    recorder.event(VENUE, SYMBOL, NOON + 1, "ack")

    assert isinstance(recorder.error, InputError)
    assert "[record] reserve_gb is 1e+09: recording stops; make room" in str(recorder.error)
    assert recorder.state.lost_frames == 1
    recorder.close()
    assert len(text_of(tmp_path)) == 1
    assert [e.detail["why"] for e in events(tmp_path, "recorder.stop")] == [str(recorder.error)]


def test_the_thread_itself_stops_and_puts_away(tmp_path: Path, opened: Open) -> None:
    recorder = opened(tick_s=0.001, segment_s=3600)
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    recorder._reserve_gb = 1e9
    for _ in range(5000):
        if gz(tmp_path).exists() and recorder.state.journals_waiting == 0:  # its member is whole then
            break
        recorder._closing.wait(0.002)

    assert recorder.error is not None
    assert len(text_of(tmp_path)) == 1


def test_a_start_without_the_reserve_is_refused(tmp_path: Path, opened: Open) -> None:
    with pytest.raises(InputError, match=r"GB of the disk are free, \[record\] reserve_gb is 1e\+09"):
        opened(reserve_gb=1e9)

    opened()  # the refused one does not hold the folder


def test_a_start_without_the_reserve_compresses_what_is_left_first(tmp_path: Path, opened: Open) -> None:
    killed = opened()
    killed.frame(VENUE, SYMBOL, NOON, b"{}")
    forget(killed)

    with pytest.raises(InputError, match="reserve_gb"):
        opened(reserve_gb=1e9)

    assert len(text_of(tmp_path)) == 1


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be recorded into: Not a directory; name another folder"):
        opened(tmp_path / "file" / "x")


def test_a_fault_of_ours_is_received_of_and_loses_nothing(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = opened()
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    with monkeypatch.context() as patch:
        patch.setattr("arb.data.recordings.finish.append_member", lambda *_: {}["none"])
        go_round(recorder)
    assert isinstance(recorder.error, InvariantError)
    recorder.close()
    assert len(text_of(tmp_path)) == 1


def test_journals_are_synced_as_often_as_asked(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {}
    for fsync_s in (0, 1e-9, 3600):
        recorder = opened(segment_s=3600, fsync_s=fsync_s)
        recorder.frame(VENUE, SYMBOL, NOON, b"{}")
        disk = BrokenDisk(10**9, RuntimeError)
        with monkeypatch.context() as patch:
            break_disk(patch, disk)
            go_round(recorder)
        counts[fsync_s] = disk.changes
        recorder.close()

    # The journal, its sidecar and their folder.
    assert counts == {0: 0, 1e-9: 3, 3600: 0}


def test_the_keys_of_the_configuration_change_what_a_recorder_does(tmp_path: Path) -> None:
    write_templates(tmp_path / "config")
    outcomes = []
    for words in ([], ["record.segment_s=1"], ["record.reserve_gb=1000000"], ["record.fsync_s=0"]):
        record = load(tmp_path / "config" / "arbitrage.toml", words).record
        try:
            recorder = Recorder(
                tmp_path / str(len(outcomes)),
                segment_s=record.segment_s,
                reserve_gb=record.reserve_gb,
                fsync_s=record.fsync_s,
                tick_s=3600,
            )
        except InputError:
            outcomes.append("refused")
            continue
        with recorder:
            recorder.frame(VENUE, SYMBOL, NOON, b"{}")
            due_s = recorder._tracks[VENUE, SYMBOL]._current().due_s - time.monotonic()
            outcomes.append((round(due_s), recorder._sync_due_s - time.monotonic() > 0))

    assert outcomes == [(300, True), (1, True), "refused", (300, False)]
