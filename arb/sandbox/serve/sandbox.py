"""Runs the four markets on this machine's sockets: `Sandbox`, an async context manager.

    async with Sandbox(SeededMarket(listings, prices, seed=7), facts) as sandbox:
        sandbox.urls["binance_spot"].websocket

One event loop advances the market, processes its frames and writes them. With a `DrivenClock`, time does not pass, and
responses do not change, until `advance` is awaited.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from numpy.random import default_rng

from arb.errors import ConfigError, InputError
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import Listing
from arb.sandbox.faults import TRADING_KINDS, Fault, Scheduled
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.profiles import MODEST, Dislocations
from arb.sandbox.serve.ahead import AheadTape
from arb.sandbox.serve.clocks import DrivenClock, RealClock, SandboxClock
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.faults import Injector
from arb.sandbox.serve.ledger_file import LedgerFile, open_log
from arb.sandbox.serve.limits import LIMITS, Limits
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.tape import Line, Tape
from arb.sandbox.serve.timeline import Timeline
from arb.sandbox.serve.trading import OpenTrading, load_trading
from arb.sandbox.serve.urls import SIMULATED, VENUES, VenueUrls, venue_urls
from arb.sandbox.serve.venue_server import VenueServer
from arb.sandbox.serve.venues import FAMILIES
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.sandbox.accounts.keys import TestKey
    from arb.sandbox.trading.state import Trading

log = logging.getLogger(__name__)

#: Interval of the market's steps, and the largest step before connections are served.
_STEP_S = 0.005
_STEP_NS_MAX = 20_000_000
#: Interval of the connections' periodic checks.
_WATCH_NS = 250_000_000
#: Most injected faults kept in memory; the log has all.
INJECTED_MAX = 100_000
#: Delay of the market that is logged as a warning, once.
_LATE_NS = SECOND
#: Start time of the seeded market, so that content depends on the seed only: 2024-01-01.
MARKET_START_NS = 1_704_067_200 * SECOND


class Source(Protocol):
    """A source of market frames."""

    @property
    def description(self) -> str:
        """What its data are, in a few words."""

    @property
    def listings(self) -> Sequence[Listing]: ...

    def open(self, wall_start_ns: int, speed: float) -> tuple[Tape, Timeline]:
        """The market's frames, and the relation of its clock to the sandbox's."""


@dataclass(frozen=True)
class SeededMarket:
    """The simulated market. Times in frames are those of the sandbox's clock."""

    listings: Sequence[Listing]
    #: The starting price of each symbol.
    prices: Mapping[str, float]
    seed: int = 7
    dislocations: Dislocations = MODEST
    description: str = SIMULATED

    def open(self, wall_start_ns: int, speed: float) -> tuple[Tape, Timeline]:
        """See `Source`."""
        timeline = Timeline(wall_start_ns, MARKET_START_NS, speed, is_moved=True)
        tape = SeededTape(
            self.listings,
            self.prices,
            default_rng(self.seed),
            MARKET_START_NS,
            timeline.stamp_ms,
            self.dislocations,
        )
        return tape, timeline


