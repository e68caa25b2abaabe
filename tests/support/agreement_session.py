"""One random session of orders through the sandbox's `Trading` and through the plain reference, compared at every step.

Both sides get the same requests at the same times, and the rows of the same frames of a seeded market of four venues.
`DifferenceError` names the first figure that differs, with the history that led to it.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal

from numpy.random import default_rng

from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import Listing
from arb.sandbox.funding import Funding
from arb.sandbox.matching.rows import VenueRows
from arb.sandbox.serve.ahead import AheadTape
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.tape import SNAPSHOT, Line, Tape
from arb.sandbox.trading.events import AccountEvent, Cause, Event, OrderEvent
from arb.sandbox.trading.order_state import Execution, VenueOrder
from arb.sandbox.trading.requests import Amend, Cancel, Place, Reason, RefusalError, Replace
from arb.sandbox.trading.setup import AccountSetup, Fees, TradingSetup
from arb.sandbox.trading.state import Trading
from connectors.units import MILLISECOND, SECOND
from support import reference_accounts
from support.marked_tape import MarkedTape
from support.random_orders import Request, RequestMaker
from support.reference_exchange import ReferenceExchange
from support.reference_matcher import ZERO, Row
from support.reference_records import Deal, Record, RefusedError
from support.reference_rows import FundingRow, reference_rows

START_NS = 1_704_067_200 * SECOND
LISTINGS = (
    Listing("binance_spot", "BTCUSDT", "0.01", "0.00001"),
    Listing("binance_spot", "BNBUSDT", "0.10", "0.001"),
    Listing("binance_usdm", "BTCUSDT", "0.10", "0.001"),
    Listing("bybit_spot", "BTCUSDT", "0.1", "0.000001"),
    Listing("bybit_linear", "BTCUSDT", "0.10", "0.001"),
    Listing("bybit_linear", "ETHUSDT", "0.01", "0.01"),
)
PRICES = {"BTCUSDT": 42_280.0, "ETHUSDT": 2_282.0, "BNBUSDT": 312.0}
FUNDING = Funding(3_000, ("0.00010000", "-0.00037500"))
ACCOUNTS = ("first", "second", "third")
WALLETS = {"binance_spot": "spot", "binance_usdm": "usdm", "bybit_spot": "unified", "bybit_linear": "unified"}
#: Refusals for margin are a model of the sandbox; the reference does not predict them.
FOLLOWED = {Reason.INSUFFICIENT_MARGIN, Reason.POSITION_TOO_LARGE}


class DifferenceError(AssertionError):
    """The two sides differ. `kind`: in what."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Session:
    """See the module."""

    def __init__(self, seed: int, matching: str) -> None:
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.history: dict[str, deque[str]] = {venue: deque(maxlen=25) for venue in WALLETS}
        self.now_ns = START_NS
        self.tie_rate = 0.003
        facts = {(one.venue, one.symbol): Facts(one.lot_size, "5") for one in LISTINGS}
        tape: Tape = SeededTape(LISTINGS, PRICES, default_rng(seed), START_NS)
        if seed % 2:
            tape = MarkedTape(tape, seed, PRICES)
        setup = TradingSetup(tuple(self._accounts()), (), matching=matching)  # type: ignore[arg-type]  # a literal
        self.trading = Trading(
            setup, tape, facts, START_NS, seed=seed, chance=default_rng(seed), funding=FUNDING
        )
        self.rows = [VenueRows(one, _source_of(tape, no)) for no, one in enumerate(LISTINGS)]
        accounts = self._reference_accounts(setup)
        self.references = {}
        for venue, desk in self.trading.desks.items():
            rules = {symbol: one.rules for symbol, one in desk.instruments.items()}
            house = venue.partition("_")[0]
            self.references[venue] = ReferenceExchange(venue, rules, accounts[house], matching)
            for account in ACCOUNTS:
                self.trading.listen(venue, account, self._collect)
        for reference in self.references.values():
            reference.start_funding(FUNDING, START_NS)
        self.executions: list[Execution] = []
        self.funding: list[tuple[str, str, int, Decimal]] = []
        self.maker = RequestMaker(self.chance, self.references)
        #: Rows of frames that were looked at and not yet sent, by listing (`whole`).
        self.ahead: list[deque[list[Row | FundingRow]]] = [deque() for _ in LISTINGS]
        self.tape: Tape = AheadTape(tape, self._look_ahead) if self.trading.looks_ahead else tape
        #: By venue: numbers of the sandbox's orders to those of the reference.
        self.numbers: dict[str, dict[int, int]] = {venue: {} for venue in self.references}

    def run(self, orders: int) -> Counter[str]:
        """Sends requests until there were so many orders, once all books are known. Raises DifferenceError."""
        while not all(
            one.is_ready for exchange in self.references.values() for one in exchange.matchers.values()
        ):
            self._pass_time_to(self.now_ns + SECOND)
        while self.counts["orders"] < orders:
            self._pass_time()
            self._send(self.maker.make(self.now_ns))
        self._compare_all()
        return self.counts

    # both sides' accounts

    def _accounts(self) -> list[AccountSetup]:
        rich = {"BTC": Decimal(10), "ETH": Decimal(100), "USDT": Decimal(500_000), "BNB": Decimal(5)}
        poor = {"BTC": Decimal("0.05"), "USDT": Decimal(9_000), "BNB": Decimal("0.002")}
        asset = self.chance.choice(["received", "quote", "BNB"])
        maker = Decimal(self.chance.choice(["-0.0001", "0.0002"]))
        taker = Decimal("0.00075")
        accounts = []
        for name in ACCOUNTS:
            balances = poor if name == "third" else rich
            fees = {venue: Fees(maker, taker) for venue in WALLETS} if name == "second" else {}
            if name == "second":
                fees["binance_spot"] = Fees(maker, taker, asset)
                fees["bybit_spot"] = Fees(maker, taker, "received" if asset == "BNB" else asset)
            burns = name == "third"
            modes = {
                "binance": Modes(is_hedge=name == "second", is_bnb_discount=burns, fee_burn=burns),
                "bybit": Modes(is_hedge=name == "first", margin="REGULAR_MARGIN", leverage_default=10),
            }
            group = 1 if name != "third" else self.chance.choice([1, -1])
            wallets = dict.fromkeys(("spot", "usdm", "unified"), balances)
            accounts.append(AccountSetup(name, group, balances=wallets, fees=fees, modes=modes))
        return accounts

    def _reference_accounts(self, setup: TradingSetup) -> dict[str, dict[str, reference_accounts.Account]]:
        houses: dict[str, dict[str, reference_accounts.Account]] = {}
        for house in ("binance", "bybit"):
            venues = [venue for venue in WALLETS if venue.startswith(house)]
            for one in setup.accounts:
                wallets = {
                    name: reference_accounts.Wallet(dict(one.balances[name]))
                    for name in {WALLETS[venue] for venue in venues}
                }
                account = reference_accounts.Account(
                    one.id,
                    one.trade_group,
                    {venue: wallets[WALLETS[venue]] for venue in venues},
                    {venue: self._reference_fees(one, venue) for venue in venues},
                    is_hedge=one.modes[house].is_hedge,
                )
                houses.setdefault(house, {})[one.id] = account
        return houses

    def _reference_fees(self, one: AccountSetup, venue: str) -> reference_accounts.Fees:
        rule = self.trading.account(venue, one.id).fee_rules[venue]
        reduction = None
        if one.modes["binance"].is_bnb_discount and venue.startswith("binance"):
            reduction = Decimal("0.25") if venue == "binance_spot" else Decimal("0.1")
        return reference_accounts.Fees(rule.maker, rule.taker, rule.asset, reduction)

    # time and rows

    def _pass_time(self) -> None:
        to_ns = self.now_ns + int(self.chance.expovariate(1 / (16 * MILLISECOND))) + 1
        if self.chance.random() < self.tie_rate:
            # Exactly at a funding time.
            to_ns = max(to_ns, FUNDING.next_ms(self.now_ns // MILLISECOND) * MILLISECOND)
        self._pass_time_to(to_ns)

    def _pass_time_to(self, to_ns: int) -> None:
        for line in self.tape.advance(to_ns):
            self._advance(line.send_ns)
            self.trading.receive(line, line.send_ns)
            self._receive_reference(line)
            self._compare_deals(LISTINGS[line.no].venue)
        self._advance(to_ns)

    def _advance(self, to_ns: int) -> None:
        self.now_ns = to_ns
        self.trading.advance(to_ns)
        for reference in self.references.values():
            reference.advance(to_ns)

    def _look_ahead(self, line: Line) -> None:
        """A frame that will be sent: its rows have their effect at their own time."""
        self.trading.look_ahead(line, line.send_ns)
        rows = self._decode(line)
        self.ahead[line.no].append(rows)
        listing = LISTINGS[line.no]
        for row in rows:
            if isinstance(row, Row):
                self.references[listing.venue].expect(listing.symbol, row)

    def _receive_reference(self, line: Line) -> None:
        listing = LISTINGS[line.no]
        if self.trading.looks_ahead:
            self._see(listing, self.ahead[line.no].popleft())
            return
        rows = self._decode(line)
        decoder = self.rows[line.no]
        if decoder.needs_snapshot and (text := self.tape.snapshot(line.no)) is not None:
            rows += reference_rows(listing, decoder.snapshot(text, line.send_ns))
        self._see(listing, rows)
        for row in rows:
            if isinstance(row, Row):
                self.references[listing.venue].receive(listing.symbol, row)

    def _decode(self, line: Line) -> list[Row | FundingRow]:
        decoder = self.rows[line.no]
        if line.key == SNAPSHOT:
            return reference_rows(LISTINGS[line.no], decoder.snapshot(line.text, line.send_ns))
        return reference_rows(LISTINGS[line.no], decoder.receive(line.key, line.text, line.send_ns))

    def _see(self, listing: Listing, rows: list[Row | FundingRow]) -> None:
        reference = self.references[listing.venue]
        for row in rows:
            if isinstance(row, FundingRow):
                reference.receive_funding(listing.symbol, *row)
            else:
                reference.see(listing.symbol, row)
        if listing.symbol == "BNBUSDT":
            reference.bnb_price = reference.last_prices.get(listing.symbol)

    # requests

    def _send(self, request: Request) -> None:
        self.history[request.venue].append(f"{self.now_ns - START_NS} {request.brief}")
        self.counts[type(request.body).__name__.lower()] += 1
        self.counts["orders"] += isinstance(request.body, Place | Replace)
        real = self._send_real(request)
        if isinstance(real, str) and real in {reason.name for reason in FOLLOWED}:
            self.counts["followed"] += 1
            return
        plain = self._send_reference(request)
        if isinstance(real, str) != isinstance(plain, str):
            raise self._difference(
                request.venue, "refusal", f"sandbox {_shown(real)}, reference {_shown(plain)}"
            )
        if isinstance(real, str):
            self.counts[f"refused {real}"] += 1
            if real != plain:
                self.counts[f"reason {real} for {plain}"] += 1
        elif isinstance(real, VenueOrder) and isinstance(plain, Record):
            self.counts[f"ended {plain.end or ('filled', 'open')[plain.is_open]}"] += 1
            self.numbers[request.venue][real.no] = plain.resting.no
            self._compare_order(request.venue, real, plain)
        self._compare_deals(request.venue)
        self._compare_money(request.venue)

    def _send_real(self, request: Request) -> VenueOrder | str | None:
        """As a session of the venue does it: arrival, request, answer, events."""
        outcomes: list[VenueOrder | str | None] = []
        delivery = self.trading.delivery[request.venue]
        delivery.arrive(self.now_ns, self, lambda at_ns: outcomes.append(self._at_desk(request)))
        delivery.answer(self.now_ns, self, lambda at_ns: None)
        return outcomes[0]

    def _at_desk(self, request: Request) -> VenueOrder | str | None:
        desk, body = self.trading.desks[request.venue], request.body
        try:
            if isinstance(body, Place):
                return desk.place(body, self.now_ns)
            if isinstance(body, Amend):
                return desk.amend(body, self.now_ns)
            if isinstance(body, Cancel):
                return desk.cancel(body, self.now_ns)
            if isinstance(body, Replace):
                replaced = desk.replace(body, self.now_ns)
                if replaced.placed is not None:
                    return replaced.placed
                refusal = replaced.place_refusal or replaced.cancel_refusal
                return refusal.reason.name if refusal is not None else None
            desk.cancel_all(body.account, body.symbol, self.now_ns)
        except RefusalError as error:
            return error.reason.name
        return None

    def _send_reference(self, request: Request) -> Record | str | None:
        exchange, body = self.references[request.venue], request.body
        try:
            if isinstance(body, Place):
                return exchange.place(body, self.now_ns)
            if isinstance(body, Amend):
                return exchange.amend(body, self.now_ns)
            if isinstance(body, Cancel):
                return exchange.cancel(body, self.now_ns)
            if isinstance(body, Replace):
                return exchange.replace(body, self.now_ns)
            exchange.cancel_all(body.account, body.symbol, self.now_ns)
        except RefusedError as error:
            return str(error)
        return None

    # comparison

    def _collect(self, event: Event) -> None:
        if isinstance(event, OrderEvent) and event.execution is not None:
            self.executions.append(event.execution)
        if isinstance(event, AccountEvent) and event.cause is Cause.FUNDING and event.funding is not None:
            paid = event.funding
            self.funding.append((event.account, event.symbol, paid.at_ns, -paid.fee))

    def _compare_deals(self, venue: str) -> None:
        exchange = self.references[venue]
        real = [self._deal_of(one) for one in self.executions if one.venue == venue]
        plain = [(exchange.orders[one.no].client_id, one) for one in exchange.deals]
        real_keys = sorted(map(_key_of, real))
        plain_keys = sorted(map(_key_of, plain))
        if real_keys != plain_keys:
            lines = [f"sandbox   {one}" for one in real_keys] + [f"reference {one}" for one in plain_keys]
            raise self._difference(venue, "fill", "\n  ".join(["", *lines]))
        self.counts["fills"] += len(real)
        for _, one in real:
            self.counts[f"fills {venue} {'maker' if one.is_maker else 'taker'}"] += 1
        self.executions = [one for one in self.executions if one.venue != venue]
        exchange.deals.clear()
        if real:
            self._compare_money(venue)

    def _deal_of(self, one: Execution) -> tuple[str, Deal]:
        deal = Deal(
            one.account,
            0,
            one.symbol,
            one.side,
            one.price,
            one.quantity,
            one.is_maker,
            one.at_ns,
            one.fee,
            one.fee_asset,
            one.realized,
        )
        return one.client_id, deal

    def _compare_money(self, venue: str) -> None:
        exchange = self.references[venue]
        for name, plain in exchange.accounts.items():
            account = self.trading.account(venue, name)
            wallet, other = account.wallet(venue), plain.wallets[venue]
            for asset in {*wallet.assets(), *other.totals}:
                self._same(venue, "balance", f"{name} {asset}", wallet.total(asset), other.total(asset))
                self._same(venue, "lock", f"{name} {asset}", wallet.locked(asset), other.locked(asset))
            if venue.endswith("_spot"):
                continue
            for (symbol, side), position in plain.positions.items():
                held = next(
                    (one for one in account.positions.all() if (one.symbol, one.side.name) == (symbol, side)),
                    None,
                )
                real = (
                    (held.quantity, held.entry, held.cumulative) if held is not None else (ZERO, ZERO, ZERO)
                )
                self._same(venue, "position", f"{name} {symbol} {side}", real, position.figures)

    def _compare_order(self, venue: str, real: VenueOrder, plain: Record) -> None:
        order = plain.resting
        name = real.client_id
        self._same(venue, "order", f"{name} id", real.client_id, plain.client_id)
        self._same(venue, "order", f"{name} price", real.price, order.price)
        self._same(venue, "order", f"{name} quantity", real.quantity, plain.quantity)
        self._same(venue, "order", f"{name} filled", (real.filled, real.value), (order.filled, plain.value))
        self._same(venue, "order", f"{name} prevented", real.prevented, order.prevented)
        fees = {asset: fee for asset, fee in real.fees.items() if fee}
        self._same(
            venue, "order", f"{name} fees", fees, {asset: fee for asset, fee in plain.fees.items() if fee}
        )
        self._same(venue, "order", f"{name} is open", real.is_open, plain.is_open)
        end = "" if real.end_reason is None else real.end_reason.name
        self._same(venue, "order", f"{name} end", end, plain.end)

    def _compare_all(self) -> None:
        for venue, exchange in self.references.items():
            self._compare_money(venue)
            desk = self.trading.desks[venue]
            for name in ACCOUNTS:
                desk_open = [one.client_id for one in desk.open_orders(name)]
                plain_open = [one.client_id for one in exchange.open_orders(name)]
                self._same(venue, "order", f"{name} open", desk_open, plain_open)
                for one in [*desk.open_orders(name), *desk.closed_orders(name)]:
                    if one.no in self.numbers[venue]:
                        self._compare_order(venue, one, exchange.orders[self.numbers[venue][one.no]])
                self.trading.account(venue, name).ledger.check()
        for exchange in self.references.values():
            self.counts.update({f"prevented {mode}": count for mode, count in exchange.stops.items()})
        paid = [one for exchange in self.references.values() for one in exchange.payments]
        self.counts["funding payments"] += len(paid)
        self._same("binance_usdm", "funding", "all", sorted(self.funding), sorted(paid))

    def _same(self, venue: str, kind: str, name: str, real: object, plain: object) -> None:
        self.counts["figures"] += 1
        if real != plain:
            raise self._difference(venue, kind, f"{name}: sandbox {real}, reference {plain}")

    def _difference(self, venue: str, kind: str, text: str) -> DifferenceError:
        lines = "\n  ".join(self.history[venue])
        return DifferenceError(kind, f"{venue} {text}\nat {self.now_ns - START_NS} ns, after\n  {lines}")


def _source_of(tape: Tape, no: int) -> Callable[[str], str | None]:
    return lambda key: tape.source_of(no, key)


def _shown(outcome: VenueOrder | Record | str | None) -> str:
    if isinstance(outcome, VenueOrder):
        return f"accepts {outcome.client_id} ({outcome.status.name})"
    if isinstance(outcome, Record):
        return f"accepts {outcome.client_id} ({outcome.end or 'open'})"
    return f"refuses {outcome}" if outcome else "accepts"


def _key_of(pair: tuple[str, Deal]) -> tuple[str, ...]:
    """A deal as text; the asset of no fee is not compared."""
    client_id, one = pair
    fee = f"{one.fee.normalize():f} {one.fee_asset}" if one.fee else "0"
    figures = (one.price.normalize(), one.quantity.normalize(), one.realized.normalize())
    return (
        str(one.at_ns - START_NS),
        one.account,
        client_id,
        one.symbol,
        "SELL" if one.side else "BUY",
        *(f"{figure:f}" for figure in figures),
        "maker" if one.is_maker else "taker",
        fee,
    )
