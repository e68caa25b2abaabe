"""The folder of a sweep: what a kill or a full disk leaves is whole."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from arb.errors import InputError
from arb.sweep import folder as folders
from arb.sweep.folder import SweepFolder
from arb.sweep.table import FORMAT, RESULTS, Key, Period, SetResult, SweepHead, read_head, read_results

HEAD = SweepHead(
    FORMAT,
    "sweep",
    "2024-01-01T00:00:00Z",
    "0",
    "code",
    "a:b",
    ["x:Y"],
    {},
    [Key("k", [1])],
    [Period("a")],
    3,
)


def results(count: int, first: int = 0) -> list[SetResult]:
    numbers = range(first, first + count)
    return [SetResult(number, 0, {"k": number}, "ended", figures={"fills": number}) for number in numbers]


@pytest.mark.parametrize("cut", range(1, 140, 7))
def test_a_folder_cut_off_anywhere_continues_to_the_same_bytes(cut: int, tmp_path: Path) -> None:
    with SweepFolder(tmp_path / "whole", HEAD) as whole:
        whole.append(results(3))
    content = (tmp_path / "whole" / RESULTS).read_bytes()
    with SweepFolder(tmp_path / "cut", HEAD):
        pass
    (tmp_path / "cut" / RESULTS).write_bytes(content[: min(cut * 3, len(content))])
    later = msgspec.structs.replace(HEAD, created="2024-01-02T00:00:00Z")
    with SweepFolder(tmp_path / "cut", later) as continued:
        assert continued.count == content[: cut * 3].count(b"\n")
        continued.append(results(3 - continued.count, continued.count))
    assert (tmp_path / "cut" / RESULTS).read_bytes() == content
    assert read_head(tmp_path / "cut") == HEAD
    assert list(read_results(tmp_path / "cut")) == results(3)


def test_another_sweep_a_strange_folder_and_a_running_one_are_refused(tmp_path: Path) -> None:
    with SweepFolder(tmp_path / "a", HEAD), pytest.raises(InputError, match="another process"):
        SweepFolder(tmp_path / "a", HEAD).__enter__()
    with pytest.raises(InputError, match="differs in its sets"):
        SweepFolder(tmp_path / "a", msgspec.structs.replace(HEAD, sets=4)).__enter__()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is no sweep"):
        SweepFolder(tmp_path / "b", HEAD).__enter__()
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["notes.txt"]


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write: Callable[[int, bytes], None] = folders.write_all

    def full(handle: int, content: bytes) -> None:
        write(handle, content[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with SweepFolder(tmp_path / "a", HEAD) as folder:
        folder.append(results(2))
        monkeypatch.setattr(folders, "write_all", full)
        with pytest.raises(InputError, match="No space left") as raised:
            folder.append(results(1, 2))
    assert "\n" not in str(raised.value)
    assert list(read_results(tmp_path / "a")) == results(2)
    assert (tmp_path / "a" / RESULTS).read_bytes().endswith(b"\n")
