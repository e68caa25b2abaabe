"""Runs of a strategy that fails, each in a process of its own: what crashes must not take the tests along."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from support.recording_files import command_environment, example

#: Runs the commands that it is given as JSON, one after the other, in one process; a JSON line each of how it ended.
#: One that begins with `cd FOLDER` is given there.
_DRIVER = """
import contextlib, json, sys
from click.testing import CliRunner
from arb.cli import cli

for words in json.loads(sys.argv[1]):
    with contextlib.chdir(words[1] if words[0] == "cd" else "."):
        result = CliRunner().invoke(cli, words[2:] if words[0] == "cd" else words)
    print(json.dumps([result.exit_code, result.stdout, result.stderr]), flush=True)
"""

#: A helper in a module of its own, under the user's own flags.
HELPERS = """
from numba import njit


@njit(cache=True)
def pick(values, index):
    return values[index]
"""

#: One mistake for every `kind`, after a second and a trade.
MISTAKES = """
import numpy as np
from hftbacktest.order import GTC, IOC, LIMIT

import helpers

PARAMS = {"kind": 0, "sizes": (1.0,)}


def run(hbt, recorder, params):
    hbt.elapse(1_000_000_000)
    hbt.submit_buy_order(0, 1, 70000.0, 0.01, IOC, LIMIT, True)
    recorder.record(hbt)
    kind = params.kind
    far = np.int64(hbt.num_assets) + 7
    values = np.zeros(3)
    if kind == 0:
        values[far] = 1.0  # index
    elif kind == 1:
        return helpers.pick(values, -far)  # helper
    elif kind == 2:
        return hbt.depth(0).bid_depth[10**9]  # bid_depth
    elif kind == 3:
        return params.sizes[far]  # params
    elif kind == 4:
        return hbt.last_trades(0)[far]["px"]  # last_trades
    elif kind == 5:
        return far // int(values[0])  # integer division
    elif kind == 6:
        return 1.0 / values[0]  # float division
    elif kind == 7:
        return hbt.orders(0).values().get().qty  # iterator
    elif kind == 9:
        return np.zeros(10**14)[0]  # memory
    elif kind == 10:
        raise ValueError("enough")  # raise
    elif kind == 11:
        return [1.0, 2.0].index(9.0)  # inside Numba
    elif kind == 12:
        return values.flat[far << 40]  # flat
    elif kind == 13:
        values.flat[-1] = 1.0  # flat
    elif kind == 20:
        return hbt.depth(far).best_bid  # asset
    elif kind == 21:
        return hbt.position(-1)  # asset
    elif kind == 22:
        return hbt.state_values(far).fee  # asset
    elif kind == 23:
        return len(hbt.orders(far))  # asset
    elif kind == 24:
        return len(hbt.last_trades(far))  # asset
    elif kind == 25:
        hbt.clear_last_trades(far)  # asset
    elif kind == 26:
        return hbt.submit_buy_order(far, 2, 1.0, 1.0, GTC, LIMIT, False)  # asset
    elif kind == 27:
        return hbt.submit_sell_order(-2, 2, 1.0, 1.0, GTC, LIMIT, False)  # asset
    elif kind == 28:
        return hbt.modify(far, 1, 1.0, 1.0, False)  # asset
    elif kind == 29:
        return hbt.cancel(far, 1, False)  # asset
    elif kind == 30:
        hbt.clear_inactive_orders(far)  # asset
    elif kind == 31:
        return hbt.wait_order_response(far, 1, 1_000)  # asset
    elif kind == 32:
        return hbt.feed_latency(far) is None  # asset
    elif kind == 33:
        return hbt.order_latency(-3) is None  # asset
    return 0
"""

#: Closes the bot behind a trade, and goes on.
CLOSING = """
from hftbacktest.order import IOC, LIMIT


def run(hbt, recorder):
    hbt.elapse(1_000_000_000)
    hbt.submit_buy_order(0, 1, 70000.0, 0.01, IOC, LIMIT, True)
    hbt.close()
    recorder.record(hbt)
    return hbt.elapse(1_000_000_000) + 2
"""

#: Calls itself without an end.
RECURSION = """
from numba import njit


@njit
def count_down(n):
    return 0 if n > 10**9 else count_down(n - 1) + 1


def run(hbt, recorder):
    hbt.elapse(1_000_000_000)
    return count_down(7)
"""

#: What is raised, and the words behind `#` of the line that raises it, by kind.
RAISED = {
    0: ("IndexError", "index"),
    1: ("IndexError", "helper"),
    2: ("IndexError", "bid_depth"),
    3: ("IndexError", "params"),
    4: ("IndexError", "last_trades"),
    5: ("ZeroDivisionError", "integer division"),
    6: ("ZeroDivisionError", "float division"),
    7: ("RuntimeError", "iterator"),
    9: ("MemoryError", "memory"),
    10: ("ValueError: enough", "raise"),
    11: ("ValueError", "inside Numba"),
    12: ("IndexError: index", "flat"),
    13: ("IndexError: index", "flat"),
    **dict.fromkeys(range(20, 34), ("IndexError: asset_no", "asset")),
}


class Reported(NamedTuple):
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


def line_of(kind: int) -> int:
    """The line of `MISTAKES` that raises."""
    lines = MISTAKES.splitlines()
    branch = next(n for n, line in enumerate(lines) if line.rstrip().endswith(f"kind == {kind}:"))
    return branch + 2


def run_commands(folder: Path, commands: Sequence[Sequence[str]]) -> list[Reported]:
    """Runs `arb` commands in a folder. Fails when the process does not come to the end of them."""
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, json.dumps([list(words) for words in commands])],
        cwd=folder,
        env=command_environment(folder / "cache"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    reported = [Reported(*json.loads(line)) for line in done.stdout.splitlines()]
    assert (done.returncode, len(reported)) == (0, len(commands)), done.stderr[-800:]
    return reported


def run_words(world: str, name: object, file: str, *more: str) -> list[str]:
    """The command of one run in the world `backtest` or `dry-run`, over the recordings in `data`."""
    return [
        world, "-c", example("usdm_bybit"), "--data", "data", "--start", "2024-08-08", "--no-report",
        "--out", f"runs/{world}-{name}", "--strategy", f"{file}:run", *more,
    ]  # fmt: skip
