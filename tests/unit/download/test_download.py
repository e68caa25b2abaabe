"""Downloads from a server on this machine that misbehaves by script: no byte comes twice, no file is half."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import signal
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.archive_downloads import BYBIT_SPOT, LINEAR, SPOT, USDM, Place, fetched, plan_of, refusal, zipped
from support.archive_server import ArchiveServer, Fault

from arb.data.download.choice import RemoteFile
from arb.data.download.fetch import Part
from arb.files import write_all

FREE = date(2024, 1, 1)
KEYED = date(2024, 1, 2)
NEVER = Fault(status=500, is_lasting=True)


def test_both_legs_come_whole_and_are_not_asked_for_again(place: Place) -> None:
    files = place.serve(SPOT, FREE, "tardis") + place.serve(BYBIT_SPOT, FREE, "tardis")
    plan = place.plan([SPOT, BYBIT_SPOT], [FREE])
    assert plan.bytes_to_come == sum(len(place.content(file)) for file in files)
    assert place.carry_out(plan) == 6
    for file in files:
        assert place.path(file).read_bytes() == place.content(file)
    assert len(place.files()) == 6
    before = len(place.server.requests)
    again = place.plan([SPOT, BYBIT_SPOT], [FREE])
    assert again.missing == []
    assert place.carry_out(again) == 0
    assert len(place.server.requests) == before


def test_several_legs_and_days_in_one_plan(place: Place) -> None:
    days = [KEYED, KEYED + timedelta(days=1)]
    for day in days:
        place.serve(USDM, day, "binance", kinds="touch trades")
        place.serve(LINEAR, day, "bybit")
    plan = place.plan([USDM, LINEAR], days)
    assert [(c.leg.name, c.day, c.source, c.holds) for c in plan.choices] == [
        ("binance_usdm:BTCUSDT", days[0], "binance", "touch, trades"),
        ("binance_usdm:BTCUSDT", days[1], "binance", "touch, trades"),
        ("bybit_linear:BTCUSDT", days[0], "bybit", "order book, trades"),
        ("bybit_linear:BTCUSDT", days[1], "bybit", "order book, trades"),
    ]
    assert place.server.sent == []
    assert place.carry_out(plan) == 8


@pytest.mark.parametrize("has_validators", [True, False])
def test_a_cut_is_resumed_and_no_byte_comes_twice(
    place: Place, touch: RemoteFile, has_validators: bool
) -> None:
    place.server.has_validators = has_validators
    path = f"/{touch.path}"
    place.server.faults[path] = [Fault(cut_after=100_000), Fault(cut_after=1), Fault(cut_after=150_000)]
    fetched(place, touch)
    ranges = place.server.ranges(path)
    assert [start for start, _ in ranges] == [0, 100_000, 100_001, 250_001]
    assert place.server.bytes_sent(path) == len(place.content(touch))
    # Each pause is at most twice the one before, less chance.
    assert len(place.pauses) == 3
    for n, pause in enumerate(place.pauses):
        assert 0.5 * 2**n <= pause <= 2**n


def test_faults_count_in_a_row_without_a_megabyte_of_progress(place: Place) -> None:
    (file,) = place.serve(LINEAR, KEYED, "bybit", 10_000_000, "book")
    path = f"/{file.path}"
    # Seven times a megabyte and a bit, more faults than are borne in a row; the last with four more are five, twice.
    much, little = Fault(cut_after=1_100_000), Fault(cut_after=1000)
    place.server.faults[path] = [much] * 7 + [little] * 4 + [much] + [little] * 4
    fetched(place, file)
    assert place.server.gets(path) == 7 + 4 + 1 + 4 + 1
    # Progress begins the pauses anew.
    expected = [1.0] * 7 + [2.0, 4.0, 8.0, 16.0, 1.0, 2.0, 4.0, 8.0, 16.0]
    assert len(place.pauses) == len(expected)
    assert all(0.5 * most <= pause <= most for pause, most in zip(place.pauses, expected, strict=True))
    place.path(file).unlink()
    place.server.faults[path] = [much, *[little] * 5, NEVER]
    reported = refusal(lambda: place.carry_out(plan_of(place, file)))
    assert "given up after 6 attempts" in reported
    assert place.server.faults[path] == [NEVER]


def test_a_weak_etag_is_no_condition_of_a_range(place: Place, touch: RemoteFile) -> None:
    place.server.has_weak_etags = True
    path = f"/{touch.path}"
    place.server.faults[path] = [Fault(cut_after=100_000)]
    fetched(place, touch)
    conditions = [
        headers.get("if-range")
        for method, asked, headers in place.server.requests
        if (method, asked) == ("GET", path)
    ]
    assert conditions == [None, "Tue, 14 Nov 2023 22:13:20 GMT"]
    assert [start for start, _ in place.server.ranges(path)] == [0, 100_000]


def test_progress_tells_every_byte_once(place: Place, touch: RemoteFile) -> None:
    place.server.faults[f"/{touch.path}"] = [Fault(cut_after=100_000), Fault(ignores_range=True)]
    totals: list[int] = []
    steps: list[int] = []

    def progress(total: int) -> Callable[[int], None]:
        totals.append(total)
        return steps.append

    place.carry_out(plan_of(place, touch), progress)
    size = len(place.content(touch))
    assert totals == [size]
    # What was thrown away when the server began anew is taken back.
    assert min(steps) == -100_000
    assert sum(steps) == size


def test_a_wrong_checksum_is_fetched_once_more(place: Place, touch: RemoteFile) -> None:
    path = f"/{touch.path}"
    place.server.faults[path] = [Fault(content=zipped(400_000, seed=9))]
    fetched(place, touch)
    assert place.server.gets(path) == 2
    assert place.server.gets(f"{path}.CHECKSUM") == 2


def test_a_lasting_wrong_checksum_is_an_error_and_nothing_is_kept(place: Place, touch: RemoteFile) -> None:
    path = f"/{touch.path}"
    place.server.files[f"{path}.CHECKSUM"] = f"{'0' * 64}  {touch.name}\n".encode()
    reported = refusal(lambda: place.carry_out(plan_of(place, touch)))
    assert f"{touch.name}: has SHA-256 " in reported
    assert "the same twice, so it is not kept" in reported
    assert place.files() == []
    assert place.server.gets(path) == 2


def test_without_a_checksum_a_file_proves_itself(place: Place, touch: RemoteFile) -> None:
    del place.server.files[f"/{touch.path}.CHECKSUM"]
    fetched(place, touch)
    place.path(touch).unlink()
    place.server.files[f"/{touch.path}"] = place.content(touch)[:-50_000]
    reported = refusal(lambda: place.carry_out(plan_of(place, touch)))
    assert "is damaged or cut off" in reported
    assert place.files() == []


def test_a_page_instead_of_a_file(place: Place, book: RemoteFile) -> None:
    page = Fault(content=b"<html>Just a moment...</html>" * 100, is_lasting=True)
    place.server.faults[f"/{book.path}"] = [page]
    reported = refusal(lambda: place.carry_out(plan_of(place, book)))
    assert "is no .zip file; it begins with '<html>Just a moment...</html>" in reported
    assert place.files() == []


def test_a_bomb_is_not_kept(place: Place) -> None:
    (file,) = place.serve(LINEAR, KEYED, "bybit", kinds="trades")
    place.server.files[f"/{file.path}"] = gzip.compress(bytes(5_000_000), 9)
    assert "200 times" in refusal(lambda: place.carry_out(plan_of(place, file)))
    assert place.files() == []


def test_what_one_archive_lacks_comes_from_another(place: Place) -> None:
    place.serve(LINEAR, FREE, "bybit")
    plan = place.plan([LINEAR], [FREE])
    assert [(c.source, c.holds) for c in plan.choices] == [("bybit", "order book, trades")]
    assert place.carry_out(plan) == 2


def test_a_file_that_vanishes_after_the_plan(place: Place, touch: RemoteFile) -> None:
    plan = plan_of(place, touch)
    place.server.files.clear()
    reported = refusal(lambda: place.carry_out(plan))
    assert reported.startswith("binance_usdm:BTCUSDT 2024-01-02: http://127.0.0.1:")
    assert "is gone (404 Not Found)" in reported


def test_a_server_that_announces_more_than_it_has(place: Place, book: RemoteFile) -> None:
    plan = plan_of(place, book)
    size = plan.bytes_to_come
    (state,) = plan.states.values()
    plan = plan._replace(states={book: state._replace(size=size + 500)})
    place.server.faults[f"/{book.path}"] = [Fault(extra_length=500, is_lasting=True)]
    reported = refusal(lambda: place.carry_out(plan))
    assert "given up after" in reported
    assert not place.path(book).exists()
    assert place.server.gets(f"/{book.path}") < 20


def test_a_file_that_is_larger_than_the_plan_is_not_taken(place: Place, book: RemoteFile) -> None:
    plan = plan_of(place, book)
    place.server.put(f"/{book.path}", zipped(500_000, 7))
    assert "when it was asked; run it again" in refusal(lambda: place.carry_out(plan))
    assert place.files() == []


def test_a_shorter_file_than_was_begun_begins_anew(place: Place, book: RemoteFile) -> None:
    place.server.has_validators = False
    path = f"/{book.path}"
    place.server.faults[path] = [Fault(cut_after=300_000), NEVER]
    refusal(lambda: place.carry_out(plan_of(place, book)))
    place.server.put(path, zipped(200_000, seed=5))
    place.server.faults.clear()
    fetched(place, book)


def test_another_range_than_was_asked_for_is_not_taken(place: Place, book: RemoteFile) -> None:
    path = f"/{book.path}"
    size = len(place.content(book))
    other = Fault(status=206, headers={"Content-Range": f"bytes 5-9/{size}"}, body=b"12345")
    place.server.faults[path] = [Fault(cut_after=100_000), other]
    fetched(place, book)


def test_a_part_that_lies_about_itself_is_found_out(place: Place, book: RemoteFile) -> None:
    """Bytes on disk went wrong, as after a power cut: the proof fails, and the file is fetched from its beginning."""
    path = f"/{book.path}"
    place.server.faults[path] = [Fault(cut_after=100_000), NEVER]
    refusal(lambda: place.carry_out(plan_of(place, book)))
    part = Part(place.path(book)).path
    with part.open("r+b") as file:
        file.seek(50_000)
        file.write(bytes(4096))
    place.server.faults.clear()
    fetched(place, book)


def test_a_part_of_nothing_known_is_thrown_away(place: Place, book: RemoteFile) -> None:
    part = Part(place.path(book)).path
    part.parent.mkdir(parents=True)
    part.write_bytes(b"PK\x03\x04 who knows")
    fetched(place, book)
    assert place.server.ranges(f"/{book.path}") == [(0, len(place.content(book)))]


def test_a_damaged_file_under_its_name_is_fetched_again(place: Place, book: RemoteFile) -> None:
    fetched(place, book)
    place.path(book).write_bytes(place.content(book)[:-100])
    fetched(place, book)


def test_too_little_disk_is_refused_before_the_first_byte(place: Place, book: RemoteFile) -> None:
    plan = plan_of(place, book)
    tight = plan._replace(free_bytes=plan.bytes_to_come - 1)
    reported = refusal(lambda: place.carry_out(tight))
    assert " kB to come, but its disk has 400." in reported
    assert place.server.bytes_sent(f"/{book.path}") == 0
    assert not place.directory.exists()
    assert place.carry_out(plan._replace(free_bytes=plan.bytes_to_come)) == 1


def test_a_full_disk_leaves_whole_files_only(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    files = place.serve(LINEAR, KEYED, "bybit", 300_000)
    place.parallel = 1
    room = [400_000]

    def write_some(handle: int, piece: bytes) -> None:
        room[0] -= len(piece)
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_all(handle, piece)

    monkeypatch.setattr("arb.data.download.fetch.write_all", write_some)
    reported = refusal(lambda: place.carry_out(place.plan([LINEAR], [KEYED])))
    assert reported == (
        f"{place.directory}: cannot be written: No space left on device; 1 of 2 files are whole, the parts of others"
        " are removed: make room and run it again"
    )
    assert [place.path(file).exists() for file in files] == [True, False]
    assert len(place.files()) == 1
    room[0] = 10**9
    assert place.carry_out(place.plan([LINEAR], [KEYED])) == 1


def test_a_folder_that_cannot_be_written(place: Place, book: RemoteFile) -> None:
    plan = plan_of(place, book)
    place.directory.mkdir()
    (place.directory / "archive").write_text("a file")
    assert "cannot be written" in refusal(lambda: place.carry_out(plan))


def test_the_first_error_ends_the_others_which_can_go_on(place: Place) -> None:
    first, second = place.serve(LINEAR, KEYED, "bybit", 400_000)
    plan = place.plan([LINEAR], [KEYED])
    part = Part(place.path(first))
    place.server.faults[f"/{first.path}"] = [Fault(hold_after=100_000)]
    # The other fails once the first has come as far as it will.
    place.server.faults[f"/{second.path}"] = [Fault(status=503), Fault(status=418)]
    services = place.services()

    async def wait(seconds: float) -> None:
        while part.size() < 100_000:
            await asyncio.sleep(0.005)

    place.services = lambda: services._replace(wait=wait)  # type: ignore[method-assign]
    assert "0 of 2 files are whole" in refusal(lambda: place.carry_out(plan))
    assert part.size() == 100_000
    assert place.carry_out(place.plan([LINEAR], [KEYED])) == 2
    assert place.server.ranges(f"/{first.path}")[-1][0] == 100_000


def test_two_downloads_into_one_folder_do_not_meet(place: Place, book: RemoteFile) -> None:
    plan = plan_of(place, book)
    place.server.faults[f"/{book.path}"] = [Fault(hold_after=1000)]
    done: list[int] = []
    first = threading.Thread(target=lambda: done.append(place.carry_out(plan)))
    first.start()
    part = Part(place.path(book))
    while part.size() < 1000:
        assert first.is_alive()
    assert "another arb download is at work here" in refusal(lambda: place.carry_out(plan))
    place.server.release.set()
    first.join(60)
    assert done == [1]
    # The plan is old, the file is there: nothing is fetched twice.
    sent = place.server.bytes_sent(f"/{book.path}")
    steps: list[int] = []
    place.carry_out(plan, lambda total: steps.append)
    assert place.server.bytes_sent(f"/{book.path}") == sent == len(place.content(book))
    assert sum(steps) == plan.bytes_to_come


def test_ctrl_c_during_a_proof_ends_the_proof(
    place: Place, book: RemoteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(place, book)
    reported: list[bool] = []

    def prove(path: Path, name: str, sha256: str | None, stop: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        reported.append(stop.wait(30.0))

    monkeypatch.setattr("arb.data.download.fetch.prove", prove)
    with pytest.raises(KeyboardInterrupt):
        place.carry_out(plan)
    assert reported == [True]
    # All of it is here but its proof.
    assert Part(place.path(book)).size() == plan.bytes_to_come
    monkeypatch.undo()
    assert place.carry_out(plan_of(place, book)) == 1
    assert place.server.gets(f"/{book.path}") == 1


def test_what_came_whole_of_a_file_that_changed_since_is_thrown_away(
    place: Place, book: RemoteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, name: str, sha256: str | None, stop: threading.Event) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("arb.data.download.fetch.prove", killed)
    with pytest.raises(KeyboardInterrupt):
        place.carry_out(plan_of(place, book))
    monkeypatch.undo()
    place.server.put(f"/{book.path}", zipped(300_000, seed=5))
    fetched(place, book)


def test_a_note_that_outlived_its_part_is_removed(place: Place, book: RemoteFile) -> None:
    fetched(place, book)
    note = place.path(book).with_name(f"{book.name}.part.json")
    note.write_text("{}")
    place.serve(LINEAR, KEYED, "bybit", 400_000)
    assert place.carry_out(place.plan([LINEAR], [KEYED], "bybit")) == 1
    assert not note.exists()


def test_a_file_of_the_same_length_that_changed_begins_anew_at_once(place: Place, book: RemoteFile) -> None:
    path, length = f"/{book.path}", len(place.content(book))
    place.server.faults[path] = [Fault(cut_after=100_000), NEVER]
    refusal(lambda: place.carry_out(plan_of(place, book)))
    place.server.put(path, zipped(400_000, seed=77))
    assert len(place.content(book)) == length
    place.server.faults.clear()
    before = place.server.gets(path)
    fetched(place, book)
    assert place.server.gets(path) == before + 1
    assert place.server.ranges(path)[-1] == (0, length)


def test_a_part_from_another_address_is_not_gone_on_with(place: Place, book: RemoteFile) -> None:
    path = f"/{book.path}"
    place.server.has_validators = False
    place.server.faults[path] = [Fault(cut_after=100_000), NEVER]
    refusal(lambda: place.carry_out(plan_of(place, book)))
    with ArchiveServer() as other:
        other.has_validators = False
        other.put(path, zipped(400_000, seed=77))
        mirror = Place(other, place.directory)
        fetched(mirror, book)
        assert other.ranges(path) == [(0, len(other.files[path]))]
