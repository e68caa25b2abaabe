"""Kills `arb live` on one running sandbox again and again; each start must take over what the kill before has left.

    PYTHONPATH=tests python -m tests.soak.account_kills [--rounds 200] [--cut 50] [--seed 1]

A kill is at a random moment of start, trading, reconnect and stop. With --cut, that many of the kills also cut the
journal back to what it was 40 ms before, as a loss of power may. After each start the strategy finds its pair balanced,
or the session has failed. At the end journal and sandbox must have the same executions and positions; no client id was
used twice, and the orders and positions of others are as they were. Exit code 4 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from support.guard_processes import await_guard, guard_process
from support.live_sandbox import LiveSandbox, demo_settings, free_ports
from support.mutated_runs import SPOT_LINEAR, USDM_SPOT
from support.order_client import SEED, signer_of
from support.paths import GUARD, ROOT, strategy_file

from arb.commands.legs import known_venues
from arb.commands.order_setup import instrument_of_orders
from arb.commands.serve import sandbox_of
from arb.config import Config, load, write_templates
from arb.execution.ids import parse_client_id
from arb.journal.halts import clear_halt
from arb.journal.reader import JournalReader
from arb.runtime.account_queries import AccountQueries
from arb.runtime.trade_protocols import protocols_of
from connectors.net.hosts import LOOPBACK
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.model import Act, Force, OrderRequest, Verdict

#: Trades both legs against each other, with single legs, resting orders and amendments between; first of all it fails
#: unless its pair is balanced.
SWINGING = """
def swinging(bot):
    surplus = bot.position(0) + bot.position(1)
    if abs(surplus) > 0.0031:
        return 1 // int(surplus * 0.0)
    n = 1
    while bot.elapse(31_000_000) == 0:
        if not (bot.depth(0).best_bid > 0 and bot.depth(1).best_bid > 0):
            continue
        buy = 0 if n // 20 % 2 == 0 else 1
        for leg in range(2):
            if n % 7 == 3 and leg == 0:
                continue
            depth = bot.depth(leg)
            if leg == buy:
                bot.submit_buy_order(leg, n, depth.best_ask * 1.0005, 0.01, 3, 0, False)
            else:
                bot.submit_sell_order(leg, n, depth.best_bid * 0.9995, 0.01, 3, 0, False)
        leg = n % 2
        if n % 5 == 0:
            bot.submit_buy_order(leg, 100_000 + n, bot.depth(leg).best_bid * 0.9999, 0.004, 0, 0, False)
        values = bot.orders(leg).values()
        while values.has_next():
            order = values.get()
            if order.cancellable and n % 3 == 0:
                bot.cancel(leg, order.order_id, False)
            elif order.cancellable and n % 3 == 1 and order.time_in_force == 0:
                bot.modify(leg, order.order_id, order.price - 3 * order.tick_size, 0.004, False)
        bot.clear_inactive_orders(-1)
        n += 1
    return 0


def idle(bot):
    surplus = bot.position(0) + bot.position(1)
    if abs(surplus) > 0.0031:
        return 1 // int(surplus * 0.0)
    while bot.elapse(50_000_000) == 0:
        pass
    return 0
