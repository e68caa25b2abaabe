"""A live session against a sandbox over a simulated network: what `arb live` puts together, on simulated time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from arb.commands.gate_setup import gate_of
from arb.commands.legs import instrument_of
from arb.commands.order_setup import order_setup
from arb.commands.sandbox_account import Key
from arb.commands.serve import facts_of
from arb.config import Config
from arb.config.adapters import feed_latency_ns, load_adapter
from arb.config.load import load
from arb.data.recordings.recorder import Recorder as FrameRecorder
from arb.engine.live import LiveBot, LiveWorld
from arb.execution.ids import SessionIds
from arb.journal.schema import LegRow
from arb.leg import Leg
from arb.risk.gate import Gate, GateLimits
from arb.risk.limits import Limits
from arb.runtime.feeds import session_streams
from arb.runtime.live_orders import LiveOrders
from arb.runtime.live_rows import LiveDriver
from arb.runtime.order_journal import KeptRun
from arb.runtime.order_lines import OrderLines, Sockets
from arb.runtime.order_setup import OrderSetup
from arb.runtime.private_log import PRIVATE, Mark, PrivateLog
from arb.runtime.session import Session
from arb.runtime.session_files import RECORDING
from arb.runtime.strategy_task import StrategyTask
from arb.runtime.trade_protocols import protocols_of, signer_of
from arb.sandbox.accounts.keys import TestKey, test_keys
from arb.sandbox.events import Listing
from arb.sandbox.profiles import WIDE, Dislocations
from arb.sandbox.trading.setup import AccountSetup, Fees, Matching, TradingSetup
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import live_latency
from arb.simulation.watermark import VenueSide
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.feed import Feed
from connectors.orders.blanking import blanked
from connectors.orders.signing import Signer
from connectors.units import MILLISECOND, SECOND
from support.dry_market import START_NS
from support.journals import RUN, journal_at
from support.live_net import LiveNet
from support.net_timers import Delays, NetTimers, Turn
from support.paths import ROOT

PRICES = {"BTCUSDT": 42_280.0}
#: By leg, in ms; their parts below a millisecond differ, so that two answers of a step never share a nanosecond.
ENTRY_MS = (3.137, 5.311)
RESPONSE_MS = (4.211, 6.173)
FEED_MS = (10.137, 10.274)
#: How long the order connections may take.
_CONNECTING_NS = 2 * SECOND
#: How long doubts may last after the end, in seconds.
_END_S = 60
#: Many units, of which no order uses a noticeable part.
_RICH = {"BTC": Decimal(1_000), "USDT": Decimal(50_000_000)}


def config_of(venues: Sequence[str], *overrides: str) -> Config:
    """The default configuration on two venues, with the latencies of these runs and fees in quote."""
    legs = ", ".join(f'"{venue}:SYMBOL"' for venue in venues)
    own = [f"strategy.legs=[{legs}]", "clock.offset_ms=0.0", 'data.directory="."']
    for no, venue in enumerate(venues):
        own += [f"{venue}.latency.entry_ms={ENTRY_MS[no]}", f"{venue}.latency.response_ms={RESPONSE_MS[no]}"]
        own += [f"{venue}.latency.feed_ms={FEED_MS[no]}"]
        own += [f'{venue}.fees.asset="quote"']
        own += [f"capital.{venue}.base=1000.0"] if venue.endswith("spot") else []
        own += [f"capital.{venue}.quote=50000000.0"]
    return load(ROOT / "config" / "arbitrage.toml", [*own, *overrides])


class Made(NamedTuple):
    """What trades: the limits of its bot, and the compiled function and its arguments for a bot."""

    limits: Limits | None
    start: Callable[[LiveBot], tuple[Callable[..., Any], tuple[Any, ...]]]


class NetOrders(LiveOrders):
    """The product's orders, with lines over the simulated network."""

    def __init__(
        self,
        world: LiveWorld,
        setup: OrderSetup,
        folder: Path,
        gate: Gate,
        net: Any,
        kept: KeptRun | None,
        **more: Any,
    ) -> None:
        """net: its timers and venues. more: of the product's orders."""
        self._net = net
        super().__init__(world, setup, folder, gate, kept=kept, **more)

    def connect(self, session: Session) -> None:
        """`open` without waiting."""
        timers = self._net.timers
        self._session = session
        self._journal.open()
        self.gateway.wake = lambda now: _call(timers, Turn.WAKE, lambda: session.on_answers(now))
        setup = self._setup
        for no, leg in enumerate(setup.legs):
            protocols = protocols_of(leg.venue, setup.signers[leg.venue], setup.recv_window_ms)
            for protocol in protocols:
                protocol.add_leg(no, setup.instruments[no])
            log = self._logs[leg.venue] = PrivateLog(self._folder / PRIVATE / leg.venue, blanked)
            net, url = self._net.venues[leg.venue], f"ws://{leg.venue}"
            self._lines[leg.venue] = OrderLines(
                leg.venue, Sockets(url, url, net, net, timers, lambda: 0.5), protocols,
                self.gateway.desks[leg.venue], log, setup.times,
                now_of=lambda local_ts: local_ts + session.offset_ns, earliest=self.gateway.earliest_ts,
                failed=session.fail, apply=self._apply,
            )  # fmt: skip
        for lines in self._lines.values():
            lines.start()

    def begin_end(self) -> None:
        """Cancels what is open, and queries the account; the strategy has been stopped."""
        self.gateway.wake = lambda now: None
        for venue, lines in self._lines.items():
            now = lines.begin(self._now(), "-", Mark.REQUEST, "end")
            self._apply(venue, self.gateway.desks[venue].on_end(now), now)

    def finish(self) -> None:
        """Closes the lines; answers until now are applied to the account."""
        for lines in self._lines.values():
            lines.stop()
        self._note_taken()
        for one in self.gateway.drain():
            self._log.request(one, is_sent=False)
        for log in self._logs.values():
            log.close()
        self._world.settle(self._now())
        self._end_run()

    def _later(self, call: Callable[[], None]) -> None:
        def after_step() -> None:
            call()
            self._note_taken()
            self._journal.write()
            self._look_for_fault()
            for log in self._logs.values():
                log.flush()

        _call(self._net.timers, Turn.TIMER, after_step)


