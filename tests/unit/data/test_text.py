"""Files as text: whole, or an InputError of one line that names the file; by ISA-L and by zlib alike."""

from __future__ import annotations

import gzip
import hashlib
import random
import zipfile
import zlib
from pathlib import Path

import pytest

from arb.data.archives.text import read_text
from arb.data.text import sha256_of
from arb.errors import InputError

CHANCE = random.Random(5)
TEXT = b"".join(b"%d,%d\n" % (n, CHANCE.getrandbits(30)) for n in range(80_000))


@pytest.fixture(autouse=True, params=["isal", "zlib"])
def unpacker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setattr("arb.data.text.fast_gzip", gzip)
        monkeypatch.setattr("arb.data.archives.text.fast_zlib", zlib)
    else:
        pytest.importorskip("isal")


def packed(folder: Path, name: str, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """TEXT in a zip, or in a gzip file of two members, as recorders leave it that open a file again."""
    path = folder / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(TEXT[:500_000], 1) + gzip.compress(TEXT[500_000:], 1))
        return path
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("BTCUSDT-trades.csv", TEXT)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        for _ in read_text(path, "BTCUSDT"):
            pass
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.splitlines() == [message]
    return message


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("a.gz", 0),
        ("a.zip", zipfile.ZIP_DEFLATED),
        ("a.zip", zipfile.ZIP_STORED),
        ("a.zip", zipfile.ZIP_BZIP2),
    ],
)
def test_all_text_arrives_in_pieces_and_progress_is_the_files_size(
    tmp_path: Path, name: str, method: int
) -> None:
    path = packed(tmp_path, name, method)
    read: list[int] = []
    pieces = list(read_text(path, "BTCUSDT", read.append))
    assert b"".join(pieces) == TEXT
    assert len(pieces) > 1
    assert 0.9 * path.stat().st_size < sum(read) <= path.stat().st_size


@pytest.mark.parametrize("name", ["a.gz", "a.zip"])
def test_no_byte_may_change_unnoticed(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path, name)
    content = path.read_bytes()
    chance = random.Random(5)
    for _ in range(10):
        at = chance.randrange(100, len(content) - 200)
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        assert "not a whole" in (reported := refusal(path)) or "cut off" in reported


@pytest.mark.parametrize("keep", [2, 5, 12, 1000, -1, -8, -9])
def test_a_cut_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = packed(tmp_path, "a.gz")
    path.write_bytes(path.read_bytes()[:keep])
    assert "cut off" in refusal(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"no gzip at all", "not a whole gzip file"),
        (b"\x00" * 100, "not a whole gzip file"),
        (b"PK\x03\x04" + b"\x00" * 50, "not a whole gzip file"),
        (gzip.compress(b"text", mtime=0) + b"garbage", ": "),
    ],
)
def test_what_is_no_gzip_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    assert why in refusal(path)


def test_a_zip_whose_directory_has_another_checksum_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.zip")
    with zipfile.ZipFile(path) as archive:
        crc = archive.infolist()[0].CRC
    content = path.read_bytes()
    path.write_bytes(content.replace(crc.to_bytes(4, "little"), (crc ^ 1).to_bytes(4, "little")))
    assert "Bad CRC-32" in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "none.gz")
    (tmp_path / "a.gz").mkdir()
    refusal(tmp_path / "a.gz")


def test_the_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.zip")
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=r"none\.gz: No such file"):
        sha256_of(path.with_name("none.gz"))
