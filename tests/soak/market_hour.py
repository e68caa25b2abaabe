"""An hour as a user has it: `arb sandbox serve` with a script of faults, `arb live` on it, then what checks it.

    PYTHONPATH=tests python -m tests.soak.market_hour [--minutes 60] [--venues binance_spot,bybit_linear] [--seed 7]

Sandbox and session are processes, with sockets, files and a guard. Afterwards `arb verify` proves the session,
and `arb trades`, the report's `trades.csv` and the sandbox's ledger have the same executions, to the last. Printed:
faults by kind, executions, alarms of the guard. Exit code 4 if anything differs, or the session does not reach its end.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.live_sandbox import await_that, free_ports
from support.paths import GUARD, ROOT

from arb.execution.ids import parse_client_id

#: Seconds between two faults of a kind, at the first and at the second venue; further keys of the fault. None of them
#: is a reason to halt. Each first one is at a fifth of that time.
_FAULTS: dict[str, tuple[float, float, dict[str, Any]]] = {
    "accepted_no_answer": (97, 131, {"request": "place"}),
    "lost_request": (113, 149, {"request": "place"}),
    "accepted_5xx": (163, 127, {"request": "place"}),
    "reject": (211, 199, {"request": "place"}),
    "late_event": (61, 67, {"event": "order:trade", "delay_s": 1.5}),
    "duplicate_event": (41, 43, {"event": "order:*", "count": 2}),
    "reorder_event": (47, 53, {"event": "order:*", "count": 2}),
    "partial_then_expire": (31, 37, {"share": 0.4}),
    "not_visible": (173, 179, {"delay_s": 2.0}),
    "pruned": (139, 151, {"count": 2}),
    "balance_lag": (307, 311, {"delay_s": 2.0, "duration_s": 5.0}),
    "user_lost": (227, 251, {}),
    "trade_lost": (239, 257, {"after_order": True}),
    "user_silent": (367, 373, {"duration_s": 3.0}),
    "key_expired": (401, 419, {}),
    "restarting": (503, 509, {"notice_s": 2.0}),
    "gap": (71, 73, {"count": 2}),
    "duplicate": (59, 79, {"count": 2}),
    "reorder": (83, 89, {}),
    "garbage": (101, 103, {}),
    "silence": (331, 337, {"stream": "*", "duration_s": 3.0}),
    "disconnect": (281, 283, {}),
    "refuse": (601, 613, {"duration_s": 1.5}),
    "half_open": (709, 719, {"duration_s": 5.0}),
    "rest_slow": (269, 271, {"delay_s": 1.0, "duration_s": 5.0}),
    "rest_429": (811, 821, {"retry_after_s": 2, "duration_s": 2.0}),
}
#: The silence is one of market data.
_STREAMS = {
    "binance_spot": "btcusdt@*",
    "binance_usdm": "btcusdt@*",
    "bybit_spot": "*.BTCUSDT",
    "bybit_linear": "*.BTCUSDT",
}
#: What a venue refuses an order with: too little balance.
_REFUSED = {"binance_spot": -2010, "binance_usdm": -2019, "bybit_spot": 170131, "bybit_linear": 110007}
#: The account of the sandbox, and a strategy that trades small quantities often.
_CAPITAL = {"base": 10.0, "quote": 500_000.0}
_STRATEGY = (
    "strategy.min_spread_bps=0.5",
    "strategy.max_position_size=0.02",
    "strategy.basis_halflife_s=5.0",
    "strategy.inventory_skew_bps=0.5",
    "execution.unhedged_max_ms=1000",
    "execution.order_timeout_ms=2000",
    "execution.attempt_interval_ms=500",
    "risk.max_failures=0",
    # More than a twentieth of the orders is refused on purpose.
    "supervisor.failures_pct=50.0",
)
#: The session must have begun to trade in this time, which has the compilation of a cold cache.
_START_S = 300.0


class Hour(NamedTuple):
    """What a run left. code: of the session."""

    folder: Path
    run: Path
    code: int
    errors: str


def script(venues: tuple[str, ...]) -> str:
    """The faults of the run, as TOML."""
    lines = []
    for kind, (*every_s, keys) in _FAULTS.items():
        for venue, each_s in zip(venues, every_s, strict=True):
            more = {"code": _REFUSED[venue]} if kind == "reject" else {}
            more |= {"stream": _STREAMS[venue]} if "stream" in keys else {}
            found = {
                "kind": kind,
                "venue": venue,
                "at_s": 30.0 + each_s / 5,
                "every_s": each_s,
                **keys,
                **more,
            }
            lines += [
                f"[faults.{kind}-{venue}]",
                *(f"{key} = {json.dumps(value)}" for key, value in found.items()),
            ]
    return "\n".join(lines) + "\n"


def arb(*words: str) -> list[str]:
    """The command as a user gives it."""
    return [sys.executable, "-m", "arb", *words]


def environment() -> dict[str, str]:
    """Of its processes, which connect to this machine alone."""
    return {**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"}


def output_of(*words: str) -> tuple[int, str]:
    """Exit code and output of a command that ends by itself."""
    done = subprocess.run(arb(*words), env=environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@contextlib.contextmanager
def served(folder: Path, venues: tuple[str, ...], seed: int, port_base: int) -> Iterator[None]:
    """`arb sandbox serve` with the script."""
    (folder / "faults.toml").write_text(script(venues))
    words = arb(
        "sandbox", "serve", "--venues", ",".join(venues), "--seed", str(seed), "--port-base", str(port_base),
        "--faults", str(folder / "faults.toml"), "--fault-log", str(folder / "faults.jsonl"),
        "--ledger", str(folder / "ledger.jsonl"), "--funding-interval", "15m", "-c", str(folder / "my/arbitrage.toml"),
    )  # fmt: skip
    with (folder / "sandbox.txt").open("w") as log:
        process = subprocess.Popen(words, env=environment(), stdout=log, stderr=log)
        try:
            await_that(lambda: is_up(port_base) or process.poll() is not None, "the sandbox")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=300)  # a busy machine


def is_up(port: int) -> bool:
    """Whether a sandbox answers."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/sandbox", timeout=5).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def trade(folder: Path, venues: tuple[str, ...], seed: int, minutes: float) -> Hour:
    """The session, from `arb init` to its end."""
    output_of("init", str(folder / "my"))
    port_base = free_ports()
    settings = [
        *_STRATEGY,
        f"strategy.legs={json.dumps([f'{venue}:SYMBOL' for venue in venues])}",
        f"live.state_directory={json.dumps(str(folder / 'state'))}",
        *(f"capital.{venue}.{key}={value}" for venue in venues for key, value in _CAPITAL.items()
          if key == "quote" or "spot" in venue),
    ]  # fmt: skip
    run = folder / "run"
    with served(folder, venues, seed, port_base):
        done = subprocess.run(
            arb(
                "live", "--sandbox", "--port-base", str(port_base), "-c", str(folder / "my/arbitrage.toml"),
                "--duration", f"{round(60 * minutes)}s", "--out", str(run),
                *(word for one in settings for word in ("--set", one)),
            ),
            env=environment(), capture_output=True, text=True, check=False, timeout=60 * minutes + _START_S,
        )  # fmt: skip
    return Hour(folder, run, done.returncode, done.stdout + done.stderr)