def network_of(
    config: Config, seed: int, matching: Matching, account: AccountSetup, dislocations: Dislocations = WIDE
) -> LiveNet:
    """A sandbox with the legs of a configuration and one account, and the network to it."""
    legs = config.legs
    listings = [Listing(leg.venue, leg.symbol, leg.tick_size_text, leg.lot_size_text) for leg in legs]
    keys = tuple(one.key for one in test_keys(seed))
    return LiveNet(
        NetTimers(), listings, PRICES, facts_of(listings, config.venues), TradingSetup((account,), keys, matching),
        {leg.venue: _delays(leg) for leg in legs}, seed, dislocations,
    )  # fmt: skip


class NetSession:
    """A session of which no order reaches the sandbox: the simulated exchange answers, as in a dry-run on live data."""

    bot: LiveBot

    def __init__(
        self, config: Config, seed: int, folder: Path, made: Made, matching: Matching = "whole"
    ) -> None:
        """matching: of the sandbox."""
        self.config, self.legs, self.folder = config, list(config.legs), folder
        folder.mkdir(parents=True)
        self.net = self._network(seed, matching)
        self.timers = self.net.timers
        self.driver = self._driver(made, test_keys(seed))
        self.driver.on_rows = self._on_rows  # type: ignore[method-assign]
        self.recorder = self._recorder()
        self.offset = self._offset()
        self.events: list[str] = []
        self.session = Session(
            self.legs, self.driver, self.offset, self.recorder,
            log=lambda event, text, _: self.events.append(f"{event} {text}"),
            ended=lambda: None, clock=self.timers.time_ns,
        )  # fmt: skip
        self.feeds = [self._feed(no, leg) for no, leg in enumerate(self.legs)]
        #: Rows as the strategy received them, by leg, unless they are too many; the first venue time of all.
        self.keeps_rows = True
        self.rows: list[list[Any]] = [[] for _ in self.legs]
        self.first_exch_ts = 1 << 62
        self.end_ts = 0

    def _network(self, seed: int, matching: Matching) -> Any:
        """The timers and the venues of the session."""
        return network_of(self.config, seed, matching, account_of(self.config))

    def _offset(self) -> OffsetEstimator:
        return OffsetEstimator(0)

    def _recorder(self) -> Any:
        """What records its frames."""
        return FrameRecorder(self.folder / RECORDING, reserve_gb=0.0)

    def _feed(self, no: int, leg: Leg) -> Feed:
        venue, net = self.config.venues[leg.venue], self.net.venues[leg.venue]
        adapter, tap = load_adapter(venue), self.session.tap_of([no], leg.venue)
        return Feed(
            adapter, [instrument_of(leg)], session_streams(adapter), [_market_url(leg.venue)],
            transport=net, rest=net, timers=self.timers, chance=lambda: 0.5, sink=tap, tap=tap,
            offset=self.offset, feed_latency_ns=feed_latency_ns(venue),
        )  # fmt: skip

    def _driver(self, made: Made, keys: Sequence[TestKey]) -> LiveDriver:
        """What drives the strategy. keys: of the account."""
        latencies = [live_latency(leg) for leg in self.legs]
        self.bot = bot = DryRunBot(self.legs, made.limits, latencies=latencies, is_live=True)
        strategy, arguments = made.start(bot)
        return LiveDriver(
            bot, StrategyTask(bot, strategy, arguments), VenueSide(bot.exchanges, SECOND, SECOND)
        )

    def run(self, seconds: float) -> None:
        """Runs the strategy for a time, from when that of a live session would start."""
        self._pass(_CONNECTING_NS)
        self._start()
        self._pass(round(seconds * SECOND))
        self._stop()
        self._close()

    def _start(self) -> None:
        self.session.start()
        for feed in self.feeds:
            feed.start()

    def _stop(self) -> None:
        self.end_ts = self.session.now
        assert self.session.stop()

    def _close(self) -> None:
        for feed in self.feeds:
            feed.stop()
        self.recorder.close()

    def _pass(self, span_ns: int) -> None:
        # As the host: a session that has failed resumes its strategy no more.
        self.timers.run(
            self.timers.now + span_ns,
            lambda: 1 << 62 if self.session.fault is not None else self.driver.next_due,
            self.session.on_time,
        )
        if self.session.fault is not None:
            raise self.session.fault

    def _on_rows(self, leg_no: int, rows: Any, now_ns: int) -> bool:
        if self.keeps_rows:
            self.rows[leg_no].append(rows.copy())
        self.first_exch_ts = min(self.first_exch_ts, int(rows["exch_ts"].min()))
        return LiveDriver.on_rows(self.driver, leg_no, rows, now_ns)


