"""The recorder: what it is told is in the day's files, whatever clock and process do."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from support.live_recorder import (
    DAY,
    MIDNIGHT,
    NEXT_DAY,
    NOON,
    SYMBOL,
    VENUE,
    Open,
    S,
    events,
    forget,
    go_round,
    gz,
    text_of,
)

from arb.data.catalog.days import find_recordings
from arb.data.recordings.sidecar import Event
from arb.data.text import read_pieces
from arb.errors import InputError


def test_frames_are_the_lines_of_the_day(tmp_path: Path, opened: Open) -> None:
    with opened() as recorder:
        recorder.frame(VENUE, SYMBOL, NOON, b'{"a":1}')
        recorder.frame(VENUE, SYMBOL, NOON + 1, b'{"a":2}')

    assert gzip.decompress(gz(tmp_path).read_bytes()) == b'%d {"a":1}\n%d {"a":2}\n' % (NOON, NOON + 1)
    assert [(r.venue, r.symbol, r.path) for r in find_recordings(tmp_path)] == [(VENUE, SYMBOL, gz(tmp_path))]
    assert sorted(path.name for path in gz(tmp_path).parent.iterdir()) == [
        f"btcusdt_{DAY}.events.jsonl",
        f"btcusdt_{DAY}.gz",
    ]


def test_a_frame_is_in_a_file_when_the_call_returns(tmp_path: Path, opened: Open) -> None:
    recorder = opened()

    recorder.frame(VENUE, SYMBOL, NOON, b"{}")

    journal = gz(tmp_path).with_suffix(".000001.journal")
    assert journal.read_bytes() == b"%d {}\n" % NOON
    assert recorder.state.frames == 1
    assert recorder.state.frame_bytes == 23


def test_complete_journals_are_read_while_recording_goes_on(tmp_path: Path, opened: Open) -> None:
    recorder = opened()
    for n in range(3):
        recorder.frame(VENUE, SYMBOL, NOON + n, b"{}")
        go_round(recorder)
        assert b"".join(read_pieces(gz(tmp_path))).count(b"\n") == n + 1

    assert [s.detail["frames"] for s in events(tmp_path, "recorder.segment")] == [1, 1, 1]


def test_a_journal_waits_for_its_time_or_its_size(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = opened(segment_s=3600)
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    go_round(recorder)
    assert not gz(tmp_path).exists()

    monkeypatch.setattr("arb.data.recordings.track.SEGMENT_BYTES", 20)
    go_round(recorder)

    assert len(text_of(tmp_path)) == 1


def test_an_instrument_that_is_silent_makes_no_members(tmp_path: Path, opened: Open) -> None:
    recorder = opened()
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    for _ in range(4):
        go_round(recorder)

    assert len(events(tmp_path, "recorder.segment")) == 1


def test_a_frame_goes_to_the_day_of_its_own_time(tmp_path: Path, opened: Open) -> None:
    """Late frames of the day before come after midnight, some when its journal is complete already."""
    recorder = opened()
    for offset in (-2, -1, 0, 1):
        recorder.frame(VENUE, SYMBOL, MIDNIGHT + offset, b'{"o":%d}' % offset)
    recorder.frame(VENUE, SYMBOL, MIDNIGHT - 1, b'{"late":1}')
    go_round(recorder)
    recorder.frame(VENUE, SYMBOL, MIDNIGHT + 2, b'{"o":2}')
    recorder.frame(VENUE, SYMBOL, MIDNIGHT - 1, b'{"late":2}')
    recorder.close()

    old = [line[20:] for line in text_of(tmp_path, DAY)]
    assert old == [b'{"o":-2}', b'{"o":-1}', b'{"late":1}', b'{"late":2}']
    assert [line[20:] for line in text_of(tmp_path, NEXT_DAY)] == [b'{"o":0}', b'{"o":1}', b'{"o":2}']


def test_the_journal_of_a_day_that_is_over_does_not_wait_for_its_time(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arb.data.recordings.track.LATE_S", 0.0)
    recorder = opened(segment_s=3600)
    recorder.frame(VENUE, SYMBOL, MIDNIGHT - 1, b"{}")
    recorder.frame(VENUE, SYMBOL, MIDNIGHT, b"{}")
    go_round(recorder)

    assert len(text_of(tmp_path, DAY)) == 1
    assert not gz(tmp_path, NEXT_DAY).exists()


def test_a_clock_that_is_set_back_keeps_the_order_of_receipt_and_is_reported(
    tmp_path: Path, opened: Open
) -> None:
    with opened() as recorder:
        for at in (NOON + 10 * S, NOON, NOON + 1):
            recorder.frame(VENUE, SYMBOL, at, b"{}")

    assert [int(line[:19]) for line in text_of(tmp_path)] == [NOON + 10 * S, NOON, NOON + 1]
    (step,) = events(tmp_path, "recorder.clock-back")
    assert step == Event(NOON, "recorder.clock-back", {"from": NOON + 10 * S, "to": NOON})


@pytest.mark.parametrize("at", [0, 999_999_999_999_999_999, 2**63, -NOON])
def test_a_clock_that_is_no_clock_stops_the_recording(opened: Open, at: int) -> None:
    recorder = opened()

    recorder.frame(VENUE, SYMBOL, at, b"{}")

    assert isinstance(recorder.error, InputError)
    assert "set the clock" in str(recorder.error)
    assert recorder.state.lost_frames == 1


def test_what_would_break_a_line_becomes_a_space(tmp_path: Path, opened: Open) -> None:
    with opened() as recorder:
        recorder.frame(VENUE, SYMBOL, NOON, b'{\n "a":\0 1\r}\n')

    assert text_of(tmp_path) == [b'%d {  "a":  1\r} ' % NOON]


def test_events_are_lines_of_json_beside_the_day(tmp_path: Path, opened: Open) -> None:
    with opened(versions={"arb": "1", "hftbacktest": "2.4.4"}) as recorder:
        recorder.event(VENUE, SYMBOL, NOON, "ack", b'{"result":null,"id":1}')
        recorder.event(VENUE, SYMBOL, NOON + 1, "gap", {"want": 1, "have": 5})
        recorder.event(VENUE, SYMBOL, MIDNIGHT, "pong")

    lines = gz(tmp_path).with_suffix(".events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "local_ts": NOON,
            "kind": "recorder.start",
            "detail": {"versions": {"arb": "1", "hftbacktest": "2.4.4"}},
        },
        {"local_ts": NOON, "kind": "ack", "detail": '{"result":null,"id":1}'},
        {"local_ts": NOON + 1, "kind": "gap", "detail": {"want": 1, "have": 5}},
    ]
    assert [e.kind for e in events(tmp_path, day=NEXT_DAY)] == ["recorder.start", "pong"]
    assert find_recordings(tmp_path) == []


@pytest.mark.parametrize(("venue", "symbol"), [("../x", SYMBOL), (VENUE, "a/b"), (VENUE, ""), (VENUE, "A B")])
def test_names_that_no_recording_has_are_refused(opened: Open, venue: str, symbol: str) -> None:
    recorder = opened()
    with pytest.raises(InputError, match="cannot be named"):
        recorder.frame(venue, symbol, NOON, b"{}")
    assert recorder.error is None


def test_both_spellings_of_a_symbol_are_one_recording(tmp_path: Path, opened: Open) -> None:
    with opened() as recorder:
        recorder.frame(VENUE, "BTCUSDT", NOON, b"1")
        recorder.frame(VENUE, "btcusdt", NOON, b"2")

    assert [line[20:] for line in text_of(tmp_path)] == [b"1", b"2"]


def test_a_second_recorder_is_refused_and_a_dead_one_is_no_obstacle(tmp_path: Path, opened: Open) -> None:
    first = opened()
    with pytest.raises(InputError) as caught:
        opened()
    assert str(caught.value) == (
        f"{tmp_path}: another recorder (process {os.getpid()}) writes here; end it, or name another folder with --data"
    )
    forget(first)

    opened().frame(VENUE, SYMBOL, NOON, b"{}")


def test_the_next_start_goes_on_where_a_killed_one_was(tmp_path: Path, opened: Open) -> None:
    killed = opened()
    killed.frame(VENUE, SYMBOL, NOON, b"1")
    go_round(killed)
    killed.frame(VENUE, SYMBOL, NOON + 1, b"2")
    killed.event(VENUE, SYMBOL, NOON + 1, "ack")
    with gz(tmp_path).with_suffix(".000002.journal").open("ab") as file:
        file.write(b"17231")
    with gz(tmp_path).with_suffix(".events.jsonl").open("ab") as file:
        file.write(b'{"local_ts":172')
    forget(killed)

    with opened() as recorder:
        recorder.frame(VENUE, SYMBOL, NOON + 2, b"3")

    assert [line[20:] for line in text_of(tmp_path)] == [b"1", b"2", b"3"]
    reported = [e.detail["what"] for e in events(tmp_path, "recorder.repair")]
    assert reported == ["torn line of this file", "journal of an earlier process", "no whole lines"]
    assert len(events(tmp_path, "ack")) == 1


def test_frames_that_come_after_the_end_are_counted(opened: Open) -> None:
    recorder = opened()
    recorder.close()
    recorder.close()

    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    recorder.event(VENUE, SYMBOL, NOON, "ack")

    assert recorder.state.lost_frames == 1
