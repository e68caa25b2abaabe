"""A run's folder appears whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.disk import files_up_to
from support.paths import everything

from arb.errors import ExitCode, InputError
from arb.results.folder import RunFolder


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught, RunFolder(path):
        pass
    assert caught.value.exit_code == ExitCode.USER_INPUT
    return str(caught.value)


def test_it_appears_when_it_is_published(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "run"
    with RunFolder(target) as folder:
        folder.write_bytes("a.json", b"{}")
        assert not target.exists()
        folder.publish()
    assert everything(tmp_path) == ["a", "a/b", "a/b/run", "a/b/run/a.json"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_nothing_is_left_when_the_run_fails(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()

    def fail() -> None:
        with RunFolder(tmp_path / "before" / "b" / "run") as folder:
            folder.write_bytes("a.json", b"{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert everything(tmp_path) == ["before"]


def test_a_parent_that_somebody_uses_meanwhile_stays(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "a" / "b" / "run"):
        (tmp_path / "a" / "mine").write_text("")
    assert everything(tmp_path) == ["a", "a/mine"]


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_what_exists_is_never_replaced(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "run"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.write_text("")
    else:
        target.symlink_to(tmp_path / "nowhere")
    assert refusal(target) == f"{target}: exists already; name another folder with --out"
    assert everything(tmp_path) == ["run"]


@pytest.mark.parametrize("target", [Path("."), Path(".."), Path("/")])
def test_a_path_without_a_name_exists(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal(target) == f"{target}: exists already; name another folder with --out"
    assert everything(tmp_path) == []


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with RunFolder(target) as folder:
        target.mkdir()
        (target / "mine").write_text("")
        with pytest.raises(InputError, match="cannot be written"):
            folder.publish()
    assert everything(tmp_path) == ["run", "run/mine"]


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "run", tmp_path / "file" / "a" / "run"):
        assert refusal(target).startswith(f"{target}: cannot be written: ")
    assert everything(tmp_path) == ["file"]


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "File name too long" in refusal(tmp_path / "a" / ("x" * 300))
    assert "File name too long" in refusal(tmp_path / "a" / ("x" * 300) / "run")
    assert everything(tmp_path) == []


def test_a_read_only_parent_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions do not bind root, under which tests may run.
    mkdir = Path.mkdir

    def refuse(path: Path, *arguments: Any, **named: Any) -> None:
        if path.name.startswith(".run."):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mkdir(path, *arguments, **named)

    monkeypatch.setattr(Path, "mkdir", refuse)
    target = tmp_path / "a" / "run"
    assert (
        refusal(target) == f"{target}: cannot be written: Permission denied; name another folder with --out"
    )
    assert everything(tmp_path) == []


def test_a_full_disk_names_the_folder_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with RunFolder(target) as folder:
        folder.write_bytes("a.json", b"{}")
        with files_up_to(100), pytest.raises(InputError) as caught:
            folder.write_bytes("b.json", bytes(101))
    assert str(caught.value) == f"{target}: cannot be written: File too large"
    assert everything(tmp_path) == []


@pytest.mark.parametrize("name", ["manifest.json", "charts/a.png"])
def test_a_full_disk_leaves_no_part_of_a_file_in_a_sessions_folder(name: str, tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", is_open=True) as folder:
        with files_up_to(100), pytest.raises(InputError, match="cannot be written"):
            folder.write_bytes(name, bytes(200))
        assert not any(path.is_file() for path in tmp_path.rglob("*"))
        folder.keep()
        folder.write_bytes(name, bytes(200))
    assert (tmp_path / "run" / name).read_bytes() == bytes(200)


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_sessions_folder_stays_once_it_is_kept(is_kept: bool, tmp_path: Path) -> None:
    def run() -> None:
        with RunFolder(tmp_path / "runs" / "run", is_open=True) as folder:
            folder.write_bytes("a.json", b"{}")
            if is_kept:
                folder.keep()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert (tmp_path / "runs" / "run" / "a.json").exists() == is_kept
    assert (tmp_path / "runs").exists() == is_kept


@pytest.mark.parametrize(("is_open", "synced"), [(True, 2), (False, 0)])
def test_a_session_is_synced_file_by_file_and_what_can_be_run_again_is_not(
    is_open: bool, synced: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles: list[int] = []
    monkeypatch.setattr(os, "fsync", handles.append)
    with RunFolder(tmp_path / "run", is_open=is_open) as folder:
        folder.write_bytes("a.json", b"{}")
    assert len(handles) == synced


def test_json_has_null_where_a_number_is_none(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.write_manifest({"x": [float("nan"), 1.5], "y": {"z": float("-inf")}})
        folder.publish()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert (manifest["x"], manifest["y"]) == ([None, 1.5], {"z": None})


def test_floats_in_csv_read_back_the_same(tmp_path: Path) -> None:
    numbers = [0.1 + 0.2, 1e-300, 12345678.87654321, -0.0]
    with RunFolder(tmp_path / "run") as folder:
        folder.write_csv("a.csv", ["x"], [[number] for number in numbers])
        folder.publish()
    lines = (tmp_path / "run" / "a.csv").read_bytes().decode().split("\n")
    assert lines[0] == "x"
    assert [float(line).hex() for line in lines[1:-1]] == [number.hex() for number in numbers]


def test_arrays_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with RunFolder(tmp_path / name) as folder:
            folder.write_arrays("x.npz", {"0": np.arange(9.0)})
            folder.publish()
    assert (tmp_path / "a" / "x.npz").read_bytes() == (tmp_path / "b" / "x.npz").read_bytes()
    assert np.load(tmp_path / "a" / "x.npz")["0"].tolist() == list(range(9))


@pytest.mark.parametrize("is_open", [True, False])
def test_a_signal_right_after_the_folder_is_made_leaves_nothing(
    is_open: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mkdir = Path.mkdir

    def interrupted(path: Path, *arguments: Any, **named: Any) -> None:
        mkdir(path, *arguments, **named)
        if path.name != "a":
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "a" / "run", is_open=is_open):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_while_the_folder_is_removed_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rmtree, signals = shutil.rmtree, [KeyboardInterrupt(), KeyboardInterrupt()]

    def interrupted(*arguments: Any, **named: Any) -> None:
        if signals:
            raise signals.pop()
        rmtree(*arguments, **named)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "a" / "run"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