def executions_of(hour: Hour) -> dict[str, Counter[tuple[Any, ...]]]:
    """Venue, client id, side, price, quantity, fee and fee asset of each execution, by who reports it."""
    ledger: Counter[tuple[Any, ...]] = Counter()
    for line in (hour.folder / "ledger.jsonl").read_text().splitlines():
        entry = json.loads(line)
        done = entry.get("execution")
        if done is None or parse_client_id(done["client_id"] or "") is None:
            continue
        ledger[_execution(entry["venue"], done, done["quantity"])] += 1
    journal: Counter[tuple[Any, ...]] = Counter()
    words = ("--json", "--sandbox", "--state-directory", str(hour.folder / "state"))
    for line in output_of("trades", *words)[1].splitlines():
        one = json.loads(line)
        if one["kind"] != "trade":  # funding and transfers
            continue
        journal[_execution(one["venue"], one, one["qty"])] += 1
    return {"the sandbox's ledger": ledger, "arb trades": journal}


def _execution(venue: str, one: dict[str, Any], quantity: str) -> tuple[Any, ...]:
    numbers = (Decimal(one[key]) for key in ("price", "fee"))
    return venue, one["client_id"], one["side"], Decimal(quantity), *numbers, one["fee_asset"]


def report_rows(hour: Hour) -> int:
    """The executions in the report's `trades.csv`."""
    with (hour.run / "trades.csv").open() as file:
        return sum(row.get("kind", "fill") != "funding" for row in csv.DictReader(file))


def wrong_of(hour: Hour) -> list[str]:
    """What does not agree; prints what was compared."""
    wrong = [f"exit code {hour.code}: {hour.errors.strip().splitlines()[-3:]}"] if hour.code else []
    code, text = output_of("verify", str(hour.run))
    print(text)
    wrong += [f"arb verify: exit code {code}"] if code else []
    found = executions_of(hour)
    (first, ours), (second, theirs) = found.items()
    wrong += [f"{first} has, {second} has not: {one}" for one in (ours - theirs)][:5]
    wrong += [f"{second} has, {first} has not: {one}" for one in (theirs - ours)][:5]
    rows = report_rows(hour)
    if rows != ours.total():
        wrong.append(f"trades.csv has {rows} executions, {first} {ours.total()}")
    sends = Counter(one[:2] for one in _orders(hour))
    wrong += [f"{one} was used {count} times" for one, count in sends.items() if count > 1]
    alarms = [line for line in (hour.run / "guard.txt").read_text().splitlines() if "no sign of life" in line]
    wrong += alarms
    print(f"{ours.total():,} executions of {len(sends):,} orders; the guard fired {len(alarms)} times")
    return wrong


def _orders(hour: Hour) -> set[tuple[str, str, int]]:
    """Venue, client id and number of each order of ours at the sandbox."""
    found = set()
    for line in (hour.folder / "ledger.jsonl").read_text().splitlines():
        entry = json.loads(line)
        order = entry.get("order")
        if order is not None and parse_client_id(order["client_id"] or "") is not None:
            found.add((entry["venue"], order["client_id"], order["no"]))
    return found


def faults_of(hour: Hour) -> Counter[str]:
    """How many faults of each kind were injected."""
    lines = (hour.folder / "faults.jsonl").read_text().splitlines()
    return Counter(json.loads(line)["kind"] for line in lines)


def main() -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--minutes", type=float, default=60.0)
    words.add_argument("--venues", default="binance_spot,bybit_linear")
    words.add_argument("--seed", type=int, default=7)
    words.add_argument("--keep", type=Path, help="Folder that keeps the files.")
    given = words.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-hour-")))
        folder.mkdir(parents=True, exist_ok=True)
        hour = trade(folder, tuple(given.venues.split(",")), given.seed, given.minutes)
        print(hour.errors)
        faults = faults_of(hour)
        print(f"{faults.total()} faults: {dict(faults)}")
        wrong = wrong_of(hour)
    print(*wrong, sep="\n")
    print(f"{given.minutes:g} minutes on {given.venues}: {len(wrong)} differences")
    return 4 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
