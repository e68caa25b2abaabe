"""The runs below a folder: sessions that go on, and what has ended. Reads alone; loads no compiled code."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from arb.errors import InputError
from arb.journal.locks import is_held
from arb.results.evidence import MANIFEST, SESSION_LOCK
from arb.results.status import Status, read_status
from connectors.units import SECOND

#: A session whose status is older than this does not write it any more.
SILENT_S = 5.0
#: States of sessions that have not ended as they should; the others are outcomes of manifests.
RUNNING, SILENT, KILLED, UNREADABLE = "running", "silent", "killed", "unreadable"


class Run(NamedTuple):
    """A run folder. began: UTC, "" if not known. state: one of the above, or the manifest's outcome. Money in quote;
    None: not known. note: what its reader should know, "" for nothing. environment, accounts: of a session on accounts,
    as in `Status`."""

    folder: Path
    command: str
    began: str
    state: str
    legs: tuple[str, ...]
    fills: int | None
    pnl_quote: float | None
    note: str = ""
    environment: str = ""
    accounts: tuple[str, ...] = ()

    @property
    def world(self) -> str:
        """Command and environment."""
        return " ".join(text for text in (self.command, self.environment) if text)


def find_runs(folder: Path) -> list[Run]:
    """The runs in `folder`, or `folder` itself if it is one, oldest first. Raises InputError if there is none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; arb runs FOLDER names the folder that has the runs")
    found = [run for path in candidates(folder) if (run := run_of(path)) is not None]
    if not found:
        raise InputError(f"{folder}: there is no run in it; arb dry-run and arb backtest write to runs/")
    return sorted(found, key=lambda run: (run.began, run.folder.name))


def run_of(folder: Path) -> Run | None:
    """The run in a folder; None if it is not the folder of one."""
    lock = folder / SESSION_LOCK
    try:
        if (folder / MANIFEST).is_file():
            return _ended(folder)
        return _session(folder, lock) if lock.exists() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, KeyError):
            why = f"{MANIFEST} is of another format, without {error}"
        else:
            why = (
                str(error)
                if isinstance(error, OSError)
                else f"{MANIFEST} or summary.json cannot be read: {error}"
            )
        return Run(folder, "", "", UNREADABLE, (), None, None, why)
    except InputError as error:
        return Run(folder, "", "", UNREADABLE, (), None, None, str(error))


def run_record(run: Run) -> dict[str, Any]:
    """A run for `--json`."""
    return {**run._asdict(), "folder": str(run.folder)}


def candidates(folder: Path) -> Iterator[Path]:
    """What may be the folder of a run: `folder` and those in it. Raises InputError."""
    yield folder
    try:
        yield from sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None


def _ended(folder: Path) -> Run:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    legs = tuple(dict.fromkeys(str(one["leg"]) for one in manifest["inputs"]))
    try:
        summary = json.loads((folder / "summary.json").read_bytes())
    except FileNotFoundError:
        summary = {}
    return Run(
        folder,
        str(manifest["command"]),
        str(manifest["created"]),
        str(manifest["outcome"]),
        legs,
        summary.get("fills"),
        summary.get("pnl_quote"),
        str(manifest["error"] or ""),
        str(manifest.get("environment", "")),
        _accounts(folder),
    )


def _accounts(folder: Path) -> tuple[str, ...]:
    """Of a session that has ended: from its last status, which is no evidence, but only names them."""
    try:
        status = read_status(folder)
    except InputError:
        return ()
    return () if status is None else tuple(status.accounts)


def _session(folder: Path, lock: Path) -> Run:
    status = read_status(folder)
    began = "" if status is None else _time(status.began_ns)
    if not is_held(lock):
        is_recording = status is not None and status.command == "record"
        note = "the next arb record --watch replaces it" if is_recording else "arb verify finishes its folder"
        return _run(folder, status, began, KILLED, note)
    if status is None:
        return _run(folder, status, began, RUNNING, "it is starting, or writes no status")
    silent_s = (time.time_ns() - status.time_ns) / SECOND
    if silent_s > SILENT_S:
        return _run(folder, status, began, SILENT, f"no sign of life for {silent_s:.0f} s")
    return running(folder, status)


def running(folder: Path, status: Status) -> Run:
    """The run of a session that writes its status."""
    return _run(folder, status, _time(status.began_ns), RUNNING, "")


def _run(folder: Path, status: Status | None, began: str, state: str, note: str) -> Run:
    if status is None:
        return Run(folder, "", began, state, (), None, None, note)
    legs = tuple(leg.name for leg in status.legs)
    where = status.environment, tuple(status.accounts)
    return Run(folder, status.command, began, state, legs, status.fills, status.pnl_quote, note, *where)


def _time(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