"""
#: How long a start may take: the first one compiles, beside whatever else runs.
START_S = 300
_FAULTS = ("user_lost", "lost_request", "accepted_no_answer", "late_answers")
#: How long before a kill the journal is cut.
_CUT_S = 0.04


class Killed:
    """A sandbox, and the sessions that are killed on it."""

    def __init__(self, folder: Path, chance: Random, venues: tuple[str, ...] = ()) -> None:
        """venues: drawn, unless they are given."""
        self.folder, self.chance = folder, chance
        self.venues = venues or (SPOT_LINEAR if chance.random() < 0.5 else USDM_SPOT)
        #: How many orders of others rest at the venues.
        self.others = 0
        write_templates(folder)
        self.port_base = free_ports()
        self.ledger = folder / "ledger.jsonl"
        self.state = folder / "state"
        self.sandbox = LiveSandbox(
            sandbox_of(
                known_venues(folder / "arbitrage.toml"), recording=None, seed=SEED, speed=1.0,
                venues=self.venues, symbols=("BTCUSDT", "ETHUSDT"), keeps_times=False, faults=None, fault_log=None,
                port_base=self.port_base, ledger=self.ledger,
            )
        )  # fmt: skip
        self.rounds = 0
        self.where: Counter[str] = Counter()
        #: What the last comparison was of.
        self.extent = ""

    def file(self, function: str) -> Path:
        """The strategy's file."""
        return strategy_file("swinging.py", SWINGING)

    def words(self, function: str, *options: str) -> list[str]:
        settings = demo_settings(
            self.folder,
            "",
            f'strategy.function="{self.file(function)}:{function}"',
            f"strategy.legs={json.dumps([f'{venue}:SYMBOL' for venue in self.venues])}",
            f"live.state_directory={json.dumps(str(self.state))}",
            *(
                f"capital.{one}={{{'base=10.0, ' if 'spot' in one else ''}quote=500000.0}}"
                for one in self.venues
            ),
        )
        sets = [word for one in settings for word in ("--set", one)]
        out = self.folder / f"run-{self.rounds}"
        return [
            sys.executable, "-m", "arb", "live", "--sandbox", "--port-base", str(self.port_base), "-c",
            str(self.folder / "arbitrage.toml"), "--out", str(out), "--no-report", *sets, *options,
        ]  # fmt: skip

    def begin(self, *options: str, function: str = "swinging") -> subprocess.Popen[str]:
        self.rounds += 1
        return subprocess.Popen(
            self.words(function, *options),
            env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def log(self) -> str:
        path = self.folder / f"run-{self.rounds}" / "log.txt"
        return path.read_text() if path.exists() else ""

    def kill(self, *, is_cut: bool) -> str:
        """One session that is killed; returns what is wrong with it."""
        process = self.begin("--duration", f"{self.chance.choice([3, 60])}s")
        moment = self.chance.choice(["start", "begun", "begun", "begun"])
        deadline = time.monotonic() + START_S
        while moment == "begun" and process.poll() is None and "its first row" not in self.log():
            if time.monotonic() > deadline:
                process.kill()
                process.communicate()
                return f"did not start within {START_S} s"
            time.sleep(0.02)
        if self.chance.random() < 0.4:
            self.sandbox_fault(self.chance.choice(_FAULTS))
        end_at = time.monotonic() + self.chance.uniform(0.0, 4.5)
        sizes: list[tuple[float, int]] = []
        log = self.state / "sandbox" / "journal.db-wal"
        while time.monotonic() < end_at and process.poll() is None:
            if is_cut and log.exists():
                sizes.append((time.monotonic(), log.stat().st_size))
            time.sleep(0.004)
        killed_at = time.monotonic()
        guard = guard_process(process.pid)
        process.kill()
        errors = process.communicate()[1]
        if guard:
            await_guard(guard)
        clear_halt(self.state / "sandbox", "")
        lines = self.log().splitlines()
        self.where[lines[-1].split(" ")[1] if lines else "before its log"] += 1
        if is_cut:
            before = [size for at, size in sizes if at <= killed_at - _CUT_S]
            if before and log.exists() and before[-1] < log.stat().st_size:
                os.truncate(log, before[-1])
                self.where["cut"] += 1
        if process.returncode in (0, -9):
            return ""
        return f"exit code {process.returncode}: {errors.strip().splitlines()[-1:]} {lines[-3:]}"

    def sandbox_fault(self, kind: str) -> None:
        fault: dict[str, Any] = {"kind": kind, "venue": self.chance.choice(self.venues)}
        if kind in ("lost_request", "accepted_no_answer"):
            fault["request"] = "place"
        if kind == "late_answers":
            fault = {"kind": "rest_slow", "venue": fault["venue"], "duration_s": 1.0}
        self.fault(**fault)

    def fault(self, **fault: Any) -> None:
        """Begins a fault of the sandbox."""
        post = urllib.request.Request(
            f"{self.sandbox.urls[self.venues[0]].rest}/sandbox/faults",
            json.dumps(fault).encode(),
            method="POST",
        )
        urllib.request.urlopen(post).close()

    # -- others, and the end

    def config(self) -> Config:
        words = self.words("idle")
        return load(self.folder / "arbitrage.toml", words[words.index("--set") + 1 :: 2])

    async def place(self, client_id: str) -> None:
        """An order that rests at each venue. Those of "web_1" are orders of others."""
        self.others += len(self.venues) if client_id == "web_1" else 0
        for number, leg in enumerate(self.config().legs):
            rest = HttpTradeRest(self.sandbox.urls[leg.venue].rest, LOOPBACK)
            signer = signer_of(leg.venue, "hmac")
            protocol = protocols_of(leg.venue, signer, 5000)[0]
            queries = AccountQueries(protocol, rest, {number: instrument_of_orders(leg)})
            await queries.clock()
            request = OrderRequest(
                Act.PLACE, number, leg.symbol, 1, client_id, side=1, force=Force.GTC,
                tick=round(38_000 / leg.tick_size), lots=round(0.01 / leg.lot_size),
            )  # fmt: skip
            for _ in range(50):  # until the market has prices
                answer, why = await queries._once(request)
                if getattr(answer, "verdict", None) is Verdict.ACCEPTED:
                    break
                await asyncio.sleep(0.1)
            else:
                raise AssertionError((answer, why))
            await rest.close()

    def compared(self) -> list[str]:
        """What is wrong while no session runs."""
        orders: dict[tuple[str, int], dict[str, Any]] = {}
        for line in self.ledger.read_text().splitlines():
            entry = json.loads(line)
            if "order" in entry:
                orders[entry["venue"], entry["order"]["no"]] = entry["order"]
        wrong = []
        ours = {key: one for key, one in orders.items() if parse_client_id(one["client_id"] or "")}
        ids = Counter((venue, one["client_id"]) for (venue, _), one in ours.items())
        wrong += [f"{client} was used {count} times" for (_, client), count in ids.items() if count > 1]
        wrong += [
            f"{one['client_id']} is open"
            for one in ours.values()
            if one["status"] in ("NEW", "PARTIALLY_FILLED")
        ]
        foreign = [one for one in orders.values() if one["client_id"] == "web_1"]
        if len(foreign) != self.others or any(one["status"] != "NEW" for one in foreign):
            wrong.append(f"orders of others: {[(one['client_id'], one['status']) for one in foreign]}")
        held: Counter[str] = Counter()
        filled: Counter[str] = Counter()
        fees = Decimal(0)
        for (venue, _), one in ours.items():
            held[venue] += Decimal(one["filled"]) * (1 if one["side"] == "buy" else -1)  # type: ignore[assignment]
            filled[venue] += Decimal(one["filled"])  # type: ignore[assignment]
            fees += Decimal(one["fees"].get("BTC", "0"))
        with JournalReader(self.state / "sandbox" / "journal.db", "sandbox") as reader:
            positions = {one.venue: one.qty for one in reader.positions()}
            traded: Counter[str] = Counter()
            for trade in reader.executions():
                traded[trade.venue] += trade.qty  # type: ignore[assignment]
            if left := reader.orders(open_only=True):
                wrong.append(f"{len(left)} orders of the journal have no end")
            self.extent = (
                f"{len(ours):,} orders of {len(reader.runs()):,} runs, {reader.trade_count():,} executions"
            )
        for venue in self.venues:
            if positions.get(venue, Decimal(0)) != held[venue]:
                wrong.append(
                    f"{venue}: position {positions.get(venue)} in the journal, {held[venue]} at the venue"
                )
            if traded[venue] != filled[venue]:
                wrong.append(f"{venue}: traded {traded[venue]} in the journal, {filled[venue]} at the venue")
        # Fees in base are hedged, too.
        if abs(sum(held.values(), Decimal(0)) - fees) > Decimal("0.0031"):
            wrong.append(f"the pair is not balanced: {dict(held)}, fees {fees}")
        return wrong


def kill_all(rounds: int, cuts: int, seed: int) -> bool:
    """One sandbox with its rounds; returns whether everything held."""
    chance = Random(seed)
    is_well = True
    with tempfile.TemporaryDirectory(prefix="arb-kills-") as name:
        killed = Killed(Path(name), chance)
        with killed.sandbox:
            asyncio.run(killed.place("web_1"))
            cut = set(chance.sample(range(rounds), cuts))
            for number in range(rounds):
                if wrong := killed.kill(is_cut=number in cut):
                    is_well = False
                    print(f"round {number}: {wrong}", flush=True)
            process = killed.begin("--duration", "6s", function="idle")
            errors = process.communicate(timeout=120)[1]
            if process.returncode != 0:
                is_well = False
                print(f"the last start: exit code {process.returncode}: {errors.strip().splitlines()[-1:]}")
            found = killed.compared()
        print(killed.extent)
        for line in found:
            print(line)
        print(f"{rounds} kills, {cuts} to be cut, at {dict(killed.where)}: {len(found)} differences")
        return is_well and not found


def main() -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=200)
    words.add_argument("--cut", type=int, default=50)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    is_well = True
    # Several sandboxes, so that both pairs of venues are killed on.
    for part in range(4):
        is_well &= kill_all(given.rounds // 4, given.cut // 4, given.seed + part)
    return 0 if is_well else 4


if __name__ == "__main__":
    sys.exit(main())
