"""Proves a session whose orders venues answered: rows, private frames, decisions, requests, executions.

Each proof stands alone: (a) recorded frames to rows, (b) private frames to orders and answers, (c) rows and answers to
the strategy's requests and results, (d) requests at most once on the wire, (e) executions by the venues' own lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.backtest.output import output_of
from arb.backtest.runner import compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.dryrun import refuse_lost
from arb.commands.measured_edges import edges_of_rows
from arb.commands.order_setup import derived_orders, written_lines
from arb.commands.run_files import limits_of
from arb.commands.run_setup import Setup, outcome_of, with_end, with_halt
from arb.commands.session_folder import KILLED, scratch_folder
from arb.commands.verify_session import (
    Replayed,
    SessionArrays,
    derived_rows,
    end_differences,
    error_of,
    killed_facts,
    latency_differences,
    losses_of,
    ranges_of,
    read_session,
    row_differences,
)
from arb.config import Config
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.price_range import RangeFinder
from arb.errors import InputError
from arb.execution.ids import ids_of
from arb.leg import Leg
from arb.results.result import RunOutput
from arb.results.simulated_orders import SimulatedOrder
from arb.runtime.live_files import ORDERS, OrderRecords, read_order_files
from arb.runtime.order_records import line_counts
from arb.runtime.private_log import Mark, PrivateLine
from arb.runtime.replay_live import RecordedAnswers, replay_live
from arb.runtime.session_files import SESSION, latencies_of
from arb.strategies.loader import PAIRS
from arb.verify.balances import balance_lines
from arb.verify.execution_lists import execution_differences, place_differences
from arb.verify.losses import with_causes
from arb.verify.once import once_differences
from arb.verify.private_lines import line_differences
from arb.verify.reconcile import Difference, differences_of
from arb.verify.session_rows import LegRows
from arb.verify.simulated_orders import simulated_orders

_NOT_ASKED = "the venues were not asked for their executions: the session was killed"
#: Most requests and answers that are listed as different: later ones follow from the first.
_SHOWN = 3


class Proof(NamedTuple):
    """One proof. id: "a" to "e"; text: what was compared; total: how many of it."""

    id: str
    text: str
    total: int
    differences: list[Difference]


def proofs_of_live(
    folder: Path,
    manifest: Mapping[str, Any],
    config: Config,
    setup: Setup,
    legs: Sequence[Leg],
    recorded: RunOutput,
) -> tuple[list[Proof], list[str], list[SimulatedOrder] | Exception]:
    """The proofs of a session, what is to be said beside them, and its orders beside the simulated exchange.

    Instead of the last what was raised, where changed files have no such orders. Raises InputError if unreadable.
    """
    session, orders = read_session(folder, len(legs)), read_order_files(folder)
    refuse_other_legs(folder / SESSION, len(legs), session.answers["asset_no"])
    rows = (orders.requests, orders.responses, orders.executions, orders.states)
    refuse_other_legs(folder / ORDERS, len(legs), *(one["leg"] for one in rows))
    # Of a killed session, what its journal does not have is not compared.
    is_killed = manifest["outcome"] == KILLED
    lines = written_lines(folder, legs, manifest["session"]["orders"].get("kept") if is_killed else None)
    with scratch_folder() as scratch:
        derived = derived_rows(folder, config, legs, session, scratch)
        proofs = [
            _rows(legs, session, derived),
            _frames(manifest, config, legs, orders, lines),
            _strategy(folder, manifest, config, setup, legs, recorded, session, orders, derived),
            _once(orders, lines),
            Proof("e", _NOT_ASKED, 0, []) if is_killed else _executions(orders, legs),
        ]
        simulated = _beside_simulation(manifest, legs, session, orders, derived)
    losses, error = losses_of(session, legs), manifest["session"]["recording_error"]
    # No frame of the market explains what private frames and the venues' lists do not.
    proofs = [
        one._replace(differences=with_causes(one.differences, losses, error)) if one.id in "ac" else one
        for one in proofs
    ]
    said = killed_facts(manifest, session)
    if not is_killed:
        said += balance_lines(orders, legs, int(manifest["session_ms"]))
    return proofs, said, simulated


def _beside_simulation(
    manifest: Mapping[str, Any],
    legs: Sequence[Leg],
    session: SessionArrays,
    orders: OrderRecords,
    derived: Sequence[LegRows],
) -> list[SimulatedOrder] | Exception:
    rows = [[one.exch] for one in derived]
    try:
        return simulated_orders(legs, ids_of(manifest), orders, rows, session.end_ts)
    except Exception as error:  # of requests or answers that no session writes; the caller reports it
        return error


def refuse_other_legs(path: Path, legs: int, *columns: Any) -> None:
    """Raises InputError for a file with rows of a leg that the session has not."""
    if any(((one < 0) | (one >= legs)).any() for one in columns):
        raise InputError(f"{path}: cannot be read: it has rows of other legs than the session")


def _rows(legs: Sequence[Leg], session: SessionArrays, derived: Sequence[LegRows]) -> Proof:
    frames, rows = sum(one.frames for one in derived), sum(one.rows for one in derived)
    text = f"{frames:,} recorded frames gave {rows:,} rows, in the order in which the strategy received them"
    return Proof("a", text, frames, row_differences(legs, session, derived))


def _frames(
    manifest: Mapping[str, Any],
    config: Config,
    legs: Sequence[Leg],
    orders: OrderRecords,
    lines: Mapping[str, Sequence[PrivateLine]],
) -> Proof:
    counts = manifest["session"]["orders"]
    found = derived_orders(config, legs, ids_of(manifest), lines, orders, manifest["error"] or "")
    differences = [
        one
        for venue, own in lines.items()
        for one in line_differences(venue, own, counts.get(f"{venue}_lines"))
    ]
    kept = {venue: _kept(own) for venue, own in lines.items()}
    now = {
        **found.records.counts,
        "requests": len(orders.requests),
        "not_sent": int((orders.requests["is_sent"] == 0).sum()),
        "kept": max(kept.values()),
        **line_counts({venue: len(own) for venue, own in lines.items()}),
    }
    differences += [
        Difference("manifest", f"session.orders.{name}", 0, str(counts.get(name)), str(now.get(name)))
        for name in sorted({*counts, *now})
        if counts.get(name) != now.get(name)
    ]
    differences += [
        Difference("private", f"{venue} kept", 0, str(count), str(now["kept"]))
        for venue, count in kept.items()
        if count != now["kept"]
    ]
    text = f"{found.frames:,} private frames gave {found.orders:,} order states and {len(orders.responses):,} answers"
    return Proof("b", text, found.frames, differences + found.differences)


def _kept(lines: Iterable[PrivateLine]) -> int:
    """How many entries of the session's journal the lines of a venue name."""
    return sum(line.mark == Mark.EVENT and line.text.startswith("kept ") for line in lines)


