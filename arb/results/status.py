"""`status.json` of a live session: what its screen shows, once a second, for other processes.

It is renamed into place, so that a reader sees a whole one, and it is no evidence: `arb verify` does not cover it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from arb.errors import InputError

#: Name of the file in the session's folder.
STATUS = "status.json"
#: Of the file; a reader refuses any other.
FORMAT = 1


class LegStatus(msgspec.Struct, frozen=True):
    """One leg. feed: state of its book. age_s: of the book's last message. position: in base. None: not known."""

    name: str
    feed: str
    bid: float | None
    ask: float | None
    age_s: float | None
    messages_per_s: float
    position: float


class EdgeStatus(msgspec.Struct, frozen=True):
    """The edge of buying at one leg and selling at the other, in bps after both taker fees, and the largest so far."""

    buy: str
    sell: str
    edge_bps: float | None
    best_bps: float | None


class Status(msgspec.Struct, frozen=True):
    """A session at one time. Money in quote, positions at their last mids; None: not known."""

    format: int
    #: "dry-run" or "live"; the process; when it began, and the time of this status, both of this machine.
    command: str
    pid: int
    began_ns: int
    time_ns: int
    elapsed_s: float
    #: None without a duration.
    remaining_s: float | None
    legs: list[LegStatus]
    edges: list[EdgeStatus]
    #: The least edge at which the strategy trades, and whether it is measured from the average cross spread.
    threshold_bps: float | None
    is_over_basis: bool
    working: int
    fills: int
    attempts: int
    hedged: int
    fee_quote: float
    pnl_quote: float | None
    memory_gb: float | None


def read_status(folder: Path) -> Status | None:
    """The status in a session's folder; None if there is none. Raises InputError for one that cannot be read."""
    path = folder / STATUS
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Status)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError, UnicodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if found.format != FORMAT:
        raise InputError(f"{path}: is of format {found.format}, this arb reads {FORMAT}")
    return found
