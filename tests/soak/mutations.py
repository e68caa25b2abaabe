"""Changes run folders and checks that `arb verify` detects it.

    python -m tests.soak.mutations [--count 170] [--seed 1] [--runs NAMES]

Runs: a backtest, a dry-run over recorded days, a session on a sandbox's sockets, and a killed session. In a copy of
each folder one thing is changed, `--count` times: every file and every key of the manifest at least once, the rest at
random by the seed (`tests/support/run_mutations.py`). `arb verify` must exit with 4 or 2 every time, and with 0 on
the unchanged run and on one with another log. `--resealed N`: N further changes of what the replay derives, with
hashes that match. Exit code 4 if a change was not detected.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import count as count_from
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.live_mutations import change as change_live
from support.live_mutations import kinds as live_kinds
from support.mutated_runs import (
    USDM_SPOT,
    a_backtest,
    a_dry_run,
    a_killed_session,
    a_live_session,
    a_session,
    verified,
)
from support.mutations import ARRAYS, FILLS, SESSION, mutate
from support.run_mutations import mutations, reseal


def change_all(run: Path, other: Path, count: int, seed: int) -> int:
    """How many of `count` changes were not reported."""
    missed, codes, began = int(verified(run) != 0), Counter[int](), time.monotonic()
    chosen = mutations(run, other, np.random.default_rng(seed), count)
    for one in chosen:
        copy = run.with_name(f"{run.name}-changed")
        shutil.copytree(run, copy)
        one.apply(copy)
        code = verified(copy)
        codes[code] += 1
        if code not in (2, 4):
            missed += 1
            print(f"{run.name}: NOT REPORTED (exit {code}): {one.subject}: {one.what}")
        shutil.rmtree(copy)
    if (run / "log.txt").exists():
        with (run / "log.txt").open("a") as log:
            log.write("another line\n")
        missed += int(verified(run) != 0)
    print(
        f"{run.name}: {len(chosen)} changes of {len({one.subject for one in chosen})} files and keys, exit codes "
        f"{dict(sorted(codes.items()))}, {missed} not reported, {(time.monotonic() - began) / len(chosen):.2f} s each",
        flush=True,
    )
    return missed


def change_resealed(run: Path, kinds: Sequence[str], count: int, seed: int) -> int:
    """How many of `count` changes the replay does not find by itself, where hashes fit."""
    chance, made, codes = np.random.default_rng(seed), 0, Counter[int]()
    missed = int(bool(count) and verified(run) != 0)
    shuffled = [kinds[no] for no in chance.permutation(len(kinds))]
    for kind in (shuffled[no % len(kinds)] for no in count_from(0)):
        if made >= count:
            break
        copy = run.with_name(f"{run.name}-changed")
        shutil.copytree(run, copy)
        where = (change_live if kinds is LIVE else mutate)(copy, kind, chance)
        if where is not None:  # else the session has nothing of the kind
            made += 1
            reseal(copy)
            code = verified(copy)
            codes[code] += 1
            if code not in (2, 4):
                missed += 1
                print(
                    f"{run.name}: NOT REPORTED with hashes that fit (exit {code}): {kind}, {where}",
                    flush=True,
                )
        shutil.rmtree(copy)
    if count:
        print(
            f"{run.name}: {count} changes with hashes that fit, exit codes {dict(sorted(codes.items()))}, {missed} not "
            "reported",
            flush=True,
        )
    return missed


LIVE = live_kinds()
# The strategy of these runs records nothing of its own but fills.
_DERIVED = tuple(kind for kind in ARRAYS if not kind.startswith(("record", "decision")))
#: What makes a run, with which function another of its kind is made, and what its replay derives.
RUNS = {
    "backtest": (a_backtest, "busy", FILLS),
    "dry-run": (a_dry_run, "", (*FILLS, *_DERIVED)),
    "session": (a_session, "idle", (*FILLS, *SESSION, *_DERIVED)),
    "killed": (a_killed_session, "idle", FILLS),
    "live": (a_live_session, "idle", LIVE),
    "live-2": (partial(a_live_session, venues=USDM_SPOT), "idle", LIVE),
}


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=170)
    parser.add_argument("--resealed", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=["backtest", "dry-run", "session"])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder = given.out or Path(tempfile.mkdtemp(prefix="arb-mutations-"))
    folder.mkdir(exist_ok=True)
    missed = 0
    for number, name in enumerate(given.runs):
        make, function, derived = RUNS[name]
        run = make(folder)
        if given.count:
            missed += change_all(run, make(folder, function), given.count, given.seed + number)
        missed += change_resealed(run, derived, given.resealed, given.seed + number)
    return 4 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