def _strategy(
    folder: Path,
    manifest: Mapping[str, Any],
    config: Config,
    setup: Setup,
    legs: Sequence[Leg],
    recorded: RunOutput,
    session: SessionArrays,
    orders: OrderRecords,
    derived: Sequence[LegRows],
) -> Proof:
    found, requests = _replayed(manifest, config, setup, legs, session, orders, derived)
    if recorded.edges is not None:
        local = [[one.local] for one in derived]
        params, times = setup.arguments.params, session
        edges = edges_of_rows(params, legs, local, start_ts=times.start_ts, end_ts=times.end_ts)
        found = found._replace(output=found.output._replace(edges=edges))
    answers = found.answers
    if manifest["outcome"] == KILLED:  # the replay's strategy was stopped, and received what was on its way
        requests, answers = requests[: len(orders.requests)], answers[: len(session.answers)]
    differences = _request_differences(orders.requests, requests, legs)
    differences += place_differences(orders, found.fills[: len(recorded.trades)], legs)
    differences += _answer_differences(session.answers, answers, legs)
    for (name, latencies), leg in zip(
        latencies_of(legs, answers, [one.lags for one in derived]),
        (leg for leg in legs for _ in range(2)),
        strict=True,
    ):
        differences += latency_differences(folder / name, latencies, leg.name)
    differences += differences_of(
        recorded,
        found.output,
        decisions=int(session.counts[0]),
        records=int(session.counts[1]),
        end_ts=session.end_ts,
    )
    differences += end_differences(manifest, found)
    steps = len(np.unique(orders.requests["step"]))
    text = (
        f"{steps:,} steps with {len(orders.requests):,} requests, {len(recorded.decisions):,} decisions, "
        f"{len(recorded.records):,} records: {'identical' if not differences else 'different'}"
    )
    return Proof("c", text, steps, differences)


