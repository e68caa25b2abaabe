"""Row files: whole or absent, readable by NumPy and by hftbacktest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hftbacktest.types import event_dtype

from arb.data.rows.npy import is_whole, load_rows, open_npy


def some_rows(count: int) -> np.ndarray:
    rows = np.zeros(count, event_dtype)
    rows["px"] = np.arange(count)
    rows["ev"] = 7
    return rows


def write(path: Path, *pieces: np.ndarray) -> None:
    with open_npy(path) as writer:
        for piece in pieces:
            writer.write(piece)


@pytest.mark.parametrize("counts", [[], [0], [1], [3, 0, 5], [100_000, 1]])
def test_rows_come_back_as_written(tmp_path: Path, counts: list[int]) -> None:
    pieces = [some_rows(count) for count in counts]
    write(tmp_path / "a.npy", *pieces)
    expected = np.concatenate([some_rows(0), *pieces]).tobytes()
    for rows in (
        load_rows(tmp_path / "a.npy"),
        load_rows(tmp_path / "a.npy", mapped=False),
        np.load(tmp_path / "a.npy"),
    ):
        assert rows.tobytes() == expected
    assert load_rows(tmp_path / "a.npy").dtype == event_dtype
    assert load_rows(tmp_path / "a.npy").dtype.isalignedstruct
    assert is_whole(tmp_path / "a.npy")


def test_mapped_rows_cannot_be_changed_by_accident(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", some_rows(3))
    with pytest.raises(ValueError, match="read-only"):
        load_rows(tmp_path / "a.npy")["px"] = 5
    load_rows(tmp_path / "a.npy", mapped=False)["px"] = 5


def write_and_fail(path: Path) -> None:
    with open_npy(path) as writer:
        writer.write(some_rows(9))
        raise KeyError


@pytest.mark.parametrize("name", ["a.npy", "b.npy"])
def test_an_error_inside_leaves_nothing_and_an_old_file_as_it_was(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.npy", some_rows(2))
    with pytest.raises(KeyError):
        write_and_fail(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    assert len(load_rows(tmp_path / "a.npy")) == 2


@pytest.mark.parametrize("keep", [0, 5, 319, 320, 320 + 64, 320 + 100])
def test_a_cut_file_is_not_whole(tmp_path: Path, keep: int) -> None:
    write(tmp_path / "a.npy", some_rows(2))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:keep])
    assert not is_whole(tmp_path / "a.npy")


def test_what_is_not_there_or_longer_or_another_array_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "a.npy")
    write(tmp_path / "a.npy", some_rows(2))
    with (tmp_path / "a.npy").open("ab") as file:
        file.write(b"x" * 64)
    assert not is_whole(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros(500))
    assert not is_whole(tmp_path / "b.npy")
