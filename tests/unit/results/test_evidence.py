"""Hashes of a run folder: every byte of the manifest and of every file counts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.results.evidence import (
    FILES,
    as_json,
    changed_files,
    changed_parts,
    covered_files,
    file_hashes,
    sealed,
)

MANIFEST = {
    "format": 1,
    "config": {"risk": {"max_drawdown": 0.05}, "data": {"directory": "data"}},
    "files": {"trades.csv": "ab"},
}


def test_what_was_written_is_not_changed() -> None:
    raw = sealed(MANIFEST)

    assert changed_parts(raw) == []
    assert {key: json.loads(raw)[key] for key in MANIFEST} == MANIFEST


@given(st.integers(0, len(sealed(MANIFEST)) - 1), st.integers(1, 255))
def test_every_byte_counts(place: int, mask: int) -> None:
    raw = bytearray(sealed(MANIFEST))
    raw[place] ^= mask

    try:
        json.loads(bytes(raw))
    except ValueError:
        return  # no manifest
    assert changed_parts(bytes(raw)) != []


def test_the_part_that_was_changed_is_named() -> None:
    manifest = json.loads(sealed(MANIFEST))
    manifest["config"]["risk"]["max_drawdown"] = 0.9
    manifest["audited"] = True
    del manifest["format"]

    found = changed_parts(json.dumps(manifest, indent=2).encode())

    assert [one.name for one in found] == [
        "manifest.json", "manifest.json audited", "manifest.json config.risk", "manifest.json format"
    ]  # fmt: skip


def test_a_manifest_without_a_hash_is_changed() -> None:
    [found] = changed_parts(json.dumps(MANIFEST).encode())

    assert found.then == "no hash of itself"


def test_files_that_are_changed_missing_or_not_known_are_named(tmp_path: Path) -> None:
    (tmp_path / "recording" / "venue").mkdir(parents=True)
    for name in ("a", "b", "c", "recording/venue/day.gz", "log.txt", "log.txt.1", "manifest.json"):
        (tmp_path / name).write_text(name)
    manifest = {FILES: file_hashes(tmp_path, {})}
    assert list(manifest[FILES]) == list(covered_files(tmp_path)) == ["a", "b", "c", "recording/venue/day.gz"]

    (tmp_path / "a").write_text("x")
    (tmp_path / "b").unlink()
    (tmp_path / "log.txt").write_text("more")
    (tmp_path / "recording" / "more").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "recording")

    found = [(one.name, one.now) for one in changed_files(tmp_path, manifest)]
    assert [name for name, _ in found] == ["a", "b", "link", "recording/more"]
    assert found[1][1] == "missing"
    assert found[2][1] == "no regular file"


@pytest.mark.parametrize("value", [math.nan, math.inf, (1, 2.5), {"a": [None, (True,)]}, "text"])
def test_as_json_is_what_json_gives_back(value: object) -> None:
    assert json.loads(json.dumps(as_json(value), allow_nan=False)) == as_json(value)
