"""Journals become members of the day's file exactly once, wherever the process is killed or the disk fails."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_disk import BrokenDisk, Killed, break_disk

from arb.data.recordings import members
from arb.data.recordings.finish import Finisher
from arb.data.recordings.journal import DayKey, Dropped, cut_torn_line, find_journals, whole_lines
from arb.data.recordings.members import append_member, compressed, cut_text, whole_members
from arb.data.recordings.sidecar import Sidecar, read_events
from arb.data.text import read_pieces
from arb.errors import InputError

KEY = DayKey("binance_usdm", "btcusdt", "20240808")
T0 = 1_723_118_400_000_000_000


def lines(start: int, count: int) -> bytes:
    return b"".join(b'%d {"id":%d}\n' % (T0 + n, n) for n in range(start, start + count))


def put(folder: Path, number: int, text: bytes, length: int | None = None) -> Path:
    path = KEY.journal(folder, number, length).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def finish(folder: Path) -> None:
    """What a start does with what it finds."""
    sidecar = Sidecar(folder)
    try:
        Finisher(folder, lambda key, kind, detail: sidecar.write(key, T0, kind, detail)).run()
    finally:
        sidecar.close()


def text_of(folder: Path) -> bytes:
    return gzip.decompress(KEY.gz(folder).read_bytes())


def kinds(folder: Path) -> list[str]:
    return [
        e.detail["what"] if e.kind == "recorder.repair" else e.kind for e in read_events(KEY.events(folder))
    ]


def test_journals_become_members_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    put(tmp_path, 10, lines(20, 10))
    put(tmp_path, 9, lines(0, 20))

    finish(tmp_path)

    assert text_of(tmp_path) == lines(0, 30)
    assert [path.name for path in KEY.gz(tmp_path).parent.iterdir() if path.suffix == ".journal"] == []
    segments = [e.detail for e in read_events(KEY.events(tmp_path)) if e.kind == "recorder.segment"]
    assert [s["frames"] for s in segments] == [20, 10]
    assert segments[-1]["gz_bytes"] == KEY.gz(tmp_path).stat().st_size


def prepared(folder: Path) -> bytes:
    """A day with a member, a torn end that a journal accounts for, and more journals."""
    put(folder, 1, lines(0, 50))
    finish(folder)
    length = KEY.gz(folder).stat().st_size
    with KEY.gz(folder).open("ab") as file:
        file.write(gzip.compress(lines(50, 50))[:-9])
    put(folder, 2, lines(50, 50), length)
    put(folder, 3, lines(100, 50) + b"17231184000")
    return lines(0, 150)


def every_change(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    for at in range(1000):
        yield at, tmp_path / str(at)


def test_a_kill_at_any_change_of_the_disk_leaves_each_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at, folder in every_change(tmp_path):
        expected = prepared(folder)
        disk = BrokenDisk(at, Killed)
        with monkeypatch.context() as patch:
            break_disk(patch, disk)
            with contextlib.suppress(Killed):
                finish(folder)
        finish(folder)
        assert text_of(folder) == expected, at
        assert find_journals(folder) == {}
        if not disk.is_broken:
            break
    assert at > 20


def test_a_second_kill_while_the_first_is_repaired_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at, folder in every_change(tmp_path):
        expected = prepared(folder)
        disks = [BrokenDisk(at, Killed), BrokenDisk(at // 2, Killed), BrokenDisk(at // 3 + 1, Killed)]
        for disk in disks:
            with monkeypatch.context() as patch:
                break_disk(patch, disk)
                with contextlib.suppress(Killed):
                    finish(folder)
        finish(folder)
        assert text_of(folder) == expected, at
        if not disks[0].is_broken:
            break


def test_a_disk_that_fails_leaves_whole_files_and_the_next_start_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at, folder in every_change(tmp_path):
        expected = prepared(folder)
        finish_first(folder)
        disk = BrokenDisk(at, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with monkeypatch.context() as patch:
            break_disk(patch, disk)
            with contextlib.suppress(OSError):
                finish(folder)
        assert expected.startswith(text_of(folder)), at
        finish(folder)
        assert text_of(folder) == expected, at
        if not disk.is_broken:
            break


def finish_first(folder: Path) -> None:
    """Without the torn end that `prepared` leaves: the file is whole when the disk fails."""
    third = KEY.journal(folder, 3).path
    aside = folder / "aside"
    third.rename(aside)
    finish(folder)
    aside.rename(third)


def test_a_torn_last_line_is_cut_and_reported(tmp_path: Path) -> None:
    put(tmp_path, 1, lines(0, 3) + b'1723118400000000099 {"torn')

    finish(tmp_path)

    assert text_of(tmp_path) == lines(0, 3)
    repair = next(
        e.detail for e in read_events(KEY.events(tmp_path)) if e.detail.get("what") == "no whole lines"
    )
    assert repair == {
        "what": "no whole lines",
        "lines": 1,
        "bytes": 26,
        "first": '1723118400000000099 {"torn',
    }


def test_what_a_power_loss_left_in_a_journal_is_dropped_and_reported(tmp_path: Path) -> None:
    put(tmp_path, 1, lines(0, 3) + b"\0" * 5000 + lines(3, 1) + lines(4, 3) + b"\0" * 100)

    finish(tmp_path)

    # The line that the hole runs into has no beginning.
    assert text_of(tmp_path) == lines(0, 3) + lines(4, 3)
    assert "no whole lines" in kinds(tmp_path)


def test_a_journal_of_a_torn_line_alone_leaves_no_file(tmp_path: Path) -> None:
    put(tmp_path, 1, b"17231")

    finish(tmp_path)

    assert not KEY.gz(tmp_path).exists()
    assert find_journals(tmp_path) == {}


@pytest.mark.parametrize("cut", [1, 8, 9, 500, 2000])
def test_a_cut_file_that_no_journal_accounts_for_keeps_what_can_be_read(tmp_path: Path, cut: int) -> None:
    """As a collector leaves it that was killed, or a disk whose power went."""
    noise = [b"%d %x\n" % (T0 + n, zlib.crc32(b"%d" % n)) for n in range(2000)]
    whole, torn = gzip.compress(lines(0, 50)), gzip.compress(b"".join(noise))
    put(tmp_path, 1, lines(100, 10))
    KEY.gz(tmp_path).write_bytes(whole + torn[:-cut])

    finish(tmp_path)

    text = text_of(tmp_path)
    saved = text.removeprefix(lines(0, 50)).removesuffix(lines(100, 10))
    assert len(saved) == len(text) - len(lines(0, 50)) - len(lines(100, 10))
    assert b"".join(noise).startswith(saved)
    assert len(saved) > len(b"".join(noise)) - 5 * cut - 1000
    assert saved.endswith(b"\n")
    assert "cut .gz" in kinds(tmp_path)


def test_damage_inside_a_file_keeps_what_lies_before_it(tmp_path: Path) -> None:
    noise = b"".join(b"%d %x\n" % (T0 + n, zlib.crc32(b"%d" % n)) for n in range(20_000))
    torn = bytearray(gzip.compress(noise))
    torn[len(torn) // 2 : len(torn) // 2 + 50] = b"\xff" * 50
    put(tmp_path, 1, lines(0, 10))
    KEY.gz(tmp_path).write_bytes(torn)

    finish(tmp_path)

    saved = text_of(tmp_path).removesuffix(lines(0, 10))
    assert len(saved) > len(noise) // 3
    good = saved[: saved.rfind(b"\n", 0, len(noise) // 3) + 1]
    assert noise.startswith(good)


def test_a_file_of_another_recorder_is_continued(tmp_path: Path) -> None:
    put(tmp_path, 1, lines(10, 5))
    KEY.gz(tmp_path).write_bytes(gzip.compress(lines(0, 10).rstrip(b"\n")))

    finish(tmp_path)

    assert text_of(tmp_path) == lines(0, 15)


def test_a_file_that_is_no_gzip_is_replaced_and_that_is_reported(tmp_path: Path) -> None:
    put(tmp_path, 1, lines(0, 5))
    KEY.gz(tmp_path).write_bytes(b"\0" * 100)

    finish(tmp_path)

    assert text_of(tmp_path) == lines(0, 5)
    assert "cut .gz" in kinds(tmp_path)


def test_a_file_is_read_through_only_where_nothing_tells_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, 1, lines(0, 5))
    finish(tmp_path)
    put(tmp_path, 2, lines(5, 5))
    read: list[Path] = []
    monkeypatch.setattr("arb.data.recordings.finish.whole_members", read.append)

    finish(tmp_path)

    assert read == []
    assert text_of(tmp_path) == lines(0, 10)


def test_a_file_that_shrank_is_read_through(tmp_path: Path) -> None:
    put(tmp_path, 1, lines(0, 5))
    finish(tmp_path)
    KEY.gz(tmp_path).unlink()
    put(tmp_path, 2, lines(5, 5), 70)

    finish(tmp_path)

    assert text_of(tmp_path) == lines(5, 5)


@given(st.lists(st.binary(max_size=2000), max_size=4), st.integers(0, 100), st.integers(0, 20))
def test_whole_members_end_where_the_last_whole_one_does(texts: list[bytes], cut: int, zeros: int) -> None:
    members = [gzip.compress(text) + b"\0" * zeros for text in texts]
    torn = gzip.compress(b"torn" * 30)
    content = b"".join(members) + torn[: min(cut, len(torn) - 1)]
    path = Path("/dev/shm" if os.path.isdir("/dev/shm") else "/tmp") / f"arb-members-{os.getpid()}.gz"
    try:
        path.write_bytes(content)
        whole = whole_members(path)
    finally:
        path.unlink()

    assert whole.length == len(b"".join(members))
    assert whole.size == len(content)
    assert whole.ends_line == (b"".join(texts)[-1:] in (b"", b"\n"))


def test_the_text_before_the_cut_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"first") + gzip.compress(lines(0, 500))[:-8])
    start = whole_members(path).length

    assert b"".join(cut_text(path, start)) == lines(0, 500)


def test_nothing_is_appended_while_a_reader_holds_the_file(tmp_path: Path) -> None:
    put(tmp_path, 1, lines(0, 5))
    finish(tmp_path)
    put(tmp_path, 2, lines(5, 5))
    reading = read_pieces(KEY.gz(tmp_path))
    assert next(reading) == lines(0, 5)

    finish(tmp_path)
    assert text_of(tmp_path) == lines(0, 5)
    with compressed([b"x"], tmp_path) as member:
        assert append_member(KEY.gz(tmp_path), 0, member) is None
    reading.close()
    finish(tmp_path)

    assert text_of(tmp_path) == lines(0, 10)


def test_a_new_file_is_never_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader may come at any time, also before the recorder has locked the file."""
    put(tmp_path, 1, lines(0, 5))
    sizes: list[int] = []

    def seen(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            sizes.extend(path.stat().st_size for path in tmp_path.rglob("*.gz"))
            return call(*arguments)

        return called

    for name in ("try_lock", "write_all"):
        monkeypatch.setattr(members, name, seen(getattr(members, name)))
    finish(tmp_path)
    assert 0 not in sizes
    assert text_of(tmp_path) == lines(0, 5)
    assert [path.name for path in KEY.gz(tmp_path).parent.iterdir() if "aside" in path.name] == []


def test_a_reader_that_comes_in_the_middle_of_an_append_waits_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, 1, lines(0, 5))
    finish(tmp_path)
    put(tmp_path, 2, lines(5, 5))
    read: list[object] = []

    def read_all() -> None:
        try:
            read.append(b"".join(read_pieces(KEY.gz(tmp_path))))
        except InputError as error:
            read.append(error)

    reader = threading.Thread(target=read_all)

    def copy_slowly(source: int, target: int, at: int) -> int:
        content = os.pread(source, 1 << 20, 0)
        os.pwrite(target, content[:-9], at)
        reader.start()
        reader.join(0.05)
        os.pwrite(target, content, at)
        return at + len(content)

    with monkeypatch.context() as patch:
        patch.setattr("arb.data.recordings.members._copy", copy_slowly)
        finish(tmp_path)
    reader.join()

    assert read == [lines(0, 10)]


@given(st.lists(st.one_of(st.just(lines(0, 3)), st.binary(max_size=50)), max_size=5))
def test_whole_lines_and_what_is_dropped_are_everything(parts: list[bytes]) -> None:
    path = Path("/dev/shm" if os.path.isdir("/dev/shm") else "/tmp") / f"arb-lines-{os.getpid()}.journal"
    dropped = Dropped()
    try:
        path.write_bytes(b"".join(parts))
        kept = b"".join(whole_lines(path, dropped))
    finally:
        path.unlink()

    assert len(kept) + dropped.bytes == len(b"".join(parts))
    assert kept == b"" or kept.endswith(b"\n")
    assert all(line[:19].isdigit() and line[19:20] == b" " for line in kept.split(b"\n")[:-1])


@pytest.mark.parametrize("text", [b"", b"a\n", b"a\nb", b"no newline", b"a\n" + b"x" * 600_000])
def test_a_torn_line_is_cut_off_an_open_file(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(text)
    with path.open("r+b") as file:
        cut = cut_torn_line(file.fileno())

    kept = text[: text.rfind(b"\n") + 1]
    assert path.read_bytes() == kept
    assert cut == len(text) - len(kept)