def _replayed(
    manifest: Mapping[str, Any],
    config: Config,
    setup: Setup,
    legs: Sequence[Leg],
    session: SessionArrays,
    orders: OrderRecords,
    derived: Sequence[LegRows],
) -> tuple[Replayed, Any]:
    """Runs the strategy over the session's rows and answers; also its requests."""
    recorder = Recorder(len(legs))
    strategy = compile_ahead(*setup, recorder)
    finders = [RangeFinder(leg) for leg in legs] if strategy.uses.arrays else []
    ranges = ranges_of(finders, session, derived)
    world = LiveWorld(legs, keep_trades=strategy.uses.trades, start_ts=session.start_ts)
    answers = RecordedAnswers(world, orders.responses)
    answers.attempts.decisions = lambda: recorder.decisions
    bot = LiveBot(world, keep=answers, limits=limits_of(config))
    if ranges:
        bot.set_ranges(ranges)
    if len(ranges) < len(finders):
        return Replayed(
            output_of(bot, recorder, legs), world.answers.copy(), ts=session.end_ts, fills=world.fills.copy()
        ), answers.requests
    closes = bool(manifest.get("closes_first"))
    function = with_end(config, strategy.function, legs, bot, recorder, is_closing_first=closes)
    halt_ts, how = manifest["session"].get("halted", (0, 0))
    has_pairs = setup.strategy.legs == PAIRS
    if halt_ts or has_pairs:
        function = with_halt(config, function, legs, bot, recorder, has_pairs=has_pairs)
    task = replay_live(
        bot,
        answers,
        [[one.local] for one in derived],
        function,
        setup.arguments.bind(bot, recorder),
        until_ts=session.end_ts,
        halted=(int(halt_ts), int(how)),
        unbooked=manifest["session"].get("unbooked", ()),
    )
    if task.is_alive:
        raise InputError("its strategy does not end when it is stopped: the session cannot be replayed")
    ts = session.end_ts if task.error is None else min(bot.now, session.end_ts)
    error = error_of(task, bot, setup, finders)
    if error is None:
        refuse_lost(bot)
    outcome, _ = outcome_of(task.value, error=error)
    received = world.answers.copy()
    output, fills = output_of(bot, recorder, legs), world.fills.copy()
    return Replayed(output, received, outcome, error, ts, fills), answers.requests


def _request_differences(then: Any, now: Any, legs: Sequence[Leg]) -> list[Difference]:
    """Of the requests, in order: step, leg, attempt and every field. Dated by the session's."""
    found: list[Difference] = []
    for place in range(min(len(then), len(now))):
        left, right = then[place], now[place]
        where = f"request {int(left['row']['request_no'])} of {legs[int(left['leg'])].name}"
        names = [name for name in ("step", "leg", "attempt") if left[name] != right[name]]
        own = [
            Difference("request", f"{where} {name}", 0, str(left[name]), str(right[name])) for name in names
        ]
        own += _field_differences("request", where, left["row"], right["row"])
        found += [one._replace(ts=int(left["row"]["request_ts"])) for one in own]
        if len(found) >= _SHOWN:
            return found[:_SHOWN]
    if len(then) != len(now):
        further = max(then, now, key=len)[min(len(then), len(now))]
        ts = int(further["row"]["request_ts"])
        found.append(Difference("request", "how many", ts, str(len(then)), str(len(now))))
    return found


def _answer_differences(then: Any, now: Any, legs: Sequence[Leg]) -> list[Difference]:
    """Of the times of answers, in order of receipt. Dated by their requests."""
    places = np.flatnonzero(then[: len(now)] != now[: len(then)])[:_SHOWN]
    found = [
        Difference("answer", f"number {place} of {legs[int(then[place]['asset_no'])].name}",
                   int(then[place]["request_ts"]), str(then[place]), str(now[place]))
        for place in map(int, places)
    ]  # fmt: skip
    if len(then) != len(now):
        found.append(Difference("answer", "how many", 0, str(len(then)), str(len(now))))
    return found


def _field_differences(what: str, where: str, then: Any, now: Any) -> list[Difference]:
    return [
        Difference(what, f"{where} {name}", 0, str(then[name]), str(now[name]))
        for name in then.dtype.names or ()
        if then[name].tobytes() != now[name].tobytes()
    ]


def _once(orders: OrderRecords, lines: Mapping[str, Sequence[PrivateLine]]) -> Proof:
    differences, unsent = once_differences(lines, orders.requests)
    count = len(orders.requests)
    return Proof(
        "d", f"{count:,} requests, each on the wire at most once; {unsent:,} not sent", count, differences
    )


def _executions(orders: OrderRecords, legs: Sequence[Leg]) -> Proof:
    differences, listed, foreign = execution_differences(orders, legs)
    text = f"{listed:,} executions at the venues, the same in the session"
    if foreign:
        text += f"; {foreign:,} of others"
    return Proof("e", text, listed, differences)
