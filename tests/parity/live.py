"""Lock-step: sessions of `arb live` against the sandbox on a simulated network, and replays of what they recorded.

    python -m tests.parity.live [--seeds 20] [--seconds 30] [--pair NAME]

The sandbox matches with the simulated exchange (`whole`), and delays are constant: the recording, replayed with the
same strategy on the simulated exchange with the configured latencies, gives the same requests at the same times and the
same fills. Every session is also replayed over its own rows and answers. Exit code 1: something differs.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.live_world import LiveSession, Made, config_of

from arb.backtest.runner import compile_ahead
from arb.bot.compilation import compile_strategy
from arb.bot.recorder import Recorder
from arb.commands.legs import instrument_of
from arb.commands.order_setup import derived_orders, written_lines
from arb.commands.run_files import limits_of
from arb.commands.run_setup import setup_of
from arb.config import Config
from arb.config.adapters import feed_latency_ns, load_adapter
from arb.data.catalog.days import find_recordings
from arb.data.rows.memory import rows_of_day
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.mailbox import Mailbox
from arb.engine.row_stream import flagged
from arb.runtime.live_files import OrderRecords
from arb.runtime.live_rows import LOCAL_FLAG
from arb.runtime.private_log import finish_private
from arb.runtime.replay import replay
from arb.runtime.replay_live import RecordedAnswers, replay_live
from arb.runtime.session_files import RECORDING
from arb.simulation.bot import DryRunBot
from arb.verify.execution_lists import execution_differences
from arb.verify.once import once_differences
from connectors.units import MILLISECOND
from parity.live_strategies import amended_quotes, idle, random_steps

PAIRS = {
    "spot-spot": ("binance_spot", "bybit_spot"),
    "spot-linear": ("binance_spot", "bybit_linear"),
    "usdm-linear": ("binance_usdm", "bybit_linear"),
    "usdm-spot": ("binance_usdm", "bybit_spot"),
}
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
    side: int
    price: float
    qty: float
    maker: int
    exch_ms: int


def request_of(leg: int, row: Any) -> Request:
    names = ("order_id", "req", "side", "time_in_force", "order_type", "price_tick", "qty", "request_ts")
    return Request(leg, *(row[name].item() for name in names))


def fills_of(rows: Any, until_ts: int) -> list[Fill]:
    """By order: venues of other clocks may deliver them in another order."""
    found = [
        Fill(*(row[n].item() for n in ("asset_no", "order_id", "side", "price", "qty", "maker")),
             int(row["exch_ts"]) // MILLISECOND)
        for row in rows if row["exch_ts"] <= until_ts
    ]  # fmt: skip
    return sorted(found, key=lambda fill: (fill.exch_ms, fill.leg, fill.order_id))


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

    requests: int
    fills: int
    steps: int
    differing: list[str]


Maker: TypeAlias = "Callable[[Config], Made]"


def check(pair: Sequence[str], seed: int, seconds: float, make: Maker) -> Outcome:
    """One session and its replays."""
    config = config_of(pair, *SETTINGS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = LiveSession(config, seed, folder / "first", of_function(idle)(config))
        first.run(2.0)
        live = LiveSession(config, seed, folder / "live", make(config), start_ts=first.first_exch_ts)
        live.run(seconds)
        first.bot.close()
        orders = live.orders.records()
        sent = orders.requests[orders.requests["taken_ns"] > 0]  # not what a stopped strategy left behind
        sent = sent[sent["taken_ns"] <= live.end_ts]
        differing = _faults(live)
        differing += _in_simulation(live, config, make, sent)
        differing += _over_answers(live, config, make, orders)
        differing += _over_frames(live, orders)
        found = Outcome(len(sent), len(live.bot.fills), int(sent["step"].max(initial=0)), differing)
        live.bot.close()
    return found


def _faults(live: LiveSession) -> list[str]:
    """What must not happen in these sessions."""
    counts = {
        "frames that gave way by more than a us": int(live.net.moved_ns > 1_000),
        "late rows": live.net.trading.rows_late,
        "doubts": sum(len(desk.facts.doubts) for desk in live.gateway.desks.values()),
        "open orders": len(live.gateway.open_orders),
        "responses lost": live.world.lost,
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


def _in_simulation(live: LiveSession, config: Config, make: Maker, sent: Any) -> list[str]:
    """The recording with the simulated exchange."""
    days = {one.venue: one for one in find_recordings(live.folder / RECORDING)}
    rows = []
    for leg in live.legs:
        venue = config.venues[leg.venue]
        rows.append(
            [
                rows_of_day(
                    load_adapter(venue),
                    days[leg.venue],
                    feed_latency_ns(venue),
                    offset_ns=0,
                    instrument=instrument_of(leg),
                )
            ]
        )
    made = make(config)
    bot = DryRunBot(live.legs, made.limits)
    tap = RequestTap(bot)
    task = replay(bot, rows, *made.start(bot), until_ts=live.end_ts)
    differing = [] if task.error is None else [f"the replay raised {task.error!r}"]
    ours = [request_of(int(one["leg"]), one["row"]) for one in sent]
    differing += _difference("request", ours, tap.requests)
    # The last fills are received after the end.
    until_ts = live.end_ts - 50 * MILLISECOND
    differing += _difference("fill", fills_of(live.bot.fills, until_ts), fills_of(bot.fills, until_ts))
    bot.close()
    return differing


def _over_answers(live: LiveSession, config: Config, make: Maker, orders: OrderRecords) -> list[str]:
    """The session over its own rows and answers."""
    made = make(config)
    world = LiveWorld(live.legs, start_ts=live.world.start_ts)
    answers = RecordedAnswers(world, orders.responses)
    bot = LiveBot(world, keep=answers, limits=made.limits)
    rows = [[flagged(np.concatenate(own), LOCAL_FLAG)] for own in live.rows]
    function, arguments = made.start(bot)
    replay_live(bot, answers, rows, function, arguments, until_ts=live.end_ts)
    found = answers.requests
    parts = [(name, orders.requests[name], found[name]) for name in ("leg", "step", "row")]
    parts += [("fills", live.bot.fills, bot.fills), ("charges", live.bot.charges, bot.charges)]
    differing = [f"(c) {name}" for name, then, now in parts if then.tobytes() != now.tobytes()]
    bot.close()
    return differing


def _over_frames(live: LiveSession, orders: OrderRecords) -> list[str]:
    """The desks over the private frames; every request at most once; the venues' own lists of executions."""
    finish_private(live.folder)
    lines = written_lines(live.folder, live.legs)
    found = derived_orders(live.config, live.legs, live.orders.head["session_ms"], lines, orders)
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


