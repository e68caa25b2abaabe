"""Hours of a live session on the simulated network, with the sandbox's faults, and its orders against the ledger.

    python -m tests.soak.live_soak [--hours 2] [--pair usdm-spot] [--seed 7] [--every 240]

Market, venues and session share one simulated clock, so that hours of timers, renewals of listen keys and doubts pass
too. The strategy trades all the time: quotes that it amends, orders that take, cancellations. Each kind of fault
happens at each venue every `--every` seconds. At the end every order's end is that of the ledger, executions are equal
by id, and what was sent and received is derived again as `arb verify` does. Ctrl+C ends the session early, and compares
it. Exit code 4: something differs, or memory grew.

The process has the memory of both sides. The sandbox therefore keeps less than otherwise (`KEPT`), so that its
histories are full, and as large as at the end, after a third of two hours. Its list of executions is then shorter than
the session: the older ones are compared with the ledger alone, which has all.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from hftbacktest.order import FILLED
from parity.live import PAIRS, SETTINGS, made_of
from soak.dryrun_soak import Errors
from soak.order_soak import resident_mb
from support.live_faults import NetFaults
from support.live_world import LiveSession, config_of

from arb.bot.recorder import Recorder
from arb.commands.order_setup import derived_orders, written_lines
from arb.execution.ids import ids_of
from arb.execution.order_records import Phase
from arb.runtime.live_files import OrderRecords
from arb.runtime.private_log import finish_private
from arb.sandbox import streams
from arb.sandbox.accounts import ledger as ledgers
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.bybit.answers import execution_id
from arb.sandbox.serve.ledger_file import LedgerFile
from arb.sandbox.trading import account_orders
from arb.verify.execution_lists import execution_differences
from arb.verify.once import once_differences
from connectors.orders.numbers import DecimalStep

#: Of the last memory to that after the first third.
GROWTH_MAX = 1.05
#: What the sandbox keeps: (module, name, most).
KEPT = (
    (account_orders, "CLOSED_MAX", 2_500),
    (account_orders, "EXECUTIONS_MAX", 2_500),
    (ledgers, "ENTRIES_MAX", 2_500),
    (streams, "_TEXTS_MAX", 1 << 12),
)
#: A refusal of each venue.
CODES = {"binance_spot": -2010, "binance_usdm": -2019, "bybit_spot": 170131, "bybit_linear": 110007}
#: Kinds of faults with their arguments; `count` of them are met.
FAULTS: tuple[Fault, ...] = (
    Fault(FaultKind.DISCONNECT),
    Fault(FaultKind.HALF_OPEN, duration_s=20.0),
    Fault(FaultKind.REFUSE, duration_s=2.0),
    Fault(FaultKind.GAP, count=2),
    Fault(FaultKind.DUPLICATE, count=2),
    Fault(FaultKind.TRUNCATE, stream="*BTCUSDT*"),
    Fault(FaultKind.GARBAGE, stream="*btcusdt*"),
    Fault(FaultKind.SILENCE, stream="*BTCUSDT*", duration_s=4.0),
    Fault(FaultKind.REST_429, duration_s=2.0, retry_after_s=2),
    Fault(FaultKind.LOST_REQUEST),
    Fault(FaultKind.LOST_REQUEST, then="cut"),
    Fault(FaultKind.ACCEPTED_NO_ANSWER),
    Fault(FaultKind.ACCEPTED_NO_ANSWER, then="cut"),
    Fault(FaultKind.ACCEPTED_5XX),
    Fault(FaultKind.DUPLICATE_EVENT, count=3),
    Fault(FaultKind.REORDER_EVENT, count=3),
    Fault(FaultKind.LATE_EVENT, count=3, delay_s=1.5),
    Fault(FaultKind.PARTIAL_THEN_EXPIRE, count=2),
    Fault(FaultKind.NOT_VISIBLE, count=3),
    Fault(FaultKind.PRUNED, count=3),
    Fault(FaultKind.USER_SILENT, duration_s=3.0),
    Fault(FaultKind.BALANCE_LAG, duration_s=3.0),
    Fault(FaultKind.TRADE_LOST),
    Fault(FaultKind.TRADE_LOST, after_order=True),
    Fault(FaultKind.USER_LOST),
    Fault(FaultKind.KEY_EXPIRED),
    Fault(FaultKind.RESTARTING, notice_s=2.0),
)


class Found(NamedTuple):
    """The result of a session."""

    requests: int
    orders: int
    executions: int
    faults: Counter[str]
    doubts: Counter[str]
    #: Hours of the market's time; resident memory at equal intervals of it, in MB.
    hours: float
    memory: list[float]
    wrong: list[str]

    @property
    def growth(self) -> float:
        """The last memory by that after the first third."""
        return self.memory[-1] / self.memory[len(self.memory) // 3]


def faults_of(venues: tuple[str, ...], every_s: float) -> list[Fault]:
    """All kinds in turn, each at every venue."""
    kinds = [(fault, venue) for fault in FAULTS for venue in venues]
    kinds += [(Fault(FaultKind.REJECT, request="place", code=CODES[venue]), venue) for venue in venues]
    return [
        replace(fault, name=f"f{no}", venue=venue, at_s=5.0 + every_s * no / len(kinds), every_s=every_s)
        for no, (fault, venue) in enumerate(kinds)
    ]


def soak(
    folder: Path,
    pair: str,
    seed: int,
    hours: float,
    every_s: float,
    looks: int = 24,
    is_over: Callable[[], bool] = lambda: False,
) -> Found:
    """Runs a session and compares it. looks: at the memory, and at whether it is to end early."""
    config = config_of(
        PAIRS[pair],
        *SETTINGS,
        'strategy.function="parity.live_strategies:amended_quotes"',
        "strategy.params={qty=0.004, interval_ns=1_000_000_000, is_at_rows=true, take_every=3}",
        "live.answer_timeout_ms=500",
    )
    errors = Errors()
    logging.getLogger().addHandler(errors)
    live = LiveSession(config, seed, folder / "run", made_of(config, Recorder(2)), "levels")
    live.keeps_rows = False
    faults = NetFaults(live.net, faults_of(PAIRS[pair], every_s), seed)
    ledger = LedgerFile(folder / "ledger.jsonl")
    ledger.follow(live.net.trading)
    memory = []
    live.begin()
    for no in range(looks):
        live.go_on(hours * 3600.0 / looks)
        memory.append(resident_mb())
        print(
            f"{hours * (no + 1) / looks:.2f} h, {memory[-1]:.0f} MB, {time.process_time():.0f} s of CPU",
            flush=True,
        )
        if is_over():
            break
    live.end()
    ledger.close()
    logging.getLogger().removeHandler(errors)
    wrong = [f"logged: {text}" for text in errors.texts] + differences(live, folder / "ledger.jsonl")
    records = live.orders.records()
    doubts = Counter(one.outcome for desk in live.gateway.desks.values() for one in desk.facts.doubts)
    live.bot.close()
    return Found(
        *(len(records.requests), len(records.states), len(records.executions), faults.injected, doubts),
        *(hours * len(memory) / looks, memory, wrong),
    )


class Ledger:
    """What the sandbox did with orders of the session, from its file."""

    def __init__(self, path: Path, legs: Mapping[str, Any]) -> None:
        """legs: by venue."""
        #: The last state of every order, by the client's id; executions by venue, id and venue's order.
        self.orders: dict[str, dict[str, Any]] = {}
        self.executions: dict[tuple[str, str, str], tuple[int, int, Decimal]] = {}
        self._steps = {
            venue: (DecimalStep(leg.lot_size_text), DecimalStep(leg.tick_size_text))
            for venue, leg in legs.items()
        }
        with path.open() as lines:
            for line in lines:
                entry = json.loads(line)
                if "order" in entry and entry["order"]["client_id"].startswith("arb-"):
                    self._add(entry["venue"], entry)

    def _add(self, venue: str, entry: Any) -> None:
        order, one = entry["order"], entry["execution"]
        lot, tick = self._steps[venue]
        self.orders[order["client_id"]] = {
            "no": order["no"], "status": order["status"], "lots": lot.count_of(order["filled"])
        }  # fmt: skip
        if one is not None:
            key = venue, _wire_id(venue, entry["account"], one), str(one["order_id"])
            self.executions[key] = (
                lot.count_of(one["quantity"]), tick.count_of(one["price"]), Decimal(one["fee"])
            )  # fmt: skip


def _wire_id(venue: str, account: str, one: Mapping[str, Any]) -> str:
    """The id of an execution in the venue's messages."""
    if not venue.startswith("bybit"):
        return str(one["trade_id"])
    return execution_id(
        SimpleNamespace(venue=venue, account=account, trade_id=one["trade_id"], order_id=one["order_id"])  # type: ignore[arg-type]
    )


