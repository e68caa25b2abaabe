"""Reading gzip recordings: whole, or an InputError of one line that names the file."""

from __future__ import annotations

import gzip
import hashlib
import random
from pathlib import Path

import pytest

from arb.data.text import read_pieces, sha256_of
from arb.errors import InputError

CHANCE = random.Random(5)
TEXT = "".join(f"{CHANCE.random()}\n" for _ in range(200_000)).encode()


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        for _ in read_pieces(path):
            pass
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.splitlines() == [message]
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(TEXT, 1))
    return file


def test_the_text_comes_in_pieces(path: Path) -> None:
    pieces = list(read_pieces(path))
    assert b"".join(pieces) == TEXT
    assert len(pieces) > 1


def test_members_behind_each_other_are_one_text(path: Path) -> None:
    """As recorders leave them that open a file again after a restart."""
    path.write_bytes(path.read_bytes() + gzip.compress(b"more"))
    assert b"".join(read_pieces(path)) == TEXT + b"more"


@pytest.mark.parametrize("keep", [2, 5, 12, 1000, -1, -8, -9])
def test_a_cut_file_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    assert "cut off" in refusal(path)


def test_an_empty_file_is_refused(path: Path) -> None:
    path.write_bytes(b"")
    assert "empty" in refusal(path)


@pytest.mark.parametrize(
    "content", [b"no gzip at all", b"\x00" * 100, TEXT[:1000], b"PK\x03\x04" + b"\x00" * 50]
)
def test_what_is_no_gzip_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "not a whole gzip file" in refusal(path)


def test_damage_inside_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)
    refusal(path)


def test_garbage_behind_the_end_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"garbage")
    refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "none.gz")
    refusal(tmp_path)


def test_the_fingerprint_is_that_of_the_bytes(path: Path) -> None:
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=r"none\.gz: No such file"):
        sha256_of(path.with_name("none.gz"))
