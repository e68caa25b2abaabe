"""Decompressing: ISA-L and zlib give the same bytes and refuse the same files."""

from __future__ import annotations

import gzip
import random
import zipfile
import zlib
from pathlib import Path

import pytest

from arb.data.archives.text import read_text
from arb.errors import InputError

CHANCE = random.Random(5)
TEXT = b"".join(b"%d,%d\n" % (n, CHANCE.getrandbits(30)) for n in range(200_000))


@pytest.fixture(autouse=True, params=["isal", "zlib"])
def unpacker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setattr("arb.data.text.fast_gzip", gzip)
        monkeypatch.setattr("arb.data.archives.text.fast_zlib", zlib)
    else:
        pytest.importorskip("isal")


def packed(folder: Path, name: str, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(TEXT[:1_000_000]) + gzip.compress(TEXT[1_000_000:], 1))
        return path
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("BTCUSDT-trades.csv", TEXT)
    return path


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("a.gz", 0),
        ("a.zip", zipfile.ZIP_DEFLATED),
        ("a.zip", zipfile.ZIP_STORED),
        ("a.zip", zipfile.ZIP_BZIP2),
    ],
)
def test_all_text_comes_and_progress_is_the_files_size(tmp_path: Path, name: str, method: int) -> None:
    path = packed(tmp_path, name, method)
    read: list[int] = []
    assert b"".join(read_text(path, "BTCUSDT", read.append)) == TEXT
    assert 0.9 * path.stat().st_size < sum(read) <= path.stat().st_size


@pytest.mark.parametrize("name", ["a.gz", "a.zip"])
def test_no_byte_may_change_unnoticed(tmp_path: Path, name: str) -> None:
    content = packed(tmp_path, name).read_bytes()
    chance = random.Random(5)
    for _ in range(20):
        at = chance.randrange(100, len(content) - 200)
        path = tmp_path / name
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        with pytest.raises(InputError, match=r"not a whole|cut off"):
            list(read_text(path, "BTCUSDT"))


def test_a_gzip_file_that_ends_early_is_cut(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="cut off"):
        list(read_text(path, "BTCUSDT"))


def test_a_zip_whose_directory_tells_another_sum_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.zip")
    with zipfile.ZipFile(path) as archive:
        crc = archive.infolist()[0].CRC
    content = path.read_bytes()
    path.write_bytes(content.replace(crc.to_bytes(4, "little"), (crc ^ 1).to_bytes(4, "little")))
    with pytest.raises(InputError, match="Bad CRC-32"):
        list(read_text(path, "BTCUSDT"))