class LiveSession(NetSession):
    """A session whose orders the sandbox answers."""

    def __init__(
        self,
        config: Config,
        seed: int,
        folder: Path,
        made: Made,
        matching: Matching = "whole",
        *,
        start_ts: int = 0,
    ) -> None:
        """start_ts: of the strategy's clock; 0: the first row's time of receipt."""
        self._start_ts = start_ts
        super().__init__(config, seed, folder, made, matching)

    def _driver(self, made: Made, keys: Sequence[TestKey]) -> LiveDriver:
        self.world = LiveWorld(self.legs, is_live=True)
        if self._start_ts:
            self.world.start_at(self._start_ts)
        signers = signers_of(self.legs, keys)
        setup = order_setup(self.config, self.legs, signers, self._ids())
        self.orders = NetOrders(
            self.world, setup, self.folder, self._gate(), self.net, self._kept(), **self._further()
        )
        self.gateway = self.orders.gateway
        self.bot = LiveBot(self.world, keep=self.gateway, limits=made.limits)
        strategy, arguments = made.start(self.bot)
        return LiveDriver(self.bot, StrategyTask(self.bot, strategy, arguments), self.gateway)

    def _ids(self) -> SessionIds:
        return SessionIds("tests1", 1, START_NS // MILLISECOND)

    def _kept(self) -> KeptRun | None:
        return None

    def _further(self) -> dict[str, Any]:
        """Further arguments of its orders."""
        return {}

    def _gate(self) -> Gate:
        # The simulated exchanges have no limits on requests, so that these would be the only difference.
        return gate_of(self.config, self.legs, GateLimits(), budgets={})

    def run(self, seconds: float) -> None:
        """Connects, trades for a time, stops the strategy, and leaves no order open."""
        self.begin()
        self.go_on(seconds)
        self.end()

    def begin(self) -> None:
        """Connects and starts the strategy."""
        self.orders.connect(self.session)
        self._pass(_CONNECTING_NS)
        assert all(desk.is_up for desk in self.gateway.desks.values()), self.events
        self._start()

    def go_on(self, seconds: float) -> None:
        """Trades for a time."""
        self._pass(round(seconds * SECOND))

    def end(self) -> None:
        """Stops the strategy, and cancels what is open; doubts have the time that the product gives them."""
        self._stop()
        self.orders.begin_end()
        for _ in range(_END_S):
            self._pass(SECOND)
            if all(desk.is_done for desk in self.gateway.desks.values()):
                break
        self.orders.finish()
        self._close()

    def _pass(self, span_ns: int) -> None:
        super()._pass(span_ns)
        if self.gateway.fault is not None:
            raise self.gateway.fault


def _call(timers: Any, turn: Turn, call: Callable[[], None]) -> None:
    timers.at(timers.now, turn, call)


def account_of(config: Config) -> AccountSetup:
    """The account of a session, with the fees of the configuration."""
    fees = {
        leg.venue: Fees(
            Decimal(repr(leg.maker_fee)), Decimal(repr(leg.taker_fee)), config.venues[leg.venue].fees.asset
        )
        for leg in config.legs
    }
    return AccountSetup("main", 1, dict.fromkeys(("spot", "usdm", "unified"), _RICH), fees)


def signers_of(legs: Sequence[Leg], keys: Sequence[TestKey]) -> dict[str, Signer]:
    """By venue."""
    return {leg.venue: _signer(leg.venue, keys) for leg in legs}


def _signer(venue: str, keys: Sequence[TestKey]) -> Signer:
    """Ed25519 where the house has it."""
    own = [Key(**one.shown) for one in keys if venue.startswith(one.key.house)]
    return signer_of(min(own, key=lambda key: key.kind))


def _delays(leg: Leg) -> Delays:
    return Delays(leg.entry_latency_ns, leg.response_latency_ns, leg.feed_latency_ns)


def _market_url(venue: str) -> str:
    """As the venue's file has it."""
    paths = {"binance_spot": "/ws", "bybit_spot": "/v5/public/spot", "bybit_linear": "/v5/public/linear"}
    return f"ws://{venue}{paths.get(venue, '')}"


class JournaledSession(LiveSession):
    """A session with a journal in `state` of its folder."""

    def _kept(self) -> KeptRun:
        self.journal = journal_at(self.folder / "state")
        rows = [
            LegRow(
                leg.venue, leg.symbol, f"{leg.venue}-1", leg.tick_size_text, leg.lot_size_text, "BTC", "USDT",
                leg.is_spot,
            )
            for leg in self.legs
        ]  # fmt: skip
        return KeptRun(self.journal, self.journal.begin_run(RUN), lambda: rows)