def differences(live: LiveSession, ledger_path: Path) -> list[str]:
    """Where the session differs from the ledger, from the venues' lists and from its own frames."""
    orders, legs = live.orders.records(), live.legs
    ledger = Ledger(ledger_path, {leg.venue: leg for leg in legs})
    wrong = []
    for desk in live.gateway.desks.values():
        wrong += [f"in doubt: {one}" for one in desk.doubts]
        for clients, order in _orders_of(desk.orders):
            if text := _order_difference(
                order, [ledger.orders.pop(one) for one in clients if one in ledger.orders]
            ):
                wrong.append(f"order {clients[0]}: {text}")
    wrong += [f"only in the ledger: order {client}" for client in ledger.orders]
    ours = {
        (legs[int(row["leg"])].venue, row["id"].decode(), row["venue_order_id"].decode()): (
            int(row["lots"]), int(row["tick"]), Decimal(row["fee"].decode())
        )
        for row in orders.executions
    }  # fmt: skip
    for key in ours.keys() | ledger.executions.keys():
        if ours.get(key) != ledger.executions.get(key):
            wrong.append(f"execution {key}: {ours.get(key)}, in the ledger {ledger.executions.get(key)}")
    if len(ours) != len(orders.executions):
        wrong.append(f"{len(orders.executions) - len(ours)} executions twice in the session")
    finish_private(live.folder)
    lines = written_lines(live.folder, legs)
    derived = derived_orders(live.config, legs, ids_of(live.orders.head), lines, orders)
    wrong += [f"(b) {one}" for one in derived.differences]
    wrong += [f"(d) {one}" for one in once_differences(lines, orders.requests)[0]]
    wrong += [f"(e) {one}" for one in execution_differences(_listed_part(orders, legs), legs)[0]]
    return wrong


