"""What `arb record --watch` publishes: a folder among the runs with the recording's status, for `arb watch` alone.

The recording itself is elsewhere. The folder is removed at an end without an error; one with an error leaves it with
the error, and a killed process as it was, until the next recording uses it. The host's thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from arb.errors import InputError
from arb.files import try_lock, write_atomically
from arb.results.evidence import MANIFEST, SESSION_LOCK
from arb.results.status import FORMAT, STATUS, LegStatus, Status
from arb.runtime.process_use import Processor, disk, memory, open_files
from connectors.feed.status import InstrumentState
from connectors.feed.touch import Touch
from connectors.units import MILLISECOND, SECOND

#: Name of the folder; of further recordings at the same time with a number.
FOLDER = "record"
_FOLDERS_MAX = 32


class RecordedLeg(NamedTuple):
    """An instrument that is recorded."""

    venue: str
    state: InstrumentState
    touch: Touch


class RecordStatus:
    """One recording's. A disk that refuses the status costs the status, not the recording."""

    def __init__(self, runs: Path, recordings: Path, warn: Callable[[str], None]) -> None:
        """recordings: the folder that is recorded into, whose disk is looked at. warn: receives a line if the status
        cannot be written. Raises InputError if there can be no folder in `runs`."""
        self._recordings, self._warn = recordings, warn
        self._began_ns = time.time_ns()
        self._legs: Sequence[str] = ()
        self._is_failing = False
        self._processor = Processor()
        self.folder, self._lock = _held(runs)

    def write(self, legs: Sequence[RecordedLeg], elapsed_s: float) -> None:
        """Replaces the status."""
        found = [_leg_status(one) for one in legs]
        self._legs = [one.name for one in found]
        now_ns = time.time_ns()
        status = Status(
            format=FORMAT,
            command="record",
            pid=os.getpid(),
            began_ns=self._began_ns,
            time_ns=now_ns,
            elapsed_s=elapsed_s,
            remaining_s=None,
            heartbeat_ns=now_ns,
            legs=found,
            edges=[],
            threshold_bps=None,
            is_over_basis=False,
            working=0,
            latencies=[],
            decisions=[],
            sends=[],
            **dict.fromkeys(_COUNTS, 0),
            events={},
            refusals={},
            capital_quote=None,
            fee_quote=0.0,
            pnl_quote=None,
            drawdown_quote=None,
            day_loss_quote=None,
            max_edge_bps=None,
            max_drawdown_pct=None,
            unhedged_s=0.0,
            attempts_affordable=None,
            leverage_pct=None,
            margin_pct=None,
            reported=[],
            halted="",
            doubts=0,
            rules=[],
            processor_pct=self._processor.percent(),
            memory_gb=memory().value,
            open_files=open_files(),
            disk_free_gb=disk(self._recordings).value,
            environment="",
            accounts=[],
        )
        try:
            write_atomically(self.folder / STATUS, msgspec.json.encode(status))
        except OSError as error:
            if not self._is_failing:
                self._warn(f"{self.folder / STATUS}: cannot be written: {error.strerror}")
            self._is_failing = True
            return
        self._is_failing = False

    def close(self, error: str = "") -> None:
        """The recording has ended. error: why, if not as it should."""
        with contextlib.suppress(OSError):
            if error:
                began = datetime.fromtimestamp(self._began_ns / SECOND, UTC)
                manifest = {
                    "command": "record",
                    "created": f"{began:%Y-%m-%dT%H:%M:%SZ}",
                    "outcome": "failed",
                    "error": error,
                    "inputs": [{"leg": name} for name in self._legs],
                }
                write_atomically(self.folder / MANIFEST, json.dumps(manifest).encode())
                (self.folder / SESSION_LOCK).unlink()
            else:
                _clear(self.folder)
                (self.folder / SESSION_LOCK).unlink()
                self.folder.rmdir()
        self._lock.close()


_COUNTS = ("fills", "attempts", "hedged", "missed", "reversed", "opportunities", "opportunities_taken")


def _leg_status(one: RecordedLeg) -> LegStatus:
    state = one.state
    return LegStatus(
        name=f"{one.venue}:{state.symbol}",
        feed=state.status.value,
        bid=one.touch.bid_px,
        ask=one.touch.ask_px,
        age_s=state.age_ns / SECOND if state.age_ns >= 0 else None,
        lag_ms=state.lag_ns_p50 / MILLISECOND,
        messages_per_s=state.messages_per_s,
        frames=sum(stream.messages for stream in state.streams),
        gaps=state.gaps,
        position=0.0,
        exposure_quote=0.0,
        off=0.0,
    )


def _held(runs: Path) -> tuple[Path, IO[bytes]]:
    """The first folder that no other recording holds, and its lock."""
    try:
        for number in range(1, _FOLDERS_MAX + 1):
            folder = runs / (FOLDER if number == 1 else f"{FOLDER}-{number}")
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / SESSION_LOCK).open("a+b")
            if try_lock(file):
                _clear(folder)
                return folder, file
            file.close()
    except OSError as error:
        raise InputError(f"{runs}: cannot be written: {error.strerror}; record without --watch") from None
    raise InputError(f"{runs}: {_FOLDERS_MAX} recordings are watched there already; record without --watch")


def _clear(folder: Path) -> None:
    for name in (STATUS, MANIFEST):
        (folder / name).unlink(missing_ok=True)
