"""Lock-step: sessions of `arb live` against the sandbox on a simulated network, and replays of what they recorded.

    python -m tests.parity.live [--seeds 20] [--seconds 12] [--pair NAME] [--strategy KIND]

The sandbox matches with the simulated exchange (`whole`), and delays are constant: the recording, replayed by
`arb backtest` in both engines and by `arb dry-run --start`, with the configured latencies, gives the same requests at
the same times and the same fills. hftbacktest's engine fills resting orders of one moment in a random order, so it
does not replay runs with such a tie. Every session is also derived again from its own files, each order alone is put to
the simulated exchange as `arb verify` does, and nothing may be compiled for it that a dry-run has not compiled. Exit
code 1: something differs, or there were too few orders.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from hftbacktest.order import NEW

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.compilations import Compilations
from support.dry_market import START_NS, dry_legs
from support.live_world import LiveSession, Made, NetSession, config_of

from arb.backtest.assets import LegData
from arb.backtest.runner import compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.backtest import run_backtest
from arb.commands.dryrun import run_recorded
from arb.commands.legs import instrument_of
from arb.commands.order_setup import derived_orders, written_lines
from arb.commands.run_files import limits_of
from arb.commands.run_setup import WrittenRun, setup_of, with_end
from arb.config import Config
from arb.config.adapters import feed_latency_ns, load_adapter
from arb.data.catalog.days import find_recordings
from arb.data.rows.memory import rows_of_day
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.mailbox import Mailbox
from arb.engine.row_stream import flagged
from arb.execution.ids import ids_of
from arb.leg import Leg
from arb.results.trades import Trade, ties_of, trades_of
from arb.runtime.live_files import OrderRecords
from arb.runtime.live_rows import LOCAL_FLAG
from arb.runtime.private_log import finish_private
from arb.runtime.replay import replay
from arb.runtime.replay_live import RecordedAnswers, replay_live
from arb.runtime.session_files import RECORDING
from arb.runtime.warm import warm_session
from arb.simulation.bot import DryRunBot
from arb.verify.execution_lists import execution_differences
from arb.verify.once import once_differences
from connectors.units import MILLISECOND, SECOND
from parity.live_orders import beside_simulation

PAIRS = {
    "spot-spot": ("binance_spot", "bybit_spot"),
    "spot-linear": ("binance_spot", "bybit_linear"),
    "usdm-linear": ("binance_usdm", "bybit_linear"),
    "usdm-spot": ("binance_usdm", "bybit_spot"),
}
#: The strategies, with their settings by seed.
STRATEGIES: dict[str, Callable[[int], list[str]]] = {
    "spread": lambda seed: ["strategy.basis_halflife_s=1.0"],
    "quotes": lambda seed: [
        'strategy.function="parity.live_strategies:amended_quotes"',
        "strategy.params.qty=0.004",
        f"strategy.params.interval_ns={(150 + seed) * MILLISECOND}",
        f"strategy.params.is_at_rows={'true' if seed % 2 else 'false'}",
    ],
    "random": lambda seed: [
        'strategy.function="parity.live_strategies:random_steps"',
        f"strategy.params={{seed={seed}, lot_0=0.004, lot_1=0.004, crowd={1 if seed % 2 else 4}}}",
    ],
}
#: Of the spread strategy: it trades often, with orders that expire, are chased and reversed. No strategy is limited.
SETTINGS = (
    "strategy.min_spread_bps=0.2",
    "strategy.max_position_size=0.02",
    "strategy.inventory_skew_bps=0.0",
    "strategy.rebalance_threshold=1.0",
    "risk.position_limit=1000.0",
    "risk.max_orders_per_second=0",
    "risk.max_daily_loss=1.0",
    "risk.max_drawdown=1.0",
    "risk.max_attempt_loss=1.0",
    "risk.cooldown_s=0.0",
    "execution.order_timeout_ms=300",
    "execution.slippage_tolerance=0.00003",
    "risk.max_failures=1000",
)
#: Of its venues: edges of the simulated market are less than a basis point.
FREE = tuple(f"fees.{kind}=0.0" for kind in ("maker", "taker"))
ORDERS_MIN = 20_000
#: The end of a session that commands do not replay: its recording ends with it, and the last wait with the recording.
_LAST_NS = SECOND
_SERVE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


class Request(NamedTuple):
    """A request as it is compared."""

    leg: int
    order_id: int
    req: int
    side: int
    force: int
    order_type: int
    tick: int
    qty: float
    made_ts: int


class Fill(NamedTuple):
    """A fill as it is compared; times of the venue in ms."""

    leg: int
    order_id: int
    side: str
    price: float
    qty: float
    liquidity: str
    exch_ms: int


def request_of(leg: int, row: Any) -> Request:
    names = ("order_id", "req", "side", "time_in_force", "order_type", "price_tick", "qty", "request_ts")
    return Request(leg, *(row[name].item() for name in names))


def fills_of(trades: Sequence[Trade], legs: Sequence[Leg], until_ts: int) -> list[Fill]:
    """By order: venues of other clocks may deliver them in another order."""
    numbers = {leg.name: no for no, leg in enumerate(legs)}
    found = [
        Fill(numbers[one.leg], one.order_id, one.side, one.price, one.quantity, one.liquidity,
             one.exch_ts // MILLISECOND)
        for one in trades
    ]  # fmt: skip
    until_ms = until_ts // MILLISECOND
    return sorted(
        (one for one in found if one.exch_ms < until_ms),
        key=lambda fill: (fill.exch_ms, fill.leg, fill.order_id),
    )


class RequestTap:
    """At the port of a dry-run's bot: notes the requests, then calls the simulated exchange."""

    def __init__(self, bot: DryRunBot) -> None:
        self.requests: list[Request] = []
        self._mailbox = Mailbox(bot.world)
        self._world = bot.world
        self._inner = _SERVE(int(bot.world.port["serve"][0]))
        self._serve = _SERVE(self._tap)
        bot.world.port["serve"] = ctypes.cast(self._serve, ctypes.c_void_p).value or 0

    def _tap(self, address: int) -> int:
        for leg, row in self._mailbox.take():
            self.requests.append(request_of(leg, row))
            self._mailbox.put_request(leg, row, int(row["request_ts"]))
        return int(self._inner(address))


