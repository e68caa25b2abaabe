"""A process that writes a journal is killed at any moment, or loses its power: what it had committed is there.

`python -m tests.soak.account_kills --cut 50` does both to whole sessions, hundreds of times.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.journals import begun, copy_cut, flushed_size, intent, journal_at, log_commits, reader_at
from support.paths import ROOT

from arb.journal.journal import FILE

pytestmark = pytest.mark.slow

#: Says each step when its commit has returned. The log begins anew every few commits.
_WRITER = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
from arb.journal import flusher
from arb.journal.schema import Flagged
from support.journals import begun, intent, journal_at
flusher._COMMITS_MAX = 20
journal = journal_at(Path(sys.argv[1]))
run = begun(journal)
print(run, flush=True)
number = 0
while True:
    number += 1
    journal.commit_step([intent(run, leg, number, number) for leg in range(2)])
    print(number, flush=True)
    journal.note(Flagged(run, number, "", "step", "x" * (number % 700)))
    journal.write_notes()
"""


def killed(folder: Path, after_s: float) -> tuple[int, int]:
    """Runs a writer until it is killed; returns its run and the last step that it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), str(ROOT / "tests")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    run = int(process.stdout.readline())
    time.sleep(after_s)
    process.kill()
    said = [line for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    return run, int(said[-1]) if said else 0


def steps_of(folder: Path, run: int) -> list[int]:
    """The steps of a run; each has both of its legs."""
    with reader_at(folder) as reader:
        placed = [(one.placed, one.leg) for one in reader.orders() if one.run == run]
        assert reader._rows("PRAGMA integrity_check") == [("ok",)]
    numbers = sorted({number for number, _ in placed})
    assert sorted(placed) == [(number, leg) for number in numbers for leg in range(2)]
    return numbers


def test_a_kill_takes_nothing_that_was_committed(tmp_path: Path) -> None:
    chance = random.Random(5)
    steps: dict[int, int] = {}
    for number in range(1, 7):
        run, said = killed(tmp_path, chance.uniform(0.0, 0.4))
        assert run == number
        kept = steps_of(tmp_path, run)
        assert kept == list(range(1, len(kept) + 1))
        assert said <= len(kept) <= said + 1
        steps[run] = len(kept)
    assert sum(steps.values()) > 50
    journal = journal_at(tmp_path)
    for run, count in steps.items():  # a kill takes nothing of an earlier run either
        assert len(steps_of(tmp_path, run)) == count
    assert begun(journal) == 7
    journal.close()


def test_a_loss_of_power_takes_only_the_end(tmp_path: Path) -> None:
    chance = random.Random(6)
    cuts = 0
    for number in range(3):
        folder = tmp_path / f"{number}"
        run, _ = killed(folder, chance.uniform(0.05, 0.3))
        path = folder / "sandbox" / FILE
        size = path.with_name(f"{FILE}-wal").stat().st_size
        commits = log_commits(path)
        least = flushed_size(path)
        sampled = chance.sample(commits, min(4, len(commits)))
        places = [least, *sampled, *(chance.randrange(least, size + 1) for _ in range(4))]
        for place in places:
            cut = tmp_path / f"{number}-{cuts}"
            copy_cut(path, cut / "sandbox", place)
            kept = steps_of(cut, run)
            assert kept == list(range(1, len(kept) + 1))
            # What is left is a journal that goes on, with a number that was never given.
            journal = journal_at(cut)
            again = begun(journal)
            assert again > run or not kept
            journal.commit_step([intent(again, 0, 1)])
            journal.close()
            cuts += 1
    assert cuts > 20
