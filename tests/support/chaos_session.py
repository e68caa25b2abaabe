"""Sessions one after the other on one account of a sandbox, all on simulated time, with a journal in a real folder.

Each is a process of its own (`support.chaos_client`): it starts as `arb live` does, on what the journal and the venues
have, trades under its supervisor, and ends or crashes. The start's checks of the account by REST clients are left out.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

from arb.accounts.facts import Balance
from arb.accounts.start import wallet_of
from arb.backtest.runner import compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.account_state import _owned, _with_openings
from arb.commands.gate_setup import add_traded, gate_of, halts_of, losses_of
from arb.commands.order_setup import instrument_of_orders
from arb.commands.run_files import limits_of
from arb.commands.run_setup import setup_of, with_end, with_halt
from arb.config import Config
from arb.execution.ids import SessionIds
from arb.journal.halts import Halts
from arb.journal.journal import FILE, Journal, JournalError, make_journal
from arb.journal.reader import JournalReader
from arb.journal.schema import Intent, LegRow, RunRow
from arb.risk.gate import Gate, GateLimits
from arb.risk.rate_budget import RateBudget
from arb.runtime.account_queries import AccountQueries
from arb.runtime.order_journal import KeptRun
from arb.runtime.reconciliation import Reconciliation
from arb.runtime.supervision import LOOK_S, Supervision, rules_of
from arb.runtime.trade_protocols import protocols_of
from arb.runtime.venue_watch import VenueWatch, WatchTerms
from arb.sandbox.accounts.keys import test_keys
from arb.sandbox.profiles import Dislocations
from arb.sandbox.trading.setup import AccountSetup
from connectors.feed.clock_offset import OffsetEstimator
from connectors.orders.model import Act
from connectors.units import MILLISECOND, SECOND
from support.chaos_client import NEVER, Client, Crash, CrashPlan
from support.live_faults import NetFaults
from support.live_net import LiveNet
from support.live_world import LiveSession, Made, network_of, signers_of
from support.net_timers import Turn

ENVIRONMENT = "sandbox"
#: Of the market: the strategy trades every few seconds.
_OFTEN = Dislocations(1.5, 70.0)
_TAG = "schaos"
BROKEN = "the socket is broken"
#: As in `arb.commands.live_run`: how often flags are read.
_HALT_NS = 100 * MILLISECOND
#: Longest time that a start may take, and the end of one.
_START_NS, _END_S = 120 * SECOND, 60
#: Shortest interval of the session's timer.
_TICK_NS, _NEVER = MILLISECOND // 2, 1 << 61
_SLICE_NS = 50 * MILLISECOND


class Place:
    """What outlives the processes: the sandbox, the network, the folder with journal and flags."""

    def __init__(
        self,
        config: Config,
        seed: int,
        folder: Path,
        account: AccountSetup,
        dislocations: Dislocations = _OFTEN,
    ) -> None:
        self.config, self.seed, self.folder = config, seed, folder
        self.state = folder / ENVIRONMENT
        self.state.mkdir(parents=True)
        connection = sqlite3.connect(self.state / FILE, isolation_level=None)
        make_journal(connection, ENVIRONMENT, _TAG)  # with client ids that a seed gives again
        connection.close()
        self.net: LiveNet = network_of(config, seed, "levels", account, dislocations)
        self.faults = NetFaults(self.net, [], seed)
        self.account = account.id
        self.runs = 0

    def wallet(self, venue: str) -> Any:
        """The account's wallet at a venue."""
        return self.net.trading.accounts[venue.partition("_")[0]][self.account].wallet(venue)

    def flags(self) -> tuple[Any, ...]:
        """The halts that are set."""
        return Halts(self.state).read()