class Outcome(NamedTuple):
    """One session and what differed."""

    orders: int
    requests: int
    steps: int
    fills: int
    #: Moments at which several resting orders of a leg were filled.
    ties: int
    #: Functions that Numba compiled, or loaded, for the session.
    compiled: int
    differing: list[str]


def check(pair: str, kind: str, seed: int, seconds: float) -> Outcome:
    """One session and its replays."""
    config = session_config(pair, kind, seed)
    first_ts = first_exch_ts(pair, seed)
    _dry_run_ahead(config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "live"
        recorder = Recorder(len(config.legs))
        made = made_of(config, recorder)
        with Compilations() as compilations:
            live = LiveSession(config, seed, folder, made, start_ts=first_ts)
            live.run(seconds)
        orders = live.orders.records()
        sent = orders.requests[orders.requests["taken_ns"] > 0]  # not what a stopped strategy left behind
        sent = sent[sent["taken_ns"] <= live.end_ts]
        trades = trades_of(live.bot.fills, recorder.decisions, live.legs, live.bot.charges)
        ties = sum(moments for moments, _ in ties_of(trades).values())
        differing = _faults(live, compilations) + ([] if len(sent) else ["it made no requests"])
        rows = _rows_of(live, config)
        differing += _at_the_port(live, config, sent, rows)
        differing += beside_simulation(live, orders, [data.arrays for data in rows])
        differing += _by_commands(live, config, recorder, trades, has_tie=ties > 0)
        differing += proofs(live, recorder, orders)
        found = Outcome(
            int((sent["row"]["req"] == NEW).sum()), len(sent), int(sent["step"].max(initial=0)),
            len(live.bot.fills), ties, compilations.count, differing,
        )  # fmt: skip
        live.bot.close()
    return found


def session_config(pair: str, kind: str, seed: int) -> Config:
    """The configuration of a session."""
    fees = [f"{venue}.{key}" for venue in PAIRS[pair] for key in FREE] if kind == "spread" else []
    return config_of(PAIRS[pair], *SETTINGS, *STRATEGIES[kind](seed), *fees)


def proofs(live: LiveSession, recorder: Recorder, orders: OrderRecords) -> list[str]:
    """What differs when a session is derived again from its own files, as by `arb verify`."""
    return [*_over_answers(live, live.config, recorder, orders), *_over_frames(live, orders)]


@functools.cache
def first_exch_ts(pair: str, seed: int) -> int:
    """The venue time of a market's first row, at which the clock of a replay starts; from a dry-run on live data."""
    config = config_of(PAIRS[pair], *SETTINGS, 'strategy.function="parity.live_strategies:idle"')
    _dry_run_ahead(config)
    with tempfile.TemporaryDirectory() as name:
        first = NetSession(config, seed, Path(name) / "first", made_of(config, Recorder(len(config.legs))))
        first.run(0.5)
        first.bot.close()
    return first.first_exch_ts


def made_of(config: Config, recorder: Recorder) -> Made:
    """The configured strategy."""
    setup = setup_of(config)
    strategy = compile_ahead(*setup, recorder)

    def start(bot: LiveBot) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        function = with_end(config, strategy.function, config.legs, bot, recorder)
        return function, setup.arguments.bind(bot, recorder)

    return Made(limits_of(config), start)


_dried: set[tuple[str, ...]] = set()


def _dry_run_ahead(config: Config) -> None:
    """Compiles what a dry-run of the strategy on live data compiles, and nothing else."""
    key = (config.strategy.function, *(leg.name for leg in config.legs))
    if key in _dried:
        return
    _dried.add(key)
    adapters = [load_adapter(config.venues[leg.venue]) for leg in config.legs]
    warm_session(config.legs[0], list(zip(adapters, map(instrument_of, config.legs), strict=True)))
    made = made_of(config, Recorder(len(config.legs)))
    bot = DryRunBot(config.legs, made.limits)
    task = replay(bot, [one.arrays for one in dry_legs(3, 200)], *made.start(bot))
    if task.error is not None:
        raise task.error
    bot.collect_fills()
    bot.close()


def _faults(live: LiveSession, compilations: Compilations) -> list[str]:
    """What must not happen in these sessions."""
    counts = {
        "functions compiled or loaded": compilations.count,
        "frames that gave way by more than a us": int(live.net.moved_ns > 1_000),
        "late rows": live.net.trading.rows_late,
        "doubts": sum(len(desk.facts.doubts) for desk in live.gateway.desks.values()),
        "open orders": len(live.gateway.open_orders),
        "responses lost": live.world.lost,
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


def _rows_of(live: LiveSession, config: Config) -> list[LegData]:
    """The rows of each leg's recording."""
    days = {one.venue: one for one in find_recordings(live.folder / RECORDING)}
    rows = []
    for leg in live.legs:
        venue = config.venues[leg.venue]
        own = rows_of_day(
            load_adapter(venue),
            days[leg.venue],
            feed_latency_ns(venue),
            offset_ns=0,
            instrument=instrument_of(leg),
        )
        rows.append(LegData(leg, [own]))
    return rows


def _at_the_port(live: LiveSession, config: Config, sent: Any, rows: Sequence[LegData]) -> list[str]:
    """The recording with the simulated exchange, with every request at its port."""
    made = made_of(config, Recorder(len(live.legs)))
    bot = DryRunBot(live.legs, made.limits)
    tap = RequestTap(bot)
    task = replay(bot, [data.arrays for data in rows], *made.start(bot), until_ts=live.end_ts)
    differing = [] if task.error is None else [f"the replay raised {task.error!r}"]
    ours = [request_of(int(one["leg"]), one["row"]) for one in sent]
    differing += _difference("request at the port", ours, tap.requests)
    bot.close()
    return differing


def _by_commands(
    live: LiveSession, config: Config, recorder: Recorder, trades: Sequence[Trade], *, has_tie: bool
) -> list[str]:
    """The recording by `arb backtest` in both engines, and by `arb dry-run --start`."""
    data = msgspec.structs.replace(config.data, directory=str(live.folder / RECORDING))
    day = datetime.fromtimestamp(START_NS // SECOND, UTC).date()
    commands: dict[str, Callable[[Config, Path], WrittenRun]] = {
        "arb": lambda config, out: run_backtest(config, day, None, out, has_report=False),
        "dry-run": lambda config, out: run_recorded(config, day, None, out, has_report=False),
    }
    if not has_tie:
        commands["hftbacktest"] = commands["arb"]
    until_ts = live.end_ts - _LAST_NS
    ours, fills = _until(recorder.decisions, until_ts), fills_of(trades, live.legs, until_ts)
    differing = []
    for name, command in commands.items():
        engine = msgspec.structs.replace(
            config.backtest, engine="hftbacktest" if name == "hftbacktest" else "arb"
        )
        run = command(replace(config, data=data, backtest=engine), live.folder / name)
        with np.load(run.folder / "records.npz") as arrays:
            theirs = _until(arrays["decisions"], until_ts)
        ran_on = run.summary["setup"]["engine"]
        found = [] if ran_on == engine.engine else [f"it ran on the engine {ran_on}"]
        found += _difference("decision", ours, theirs)
        found += _difference("fill", fills, fills_of(run.trades, live.legs, until_ts))
        differing += [f"{name}: {one}" for one in found]
    return differing


def _until(decisions: Any, until_ts: int) -> list[Any]:
    """The decisions before a time."""
    return list(decisions[decisions["timestamp"] < until_ts].tolist())


def _over_answers(live: LiveSession, config: Config, recorder: Recorder, orders: OrderRecords) -> list[str]:
    """The session over its own rows and answers."""
    own_recorder = Recorder(len(live.legs))
    made = made_of(config, own_recorder)
    world = LiveWorld(live.legs, start_ts=live.world.start_ts)
    answers = RecordedAnswers(world, orders.responses)
    bot = LiveBot(world, keep=answers, limits=made.limits)
    rows = [[flagged(np.concatenate(own), LOCAL_FLAG)] for own in live.rows]
    function, arguments = made.start(bot)
    replay_live(bot, answers, rows, function, arguments, until_ts=live.end_ts)
    found = answers.requests
    parts = [(name, orders.requests[name], found[name]) for name in ("leg", "step", "row")]
    parts += [("fills", live.bot.fills, bot.fills), ("charges", live.bot.charges, bot.charges)]
    parts += [("decisions", recorder.decisions, own_recorder.decisions)]
    differing = [f"(c) {name}" for name, then, now in parts if then.tobytes() != now.tobytes()]
    bot.close()
    return differing


def _over_frames(live: LiveSession, orders: OrderRecords) -> list[str]:
    """The desks over the private frames; every request at most once; the venues' own lists of executions."""
    finish_private(live.folder)
    lines = written_lines(live.folder, live.legs)
    found = derived_orders(live.config, live.legs, ids_of(live.orders.head), lines, orders)
    differences = list(found.differences)
    differences += once_differences(lines, orders.requests)[0]
    differences += execution_differences(orders, live.legs)[0]
    return [f"(b, d, e) {one}" for one in differences[:3]]


def _difference(what: str, ours: Sequence[Any], theirs: Sequence[Any]) -> list[str]:
    """The first one that differs."""
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one != other:
            return [f"{what} {number}: live {one}, simulated {other}"]
    if len(ours) != len(theirs):
        return [f"{what}s: live {len(ours)}, simulated {len(theirs)}"]
    return []


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--pair", choices=PAIRS)
    parser.add_argument("--strategy", choices=STRATEGIES)
    parser.add_argument("--orders-min", type=int, default=ORDERS_MIN)
    given = parser.parse_args()
    outcomes = []
    began_s = time.monotonic()
    for pair in [given.pair] if given.pair else PAIRS:
        for seed in range(given.first, given.first + given.seeds):
            for kind in [given.strategy] if given.strategy else STRATEGIES:
                found = check(pair, kind, seed, given.seconds)
                outcomes.append(found)
                print(
                    f"{pair} {kind} {seed}: {found.orders} orders, {found.requests} requests in {found.steps} steps, "
                    f"{found.fills} fills, {found.ties} ties",
                    flush=True,
                )
                for text in found.differing:
                    print(f"  {text}", flush=True)
    differing = sum(bool(one.differing) for one in outcomes)
    orders = sum(one.orders for one in outcomes)
    tied = sum(one.ties > 0 for one in outcomes)
    print(
        f"{len(outcomes)} runs, {orders:,} orders, {sum(one.requests for one in outcomes):,} requests, "
        f"{sum(one.fills for one in outcomes):,} fills: {differing} runs differing; {tied} with ties, "
        f"{len(outcomes) - tied} on hftbacktest's engine too; "
        f"{sum(one.compiled for one in outcomes)} functions compiled for them; {time.monotonic() - began_s:.0f} s"
    )
    if orders < given.orders_min:
        print(f"too few orders: {given.orders_min:,} are needed, or --orders-min")
    return 1 if differing or orders < given.orders_min else 0


if __name__ == "__main__":
    sys.exit(main())
