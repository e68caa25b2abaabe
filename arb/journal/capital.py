"""When a person last confirmed deposits and withdrawals: a file beside the halts, of all accounts of an environment."""

from __future__ import annotations

from pathlib import Path

from arb.errors import InputError
from arb.files import write_atomically

_FILE = "capital-confirmed"


def confirm(folder: Path, now_ns: int) -> Path:
    """What was transferred before is known. folder: the environment's in the state directory. Raises InputError."""
    path = folder / _FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, f"{now_ns}\n".encode(), is_synced=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def confirmed_ns(folder: Path) -> int:
    """When it was confirmed; 0: never, or it cannot be read."""
    try:
        return int((folder / _FILE).read_bytes())
    except (OSError, ValueError):
        return 0