class KeptJournal(Journal):
    """The journal of a process that may crash before and after each commit."""

    client: Client
    #: Whether its disk has no room but the reserve.
    has_no_room = False

    def make_room(self) -> bool:
        self.has_no_room = False
        return super().make_room()

    def _need_room(self) -> None:
        if self.has_no_room:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise self._failed(error)

    def commit_step(self, intents: Sequence[Intent]) -> None:
        self._need_room()
        self.client.reach("commit")
        super().commit_step(intents)
        self.client.reach("committed")

    def write_notes(self) -> None:
        if self.client.is_dead:
            raise JournalError("the process is gone")
        if self._notes:
            self._need_room()
            self.client.reach("write")
            super().write_notes()
            self.client.reach("written")

    def abandon(self) -> None:
        """What was not committed is lost, as after a kill."""
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.stop()
            self._connection.close()
            self._held.close()


class _NoFrames:
    """Records nothing."""

    def frame(self, *_: Any) -> bool:
        return True

    def event(self, *_: Any) -> None:
        """Not kept."""

    def close(self) -> None:
        """Nothing is open."""


class _SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop on the client's time."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client
        self._selector = self

    def time(self) -> float:
        return self._client.monotonic_ns() / SECOND

    def select(self, timeout: float | None) -> list[Any]:
        """Lets time pass until something is ready, or `timeout` is over."""
        left = _START_NS if timeout is None else round(timeout * SECOND) + 1
        while left > 0 and not self._ready:  # type: ignore[attr-defined]
            span = min(left, MILLISECOND)
            self._client.run(span, lambda: _NEVER, lambda: None)
            left -= span
        return []

    def _process_events(self, events: list[Any]) -> None:
        """There are no sockets."""


