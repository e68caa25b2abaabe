"""What a session has of its accounts before it trades: checks, locks, the journal, and what earlier sessions left.

It runs before the strategy is compiled, since positions and balances are arguments of the strategy. A sandbox inside
the command has new accounts, which end with it: only the checks are made there, once it has started.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from arb.accounts.clients import account_clients
from arb.accounts.facts import Balance, Rights
from arb.accounts.start import AccountFacts, wallet_of
from arb.commands.account_payments import fetch_payments
from arb.commands.account_start import AccountStart
from arb.commands.order_setup import instrument_of_orders
from arb.commands.run_setup import run_row
from arb.commands.sandbox_account import sandbox_started
from arb.config import Config
from arb.config.account_keys import house_of
from arb.config.environment import Environment, LiveOptions, state_directory
from arb.errors import InputError, InvariantError
from arb.execution.ids import SessionIds
from arb.execution.reconcile import Holding
from arb.journal.halts import Halts
from arb.journal.journal import FILE, LOCK, Journal
from arb.journal.locks import HeldLock, is_held, lock_account
from arb.journal.reader import JournalReader
from arb.journal.reserve import RESERVE_BYTES
from arb.journal.schema import Account, LegRow
from arb.leg import Leg
from arb.results.evidence import STATE
from arb.runtime.account_queries import AccountQueries
from arb.runtime.host import Host
from arb.runtime.order_journal import KeptRun
from arb.runtime.reconciliation import Reconciliation, TakenOver
from arb.runtime.trade_protocols import protocols_of
from arb.sandbox.serve.urls import VenueUrls
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.signing import Signer
from connectors.units import MILLISECOND

#: Names the sandbox whose accounts a folder is about.
_SANDBOX = "sandbox"
_NOTHING = Balance(Decimal(0), Decimal(0))
#: Writes a line of a kind to the session's log.
Write = Callable[[str, str], None]


class AccountState(NamedTuple):
    """What was prepared. config: with what the legs begin with; kept: the run, which the session ends; rights: of the
    keys, by house."""

    config: Config
    ids: SessionIds
    kept: KeptRun
    locks: Sequence[HeldLock]
    rights: Mapping[str, Rights | None]

    def close(self) -> None:
        """Releases the accounts. The journal is closed by the session, or here if there is none."""
        self.kept.journal.close()
        for lock in self.locks:
            lock.close()


def prepare_accounts(
    config: Config,
    market: Environment | Mapping[str, VenueUrls],
    signers: Mapping[str, Signer],
    options: LiveOptions,
    folder: Path,
    write: Write,
    guards: Mapping[str, Signer] = MappingProxyType({}),
) -> AccountState:
    """Checks the accounts and makes journal and venues agree. signers: by venue. folder: of the session. guards: by
    house, of keys that the guard alone uses.

    Raises InputError, one line with the next step, if the session cannot begin; KeyboardInterrupt for a signal.
    """
    state = state_directory(config.live) / options.environment
    if isinstance(market, Mapping):
        refuse_halted(state)  # the flag would be put aside with the folder
        _change_sandbox(state, sandbox_started(market[config.legs[0].venue]))
    preparation = _Preparation(config, signers, options, folder, write, state, guards)
    try:
        with Host(dict(config.venues), market) as host:
            found = host.run(lambda: host.until_over(preparation.run(host)))
    except BaseException:
        preparation.close()
        raise
    if found is None:
        preparation.close()
        raise KeyboardInterrupt
    return found


def refuse_halted(state: Path) -> None:
    """Raises InputError while a halt is set. state: the environment's folder in the state directory."""
    if halts := Halts(state).read():
        one = halts[0]
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.since_ns / 1e9))
        raise InputError(
            f"{state}: halted since {since} UTC{f' ({one.reason})' if one.reason else ''}: look at the accounts, then "
            "arb resume"
        )


