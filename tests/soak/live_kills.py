"""Kills `arb live --sandbox` at random moments; `arb verify` proves each session, or says in one line why not.

    PYTHONPATH=tests python -m tests.soak.live_kills [--rounds 20] [--seed 1]

A moment is between the start of the process and its end, which `--duration` sets. Exit code 4 if a session is neither
proven nor refused in one line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from support.command_line import arb
from support.live_sandbox import await_that, demo_settings
from support.mutated_runs import CHANGING, SPOT_LINEAR, USDM_SPOT
from support.paths import GUARD, ROOT, strategy_file

from arb.config import write_templates

_SECONDS = 4.0
#: When the session's folder is written, after the start of its strategy.
_END_S = 2.0


def killed(folder: Path, chance: Random) -> tuple[str, str]:
    """Where one session was killed, and what `arb verify` printed last."""
    venues = SPOT_LINEAR if chance.random() < 0.5 else USDM_SPOT
    write_templates(folder)
    run = folder / "run"
    settings = demo_settings(
        folder,
        "",
        f'strategy.function="{strategy_file("changing.py", CHANGING)}:changing"',
        f"strategy.legs={json.dumps([f'{venue}:SYMBOL' for venue in venues])}",
        *(
            f"capital.{venue}={{{'base=100.0, ' if 'spot' in venue else ''}quote=5000000.0}}"
            for venue in venues
        ),
    )
    words = [word for one in settings for word in ("--set", one)]
    process = subprocess.Popen(
        [sys.executable, "-m", "arb", "live", "--sandbox", "-c", str(folder / "arbitrage.toml"), "--out", str(run),
         "--duration", f"{_SECONDS:g}s", "--no-report", *words],
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = run / "log.txt"
    word = chance.choice(["opening order connections", "received its first row", "received its first row"])
    await_that(lambda: process.poll() is not None or (log.exists() and word in log.read_text()), word)
    time.sleep(chance.uniform(0.0, _SECONDS + _END_S))
    process.kill()
    process.wait()
    text = log.read_text() if log.exists() else ""
    return text.splitlines()[-1][:100] if text else "before its log", arb(
        "verify", "--trust", run, code=None
    ).output


def main() -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=20)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    chance, found = Random(given.seed), Counter[str]()
    for number in range(given.rounds):
        folder = Path(tempfile.mkdtemp(prefix="arb-live-kills-"))
        where, output = killed(folder, chance)
        lines = output.strip().splitlines()
        is_refused = len(lines) == 1 and lines[0].startswith("error: ")
        kind = "proven" if lines and lines[-1].startswith("proven") else "refused" if is_refused else "WRONG"
        found[kind] += 1
        print(f"{number + 1}: {kind}, killed at: {where}", flush=True)
        for line in [] if kind == "proven" else lines[-5:]:
            print(f"    {line[:300]}", flush=True)
        if kind == "WRONG":
            print(f"    {folder}", flush=True)
    print(f"{given.rounds} sessions killed: {dict(found)}")
    return 4 if found["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