def run_simulated(client: Client, work: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine whose waits are the client's time. Raises Crash."""
    loop = _SimulatedLoop(client)
    task = loop.create_task(work)
    try:
        return loop.run_until_complete(task)
    except Crash:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        work.close()
        raise
    finally:
        loop.close()


class ChaosSession(LiveSession):
    """One process. `prepare`, then `begin`, `go_on` and `end`; each may raise Crash, after which `abandon`."""

    #: Rules of the supervisor that are left out: what this machine has left is no part of a seed.
    left_out: Sequence[str] = ("memory", "disk", "files")
    #: As `gate_of` takes them: no limits on requests.
    budgets: Mapping[str, RateBudget] | None = MappingProxyType({})
    #: The arguments of the strategy, once it is made.
    arguments: tuple[Any, ...] = ()

    def __init__(self, place: Place, plan: CrashPlan = NEVER, *, is_estimating: bool = False) -> None:
        """is_estimating: whether it compares its clock with the venues'."""
        self._is_estimating = is_estimating
        self.place = place
        self.client = Client(place.net, plan)
        place.runs += 1
        self.recorder_of_strategy = Recorder(2)
        #: Of its orders by client id: leg and the bot's id; those that were sent while a request was in doubt.
        self.order_ids: dict[str, tuple[int, int]] = {}
        self.placed_in_doubt: list[str] = []
        #: Venues whose next order raises an error, "before" or "after" it is sent.
        self.breaks: dict[str, str] = {}
        #: When the strategy was started.
        self.begun_ns = 0

    def prepare(self) -> None:
        """As `arb.commands.account_state`: journal, reconciliation, what the legs begin with. Raises InputError."""
        place, config, client = self.place, self.place.config, self.client
        legs = config.legs
        journal = KeptJournal.open(place.state / FILE, ENVIRONMENT, flush_ms=60_000, reserve_bytes=1 << 16)
        assert isinstance(journal, KeptJournal)
        self.journal, journal.client = journal, client
        accounts = {leg.venue: f"{leg.venue.partition('_')[0]}-1" for leg in legs}
        signers = signers_of(legs, test_keys(place.seed))
        facts = self._facts()
        with JournalReader(journal.path, ENVIRONMENT) as reader:
            known_ns = reader.known_until_ns()
            self.run_no = journal.begin_run(RunRow("live", "test", str(place.folder), "-", client.time_ns()))
            queries = {
                venue: AccountQueries(
                    protocols_of(venue, signers[venue], config.live.recv_window_ms)[0],
                    client.venues[venue],
                    {no: instrument_of_orders(leg) for no, leg in enumerate(legs) if leg.venue == venue},
                    now_ns=client.time_ns,
                )
                for venue in accounts
            }
            taken = run_simulated(
                client,
                Reconciliation(
                    legs, queries, journal, reader, accounts, run=self.run_no, known_ns=known_ns,
                    recv_window_ms=config.live.recv_window_ms, now_ns=client.time_ns, owned=_owned(legs, facts),
                ).run(),
            )  # fmt: skip
        #: What the start did, line by line.
        self.start_lines: Sequence[str] = taken.lines
        config = replace(config, legs=_with_openings(legs, taken.holdings, facts))
        instruments = map(instrument_of_orders, legs)
        self._rows = [
            LegRow(leg.venue, leg.symbol, accounts[leg.venue], leg.tick_size_text, leg.lot_size_text,
                   one.base, one.quote, leg.is_spot)
            for leg, one in zip(legs, instruments, strict=True)
        ]  # fmt: skip
        folder = place.folder / f"run-{self.run_no}"
        super().__init__(config, place.seed, folder, self._made(config), "levels")
        self.keeps_rows = False

    def _facts(self) -> Any:
        """The balances, as the start's clients find them."""
        balances = {}
        for leg in self.place.config.legs:
            wallet = self.place.wallet(leg.venue)
            balances[wallet_of(leg.venue)] = {
                asset: Balance(wallet.total(asset), wallet.free(asset)) for asset in wallet.assets()
            }
        return SimpleNamespace(balances=balances)

    def _made(self, config: Config) -> Made:
        setup, recorder = setup_of(config), self.recorder_of_strategy
        strategy = compile_ahead(*setup, recorder)

        def start(bot: Any) -> Any:
            function = with_end(config, strategy.function, config.legs, bot, recorder)
            function = with_halt(config, function, config.legs, bot, recorder, has_pairs=True)
            self.arguments = setup.arguments.bind(bot, recorder)
            return function, self.arguments

        return Made(limits_of(config), start)

    # -- parts of the session

    def _network(self, *_: Any) -> Client:
        return self.client

    def _recorder(self) -> _NoFrames:
        return _NoFrames()

    def _offset(self) -> OffsetEstimator:
        return OffsetEstimator() if self._is_estimating else super()._offset()

    def _ids(self) -> SessionIds:
        return SessionIds(self.journal.tag, self.run_no, self.client.time_ns() // MILLISECOND)

    def _kept(self) -> KeptRun:
        return KeptRun(self.journal, self.run_no, lambda: self._rows)

    def _gate(self) -> Gate:
        live = self.config.live
        limits = GateLimits(live.price_band_bps, live.max_notional or 0.0, live.max_daily_notional or 0.0)
        self._own_gate = gate = gate_of(self.config, self.legs, limits, self.budgets)
        add_traded(gate, self.place.state, ENVIRONMENT, self.client.time_ns())
        return gate

    def _further(self) -> dict[str, Any]:
        live, state = self.config.live, self.place.state
        rules = rules_of(self.config.supervisor)
        losses = losses_of(
            self._own_gate, self.legs, state, ENVIRONMENT, self.client.time_ns(), has_pairs=True
        )
        chosen = [one for one in rules if one.name not in self.left_out]
        terms = WatchTerms(live.trust_min, round(live.closing_lead_s * SECOND), False)
        return {
            "halts": halts_of(state, [leg.venue for leg in self.legs]),
            "supervision": Supervision(chosen, self.legs, state, losses, has_pairs=True),
            "watch": VenueWatch(self.legs, terms),
        }

    # -- the host

    def begin(self) -> None:
        """Connects and starts the strategy once every venue is up."""
        client = self.client
        commit = self.gateway.commit

        def committed(ready: Any) -> bool:
            is_in_doubt = any(desk.doubts for desk in self.gateway.desks.values())
            for taken, row, _ in ready:
                if row.act is Act.PLACE:
                    client_id = SessionIds(self.journal.tag, self.run_no, 0).client_id(
                        taken.leg, row.request_no, row.attempt
                    )
                    self.order_ids[client_id] = taken.leg, row.order_id
                    if is_in_doubt:
                        self.placed_in_doubt.append(client_id)
            return commit(ready)

        self.gateway.commit = committed
        recorder = self.recorder_of_strategy
        self.gateway.attempts.decisions = lambda: recorder.decisions
        send = self.orders.send

        def sent(venue: str, request: Any) -> Any:
            is_broken = self.breaks.pop(venue, "") if request.act is Act.PLACE else ""
            if is_broken == "before":
                raise OSError(BROKEN)
            found = send(venue, request)
            if is_broken:
                raise OSError(BROKEN)
            return found

        self.orders.send = sent  # type: ignore[method-assign]
        self.orders.connect(self.session)
        for _ in range(_START_NS // _SLICE_NS):
            self._slice()
            if all(desk.is_up for desk in self.gateway.desks.values()):
                break
        self._start()
        self.begun_ns = client.now
        self._every(_HALT_NS, self._look_for_halt)
        self._every(round(LOOK_S * SECOND), self._supervise)

    def go_on(self, seconds: float) -> None:
        """Trades for a time, or until the session ends."""
        until = self.client.now + round(seconds * SECOND)
        while self.client.now < until and not self.session.is_over:
            self._slice(until)

    def end(self) -> None:
        """As the host does: stops the strategy, cancels what is open, waits for doubts."""
        self.end_ts = self.session.now
        self.session.stop()
        self.orders.begin_end()
        until = self.client.now + _END_S * SECOND
        while self.client.now < until and not all(desk.is_done for desk in self.gateway.desks.values()):
            self._slice(until)
        self.orders.finish()
        self._close()

    def abandon(self) -> None:
        """After a crash: nothing of the process is left but the compiled strategy's memory."""
        self.client.die()
        if hasattr(self, "session"):
            self.session.stop()
            for log in self.orders._logs.values():
                log.close()
        if hasattr(self, "journal"):
            self.journal.abandon()

    def close(self) -> None:
        """Frees the memory of the bot."""
        if hasattr(self, "bot"):
            self.bot.close()

    def _slice(self, until: int = 1 << 62) -> None:
        """Lets a short time pass. Raises Crash."""
        span = min(_SLICE_NS, until - self.client.now)

        def due_in() -> int:
            due = _NEVER if self.session.is_over else self.driver.next_due
            return _NEVER if due >= _NEVER else max(_TICK_NS, due - self.session.now)

        self.client.run(span, due_in, self.session.on_time)

    def _every(self, span_ns: int, call: Any) -> None:
        def strike() -> None:
            if not self.session.is_over:
                self.client.at(self.client.now + span_ns, Turn.TIMER, strike)
                call()

        self.client.at(self.client.now + span_ns, Turn.TIMER, strike)

    def _supervise(self) -> None:
        self.orders.supervise()

    def _look_for_halt(self) -> None:
        """As `arb.commands.live_run`."""
        halted = self.orders.halted()
        if self.session.halted[0] or halted is None or not self.driver.has_begun:
            return
        self.events.append(f"halt {halted[0]}")
        self.session.halt(is_flattening=halted[1], unbooked=self.orders.unbooked())


def surplus_min(legs: Sequence[Any], price: float) -> Decimal:
    """The smallest surplus that an order of each leg can trade."""
    return max(Decimal(repr(max(leg.min_qty, leg.lot_size, leg.min_notional / price * 1.02))) for leg in legs)
