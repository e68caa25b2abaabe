"""All trading of a sandbox: accounts, keys, the desks of the venues, and what is due when. Pure.

The server passes every frame that it sends (`receive`) and every advance of its clock (`advance`); the venues' sessions
and REST modules call the desks and listen to events. Times are those in the venues' frames, in ns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from numpy.random import Generator

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.keys import KeyRing
from arb.sandbox.accounts.rules import Facts, InstrumentRules, rules_of
from arb.sandbox.events import Listing
from arb.sandbox.faults import Scheduled
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.matching.orders import EndReason, Prevention
from arb.sandbox.trading.deadman import Countdowns, DisconnectProtection, Switch
from arb.sandbox.trading.delivery import Delays, Delivery, Outbox
from arb.sandbox.trading.desk import Desk
from arb.sandbox.trading.events import DeadManEvent, Event
from arb.sandbox.trading.fault_acts import FaultActs
from arb.sandbox.trading.forced_closings import ForcedClosings
from arb.sandbox.trading.ids import Ids
from arb.sandbox.trading.instrument import Instrument
from arb.sandbox.trading.market_side import Frame, MarketSide, Source
from arb.sandbox.trading.order_faults import OrderFaults
from arb.sandbox.trading.policy import POLICIES, Policy
from arb.sandbox.trading.setup import TradingSetup, open_accounts
from arb.sandbox.trading.undocumented import Undocumented

Listener = Callable[[Event], None]


class Trading:
    """See the module."""

    def __init__(
        self,
        setup: TradingSetup,
        source: Source,
        facts: Mapping[tuple[str, str], Facts],
        start_ns: int,
        *,
        seed: int,
        chance: Generator,
        funding: Funding = USUAL_FUNDING,
        order_limits: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        """source: the tape. facts: by venue and symbol. seed: of ids. chance: of delays.

        funding: of perpetuals whose frames carry none. order_limits: by venue and window; see `order_counts`.
        """
        self.setup = setup
        #: The last time to which it was advanced.
        self.now_ns = start_ns
        self.keys = KeyRing(setup.keys)
        #: By house ("binance", "bybit") and id.
        self.accounts: dict[str, dict[str, Account]] = open_accounts(setup, start_ns)
        self._ids = Ids(seed)
        self._outbox = Outbox()
        self._countdowns = Countdowns()
        self._protections: dict[tuple[str, str], DisconnectProtection] = {}
        self._emitted: list[Event] = []
        self._listeners: dict[tuple[str, str], dict[int, Listener]] = {}
        self._listener_no = 0
        #: Called with every event of all accounts when it happens, before any delay.
        self.observer: Listener | None = None
        self.market = MarketSide(source, setup, funding)
        #: By venue.
        self.desks: dict[str, Desk] = {}
        self.delivery: dict[str, Delivery] = {}
        self.undocumented: dict[str, Undocumented] = {}
        for venue, own in zip(POLICIES, chance.spawn(len(POLICIES)), strict=True):
            assumed = self.undocumented[venue] = setup.assumptions(venue)
            delays = setup.delays.get(venue, Delays())
            self.delivery[venue] = Delivery(self._outbox, delays, own, self._flush)
            instruments = {
                listing.symbol: self._instrument(no, listing, facts, assumed)
                for no, listing in enumerate(source.listings)
                if listing.venue == venue
            }
            policy = _policy(venue, assumed, (order_limits or {}).get(venue, {}))
            accounts = self.accounts[venue.partition("_")[0]]
            self.desks[venue] = Desk(venue, accounts, instruments, policy, self._ids, self._emit)
        self.market.join(self.desks, start_ns)
        self._closings = ForcedClosings(self.desks, self.accounts)
        acts = FaultActs(self.desks, self.accounts, self.keys, self._outbox, self._closings, self._emit)
        #: Faults of order entry and accounts.
        self.faults = OrderFaults(self._outbox, acts)
        for desk in self.desks.values():
            desk.match, desk.is_hidden = self.faults.match, self.faults.is_hidden

    # accounts and events

    def account(self, venue: str, account: str) -> Account:
        """An account at the house of a venue, as queries show it. Do not change it."""
        return self.faults.shown(self.accounts[venue.partition("_")[0]][account], self.now_ns)

    def listen(self, venue: str, account: str, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with every event of an account at a venue, when it is due. Returns what ends it."""
        self._listener_no += 1
        number = self._listener_no
        listeners = self._listeners.setdefault((venue, account), {})
        listeners[number] = listener
        return lambda: listeners.pop(number, None) and None

    def at(self, due_ns: int, action: Callable[[int], None], is_needed: Callable[[], bool]) -> None:
        """Calls `action` with the time when it is due, unless `is_needed` was False before."""
        self._outbox.put(due_ns, action, is_needed)

    def uuid(self, what: str, number: int) -> str:
        """A UUID that the seed determines, for ids of connections and executions."""
        return self._ids.uuid(what, number)

    # dead man's switches

    def count_down(self, account: str, symbol: str, duration_ns: int, now_ns: int) -> None:
        """Starts, renews or (0) stops the countdown after which USD-M cancels all orders of a symbol."""
        self._countdowns.start(Switch("binance_usdm", account, symbol), now_ns, duration_ns)

    def protection(self, account: str, venue: str) -> DisconnectProtection:
        """Bybit's protection of one account and category after disconnects."""
        key = (account, venue)
        if key not in self._protections:
            self._protections[key] = DisconnectProtection(self._countdowns, Switch(venue, account, None))
        return self._protections[key]

    # time and market

    def receive(self, frame: Frame, now_ns: int) -> None:
        """A frame that is sent now."""
        with exact():
            self.market.receive(frame, now_ns)
        self.check_positions(now_ns)

    def check_positions(self, now_ns: int) -> None:
        """Liquidates positions that have reached their maintenance margin; at most once a second."""
        self._closings.check(now_ns)
        self._flush(now_ns)

    @property
    def looks_ahead(self) -> bool:
        """Whether `look_ahead` must be called, for every frame."""
        return self.market.looks_ahead

    @property
    def rows_late(self) -> int:
        """See `MarketSide.rows_late`."""
        return self.market.rows_late

    def look_ahead(self, frame: Frame, sent_ns: int) -> None:
        """A frame that `receive` gets later, when it is sent."""
        with exact():
            self.market.look_ahead(frame, sent_ns, self.now_ns)
        self._flush(self.now_ns)

    def advance(self, to_ns: int) -> None:
        """Runs everything that is due up to `to_ns`, in order of time; at one time the market is first."""
        self.now_ns = max(self.now_ns, to_ns)
        while (due_ns := self.next_due_ns()) is not None and due_ns <= to_ns:
            if self.market.next_due_ns() == due_ns:
                with exact():
                    self.market.advance(due_ns)
                self._flush(due_ns)
            elif self._outbox.next_due_ns() == due_ns:
                self._outbox.run_next()
            else:
                with exact():
                    self._fire(due_ns)
                self._flush(due_ns)

    def begin(self, scheduled: Scheduled, now_ns: int) -> None:
        """A fault of order entry or accounts begins now."""
        with exact():
            self.market.bring_to(now_ns)
        self.faults.begin(scheduled, now_ns)
        self._flush(now_ns)

    def next_due_ns(self) -> int | None:
        """When `advance` has something to do; None: nothing yet."""
        due = (self._outbox.next_due_ns(), self._countdowns.next_due_ns(), self.market.next_due_ns())
        return min((one for one in due if one is not None), default=None)

    def _fire(self, now_ns: int) -> None:
        for venue, account, symbol in self._countdowns.take(now_ns):
            self.desks[venue].cancel_all(account, symbol, now_ns, EndReason.DEAD_MAN)
            if symbol is None:
                self._emit(DeadManEvent(venue, account, now_ns))

    def _emit(self, event: Event) -> None:
        self._emitted.append(event)
        self.faults.happened(event)

    def _flush(self, now_ns: int) -> None:
        """Sends the events that happened to their listeners."""
        events, self._emitted = self._emitted, []
        for event in events:
            if self.observer is not None:
                self.observer(event)
            listeners = self._listeners.get((event.venue, event.account))
            if not listeners:
                continue
            for one, extra_ns in self.faults.sent(event, now_ns):
                for number, listener in list(listeners.items()):
                    self._send(one, number, listener, now_ns, extra_ns)

    def _send(self, event: Event, number: int, listener: Listener, now_ns: int, extra_ns: int) -> None:
        listeners = self._listeners[event.venue, event.account]

        def send(_: int) -> None:
            if listeners.get(number) is listener:
                listener(event)

        self.delivery[event.venue].event(now_ns, number, send, extra_ns)

    def _instrument(
        self, no: int, listing: Listing, facts: Mapping[tuple[str, str], Facts], assumed: Undocumented
    ) -> Instrument:
        fact = facts.get((listing.venue, listing.symbol), Facts(listing.lot_size, "5"))
        with exact():
            rules = rules_of(listing, fact)
        _assume(rules, assumed)
        return Instrument(rules, self.market.matcher(no))


def _assume(rules: InstrumentRules, assumed: Undocumented) -> None:
    if rules.venue.startswith("binance"):
        rules.default_prevention = Prevention[assumed.default_stp]
    if not assumed.reference_price:
        rules.execution_range = None


def _policy(venue: str, assumed: Undocumented, order_limits: Mapping[str, int]) -> Policy:
    return replace(
        POLICIES[venue],
        order_limits=order_limits,
        refuses_post_only=assumed.post_only_cross == "refused",
        refuses_fok=venue != "binance_spot" and assumed.fok_unfilled == "refused",
        is_account_first=venue == "binance_usdm" and assumed.update_order == "account",
        keeps_place=POLICIES[venue].keeps_place and assumed.amend_smaller_keeps,
    )