class _Preparation:
    """One preparation: what it holds until it is over."""

    def __init__(
        self,
        config: Config,
        signers: Mapping[str, Signer],
        options: LiveOptions,
        folder: Path,
        write: Write,
        state: Path,
        guards: Mapping[str, Signer],
    ) -> None:
        self._guards = guards
        self._config = config
        self._signers = dict(signers)
        self._options = options
        self._folder = folder
        self._write = write
        self._state = state
        self._journal: Journal | None = None
        self._locks: list[HeldLock] = []
        self._accounts: dict[str, str] = {}

    def close(self) -> None:
        """Releases everything."""
        if self._journal is not None:
            self._journal.close()
        for lock in self._locks:
            lock.close()

    async def run(self, host: Host) -> AccountState:
        host.start_feeds()  # there are none
        if host.hosts is None:
            raise InvariantError("accounts need a list of the hosts that may be connected to")
        refuse_halted(self._state)
        self._write("start", "halts: none is set")
        legs = self._config.legs
        symbols: dict[str, list[str]] = {}
        for leg in legs:
            symbols.setdefault(leg.venue, []).append(leg.symbol)
        await host.compare_grids(symbols)
        start = AccountStart(
            self._config, legs, self._signers, self._options.environment, self._folder, self._guards
        )
        await start.run(host, self._write, self._claim)
        if self._journal is None or start.facts is None:
            raise InvariantError("the accounts were not claimed")
        with JournalReader(self._journal.path, self._options.environment) as reader:
            known_ns = reader.known_until_ns()
            last = [one for one in reader.runs() if reader.legs(one.run)]
            run = self._journal.begin_run(run_row("live", self._config, self._folder))
            owned = _owned(legs, start.facts)
            taken = await self._reconciled(host, reader, run, known_ns, self._journal, owned)
            paid = await self._payments(host, reader, run, self._journal, last[-1].started_ns if last else 0)
        for line in (*taken.lines, *paid):
            self._write("start", line)
        config = replace(self._config, legs=_with_openings(legs, taken.holdings, start.facts))
        ids = SessionIds(self._journal.tag, run, time.time_ns() // MILLISECOND)
        kept = KeptRun(self._journal, run, self._leg_rows)
        return AccountState(config, ids, kept, self._locks, start.facts.rights)

    def _claim(self, account_ids: Mapping[str, str]) -> bool:
        """Takes the accounts and the journal; whether earlier sessions left positions or open orders. account_ids: by
        house. Raises InputError while another session has one, and for the journal of another account."""
        holder = f"process {os.getpid()}, {self._folder}"
        environment = self._options.environment
        accounts = {house: Account(house, environment, own) for house, own in account_ids.items()}
        for account in accounts.values():
            self._locks.append(lock_account(self._state, account, holder))
        live = self._config.live
        self._journal = Journal.open(
            self._state / FILE,
            environment,
            flush_ms=live.flush_ms,
            sync=live.sync,
            holder=holder,
            reserve_bytes=RESERVE_BYTES,
        )
        with JournalReader(self._journal.path, environment) as reader:
            before = reader.accounts()
            is_held = any(abs(one.qty - one.base_fees) >= one.lot_size for one in reader.positions())
            is_held |= bool(reader.orders(open_only=True))
        for house, account in accounts.items():
            others = {name for name in before if name.startswith(f"{house}-")} - {account.name}
            if others:
                raise InputError(
                    f"{self._journal.path}: is the journal of {', '.join(sorted(others))}, and the key is one of "
                    f"{account.name}: choose another live.state_directory"
                )
        self._accounts = {venue: accounts[house_of(venue)].name for venue in self._signers}
        return is_held

    def _leg_rows(self) -> list[LegRow]:
        return leg_rows(self._config.legs, self._accounts)

    async def _reconciled(
        self,
        host: Host,
        reader: JournalReader,
        run: int,
        known_ns: int,
        journal: Journal,
        owned: Mapping[tuple[str, str], Decimal],
    ) -> TakenOver:
        recv_window_ms = self._config.live.recv_window_ms
        legs = self._config.legs
        rests = {venue: HttpTradeRest(host.urls[venue].rest, host.hosts) for venue in self._signers}  # type: ignore[arg-type]
        queries = {
            venue: AccountQueries(
                protocols_of(venue, self._signers[venue], recv_window_ms)[0],
                rest,
                {no: instrument_of_orders(leg) for no, leg in enumerate(legs) if leg.venue == venue},
            )
            for venue, rest in rests.items()
        }
        takes_any = self._options.is_adopting or self._options.is_closing_first
        entries = await self._entries(host) if takes_any else {}
        try:
            return await Reconciliation(
                legs,
                queries,
                journal,
                reader,
                self._accounts,
                run=run,
                known_ns=known_ns,
                recv_window_ms=recv_window_ms,
                now_ns=time.time_ns,
                takes_any=takes_any,
                entries=entries,
                owned=owned,
            ).run()
        finally:
            for rest in rests.values():
                await rest.close()

    async def _payments(
        self, host: Host, reader: JournalReader, run: int, journal: Journal, since_ns: int
    ) -> list[str]:
        """Brings funding and transfers since the last session began into the journal. since_ns: 0: there was none."""
        if not since_ns or host.hosts is None:
            return []
        clients = account_clients(
            {name: host.urls[name] for name in self._signers}, self._signers, host.hosts, self._folder
        )
        try:
            names = {house_of(venue): name for venue, name in self._accounts.items()}
            rows, lines = await fetch_payments(
                clients, names, reader.payments(), since_ns, run, time.time_ns()
            )
        finally:
            for client in clients.values():
                await client.close()
        for row in rows:
            journal.note(row)
        journal.write_notes()
        return lines

    async def _entries(self, host: Host) -> dict[tuple[str, str], Decimal]:
        """Prices at which the positions of perpetuals were opened, as their venues say, by venue and symbol."""
        if host.hosts is None:
            raise InvariantError("accounts need a list of the hosts that may be connected to")
        clients = account_clients(
            {name: host.urls[name] for name in self._signers},
            self._signers,
            host.hosts,
            self._folder,
        )
        entries: dict[tuple[str, str], Decimal] = {}
        try:
            for house, client in clients.items():
                venues = {
                    leg.venue for leg in self._config.legs if not leg.is_spot and house_of(leg.venue) == house
                }
                for position in await client.positions() if venues else ():
                    entries |= {(venue, position.symbol): position.entry_price for venue in venues}
        finally:
            for client in clients.values():
                await client.close()
        return entries


def own_run(config: Config, folder: Path, start: AccountStart) -> KeptRun:
    """The run of a session whose sandbox ends with it: its journal is in the session's folder. Raises InputError."""
    live = config.live
    path = folder / STATE / "sandbox" / FILE
    journal = Journal.open(path, "sandbox", flush_ms=live.flush_ms, sync=live.sync, holder=str(folder))

    def legs() -> list[LegRow]:
        if start.facts is None:
            raise InvariantError("the accounts were not checked")
        ids = start.facts.account_ids
        houses = {leg.venue: house_of(leg.venue) for leg in config.legs}
        return leg_rows(
            config.legs,
            {venue: Account(house, "sandbox", ids[house]).name for venue, house in houses.items()},
        )

    return KeptRun(journal, journal.begin_run(run_row("live", config, folder)), legs)


def leg_rows(legs: Sequence[Leg], accounts: Mapping[str, str]) -> list[LegRow]:
    """The legs of a run. accounts: `Account.name` by venue."""
    rows = []
    for leg in legs:
        instrument = instrument_of_orders(leg)
        sizes = leg.tick_size_text, leg.lot_size_text
        assets = instrument.base, instrument.quote
        rows.append(LegRow(leg.venue, leg.symbol, accounts[leg.venue], *sizes, *assets, leg.is_spot))
    return rows


def _change_sandbox(state: Path, started_ns: int) -> None:
    """Puts the folder of another sandbox's accounts aside, which its restart has ended, and takes this one's back.

    Raises InputError while a session uses it.
    """
    name = state / _SANDBOX
    try:
        before = name.read_text() if name.exists() else ""
        if before == str(started_ns):
            return
        if before:
            if is_held(state / LOCK):
                raise InputError(f"{state}: is in use by a session on another sandbox: wait for its end")
            state.rename(state.with_name(f"{state.name}-{before}"))
        aside = state.with_name(f"{state.name}-{started_ns}")
        if aside.exists():
            aside.rename(state)
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        name.write_text(str(started_ns))
    except OSError as error:
        raise InputError(
            f"{state}: cannot be used: {error.strerror}; choose another live.state_directory"
        ) from None


def _owned(legs: Sequence[Leg], facts: AccountFacts) -> dict[tuple[str, str], Decimal]:
    """The base that the accounts of spot legs have, free or not, by venue and symbol."""
    return {
        (leg.venue, leg.symbol): facts.balances[wallet_of(leg.venue)]
        .get(instrument_of_orders(leg).base, _NOTHING)
        .total
        for leg in legs
        if leg.is_spot
    }


def _with_openings(legs: Sequence[Leg], holdings: Sequence[Holding], facts: AccountFacts) -> tuple[Leg, ...]:
    """The legs with what they take over, and with no more than their accounts have."""
    #: Of spot legs, by the funds that they share: what their positions have cost.
    spent: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for leg, (position, price) in zip(legs, holdings, strict=True):
        if leg.is_spot:
            spent[leg.funds] += position * price * Decimal(repr(leg.contract_size))
    found = []
    for leg, (position, price) in zip(legs, holdings, strict=True):
        balances = facts.balances[wallet_of(leg.venue)]
        instrument = instrument_of_orders(leg)
        base, quote = (balances.get(asset, _NOTHING) for asset in (instrument.base, instrument.quote))
        # What positions of perpetuals tie up is their own.
        free_quote = quote.free + spent[leg.funds] if leg.is_spot else quote.total
        found.append(
            replace(
                leg,
                opening_position=float(position),
                opening_price=float(price),
                base=_least(leg.base, base.free - position) if leg.is_spot else leg.base,
                quote=_least(leg.quote, free_quote),
            )
        )
    return tuple(found)


def _least(configured: float, free: Decimal) -> float:
    return min(configured, max(float(free), 0.0))
