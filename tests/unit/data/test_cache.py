"""The folder of derived files: values whole or absent, damage counts as absence."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from arb.data.rows.cache import RowCache
from arb.errors import InputError


class Value(msgspec.Struct, frozen=True):
    number: int
    name: str = ""


def test_a_value_comes_back(tmp_path: Path) -> None:
    cache = RowCache(tmp_path / "a" / "b")
    cache.put("key", Value(5, "x"))
    assert cache.get("key", Value) == Value(5, "x")
    assert RowCache(tmp_path / "a" / "b").get("key", Value) == Value(5, "x")
    assert cache.get("other", Value) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"number":"five"}', b"null", b"\xff\xfe", b'{"name":"x"}', b"[" * 50_000]
)
def test_a_damaged_value_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    cache = RowCache(tmp_path)
    (tmp_path / "key.json").write_bytes(content)
    assert cache.get("key", Value) is None
    cache.put("key", Value(6))
    assert cache.get("key", Value) == Value(6)


def test_a_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    cache = RowCache(tmp_path / "cache")
    file = tmp_path / "a.gz"
    file.write_bytes(b"one")
    assert cache.fingerprint(file) == hashlib.sha256(b"one").hexdigest()
    stat = file.stat()
    file.write_bytes(b"two")  # the same length and inode; only the time tells
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert cache.fingerprint(file) == hashlib.sha256(b"two").hexdigest()
    file.write_bytes(b"three")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert cache.fingerprint(file) == hashlib.sha256(b"three").hexdigest()


def test_a_file_put_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    cache = RowCache(tmp_path / "cache")
    file, other = tmp_path / "a.gz", tmp_path / "b.gz"
    file.write_bytes(b"one")
    cache.fingerprint(file)
    stat = file.stat()
    other.write_bytes(b"two")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)
    assert cache.fingerprint(file) == hashlib.sha256(b"two").hexdigest()


def test_a_fingerprint_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.gz: No such file"):
        RowCache(tmp_path).fingerprint(tmp_path / "none.gz")


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        RowCache(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder}: the row cache cannot be written: ")
    assert message.splitlines() == [message]
    return message


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refusal(tmp_path / "file")
    refusal(tmp_path / "file" / "below")


def test_a_read_only_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert "Read-only file system" in refusal(tmp_path)
