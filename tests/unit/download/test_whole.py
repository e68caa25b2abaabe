"""What proves a file whole, and what is found out."""

from __future__ import annotations

import gzip
import hashlib
import io
import threading
import zipfile
from pathlib import Path

import pytest

from arb.data.download.whole import DamagedError, checksum_of, looks_whole, prove, refuse_other_content

GO_ON = threading.Event()
HASH = hashlib.sha256(b"x").hexdigest()


def gz(size: int = 100_000) -> bytes:
    return gzip.compress(hashlib.shake_128(b"1").digest(size))


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def finding(tmp_path: Path, name: str, content: bytes, sha256: str | None = None) -> str:
    path = tmp_path / f"{name}.part"
    path.write_bytes(content)
    try:
        prove(path, name, sha256, GO_ON)
    except DamagedError as error:
        return str(error)
    return ""


def test_whole_files_are_proved(tmp_path: Path) -> None:
    assert finding(tmp_path, "a.csv.gz", gz()) == ""
    assert finding(tmp_path, "a.csv.gz", gz() + gz()) == ""
    assert finding(tmp_path, "a.zip", zipped(("a.csv", gz()))) == ""
    assert finding(tmp_path, "a.zip", b"anything", hashlib.sha256(b"anything").hexdigest()) == ""


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99, 0.9999])
def test_a_cut_file_is_found(tmp_path: Path, share: float) -> None:
    for name, content in (("a.csv.gz", gz()), ("a.zip", zipped(("a.csv", gz())))):
        assert "is damaged or cut off" in finding(tmp_path, name, content[: int(len(content) * share)])


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip"])
def test_every_flipped_byte_of_content_is_found(tmp_path: Path, name: str) -> None:
    content = gz(2_000) if name.endswith("gz") else zipped(("a.csv", hashlib.shake_128(b"2").digest(2_000)))
    for at in range(60, 1_900, 97):
        flipped = content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
        assert finding(tmp_path, name, flipped) != "", at


def test_a_wrong_checksum_is_found_and_shown(tmp_path: Path) -> None:
    reported = finding(tmp_path, "a.zip", zipped(("a", b"1")), HASH)
    assert HASH in reported
    assert "a.zip.CHECKSUM" in reported


def test_a_page_is_no_archive(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html>\n<html>no such thing</html>"
    assert finding(tmp_path, "a.zip", page) == "is no .zip file; it begins with '<!DOCTYPE html>'"
    assert finding(tmp_path, "a.gz", page) == "is no .gz file; it begins with '<!DOCTYPE html>'"
    assert "begins with ''" in finding(tmp_path, "a.gz", b"")
    with pytest.raises(DamagedError, match=r"begins with '\\\\xff"):
        refuse_other_content("a.zip", b"\xff\xfe")


def test_what_grows_beyond_measure_is_refused(tmp_path: Path) -> None:
    bomb = b"0" * 3_000_000
    assert "200 times" in finding(tmp_path, "a.csv.gz", gzip.compress(bomb, 9))
    assert "200 times" in finding(tmp_path, "a.zip", zipped(("a", bomb[:1_500_000]), ("b", bomb[:1_500_000])))


def test_an_empty_archive_is_none(tmp_path: Path) -> None:
    # Without members a zip does not even begin like one.
    assert "is no .zip file" in finding(tmp_path, "a.zip", zipped())
    assert "empty" in finding(tmp_path, "a.zip", zipped(("a", b"")))


def test_a_proof_that_is_stopped_says_nothing(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    path = tmp_path / "a"
    path.write_bytes(gz()[:-9])
    prove(path, "a.gz", None, stop)
    prove(path, "a.zip", HASH, stop)


@pytest.mark.parametrize(
    "text",
    [
        f"{HASH}  a.zip\n",
        f"{HASH} *a.zip\n",
        f"{HASH.upper()}  a.zip",
        f"{'0' * 64}  b.zip\n{HASH}  ./a.zip\r\n",
    ],
)
def test_checksum_lines(text: str) -> None:
    assert checksum_of(text, "a.zip") == HASH


@pytest.mark.parametrize(
    "text", ["", "nonsense", f"{HASH}  b.zip", f"{HASH[:-1]}  a.zip", f"{HASH}", "<html>"]
)
def test_what_is_no_checksum(text: str) -> None:
    with pytest.raises(DamagedError, match="without its SHA-256"):
        checksum_of(text, "a.zip")


def test_a_glance_at_a_file_under_its_name(tmp_path: Path) -> None:
    for name, content in (("a.gz", gz()), ("a.zip", zipped(("a", gz())))):
        path = tmp_path / name
        assert not looks_whole(path)
        path.write_bytes(content)
        assert looks_whole(path)
        path.write_bytes(b"<html>")
        assert not looks_whole(path)
        path.write_bytes(b"")
        assert not looks_whole(path)
    (tmp_path / "a.zip").write_bytes(zipped(("a", gz()))[:-30])
    assert not looks_whole(tmp_path / "a.zip")
