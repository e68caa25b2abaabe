"""Runs of every kind whose folders are changed, and the exit code of `arb verify` on them."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from arb.commands.dryrun_live import run_live
from arb.commands.legs import known_venues
from arb.commands.live import run_live_orders
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.serve import sandbox_of
from arb.config import load, write_templates
from support.command_line import arb
from support.live_mutations import ANSWER_MS
from support.live_sandbox import (
    PATIENT_GUARD,
    LiveSandbox,
    await_first_row,
    demo_config,
    demo_files,
    demo_settings,
    dry_run_process,
    free_ports,
)
from support.paths import strategy_file

SECONDS = 2.0

#: Orders of all kinds at both legs, that are filled in parts, amended and cancelled.
CHANGING = """
def changing(bot):
    bot.wait_next_feed(True, 10_000_000_000)
    n = 1
    while bot.elapse(47_000_000) == 0:
        leg = n % 2
        depth = bot.depth(leg)
        if depth.best_bid > 0 and depth.best_ask > 0:
            tick = depth.tick_size
            if n % 6 < 2:
                bot.submit_buy_order(leg, n, depth.best_ask + 2 * tick, 0.9, 3, 0, False)
            elif n % 6 < 4:
                bot.submit_sell_order(leg, n, depth.best_bid - 2 * tick, 0.9, 0, 0, False)
            if n % 5 == 0:
                bot.submit_buy_order(leg, 100_000 + n, depth.best_bid - 10 * tick, 0.04, 1, 0, False)
            if n % 11 == 0:
                bot.submit_sell_order(leg, 200_000 + n, depth.best_bid, 0.02, 0, 1, False)
            values = bot.orders(leg).values()
            while values.has_next():
                order = values.get()
                if not order.cancellable:
                    continue
                if n % 3 == 0:
                    bot.cancel(leg, order.order_id, False)
                elif n % 2 and order.side == 1:
                    bot.modify(leg, order.order_id, order.price - tick, 0.03, False)
        bot.clear_inactive_orders(-1)
        n += 1
    return 0


def idle(bot):
    while bot.elapse(50_000_000) == 0:
        pass
    return 0
"""
#: Both pairs together have the private frames of all four markets.
SPOT_LINEAR = ("binance_spot", "bybit_linear")
USDM_SPOT = ("binance_usdm", "bybit_spot")


def a_session(folder: Path, function: str = "busy") -> Path:
    """One that ended by itself."""
    with LiveSandbox() as sandbox:
        config = demo_config(folder, function=function)
        out = folder / f"session-{function}"
        return run_live(config, out, duration_s=SECONDS, sandbox=sandbox.urls, has_report=False).folder


def a_live_session(
    folder: Path, function: str = "changing", venues: Sequence[str] = SPOT_LINEAR, seconds: float = 5.0
) -> Path:
    """One of `arb live` on a sandbox that loses an answer, a connection and a stream, and repeats events."""
    place = folder / f"live-{venues[0]}-{function}"
    write_templates(place)
    capital = [
        f"capital.{venue}={{{'base=100.0, ' if 'spot' in venue else ''}quote=5000000.0}}" for venue in venues
    ]
    config = load(
        place / "arbitrage.toml",
        [
            f'strategy.function="{strategy_file("changing.py", CHANGING)}:{function}"',
            f"strategy.legs={json.dumps([f'{venue}:SYMBOL' for venue in venues])}",
            "risk.position_limit=1000000.0",
            "risk.max_orders_per_second=0",
            PATIENT_GUARD,
            f"live.answer_timeout_ms={ANSWER_MS}",
            *capital,
        ],
    )
    base = free_ports()
    sandbox = sandbox_of(
        known_venues(place / "arbitrage.toml"), recording=None, seed=7, speed=1.0, venues=tuple(venues),
        symbols=("BTCUSDT",), keeps_times=False, faults=None, fault_log=None, port_base=base,
    )  # fmt: skip
    with LiveSandbox(sandbox) as served:

        def disturb(line: str) -> None:
            if "received its first row" in line and function != "idle":
                for fault in _faults(venues):
                    url = f"{served.urls[venues[0]].rest}/sandbox/faults"
                    request = urllib.request.Request(url, json.dumps(fault).encode(), method="POST")
                    urllib.request.urlopen(request).close()

        choice = SandboxChoice(7, base)
        run = run_live_orders(
            config, place / "run", choice, duration_s=seconds, has_report=False, echo=disturb
        )
    return run.folder


def _faults(venues: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each venue has each of them once."""
    for venue in venues:
        for no, kind in enumerate(
            ("accepted_no_answer", "duplicate_event", "trade_lost", "user_lost", "partial_then_expire")
        ):
            keys: dict[str, Any] = {"kind": kind, "venue": venue, "at_s": 0.5 + 0.5 * no}
            keys |= {"request": "place"} if kind == "accepted_no_answer" else {}
            yield keys | ({"share": 0.5} if kind == "partial_then_expire" else {})


def a_killed_session(folder: Path, function: str = "busy") -> Path:
    """One whose process was killed, finished by the first `arb verify`."""
    base = free_ports()
    place = folder / f"killed-{function}"
    place.mkdir()
    with LiveSandbox(port_base=base):
        process = dry_run_process(place, base, function)
        await_first_row(place / "run")
        time.sleep(SECONDS)
        process.kill()
        process.communicate()
    return place / "run"


def a_backtest(folder: Path, function: str = "") -> Path:
    """One of a recorded half minute, with its report; without a function, of the spread strategy."""
    return _of_days(folder, "backtest", function)


def a_dry_run(folder: Path, function: str = "busy") -> Path:
    """One over a recorded half minute."""
    return _of_days(folder, "dry-run", function, "--no-report")


def _of_days(folder: Path, command: str, function: str, *words: str) -> Path:
    files, data = str(demo_files(folder)), str(folder / "data")
    if not (folder / "data").exists():
        arb("sandbox", "record", "--out", data, "--duration", "30s", "--config", files)
    out = folder / f"{command}-{function or 'spread'}"
    settings = [*demo_settings(folder, function), "strategy.min_spread_bps=0.1"]
    sets = [word for one in settings for word in ("--set", one)]
    arb(command, "--start", "2024-01-01", "--data", data, "--config", files, "--out", out, *sets, *words)
    return out


def verified(run: Path) -> int:
    """The exit code of `arb verify`."""
    return arb("verify", "--trust", run, code=None).exit_code