class Sandbox:
    """A running sandbox. Enter it in the event loop that serves the sockets."""

    def __init__(
        self,
        source: Source,
        facts: Mapping[tuple[str, str], Facts] | None = None,
        *,
        speed: float = 1.0,
        faults: Sequence[Fault] = (),
        limits: Mapping[str, Limits] | None = None,
        fault_log: Path | None = None,
        fault_seed: int = 7,
        ports: Mapping[str, int] | None = None,
        clock: SandboxClock | None = None,
        funding: Funding = USUAL_FUNDING,
        trading: OpenTrading | None = None,
        ledger: Path | None = None,
        fault_of: Callable[[str], Fault] | None = None,
        keys: Sequence[TestKey] = (),
    ) -> None:
        """`facts` by (venue, symbol); `ports` by venue, by default free ones; `limits` replace the venues' own.

        funding: of all perpetuals whose recording has no mark prices.

        trading: None: market data only; orders are refused. ledger: file of all changes of orders and balances.

        fault_of: decodes faults that are posted to `/sandbox/faults`; None: they are refused. keys: that `/sandbox`
        shows.

        speed: factor of the market's time; limits and faults use the sandbox's own clock. Raises InputError if a port
        is taken, a recording cannot be read or the fault log cannot be written.
        """
        self._source = source
        self._facts = facts or {}
        self._speed = speed
        self._faults = tuple(faults)
        self._limits = {**LIMITS, **(limits or {})}
        self._fault_log_path = fault_log
        self._fault_seed = fault_seed
        self._ports = ports or {}
        self._funding = funding
        self._fault_of = fault_of
        self._keys = tuple(keys)
        self._open_trading = trading
        self._ledger_path = ledger
        self._ledger: LedgerFile | None = None
        #: None before the sandbox is entered, and without trading.
        self.trading: Trading | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_ns = 0
        self.clock = clock or RealClock()
        self._fault_log: IO[str] | None = None
        self._servers: dict[str, VenueServer] = {}
        self._by_no: list[VenueServer] = []
        self._pump_task: asyncio.Task[None] | None = None
        self._watched_ns = 0
        self._done_ns = 0
        self._is_late = False
        #: The newest `INJECTED_MAX` injected faults, as in the log.
        self.injected: deque[dict[str, Any]] = deque(maxlen=INJECTED_MAX)
        #: Set when a recording has been sent to its end.
        self.ended = asyncio.Event()
        self.urls: dict[str, VenueUrls] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def advance(self, seconds: float, step_s: float = 0.01) -> None:
        """Advances a driven clock step by step, and lets connections run in between."""
        clock = self.clock
        if not isinstance(clock, DrivenClock):
            raise InputError("only a sandbox with a DrivenClock can be moved on")
        end_ns = clock.now_ns() + round(seconds * SECOND)
        while clock.now_ns() < end_ns:
            clock.move_to(min(end_ns, clock.now_ns() + round(step_s * SECOND)))
            self._step(clock.now_ns())
            await settle()

    def advance_to(self, now_ns: int) -> None:
        """Brings market and trading to exactly this time of the sandbox's clock, before a request at that time.

        Without trading, the market advances in the steps of the clock alone.
        """
        if self.trading is not None and now_ns > self._done_ns:
            self._advance_market(now_ns)

    def begin(self, fault: Fault) -> None:
        """A further fault, whose times count from now: without one it begins at once. Call it in the event loop.

        Raises ConfigError.
        """
        if fault.needs_accounts and self.trading is None:
            raise ConfigError(
                f"a fault of kind {fault.kind} needs accounts, which this sandbox does not have"
            )
        now_ns = self.clock.now_ns()
        self._injector.add(fault, now_ns)
        self.advance_to(now_ns)
        struck = self._injector.strikes(now_ns)
        self._strike_lines(struck, now_ns)
        self._strike_trading(struck, now_ns)
        self._plan()

    def _begin_text(self, text: str) -> None:
        if self._fault_of is None:
            raise ConfigError("this sandbox takes no faults by request")
        self.begin(self._fault_of(text))

    async def failed(self) -> None:
        """Waits, and raises the error if the sandbox fails; does not return otherwise."""
        if self._pump_task is not None:
            await asyncio.shield(self._pump_task)

    async def _start(self) -> None:
        if self._open_trading is not None:
            load_trading(self._source.listings)
        start_ns = self.clock.now_ns()
        self._tape, self._timeline = self._source.open(start_ns, self._speed)
        self._done_ns = self._watched_ns = start_ns
        if self._fault_log_path is not None:
            self._fault_log = open_log(self._fault_log_path, "--fault-log")
        self._injector = Injector(self._faults, default_rng(self._fault_seed), start_ns, self._log_injected)
        facts = {
            (one.venue, one.symbol): self._facts.get((one.venue, one.symbol), Facts(one.lot_size, "5"))
            for one in self._tape.listings
        }
        if self._open_trading is not None:
            self.trading = self._open_trading(self._tape, facts, start_ns, self._limits)
            if self.trading.looks_ahead:
                self._tape = AheadTape(self._tape, self._look_ahead)
            if self._ledger_path is not None:
                self._ledger = LedgerFile(self._ledger_path)
                self._ledger.follow(self.trading)
        exchanges = {
            venue: Exchange(FAMILIES[venue], self._tape, self._funding, self.trading) for venue in VENUES
        }
        for venue, exchange in exchanges.items():
            if not exchange.instruments:
                continue
            exchange.venues = exchanges
            server = VenueServer(
                exchange,
                {symbol: facts[venue, symbol] for symbol in exchange.instruments},
                self._limits[venue],
                self._injector,
                self.clock,
                self._timeline,
                self._source.description,
                self.advance_to,
                self._plan,
                self._begin_text,
                [one.shown for one in self._keys if venue.startswith(one.key.house)],
            )
            server.started_ns = start_ns
            self._servers[venue] = server
            await server.start(self._ports.get(venue, 0))
        if self.trading is not None:
            self.trading.faults.report = self._injector.report
            self.trading.faults.strike = self._strike_line
        self._by_no = [self._servers[listing.venue] for listing in self._tape.listings]
        self.urls = venue_urls({venue: server.port for venue, server in self._servers.items()})
        self._step(start_ns)
        if not isinstance(self.clock, DrivenClock):
            self._pump_task = asyncio.create_task(self._pump())

    async def _stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self._pump_task is not None:
            self._pump_task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # its error is raised by `failed`
                await self._pump_task
        for server in self._servers.values():
            await server.stop()
        if self._fault_log is not None:
            self._fault_log.close()
        if self._ledger is not None:
            self._ledger.close()

    async def _pump(self) -> None:
        while True:
            behind_ns = self.clock.now_ns() - self._done_ns
            self._step(self._done_ns + min(behind_ns, _STEP_NS_MAX))
            if behind_ns > _LATE_NS and not self._is_late:
                self._is_late = True
                log.warning("late: this machine cannot keep up with --speed %g", self._speed)
            await asyncio.sleep(0 if behind_ns > _STEP_NS_MAX else _STEP_S)

    def _step(self, to_ns: int) -> None:
        """Processes everything up to `to_ns` of the sandbox's clock."""
        struck = self._injector.strikes(to_ns)
        self._strike_lines(struck, to_ns)
        self._advance_market(to_ns)
        self._strike_trading(struck, to_ns)
        if to_ns - self._watched_ns >= _WATCH_NS:
            self._watched_ns = to_ns
            for server in self._servers.values():
                server.watch(to_ns)
        for server in self._servers.values():
            server.attend(to_ns)
        if self._tape.has_ended:
            self.ended.set()
        self._plan()

    def _advance_market(self, to_ns: int) -> None:
        """Frames and trading up to `to_ns`, in order of time."""
        trading = self.trading
        for line in self._tape.advance(self._timeline.market_ns(to_ns)):
            if trading is not None:
                at_ns = min(to_ns, max(self._done_ns, self._timeline.wall_ns(line.send_ns)))
                trading.advance(at_ns)
                trading.receive(line, at_ns)
            self._by_no[line.no].deliver(line, to_ns)
        if trading is not None:
            trading.advance(to_ns)
        self._done_ns = to_ns

    def _look_ahead(self, line: Line) -> None:
        """A frame that will be sent."""
        if self.trading is not None:
            self.trading.look_ahead(line, self._timeline.wall_ns(line.send_ns))

    def _plan(self) -> None:
        """Sets the alarm to what is due next: the steps of the clock are too coarse for answers."""
        due_ns = self.trading.next_due_ns() if self.trading is not None else None
        if (
            due_ns is None
            or self._pump_task is None
            or (self._alarm is not None and self._alarm_ns <= due_ns)
        ):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_ns = due_ns
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_at(loop.time() + max(0, due_ns - self.clock.now_ns()) / SECOND, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self.advance_to(self.clock.now_ns())
        self._plan()

    def _strike_lines(self, struck: Sequence[Scheduled], now_ns: int) -> None:
        """Faults of frames, connections and REST begin."""
        for scheduled in struck:
            if not _is_of_trading(scheduled.fault):
                for venue, server in self._servers.items():
                    if scheduled.fault.is_about(venue):
                        server.strike(scheduled, now_ns)

    def _strike_trading(self, struck: Sequence[Scheduled], now_ns: int) -> None:
        """Faults of order entry and accounts begin."""
        if self.trading is not None:
            for scheduled in struck:
                if _is_of_trading(scheduled.fault):
                    self.trading.begin(scheduled, now_ns)

    def _strike_line(self, scheduled: Scheduled, venue: str, now_ns: int) -> None:
        """A fault of connections begins at one venue, because of what happened there."""
        self._servers[venue].strike(scheduled, now_ns)

    def _log_injected(self, what: dict[str, Any]) -> None:
        self.injected.append(what)
        if self._fault_log is not None:
            self._fault_log.write(json.dumps(what) + "\n")
            self._fault_log.flush()


async def settle(turns: int = 3) -> None:
    """Lets other tasks and sockets of the event loop run."""
    for _ in range(turns):
        await asyncio.sleep(0)


def _is_of_trading(fault: Fault) -> bool:
    return fault.kind in TRADING_KINDS or fault.after_order