def _listed_part(orders: OrderRecords, legs: Sequence[Any]) -> OrderRecords:
    """Without the executions that are older than a full list of their venue."""
    rows = orders.executions
    is_listed = np.ones(len(rows), bool)
    for no, leg in enumerate(legs):
        listed = [int(one["venue_ms"]) for one in orders.facts[leg.venue]["executions"]]
        if len(listed) >= account_orders.EXECUTIONS_MAX:
            # Those of the oldest millisecond may be listed in part.
            is_listed &= (rows["leg"] != no) | (rows["venue_ms"] > min(listed))
            facts = dict(orders.facts[leg.venue])
            facts["executions"] = [one for one in facts["executions"] if int(one["venue_ms"]) > min(listed)]
            orders = orders._replace(facts={**orders.facts, leg.venue: facts})
    return orders._replace(executions=rows[is_listed])


def _orders_of(states: Any) -> Iterable[tuple[list[str], Any]]:
    """Every order with its client ids: of those that ended long ago, and of the others."""
    closed: dict[int, tuple[list[str], Any]] = {}
    for client, one in states.closed.items():
        closed.setdefault(id(one), ([], one))[0].append(client)
    yield from closed.values()
    for state in states:
        yield state.client_ids, state


def _order_difference(order: Any, ledger: list[dict[str, Any]]) -> str:
    """Between an order of the session and the orders at the venue that it was."""
    lots = sum(one["lots"] for one in ledger)
    if order.phase not in (Phase.FINAL, Phase.NEVER):
        return f"is not over: {order.phase.name}"
    if order.executed_lots != lots:
        return f"{order.executed_lots} lots executed, in the ledger {lots}"
    if not ledger:
        return "" if order.phase is Phase.NEVER else f"{order.phase.name}, not in the ledger"
    last = max(ledger, key=lambda one: one["no"])
    if order.phase is Phase.NEVER:
        # Refused; or nothing of it was executed, its end was lost, and the venue no longer knows it (`pruned`).
        return "" if last["status"] in ("REJECTED", "EXPIRED") else f"never arrived, in the ledger {last}"
    if last["status"] in ("NEW", "PARTIALLY_FILLED") or (order.end == FILLED) != (last["status"] == "FILLED"):
        return f"ended with {order.end}, in the ledger {last}"
    return ""


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--pair", choices=PAIRS, default="usdm-spot")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--every", type=float, default=240.0)
    given = parser.parse_args()
    for module, name, most in KEPT:
        setattr(module, name, most)
    began_s = time.monotonic()
    signals: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: signals.append(number))
    with tempfile.TemporaryDirectory(prefix="arb-soak-") as name:
        found = soak(Path(name), given.pair, given.seed, given.hours, given.every, 60, lambda: bool(signals))
    print(f"{found.hours:.2f} hours of the market, {found.requests:,} requests, {found.orders:,} orders")
    print(f"{found.executions:,} executions")
    print(f"{found.faults.total():,} faults: {dict(found.faults)}")
    print(f"{found.doubts.total():,} doubts: {dict(found.doubts)}")
    print(
        f"memory {found.memory[0]:.0f} to {found.memory[-1]:.0f} MB, {found.growth:.3f} times that after a third"
    )
    print(f"{len(found.wrong)} differences; {time.monotonic() - began_s:.0f} s")
    for text in found.wrong[:20]:
        print(f"    {text[:300]}")
    return 4 if found.wrong or found.growth > GROWTH_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
