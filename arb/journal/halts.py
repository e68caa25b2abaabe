"""Halts that a person asked for: one file for all accounts of an environment, one for each house's account.

A flag is there until a person clears it, whatever ends or starts. A session looks before each step (`Halts.read`); what
it cannot read counts as a halt.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from arb.errors import InputError
from arb.files import write_atomically

#: Houses of which an account can be halted.
HOUSES = ("binance", "bybit")


class Halt(NamedTuple):
    """A flag. house: "" for all accounts; is_flattening: legs are closed too."""

    house: str
    since_ns: int
    is_flattening: bool
    reason: str


class Halts:
    """The halts of an environment. One thread."""

    def __init__(self, folder: Path, houses: Iterable[str] = HOUSES) -> None:
        """folder: the environment's in the state directory; houses: of the session's accounts."""
        self._folder = folder
        self._paths = {house: str(halt_path(folder, house)) for house in ("", *houses)}
        self._known: dict[str, tuple[tuple[int, int], Halt]] = {}

    def read(self) -> tuple[Halt, ...]:
        """The flags that are set now; without one it costs a look at each file name."""
        found = []
        for house, path in self._paths.items():
            # A folder's time would be one look for all, but may miss a file made in the same tick of the clock.
            # An access takes half as long as a look for the file's status.
            if os.access(path, os.F_OK):
                found.append(self._halt(house, path))
        return tuple(found)

    def _halt(self, house: str, path: str) -> Halt:
        try:
            status = os.stat(path)
        except OSError:
            return Halt(house, 0, False, f"{path} cannot be read")
        key = status.st_ino, status.st_mtime_ns
        known = self._known.get(house)
        if known is None or known[0] != key:
            known = self._known[house] = key, _read(house, path)
        return known[1]


def halt_path(folder: Path, house: str) -> Path:
    """The file of a flag; house "": of all accounts."""
    return folder / (f"halt-{house}.json" if house else "halt.json")


def set_halt(folder: Path, halt: Halt) -> Path:
    """Writes a flag, in place of one that is set. Raises InputError."""
    path = halt_path(folder, halt.house)
    content = {"since_ns": halt.since_ns, "flatten": halt.is_flattening, "reason": halt.reason}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(content) + b"\n", is_synced=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}; {folder.name} is not halted: stop its sessions with Ctrl+C"
        ) from None
    return path


def clear_halt(folder: Path, house: str) -> bool:
    """Removes a flag; False if there is none. Raises InputError."""
    path = halt_path(folder, house)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{path}: cannot be removed: {error.strerror}") from None
    return True


class _File(msgspec.Struct):
    since_ns: int
    flatten: bool
    reason: str


def _read(house: str, path: str) -> Halt:
    try:
        file = msgspec.json.decode(Path(path).read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError) as error:
        return Halt(house, 0, False, f"{path} cannot be read: {error}")
    return Halt(house, file.since_ns, file.flatten, file.reason)
