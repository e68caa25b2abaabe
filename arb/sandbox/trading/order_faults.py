"""Faults of requests, events and new orders: which of them each one meets. Pure.

A fault of a kind with `count` is armed when its time comes and meets the next matching requests, events or orders;
kinds with a duration apply to everything while they last. What is done to accounts at once is in `fault_acts`. Venues'
request code asks `meet` once per request that passed its checks; all else is asked by `Trading` and `Desk`.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from arb.sandbox.accounts.account import Account
from arb.sandbox.faults import (
    ACCOUNT_LINE_KINDS,
    EVENT_KINDS,
    ORDER_KINDS,
    REQUEST_KINDS,
    Fault,
    FaultKind,
    Scheduled,
)
from arb.sandbox.matching.orders import End, EndReason, Force, Order, Result
from arb.sandbox.trading.delivery import Outbox
from arb.sandbox.trading.events import AccountEvent, Change, Event, OrderEvent, TransferEvent, event_name
from arb.sandbox.trading.fault_acts import FaultActs
from arb.sandbox.trading.instrument import Instrument
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import OrderKind
from connectors.units import SECOND

#: Finished orders that stay hidden for ever: the newest ones.
_HIDDEN_MAX = 20_000
#: States of an account's wallets that are kept for `balance_lag`.
_PAST_MAX = 10_000
_HALF = 0.5

#: Receives every effect: the fault, the time, the venue, and further plain values.
Report = Callable[..., None]


class Request(NamedTuple):
    """A request as faults see it. what: "place", "cancel", "amend", "query" or "mode" (settings)."""

    venue: str
    account: str
    what: str
    symbol: str
    #: The client's id of the order that it is about; "" without one.
    client_id: str


class OrderFaults:
    """See the module. One thread."""

    def __init__(self, outbox: Outbox, acts: FaultActs) -> None:
        self._outbox = outbox
        self._acts = acts
        #: Armed faults and those with a duration, in the order in which they first began.
        self._begun: dict[int, Scheduled] = {}
        #: Those of connections that wait for an accepted order.
        self._lines: list[Scheduled] = []
        #: Numbers of orders that queries do not find; of those that are to be pruned when they end.
        self._hidden: dict[int, None] = {}
        self._doomed: set[int] = set()
        #: Events that wait for the next one of their account at the venue.
        self._held: dict[tuple[str, str], list[Event]] = {}
        #: Wallets of accounts whose balances lag, with the times of their states.
        self._past: dict[tuple[str, str], deque[tuple[int, Account]]] = {}
        #: Set by the server: the log, and what cuts connections.
        self.report: Report = _ignore
        self.strike: Callable[[Scheduled, str, int], None] = _ignore

    def begin(self, scheduled: Scheduled, now_ns: int) -> None:
        """A fault begins. Those that are over are dropped."""
        fault = scheduled.fault
        self._begun = {no: one for no, one in self._begun.items() if not one.is_over(now_ns)}
        if fault.kind in REQUEST_KINDS | EVENT_KINDS | ORDER_KINDS:
            self._begun[scheduled.no] = scheduled
        elif fault.kind in ACCOUNT_LINE_KINDS:
            self._lines.append(scheduled)
        elif fault.kind in (FaultKind.USER_SILENT, FaultKind.BALANCE_LAG):
            self._begun[scheduled.no] = scheduled
            for venue, account in self._acts.accounts_of(fault):
                self.report(scheduled, now_ns, venue, account=account.id, duration_s=fault.duration_s)
                if fault.kind is FaultKind.BALANCE_LAG:
                    self._keep(account, now_ns)
        else:
            for venue, outcome in self._acts.carry_out(fault, now_ns):
                self.report(scheduled, now_ns, venue, **outcome)

    # requests

    def meet(self, request: Request, now_ns: int) -> Fault | None:
        """The fault that a request meets, if any. Called once per request, after its checks."""
        if not self._begun:
            return None
        for one in self._armed(REQUEST_KINDS):
            fault = one.fault
            if (
                fault.concerns(request.venue, request.account, request.symbol)
                and fnmatchcase(request.what, fault.request)
                and fnmatchcase(request.client_id, fault.order)
            ):
                self._take(
                    one,
                    now_ns,
                    request.venue,
                    account=request.account,
                    request=request.what,
                    symbol=request.symbol,
                    order=request.client_id,
                )
                return fault
        return None

    # orders

    def match(
        self, instrument: Instrument, order: VenueOrder, taking: Order, now_ns: int, bound: int | None
    ) -> list[Result]:
        """Matches a new order; `partial_then_expire` ends it after a part of what it would take."""
        scheduled = self._of_order(FaultKind.PARTIAL_THEN_EXPIRE, order) if self._begun else None
        matcher = instrument.matcher
        if scheduled is None or taking.force in (Force.FOK, Force.POST_ONLY):
            return matcher.place(taking, now_ns, bound)
        part = max(1, int(taking.lots * (scheduled.fault.share or _HALF)))
        limit = _tighter(order.side, taking.tick, bound)
        if part >= taking.lots or matcher.estimate(order.side, limit, lots=part).lots < part:
            return matcher.place(taking, now_ns, bound)
        lots, force = taking.lots, taking.force
        taking.lots, taking.force = part, Force.IOC
        results = matcher.place(taking, now_ns, bound)
        taking.lots, taking.force = lots, force
        is_taker = force is Force.IOC or order.kind is OrderKind.MARKET
        results = [one for one in results if not (isinstance(one, End) and one.order is taking)]
        results.append(End(taking, EndReason.IOC_REST if is_taker else EndReason.VENUE, now_ns))
        self._report_order(scheduled, order, now_ns, filled=str(instrument.rules.quantity(taking.filled)))
        return results

    def is_hidden(self, order: VenueOrder) -> bool:
        """Whether queries do not find an order."""
        return order.no in self._hidden

    def happened(self, event: Event) -> None:
        """An event happens, before anybody receives it."""
        if self._past:
            account = self._acts.account(event.venue, event.account)
            if (account.house, account.id) in self._past:
                self._keep(account, event.at_ns)
        if not isinstance(event, OrderEvent):
            return
        order = event.order
        if event.change is Change.NEW:
            self._on_new(order, event.at_ns)
        elif order.no in self._doomed and not order.is_open:
            self._doomed.discard(order.no)
            self._hide(order.no)

    def _on_new(self, order: VenueOrder, now_ns: int) -> None:
        for waiting in list(self._lines) if "venue_order" not in order.extra else ():
            if waiting.fault.concerns(order.venue, order.account, order.symbol):
                self._lines.remove(waiting)
                self.strike(waiting, order.venue, now_ns)
        if not self._begun:
            return
        if scheduled := self._of_order(FaultKind.NOT_VISIBLE, order):
            self._report_order(scheduled, order, now_ns, delay_s=scheduled.fault.delay_s)
            self._hide(order.no)
            until_ns = now_ns + round(scheduled.fault.delay_s * SECOND)
            self._outbox.put(until_ns, lambda _: self._hidden.pop(order.no, None) and None)
        ends_at_once = order.kind is OrderKind.MARKET or order.force in (Force.IOC, Force.FOK)
        if ends_at_once and (scheduled := self._of_order(FaultKind.PRUNED, order)):
            self._report_order(scheduled, order, now_ns)
            self._doomed.add(order.no)

    def _hide(self, no: int) -> None:
        self._hidden[no] = None
        if len(self._hidden) > _HIDDEN_MAX:
            del self._hidden[next(iter(self._hidden))]

    def _of_order(self, kind: FaultKind, order: VenueOrder) -> Scheduled | None:
        """The armed fault of a kind that a new order meets; orders of the venue itself meet none."""
        if "venue_order" in order.extra:
            return None
        for one in self._armed(frozenset((kind,))):
            fault = one.fault
            if fault.concerns(order.venue, order.account, order.symbol) and fnmatchcase(
                order.client_id, fault.order
            ):
                return one
        return None

    def _report_order(self, one: Scheduled, order: VenueOrder, now_ns: int, **more: Any) -> None:
        self._take(
            one,
            now_ns,
            order.venue,
            account=order.account,
            symbol=order.symbol,
            order=order.client_id,
            order_id=order.order_id,
            **more,
        )

    # events

    def sent(self, event: Event, now_ns: int) -> list[tuple[Event, int]]:
        """The events to send instead of one that happened, each with its further delay in ns."""
        if not self._begun and not self._held:
            return [(event, 0)]
        key = event.venue, event.account
        extra_ns = 0
        for one in self._begun.values():
            if one.until_ns > now_ns and one.fault.concerns(*key):
                if one.fault.kind is FaultKind.USER_SILENT:
                    return []
                if one.fault.kind is FaultKind.BALANCE_LAG and isinstance(
                    event, AccountEvent | TransferEvent
                ):
                    extra_ns = round(one.fault.delay_s * SECOND)
        kind = self._event_fault(event, now_ns)
        held = self._held.pop(key, [])
        if kind is None:
            now = [(event, extra_ns)]
        elif kind.kind is FaultKind.REORDER_EVENT:
            self._held[key] = [event]
            now = []
        elif kind.kind is FaultKind.LATE_EVENT:
            now = [(event, extra_ns + round(kind.delay_s * SECOND))]
        else:
            now = [(event, extra_ns)] * 2
        return [*now, *((one, 0) for one in held)]

    def _event_fault(self, event: Event, now_ns: int) -> Fault | None:
        name = event_name(event)
        symbol = event.order.symbol if isinstance(event, OrderEvent) else None
        for one in self._armed(EVENT_KINDS):
            fault = one.fault
            if fault.concerns(event.venue, event.account, symbol) and fnmatchcase(name, fault.event):
                client_id = event.order.client_id if isinstance(event, OrderEvent) else ""
                if not fnmatchcase(client_id, fault.order):
                    continue
                self._take(one, now_ns, event.venue, account=event.account, event=name, order=client_id)
                return fault
        return None

    # balances

    def shown(self, account: Account, now_ns: int) -> Account:
        """The account as queries show it: with earlier balances while these lag."""
        past = self._past.get((account.house, account.id)) if self._past else None
        if past is None:
            return account
        lag_ns = max(
            (
                round(one.fault.delay_s * SECOND)
                for one in self._begun.values()
                if one.fault.kind is FaultKind.BALANCE_LAG
                and one.until_ns > now_ns
                and any(own is account for _, own in self._acts.accounts_of(one.fault))
            ),
            default=-1,
        )
        if lag_ns < 0:
            del self._past[account.house, account.id]
            return account
        while len(past) > 1 and past[1][0] <= now_ns - lag_ns:
            past.popleft()
        return past[0][1]

    def _keep(self, account: Account, now_ns: int) -> None:
        past = self._past.get((account.house, account.id))
        if past is None:
            past = self._past[account.house, account.id] = deque(maxlen=_PAST_MAX)
        wallets = {name: copy.deepcopy(wallet) for name, wallet in account.wallets.items()}
        past.append((now_ns, replace(account, wallets=wallets)))

    # all

    def _armed(self, kinds: frozenset[FaultKind]) -> list[Scheduled]:
        return [one for one in self._begun.values() if one.left and one.fault.kind in kinds]

    def _take(self, one: Scheduled, now_ns: int, venue: str, **more: Any) -> None:
        one.left -= 1
        self.report(one, now_ns, venue, **more)


def _tighter(side: int, tick: int | None, bound: int | None) -> int | None:
    """The nearer of a limit and a bound."""
    ticks = [one for one in (tick, bound) if one is not None]
    return None if not ticks else min(ticks) if side == 0 else max(ticks)


def _ignore(*_: object, **__: object) -> None:
    """Nobody listens."""
