"""What a download is going to do: the files, how much of each is here, how much is to come. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from arb.data.download.choice import Choice, RemoteFile


class FileState(NamedTuple):
    """A file before a download. `size` in bytes, None where the server does not tell; `have`: those that are here."""

    path: Path
    size: int | None
    have: int
    is_whole: bool

    @property
    def to_come(self) -> int:
        """Bytes to fetch, as far as they are known."""
        return 0 if self.is_whole or self.size is None else self.size - self.have


class Plan(NamedTuple):
    """What is chosen for each leg and day, the state of every file of it, and what the disk has left."""

    choices: tuple[Choice, ...]
    states: Mapping[RemoteFile, FileState]
    free_bytes: int

    @property
    def missing(self) -> list[RemoteFile]:
        """The files to fetch, in the order of the choices."""
        return [file for choice in self.choices for file in choice.files if not self.states[file].is_whole]

    @property
    def bytes_to_come(self) -> int:
        """An upper bound of what the disk will hold more; files of unknown size are not in it."""
        return sum(self.states[file].to_come for file in self.missing)

    @property
    def unknown_sizes(self) -> int:
        """How many files will come of which the server does not tell the size."""
        return sum(self.states[file].size is None for file in self.missing)

    def needs_consent(self, bytes_max: float) -> bool:
        """Whether so much is to come, or so little is known of it, that the user is asked."""
        return self.unknown_sizes > 0 or self.bytes_to_come > bytes_max

    def warnings(self) -> list[str]:
        """What a backtest will lack, a line a leg and day."""
        return [
            f"{choice.leg.name} {choice.day}: {choice.source} has {choice.holds}; {lack}"
            for choice in self.choices
            if (lack := _lack(choice))
        ]


def _lack(choice: Choice) -> str:
    if not choice.has_book:
        return "a backtest needs a book"
    return "" if choice.has_trades else "without trades, no trade fills a resting order"


def joined(plans: Iterable[Plan]) -> Plan:
    """Several plans of one folder as one."""
    plans = list(plans)
    return Plan(
        tuple(choice for plan in plans for choice in plan.choices),
        {file: state for plan in plans for file, state in plan.states.items()},
        min((plan.free_bytes for plan in plans), default=0),
    )


def size_text(count: int | None) -> str:
    """Bytes as a person reads them; "?" for None."""
    if count is None:
        return "?"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count} B"
