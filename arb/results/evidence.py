"""Detects later changes of a run folder: hashes of all its files in the manifest, and one of the manifest.

The hashes use no secret key: someone who changes a file on purpose can write new ones. They detect accidental
changes, a faulty disk, and edits that were not meant to be hidden.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from arb.data.text import sha256_of

#: Keys of the manifest: the hash of its own text, hashes of its parts, and those of the folder's other files.
OWN, PARTS, FILES = "manifest_sha256", "manifest_parts", "files"
MANIFEST = "manifest.json"

#: Of a session on live data while it runs, or after it was killed: its state so far, and the lock of its folder. Of a
#: dry-run that has ended: its orders.
SESSION_DB, SESSION_LOCK, ORDERS_DB = "session.db", "session.lock", "orders.db"
#: The state directory of a session whose sandbox ends with it, in its folder.
STATE = "state"
#: Written by the session's guard.
GUARD_LOG = "guard.txt"
#: Not covered: logs, which are written even after the manifest, the files of a running session, what it last said of
#: itself, and the state directory.
_NOT_COVERED = re.compile(
    rf"(log|guard)\.txt(\.\d+)?|session\.(db(-wal|-shm)?|lock)|(manifest|status)\.json|{STATE}/.*"
)
_NO_HASH = "0" * 64
#: Parts of the manifest that are hashed one level deeper, key by key.
_TABLES = ("config", "strategy", "session", "files")


class Changed(NamedTuple):
    """A file, or a part of the manifest, that differs from what the run wrote. then, now: hashes, or a word."""

    name: str
    then: str
    now: str


def sealed(manifest: Mapping[str, Any]) -> bytes:
    """The text of `manifest.json`: the manifest with hashes of its parts, and a hash of the text.

    The hash is computed over the text with zeros in its own place, so that it covers every byte of the file.
    """
    whole = {**manifest, PARTS: _part_hashes(manifest), OWN: _NO_HASH}
    text = json.dumps(whole, indent=2, allow_nan=False) + "\n"
    before, _, behind = text.rpartition(_NO_HASH)
    return (before + _digest(text.encode()) + behind).encode()


def changed_parts(raw: bytes) -> list[Changed]:
    """The parts of a manifest's text that were changed; empty for an unchanged result of `sealed`.

    raw: the bytes of a file that is a JSON object. Changed parts are named if their hashes show them.
    """
    manifest = json.loads(raw)
    own = str(manifest.get(OWN, ""))
    if re.fullmatch(r"[0-9a-f]{64}", own) and raw.count(own.encode()) == 1:
        now = _digest(raw.replace(own.encode(), _NO_HASH.encode()))
        if now == own:
            return []
        found = [Changed(MANIFEST, own, now)]
    else:
        found = [Changed(MANIFEST, own or "no hash of itself", "removed, or of an arb that wrote none")]
    parts = manifest.get(PARTS)
    then = parts if isinstance(parts, Mapping) else {}
    now_parts = _part_hashes({key: value for key, value in manifest.items() if key not in (OWN, PARTS)})
    return found + [
        Changed(f"{MANIFEST} {name}", str(then.get(name, "none")), now_parts.get(name, "none"))
        for name in sorted({*then, *now_parts})
        if then.get(name) != now_parts.get(name) and (then or name not in now_parts)
    ]


def as_json(content: Any) -> Any:
    """Content as read back from a JSON file: NaN and infinity, which JSON lacks, become null, tuples become lists."""
    # Numbers and texts first: they are the most, and the question for a mapping takes longest.
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if content is None or isinstance(content, int | str):
        return content
    if isinstance(content, Mapping):
        return {key: as_json(value) for key, value in content.items()}
    return [as_json(value) for value in content] if isinstance(content, list | tuple) else content


def file_hashes(folder: Path, known: Mapping[str, str]) -> dict[str, str]:
    """The SHA-256 of every covered file below a folder, by its relative path.

    known: hashes that are known already. Raises InputError for a file that cannot be read.
    """
    return {name: known.get(name) or _file_hash(folder / name) for name in covered_files(folder)}


def changed_files(folder: Path, manifest: Mapping[str, Any]) -> list[Changed]:
    """Files that are missing, changed, or not in the manifest. Raises InputError for one that cannot be read."""
    then = manifest.get(FILES)
    table = {str(name): str(sha) for name, sha in then.items()} if isinstance(then, Mapping) else {}
    now = file_hashes(folder, {})
    return [
        Changed(name, table.get(name, "not a file of the run"), now.get(name, "missing"))
        for name in sorted({*table, *now})
        if table.get(name) != now.get(name)
    ]


def covered_files(folder: Path) -> Iterable[str]:
    """The files below a folder that the manifest covers, by relative path, sorted."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not _is_folder(path))
    return sorted(name for name in names if not _NOT_COVERED.fullmatch(name))


def _is_folder(path: Path) -> bool:
    # A run has no links to folders, so one counts as an unknown file.
    return path.is_dir() and not path.is_symlink()


def _file_hash(path: Path) -> str:
    # Reading a pipe would never end.
    return sha256_of(path) if path.is_file() else "no regular file"


def _part_hashes(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Short hashes by key, `table.key` for those of `_TABLES`."""
    found: dict[str, str] = {}
    for key, value in manifest.items():
        if key in _TABLES and isinstance(value, Mapping):
            found |= {f"{key}.{name}": _part_hash(part) for name, part in value.items()}
        else:
            found[key] = _part_hash(value)
    return found


def _part_hash(part: Any) -> str:
    return _digest(json.dumps(part, sort_keys=True).encode())[:12]


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
