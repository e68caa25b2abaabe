"""A journal with rows in it, as sessions write them; and journals after a loss of power."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from arb.journal.journal import FILE, Journal
from arb.journal.reader import JournalReader
from arb.journal.schema import Answered, Ended, ExecutionRow, Intent, LegRow, RunRow, Sent

LEGS = (
    LegRow("binance_usdm", "BTCUSDT", "binance-7", "0.10", "0.001", "BTC", "USDT", False),
    LegRow("bybit_spot", "BTCUSDT", "bybit-8", "0.01", "0.000001", "BTC", "USDT", True),
)
RUN = RunRow("live", "0.1", "/runs/one", "abc", 1_000)
#: Of a frame of SQLite's log, before its page; of the log itself, before its frames.
_FRAME, _HEAD = 24, 32
#: Of `nBackfillAttempted` in the log's index.
_ATTEMPTED = 128
#: Both have the salts of the log.
_SALTS, _LOG_SALTS = slice(32, 40), slice(16, 24)


def journal_at(folder: Path, environment: str = "sandbox") -> Journal:
    """The journal of an environment in a state directory."""
    return Journal.open(folder / environment / FILE, environment)


def fill_disk(journal: Journal) -> None:
    """From now on the journal's file has no room for a further page, until its reserve is freed."""
    connection = journal._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    make_room = journal.make_room

    def freed() -> bool:
        if not make_room():
            return False
        connection.execute("PRAGMA max_page_count = 1000000")
        return True

    journal.make_room = freed  # type: ignore[method-assign]


def begun(journal: Journal, legs: Sequence[LegRow] = LEGS) -> int:
    """A run with legs."""
    run = journal.begin_run(RUN)
    journal.add_legs(run, legs)
    return run


def reader_at(folder: Path, environment: str = "sandbox") -> JournalReader:
    """A reader of it."""
    return JournalReader(folder / environment / FILE, environment)


def intent(run: int, leg: int, request: int, ts: int = 0, **changes: object) -> Intent:
    """A placement of one lot."""
    made = Intent(run, leg, request, ts, 1, "place", request, request, 1, "gtc", False, False, 1_000, 5)
    return made._replace(**changes)  # type: ignore[arg-type]


def execution(
    run: int, leg: int, placed: int, execution_id: str, lots: int, **changes: object
) -> ExecutionRow:
    """An execution of a buy order."""
    made = ExecutionRow(run, leg, placed, execution_id, 20, 3, 1, 1_000, lots, True, "0.01", "USDT")
    return made._replace(**changes)  # type: ignore[arg-type]


def write_orders(journal: Journal, run: int, numbers: Sequence[int], first_ts: int = 10_000) -> None:
    """Steps of an order for each leg, which is sent, answered, executed twice and over."""
    for no, number in enumerate(numbers):
        ts = first_ts + no * 1_000
        sides = (1, -1)
        journal.commit_step([intent(run, leg, number, ts, side=side) for leg, side in enumerate(sides)])
        for leg in range(2):
            journal.note(Sent(run, ts, LEGS[leg].venue, leg, number, "place", "", "t1", True))
        journal.write_notes()
        for leg, side in enumerate(sides):
            journal.note(Answered(run, ts + 1, leg, number, number, "accepted", "new", 1_000, 5, 5, ""))
            for part, lots in (("a", 2), ("b", 3)):
                name = f"{number:032x}-{part}"
                journal.note(execution(run, leg, number, name, lots, ts=ts + 2, side=side))
            journal.note(Ended(run, leg, number, ts + 3, "filled", 5, ""))
        journal.write_notes()


def flushed_size(path: Path) -> int:
    """How much of a killed session's log a loss of power leaves at least.

    SQLite has the disk take the log before it writes any of it into the journal's file; the index beside it says how
    many pages those are.
    """
    log = path.with_name(f"{path.name}-wal").read_bytes()
    index = path.with_name(f"{path.name}-shm").read_bytes()
    if len(log) < _HEAD:
        return 0
    if index[_SALTS] != log[_LOG_SALTS]:
        return len(log)  # all of it is in the file: the index is that of the log that was about to begin
    frames = struct.unpack("=I", index[_ATTEMPTED : _ATTEMPTED + 4])[0]
    return _HEAD + frames * (_FRAME + struct.unpack(">I", log[8:12])[0]) if frames else 0


def log_commits(path: Path) -> list[int]:
    """The sizes at which the log of a killed session ends with a commit that a loss of power may leave as the last."""
    content = path.with_name(f"{path.name}-wal").read_bytes()
    if len(content) < _HEAD:
        return []
    page, salts, least = struct.unpack(">I", content[8:12])[0], content[_LOG_SALTS], flushed_size(path)
    sizes = []
    for at in range(_HEAD, len(content) - _FRAME - page + 1, _FRAME + page):
        if content[at + 8 : at + 16] != salts:
            break  # of an earlier log
        if struct.unpack(">I", content[at + 4 : at + 8])[0] and at + _FRAME + page >= least:
            sizes.append(at + _FRAME + page)
    return sizes


def copy_cut(path: Path, folder: Path, size: int) -> Path:
    """A copy of a killed session's journal in another folder, with its log as a loss of power left it."""
    folder.mkdir(parents=True)
    target = folder / path.name
    shutil.copy(path, target)
    shutil.copy(path.with_name(f"{path.name}-wal"), folder / f"{path.name}-wal")
    os.truncate(folder / f"{path.name}-wal", size)
    return target


def cut_back(path: Path, until_ns: int, environment: str = "sandbox") -> int:
    """Takes from a killed session's journal the commits with rows after a time, as a loss of power would.

    Returns how many commits were taken. Nothing of what is in the journal's file, and so on the disk, is taken.
    """
    log = path.with_name(f"{path.name}-wal")
    commits = log_commits(path)
    for taken, size in enumerate(reversed(commits)):
        copy = copy_cut(path, path.parent / f"cut-{taken}", size)
        try:
            with JournalReader(copy, environment) as reader:
                if reader.known_until_ns() <= until_ns:
                    os.truncate(log, size)
                    return taken
        finally:
            shutil.rmtree(copy.parent)
    os.truncate(log, flushed_size(path))
    return len(commits)