def of_function(function: Callable[..., Any], *arguments: Any) -> Maker:
    """A strategy that has no parameters of a configuration."""
    return lambda config: Made(None, lambda bot: (compile_strategy(function), (bot, *arguments)))


def spread(config: Config) -> Made:
    """The product's strategy."""
    setup, recorder = setup_of(config), Recorder(len(config.legs))
    strategy = compile_ahead(*setup, recorder)
    return Made(limits_of(config), lambda bot: (strategy.function, setup.arguments.bind(bot, recorder)))


STRATEGIES: dict[str, Callable[[int], Maker]] = {
    "spread": lambda seed: spread,
    "quotes": lambda seed: of_function(amended_quotes, 0.004, (370 + seed) * MILLISECOND, seed % 2 == 1),
    "random": lambda seed: of_function(random_steps, seed, 0.004, 0.004, 4),
}
#: Of the spread strategy: it trades often, with orders that expire, are chased and reversed.
SETTINGS = (
    "strategy.min_spread_bps=0.2",
    "strategy.basis_halflife_s=10.0",
    "strategy.max_position_size=0.02",
    "strategy.inventory_skew_bps=0.0",
    "strategy.rebalance_threshold=1.0",
    "risk.position_limit=1000.0",
    "risk.max_daily_loss=1.0",
    "risk.max_drawdown=1.0",
    "risk.max_attempt_loss=1.0",
    "risk.cooldown_s=0.0",
    "execution.order_timeout_ms=300",
    "execution.slippage_tolerance=0.00003",
    "risk.max_failures=1000",
)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--pair", choices=PAIRS)
    parser.add_argument("--strategy", choices=STRATEGIES)
    given = parser.parse_args()
    requests = fills = runs = differing = 0
    for name, pair in PAIRS.items():
        for kind, strategy in STRATEGIES.items():
            if given.pair not in (None, name) or given.strategy not in (None, kind):
                continue
            for seed in range(given.first, given.first + given.seeds):
                found = check(pair, seed, given.seconds, strategy(seed))
                runs, differing = runs + 1, differing + bool(found.differing)
                requests, fills = requests + found.requests, fills + found.fills
                print(
                    f"{name} {kind} {seed}: {found.requests} requests in {found.steps} steps, {found.fills} fills"
                )
                for text in found.differing:
                    print(f"  {text}")
    print(f"{runs} runs, {requests:,} requests, {fills:,} fills, {differing} runs differing")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
