"""The plan of a download: its files, the bytes present and the bytes to fetch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from arb.data.download.choice import Choice, RemoteFile


class FileState(NamedTuple):
    """A file before a download. `size` in bytes, None if the server does not state it; `have`: bytes present."""

    path: Path
    size: int | None
    have: int
    is_whole: bool

    @property
    def to_come(self) -> int:
        """Bytes to fetch, as far as known."""
        return 0 if self.is_whole or self.size is None else self.size - self.have


class Plan(NamedTuple):
    """The choices for each leg and day, the states of their files, and the free disk space."""

    choices: tuple[Choice, ...]
    states: Mapping[RemoteFile, FileState]
    free_bytes: int

    @property
    def missing(self) -> list[RemoteFile]:
        """The files to fetch, in the order of the choices."""
        return [file for choice in self.choices for file in choice.files if not self.states[file].is_whole]

    @property
    def bytes_to_come(self) -> int:
        """An upper bound of the additional disk use; excludes files of unknown size."""
        return sum(self.states[file].to_come for file in self.missing)

    @property
    def unknown_sizes(self) -> int:
        """The number of files to fetch whose size the server does not state."""
        return sum(self.states[file].size is None for file in self.missing)

    def needs_consent(self, bytes_max: float) -> bool:
        """Whether the user must confirm: the download is large or has files of unknown size."""
        return self.unknown_sizes > 0 or self.bytes_to_come > bytes_max

    def warnings(self) -> list[str]:
        """The data that a backtest will lack, one line per leg and day."""
        return [
            f"{choice.leg.name} {choice.day}: {choice.source} has {choice.holds}; {lack}"
            for choice in self.choices
            if (lack := _lack(choice))
        ]


def _lack(choice: Choice) -> str:
    if choice.is_of_funding:
        return ""
    if not choice.has_book:
        return "a backtest needs a book"
    return "" if choice.has_trades else "without trades, no trade fills a resting order"


def joined(plans: Iterable[Plan]) -> Plan:
    """Joins several plans of one folder."""
    plans = list(plans)
    return Plan(
        tuple(choice for plan in plans for choice in plan.choices),
        {file: state for plan in plans for file, state in plan.states.items()},
        min((plan.free_bytes for plan in plans), default=0),
    )


def size_text(count: int | None) -> str:
    """Bytes in a readable unit; "?" for None."""
    if count is None:
        return "?"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count} B"
