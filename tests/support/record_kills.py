"""`arb record --sandbox` killed at random moments, one after the other on one folder, and what its files must hold."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random

from arb.data.recordings.journal import find_journals
from arb.data.recordings.recorder import Recorder
from support.recorded_runs import Running, lines_of

VENUES = ("binance_spot", "bybit_spot")


def run(folder: Path, environment: Mapping[str, str], chance: Random, rounds: int) -> tuple[list[str], int]:
    """Kills `rounds` processes; the faults, and how many frames they had acknowledged."""
    found, acknowledged = [], 0
    before: dict[str, list[bytes]] = {venue: [] for venue in VENUES}
    for round_no in range(rounds):
        reported = _kill(folder, environment, chance)
        held = {venue: _on_disk(folder / "data", venue) for venue in VENUES}
        acknowledged += reported
        # All frames are in the files at once: those that were acknowledged, and those of the last second.
        new = sum(len(held[venue]) - len(before[venue]) for venue in VENUES)
        if new < reported:
            found.append(f"round {round_no}: {reported} frames were acknowledged, the files have {new} more")
        for venue in VENUES:
            if held[venue][: len(before[venue])] != before[venue]:
                found.append(f"round {round_no}: {venue}: what an earlier round recorded has changed")
        before = held
    Recorder(folder / "data", reserve_gb=0).close()
    for venue in VENUES:
        lines = [b"%d %b" % line for line in lines_of(folder / "data", venue)]
        if lines != before[venue]:
            found.append(f"{venue}: {len(lines)} lines when all was finished, {len(before[venue])} before")
        found += [f"{venue}: {line[:60]!r} is no frame" for line in lines if not _is_frame(line)]
    found += [f"{path.name}: left over" for path in (folder / "data").glob("*/*journal*")]
    return found, acknowledged


def _kill(folder: Path, environment: Mapping[str, str], chance: Random) -> int:
    """One process; how many frames it had acknowledged."""
    running = Running(["--data", "data", "--set", "record.segment_s=1"], environment, folder)
    reported = running.until_frames(chance.randrange(1, 150))
    time.sleep(chance.uniform(0.0, 1.0))
    running.process.send_signal(signal.SIGKILL)
    out, _ = running.process.communicate()
    lines = [line for line in out.splitlines() if line.endswith("}")]
    return int(json.loads(lines[-1])["frames"]) if lines else reported


def _on_disk(folder: Path, venue: str) -> list[bytes]:
    """The whole lines of an instrument after a kill: members of the `.gz`, then journals.

    A journal that was being compressed may be in both; the next start settles that, on a copy here.
    """
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    Recorder(copy, reserve_gb=0).close()
    if find_journals(copy):
        raise AssertionError("journals are left after a start and an end")
    return [b"%d %b" % line for line in lines_of(copy, venue)]


def _is_frame(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line[20:]), dict)
    except ValueError:
        return False
