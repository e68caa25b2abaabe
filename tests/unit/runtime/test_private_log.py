"""The private frames of a session on disk: what is written is read, also of a killed session."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import pytest
from support.broken_disk import BrokenDisk

from arb import files
from arb.errors import InputError
from arb.runtime.private_log import (
    Mark,
    PrivateLine,
    PrivateLog,
    finish_private,
    private_venues,
    read_private,
)
from connectors.units import DAY

T = 1_700_000_000_000_000_000
LINES = [
    (T, Mark.REQUEST, "-", "request 0 1"),
    (T + 1, Mark.SENT, "t1", '{"id":"0-1-p"}'),
    (T + 2, Mark.RECEIVED, "t1", b'{"id":\n"0-1-p",  "x": "\xc3\xa9\xff"}'),
    (T + 3, Mark.EVENT, "u1", "lost "),
    (T + 3, Mark.TICK, "-", ""),
]


def log_of(folder: Path, venue: str = "binance_spot") -> PrivateLog:
    return PrivateLog(folder / "private" / venue, lambda text: text.replace("secret", "***"))


def test_lines_are_read_as_they_were_written_without_line_breaks(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    for line in LINES:
        log.add(*line)
    log.close()
    log.close()
    finish_private(tmp_path)
    found = list(read_private(tmp_path, "binance_spot"))
    assert [line.ts for line in found] == [line[0] for line in LINES]
    assert found[0] == PrivateLine(T, "@", "-", "request 0 1", 1)
    frame = found[2].text.encode(errors="surrogateescape")
    assert frame == b'{"id": "0-1-p",  "x": "\xc3\xa9\xff"}'
    assert found[3:] == [PrivateLine(T + 3, "!", "u1", "lost ", 4), PrivateLine(T + 3, "t", "-", "", 5)]
    assert private_venues(tmp_path) == ["binance_spot"]
    assert [path.name for path in (tmp_path / "private").iterdir()] == ["binance_spot_20231114.gz"]


def test_nothing_blanked_reaches_the_disk_and_nothing_waits_after_a_flush(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    log.add(T, Mark.OWN_SENT, "t1", '{"apiKey":"secret"}')
    log.flush()
    path = tmp_path / "private" / "binance_spot_20231114.journal"
    assert path.read_text() == f'1 {T} }} t1 {{"apiKey":"***"}}\n'


def test_a_killed_session_keeps_its_whole_lines(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    for line in LINES:
        log.add(*line)
    log.flush()
    path = tmp_path / "private" / "binance_spot_20231114.journal"
    path.write_bytes(path.read_bytes()[:-5])
    finish_private(tmp_path)
    assert len(list(read_private(tmp_path, "binance_spot"))) == len(LINES) - 1


def test_files_that_are_not_of_a_session_are_refused(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    path = tmp_path / "private" / "bybit_spot_20231114.gz"
    path.write_bytes(gzip.compress(b"12 > t1 text\n"))
    with pytest.raises(InputError, match=r"bybit_spot_20231114\.gz: line 1 is no line of a session"):
        list(read_private(tmp_path, "bybit_spot"))
    path.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        list(read_private(tmp_path, "bybit_spot"))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_private(tmp_path, "binance_usdm"))
    other, same = log_of(tmp_path, "other"), log_of(tmp_path, "other")
    for log in (other, same):
        log.add(*LINES[0])
    other.flush()
    with pytest.raises(InputError, match=r"other_20231114\.journal: cannot be written: File exists"):
        same.flush()


def test_lines_that_could_not_be_written_are_kept_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(tmp_path)
    log.add(*LINES[0])
    log.flush()
    for line in LINES[1:]:
        log.add(*line)
    disk = BrokenDisk(0, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    monkeypatch.setattr(files, "os", disk)
    with pytest.raises(
        InputError, match=r"binance_spot_20231114\.journal: cannot be written: No space left on device"
    ):
        log.flush()
    assert len((tmp_path / "private" / "binance_spot_20231114.journal").read_bytes().splitlines()) == 1
    log.close()
    finish_private(tmp_path)
    found = list(read_private(tmp_path, "binance_spot"))
    assert [line.number for line in found] == [1, 2, 3, 4, 5]
    assert [line.ts for line in found] == [line[0] for line in LINES]


def test_each_day_has_its_file_and_the_lines_are_read_in_their_order(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    for number in range(6):
        log.add(T + number * DAY // 2, Mark.TICK, "-", str(number))
        if number != 3:
            log.flush()
    log.close()
    names = sorted(path.name for path in (tmp_path / "private").iterdir())
    assert names == [
        "binance_spot_20231114.gz", "binance_spot_20231115.gz", "binance_spot_20231116.gz",
        "binance_spot_20231117.journal",
    ]  # fmt: skip
    finish_private(tmp_path)
    assert [(line.number, line.text) for line in read_private(tmp_path, "binance_spot")] == [
        (number + 1, str(number)) for number in range(6)
    ]
    assert private_venues(tmp_path) == ["binance_spot"]
