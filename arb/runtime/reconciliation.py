"""Makes journal and venues agree before a session trades: orders, executions, positions.

Orders with the journal's tag that are still open are cancelled; what the venues executed and the journal lacks is
added to it; every order of the journal gets its end. Orders and positions of others are not touched. What is left
unexplained ends the start. See `arb.execution.reconcile`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from arb.errors import InputError
from arb.execution.ids import SessionIds
from arb.execution.reconcile import Holding, KnownOrder, OrderKey, PositionCheck, SymbolState, held
from arb.journal.journal import Journal
from arb.journal.reader import JournalReader, Order, Position, Trade
from arb.journal.schema import Ended, ExecutionRow, Opened, Reconciled
from arb.leg import Leg
from arb.runtime.account_queries import AccountQueries
from connectors.binance.order_words import kind_of
from connectors.orders.model import ExecutionKind, OrderUpdate
from connectors.units import MILLISECOND, SECOND

#: Executions are queried from this long before what the journal surely has.
_MARGIN_MS = 60_000
#: A venue lists executions of at most this long after a time.
_WINDOW_MS = 6 * 24 * 3600 * 1000
#: After this time beyond its receive window an order cannot arrive any more.
_LATEST_NS = 10 * SECOND
#: How often an order that was cancelled is looked up until it has ended.
_LOOKS = 20
_LOOK_S = 0.25
#: So often an order is not found, when it cannot arrive any more, until it never arrived.
_MISSES = 2
#: Most orders of unknown executions that are looked up.
_UNKNOWN_MAX = 500


class TakenOver(NamedTuple):
    """What a session begins with: a position by leg; lines for the log."""

    holdings: tuple[Holding, ...]
    lines: tuple[str, ...]


class Reconciliation:
    """One reconciliation of a journal with its venues."""

    def __init__(
        self,
        legs: Sequence[Leg],
        queries: Mapping[str, AccountQueries],
        journal: Journal,
        reader: JournalReader,
        accounts: Mapping[str, str],
        *,
        run: int,
        known_ns: int,
        recv_window_ms: int,
        now_ns: Callable[[], int],
        takes_any: bool = False,
        entries: Mapping[tuple[str, str], Decimal] = MappingProxyType({}),
        owned: Mapping[tuple[str, str], Decimal] = MappingProxyType({}),
        look_s: float = _LOOK_S,
    ) -> None:
        """queries: by venue. reader: of the same journal. accounts: `Account.name` by venue. run: of this session;
        known_ns: `JournalReader.known_until_ns` before it began. takes_any: positions that the journal does
        not explain are taken over, at these `entries`: their prices at the venues. owned: the base of spot legs in
        their accounts; entries and owned by venue and symbol."""
        self._legs = tuple(legs)
        self._queries = dict(queries)
        self._journal = journal
        self._reader = reader
        self._accounts = dict(accounts)
        self._run = run
        self._known_ns = known_ns
        self._entries = dict(entries)
        self._owned = dict(owned)
        self._recv_ns = recv_window_ms * MILLISECOND
        self._now_ns = now_ns
        self._takes_any = takes_any
        self._look_s = look_s
        self._lines: list[str] = []

    async def run(self) -> TakenOver:
        """Raises InputError with the differences that are left. What was found is in the journal in any case."""
        self._refuse_other_symbols()
        states = self._states()
        try:
            await asyncio.gather(
                *(
                    self._venue(venue, [one for one in states if one.venue == venue])
                    for venue in self._queries
                )
            )
        finally:
            self._write(states)
        await self._compare(states)
        trades, fees = self._reader.executions(), self._reader.positions()
        return TakenOver(tuple(self._holding(leg, trades, fees) for leg in self._legs), tuple(self._lines))

    def _refuse_other_symbols(self) -> None:
        """Raises InputError for open orders and positions of the journal that this session would not see."""
        own = {(leg.venue, leg.symbol) for leg in self._legs}
        open_orders = self._reader.orders(open_only=True)
        others = {(one.venue, one.symbol) for one in open_orders}
        others |= {
            (one.venue, one.symbol) for one in self._reader.positions() if one.lots and not one.is_spot
        }
        if missing := sorted(f"{venue}:{symbol}" for venue, symbol in others - own):
            raise InputError(
                f"{self._reader.path}: it has open orders or positions of {', '.join(missing)}, which this session "
                "does not trade: add these legs, or choose another live.state_directory"
            )

    def _states(self) -> list[SymbolState]:
        """What the journal knows of each leg's symbol."""
        orders: dict[tuple[str, str], list[Order]] = defaultdict(list)
        for order in self._reader.orders(open_only=True):
            orders[order.venue, order.symbol].append(order)
        ids: dict[tuple[str, str], dict[str, frozenset[OrderKey]]] = defaultdict(dict)
        for venue, symbol, execution_id, key in self._reader.execution_keys():
            own = ids[venue, symbol]
            own[execution_id] = own.get(execution_id, frozenset()) | {key}
        states = []
        for venue, symbol in dict.fromkeys((leg.venue, leg.symbol) for leg in self._legs):
            known = [self._known(one) for one in orders[venue, symbol]]
            states.append(
                SymbolState(
                    venue,
                    symbol,
                    self._journal.tag,
                    self._run - 1,
                    ids[venue, symbol],
                    {one.key: one for one in known},
                )
            )
        return states

    def _known(self, order: Order) -> KnownOrder:
        ids = SessionIds(self._journal.tag, order.run, 0)
        clients = tuple(ids.client_id(order.leg, request, order.attempt) for request in order.requests)
        key = order.run, order.leg, order.placed
        return KnownOrder(key, clients, order.made_ns, order.lots, order.filled_lots)

    async def _venue(self, venue: str, states: Sequence[SymbolState]) -> None:
        queries = self._queries[venue]
        await queries.clock()
        for state in states:
            await self._symbol(queries, state)

    async def _symbol(self, queries: AccountQueries, state: SymbolState) -> None:
        leg = next(
            no for no, one in enumerate(self._legs) if (one.venue, one.symbol) == (state.venue, state.symbol)
        )
        listed = await queries.open_orders(leg)
        if refused := [text for one in listed if (text := state.refusal(one.client_id))]:
            raise InputError(refused[0])
        own = state.open_orders(listed)
        by_client = {one.client_id: one for one in listed}
        for client in own:
            await queries.cancel(leg, by_client[client])
            self._lines.append(
                f"{state.venue} {state.symbol}: the order {client} of an earlier session was cancelled"
            )
        keys = dict.fromkeys([*state.orders, *(key for client in own if (key := state.key_of(client)))])
        ends = {
            key: await self._end(queries, leg, state, key, [one for one in own if state.key_of(one) == key])
            for key in keys
        }
        since_ms = (self._known_ns or self._now_ns()) // MILLISECOND - _MARGIN_MS
        for order in state.orders.values():
            since_ms = min(since_ms, order.made_ns // MILLISECOND - _MARGIN_MS)
        await self._executions(queries, leg, state, since_ms, ends)
        differences = []
        for key, updates in ends.items():
            difference = await self._ended(queries, leg, state, key, updates) if updates else state.lost(key)
            if difference:
                differences.append(difference)
        if differences:
            raise InputError("; ".join(differences))

    async def _end(
        self, queries: AccountQueries, leg: int, state: SymbolState, key: OrderKey, own: Sequence[str]
    ) -> list[OrderUpdate]:
        """The final states of an order's parts at the venue; none if it is proven that it never arrived."""
        known = state.orders.get(key)
        clients = list(dict.fromkeys([*(known.client_ids if known else ()), *own]))
        found: dict[str, OrderUpdate] = {}
        for client in clients:
            missed = 0
            for _ in range(_LOOKS):
                update = await queries.look_up(leg, client)
                if update is not None and not update.status.is_open:
                    found[client] = update
                    break
                if update is not None:
                    await queries.cancel(leg, update)
                elif known is None or self._cannot_arrive(known):
                    missed += 1
                    if missed == _MISSES:
                        break
                await asyncio.sleep(self._look_s if update is not None or missed else 4.0 * self._look_s)
            else:
                raise InputError(
                    f"{state.venue} {state.symbol}: the order {client} of an earlier session does not end: "
                    "cancel it at the venue, then start again"
                )
        return list(found.values())

    def _cannot_arrive(self, order: KnownOrder) -> bool:
        return self._now_ns() > order.made_ns + self._recv_ns + _LATEST_NS

    async def _executions(
        self,
        queries: AccountQueries,
        leg: int,
        state: SymbolState,
        since_ms: int,
        ends: Mapping[OrderKey, Sequence[OrderUpdate]],
    ) -> None:
        """Brings the venue's executions since then into the state."""
        clients = {one.venue_order_id: one.client_id for updates in ends.values() for one in updates}
        now_ms = self._now_ns() // MILLISECOND + queries.offset_ms
        looked = 0
        while since_ms < now_ms:
            listed = await queries.executions(leg, since_ms)
            counts = Counter(x.execution_id for x in listed)
            for x in listed:
                client = x.client_id or clients.get(x.venue_order_id)
                if client is None and counts[x.execution_id] > len(state.known_ids.get(x.execution_id, ())):
                    looked += 1
                    if looked > _UNKNOWN_MAX:
                        raise InputError(
                            f"{state.venue} {state.symbol}: the account has more than {_UNKNOWN_MAX} orders that the "
                            "journal does not know since the last session: trade with an account of its own"
                        )
                    order = await queries.look_up(leg, venue_id=x.venue_order_id)
                    client = clients[x.venue_order_id] = order.client_id if order is not None else ""
                    if order is None and not self._takes_any and x.kind is ExecutionKind.TRADE:
                        state.unclaimed.append(x)
                if not x.client_id and client and x.kind is ExecutionKind.TRADE:
                    x = x._replace(kind=kind_of(client))  # Binance's list does not say it
                state.add(x, client or "")
            since_ms += _WINDOW_MS

    async def _ended(
        self,
        queries: AccountQueries,
        leg: int,
        state: SymbolState,
        key: OrderKey,
        updates: Sequence[OrderUpdate],
    ) -> str:
        """Notes an order's end; asks for its executions by its id if some are missing."""
        for attempt in range(_LOOKS):
            said = sum(max(one.executed_lots, 0) for one in updates)
            if state.executed_of(key) == said:
                break
            if attempt:
                await asyncio.sleep(self._look_s)
            for one in updates:
                for x in await queries.executions(leg, venue_id=one.venue_order_id):
                    if x.venue_order_id == one.venue_order_id:
                        state.add(x, one.client_id)
        return state.ended(key, updates)

    def _write(self, states: Iterable[SymbolState]) -> None:
        """Adds what was found to the journal."""
        now = self._now_ns()
        # The list reaches back before the last note, and a start that failed has noted what it found.
        known = {(one.venue, one.symbol, one.text) for one in self._reader.openings()}
        for state in states:
            for key, x, attempt in state.found.values():
                self._journal.note(
                    ExecutionRow(
                        *key, x.execution_id, now, x.venue_ms, x.side, x.tick, x.lots, x.is_maker, str(x.fee),
                        x.fee_asset, attempt,
                    )
                )  # fmt: skip
                self._lines.append(
                    f"{state.venue} {state.symbol}: execution {x.execution_id} of {x.side * x.lots:+} lots was missing "
                    "in the journal"
                )
            for ending in state.endings.values():
                self._journal.note(Ended(*ending.key, now, ending.status, ending.executed, ending.text))
            for x in state.others.values():
                text = f"{x.kind.name.lower()} {x.execution_id}"
                if x.kind is not ExecutionKind.TRADE and (state.venue, state.symbol, text) not in known:
                    tick = Decimal(self._leg(state).tick_size_text)
                    self._open(state, x.side * x.lots, x.tick * tick, text)
                    self._lines.append(
                        f"{state.venue} {state.symbol}: the venue traded {x.side * x.lots:+} lots itself ({text})"
                    )
        self._journal.write_notes()

    async def _compare(self, states: Sequence[SymbolState]) -> None:
        """Positions of perpetuals: those of the journal must be the venue's; of spot, no more than there is. Raises
        InputError."""
        journal = {(one.venue, one.symbol): one for one in self._reader.positions()}
        refused = []
        for venue in self._queries:
            legs = [one for one in states if one.venue == venue]
            has_perpetuals = any(not self._leg(one).is_spot for one in legs)
            positions = await self._queries[venue].positions() if has_perpetuals else {}
            differences = []
            for state in legs:
                known = journal.get((venue, state.symbol))
                check = self._check(state, known, positions)
                lot = Decimal(self._leg(state).lot_size_text)
                if check.unexplained and self._takes_any:
                    price = self._entries.get((venue, state.symbol), Decimal(0))
                    self._open(state, check.unexplained, price, "taken over")
                    self._lines.append(
                        f"{venue} {state.symbol}: a position of {check.unexplained * lot} is taken over"
                    )
                elif text := check.refusal(lot):
                    differences.append(text)
            what = "every order and position" if has_perpetuals else "every order"
            self._agreed(venue, "; ".join(differences) or what, is_agreed=not differences)
            refused += differences
        self._journal.write_notes()
        if refused:
            raise InputError("; ".join(refused))

    def _check(
        self, state: SymbolState, known: Position | None, positions: Mapping[str, Decimal]
    ) -> PositionCheck:
        """What the journal explains, beside the position of a perpetual, or beside what an account owns for spot."""
        leg = self._leg(state)
        lot = Decimal(leg.lot_size_text)
        qty = known.qty if known is not None else Decimal(0)
        at_venue = positions.get(state.symbol, Decimal(0))
        if leg.is_spot:
            bought = qty - (known.base_fees if known is not None else Decimal(0))
            missing = bought - self._owned.get((state.venue, state.symbol), bought)
            # What is too small for an order may have been converted.
            at_venue = qty - missing if missing >= Decimal(repr(leg.min_qty)) else qty
        foreign = state.foreign_lots(self._known_ns // MILLISECOND)
        return PositionCheck(
            state.venue, state.symbol, int(qty / lot), int(at_venue / lot), foreign, is_spot=leg.is_spot
        )

    def _open(self, state: SymbolState, lots: int, price: Decimal, text: str) -> None:
        lot = self._leg(state).lot_size_text
        self._journal.note(
            Opened(
                self._run, self._now_ns(), self._accounts[state.venue], state.venue, state.symbol, lots, lot,
                str(price), text,
            )
        )  # fmt: skip

    def _agreed(self, venue: str, text: str, *, is_agreed: bool = True) -> None:
        self._journal.note(Reconciled(self._run, self._now_ns(), self._accounts[venue], is_agreed, text))

    def _leg(self, state: SymbolState) -> Leg:
        return next(leg for leg in self._legs if (leg.venue, leg.symbol) == (state.venue, state.symbol))

    def _holding(self, leg: Leg, trades: Iterable[Trade], positions: Iterable[Position]) -> Holding:
        """The position of a leg, and its average price, by the journal."""
        of = (leg.venue, leg.symbol)
        changes = [
            (trade.ts, trade.side * trade.qty, trade.price)
            for trade in trades
            if (trade.venue, trade.symbol) == of
        ]
        changes += [
            (one.ts, one.qty, one.price) for one in self._reader.openings() if (one.venue, one.symbol) == of
        ]
        fees = sum((one.base_fees for one in positions if (one.venue, one.symbol) == of), Decimal(0))
        return held(((qty, price) for _, qty, price in sorted(changes, key=lambda one: one[0])), fees)
