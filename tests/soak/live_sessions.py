"""Sessions of `arb live` on a running sandbox, plain and with faults: each is proven, and equals the sandbox's ledger.

    PYTHONPATH=tests .venv/bin/python -m tests.soak.live_sessions --plain 20 --faulty 50

Faults are drawn by the seed of each session. Every execution of ours in the ledger is in the session and the other way
round, and every order of ours is over. Exit code 4 if a session is not proven or differs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from support.live_sandbox import PATIENT_GUARD, LiveSandbox, demo_settings, free_ports

from arb.commands.legs import known_venues, legs_of
from arb.commands.live import run_live_orders
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.serve import sandbox_of
from arb.commands.verify import verify
from arb.config import load, write_templates
from arb.errors import ArbError
from arb.runtime.live_files import read_order_files
from connectors.orders.numbers import DecimalStep

PAIRS = (
    ("binance_spot", "bybit_spot"),
    ("binance_usdm", "bybit_linear"),
    ("binance_spot", "bybit_linear"),
    ("binance_usdm", "bybit_spot"),
)
SPOT = ("binance_spot", "bybit_spot")
#: Kinds of faults with the keys that they need.
FAULTS: dict[str, dict[str, Any]] = {
    "disconnect": {},
    "trade_lost": {},
    "user_lost": {},
    "key_expired": {},
    "restarting": {"notice_s": 1.0},
    "lost_request": {"request": "place"},
    "accepted_no_answer": {"request": "place"},
    "accepted_5xx": {"request": "place"},
    "reject": {"request": "place", "code": 0},
    "duplicate_event": {},
    "reorder_event": {},
    "late_event": {"delay_s": 1.0},
    "partial_then_expire": {"share": 0.5},
    "not_visible": {},
    "pruned": {},
    "user_silent": {"duration_s": 2.0},
    "rest_slow": {"duration_s": 3.0},
    "rest_429": {"duration_s": 2.0, "retry_after_s": 2},
}
#: A refusal of each venue.
CODES = {"binance_spot": -2010, "binance_usdm": -2019, "bybit_spot": 170131, "bybit_linear": 110007}


def faults_of(chance: np.random.Generator, venues: tuple[str, ...], seconds: float) -> str:
    """A file of six faults of a session."""
    text = ""
    for number, kind in enumerate(chance.choice(list(FAULTS), 6, replace=False)):
        venue = str(chance.choice(venues))
        keys = FAULTS[str(kind)] | ({"code": CODES[venue]} if kind == "reject" else {})
        at_s = 2.0 + float(chance.uniform(0.0, seconds - 3.0))
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
        text += f'[faults.f{number}]\nkind = "{kind}"\nvenue = "{venue}"\nat_s = {at_s:.3f}\n{lines}'
    return text


def session(folder: Path, seed: int, seconds: float, *, is_faulty: bool) -> list[str]:
    """What is wrong with one session."""
    chance = np.random.default_rng(seed)
    venues = PAIRS[seed % len(PAIRS)]
    write_templates(folder)
    legs = json.dumps([f"{venue}:SYMBOL" for venue in venues])
    capital = [
        f"capital.{venue}={{{'base=10.0, ' if venue in SPOT else ''}quote=500000.0}}" for venue in venues
    ]
    settings = demo_settings(
        folder, "busy", PATIENT_GUARD, f"strategy.legs={legs}", "live.answer_timeout_ms=500", *capital
    )
    config = load(folder / "arbitrage.toml", settings)
    faults = folder / "faults.toml"
    faults.write_text(faults_of(chance, venues, seconds) if is_faulty else "")
    base = free_ports()
    sandbox = sandbox_of(
        known_venues(folder / "arbitrage.toml"), recording=None, seed=seed, speed=1.0, venues=venues,
        symbols=("BTCUSDT",), keeps_times=False, faults=faults if is_faulty else None, fault_log=None,
        port_base=base,
    )  # fmt: skip
    with LiveSandbox(sandbox) as served:
        run_live_orders(
            config, folder / "run", SandboxChoice(seed, base), duration_s=seconds, has_report=False
        )
        with urllib.request.urlopen(f"{served.urls[venues[0]].rest}/sandbox/ledger") as page:
            ledger = json.load(page)
    wrong = [f"verify: {one}" for one in verify(folder / "run").differences]
    return wrong + ledger_differences(folder / "run", legs_of(config), ledger)


def ledger_differences(run: Path, legs: Any, ledger: Any) -> list[str]:
    """Where a session differs from what the sandbox knows."""
    orders = read_order_files(run)
    # By order: the ids of executions on Bybit's wire are not those of the ledger.
    ours = Counter(
        (legs[int(row["leg"])].venue, row["venue_order_id"].decode(), int(row["lots"]), int(row["tick"]),
         Decimal(row["fee"].decode()))
        for row in orders.executions
    )  # fmt: skip
    theirs: Counter[Any] = Counter()
    open_orders = []
    steps = {leg.venue: (DecimalStep(leg.lot_size_text), DecimalStep(leg.tick_size_text)) for leg in legs}
    for accounts in ledger.values():
        for venue, (lot, tick) in steps.items():
            for one in accounts["main"]["executions"].get(venue, ()):
                values = lot.count_of(one["quantity"]), tick.count_of(one["price"]), Decimal(one["fee"])
                theirs[venue, str(one["order_id"]), *values] += 1
            open_orders += accounts["main"]["open_orders"].get(venue, ())
    wrong = [f"only in the session: {one}" for one in ours - theirs]
    wrong += [f"only in the ledger: {one}" for one in theirs - ours]
    wrong += [f"open: {one['client_id']}" for one in open_orders]
    if set(orders.states["phase"].tolist()) - {3, 4}:
        wrong.append("an order is not over")
    return wrong


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plain", type=int, default=20)
    parser.add_argument("--faulty", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    bad = 0
    for number in range(given.plain + given.faulty):
        is_faulty = number >= given.plain
        folder = Path(tempfile.mkdtemp(prefix="arb-live-"))
        began_s = time.monotonic()
        try:
            wrong = session(folder, given.seed + number, given.seconds, is_faulty=is_faulty)
        except ArbError as error:
            wrong = [f"{type(error).__name__}: {error}"]
        kind = "with faults" if is_faulty else "plain"
        text = f"{len(wrong)} wrong" if wrong else "proven"
        print(
            f"{number + 1} {kind}, seed {given.seed + number}: {text}, {time.monotonic() - began_s:.0f} s",
            flush=True,
        )
        for line in wrong[:5]:
            print(f"    {line[:300]}", flush=True)
        if wrong:
            bad += 1
            print(f"    {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{given.plain} plain and {given.faulty} faulty sessions: {bad} not proven")
    return 4 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
