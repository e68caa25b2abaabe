"""What both Bybit addresses share: desks, accounts, limits of UIDs. One unified account is behind both. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.keys import ApiKey
from arb.sandbox.faults import FaultKind
from arb.sandbox.serve.bybit import errors
from arb.sandbox.serve.bybit.answers import Clock
from arb.sandbox.serve.bybit.errors import RequestError, refused
from arb.sandbox.serve.bybit.events import Part, lost_cancel, parts
from arb.sandbox.serve.bybit.parameters import CATEGORIES, Fields
from arb.sandbox.serve.bybit.uid_limits import Allowance, UidLimits
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import Limits, Weights, Window
from arb.sandbox.serve.per_event import PerEvent
from arb.sandbox.trading.order_faults import Request
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import Named, RefusalError

if TYPE_CHECKING:
    from arb.sandbox.trading.desk import Desk

#: What requests that change something are about, as faults name them; settings otherwise.
_WORDS = {
    "order/create": "place",
    "order/amend": "amend",
    "order/cancel": "cancel",
    "order/cancel-all": "cancel",
}
#: Permissions of a key that change something.
WRITES = frozenset({"Order", "Position", "SpotTrade", "AccountTransfer", "SubMemberTransfer", "Withdraw"})

#: Requests a second of one client address by websocket.
_OPERATIONS_PER_S = 3000


class Side:
    """The side of accounts of both addresses."""

    def __init__(self, exchange: Exchange, uid_factor: int) -> None:
        """exchange: either. uid_factor: of the limits of a UID; 0: none."""
        self.trading: Any = exchange.trading
        self._venues = exchange.venues
        self.limits = UidLimits(uid_factor)
        #: What the streams send of each event.
        self.events = PerEvent(lambda event: parts(event, self))
        #: The streams of each account, which report orders that were filled before their cancellation arrived.
        self.lost_cancels: dict[str, list[Callable[[Part, int], None]]] = {}
        #: Of both addresses, if they share a limit.
        self.weights: Weights | None = None
        #: Requests by websocket. Source: `websocket/trade/guideline.mdx`, 10403.
        self.operations = Window(_OPERATIONS_PER_S if uid_factor else 0, 1.0)

    def desk(self, category: str) -> Desk:
        """The desk of linear or spot."""
        desk: Desk = self.trading.desks[f"bybit_{category}"]
        return desk

    def clock(self, category: str) -> Clock:
        """The clock of the venue that linear or spot is."""
        return self._venues[f"bybit_{category}"].venue_ms

    def account(self, account: str) -> Account:
        found: Account = self.trading.account("bybit_spot", account)
        return found

    def price_of(self, asset: str) -> Decimal | None:
        """Price of an asset in USD, with USDT and USDC as 1, as for collateral; None if no instrument has it."""
        if asset in ("USD", "USDT", "USDC"):
            return Decimal(1)
        for category in ("linear", "spot"):
            instrument = self.desk(category).instruments.get(f"{asset}USDT")
            if instrument is not None and instrument.mark is not None:
                return instrument.mark
        return None

    def report_lost_cancel(self, order: VenueOrder, now_ns: int) -> None:
        """Reports an order, which was filled before its cancellation arrived, to the account's streams."""
        part = lost_cancel(order, self)
        for listener in list(self.lost_cancels.get(order.account, ())):
            delivery = self.trading.delivery[order.venue]
            delivery.event(now_ns, listener, lambda at_ns, listener=listener: listener(part, at_ns))

    def find(self, category: str, account: str, order_id: str, link_id: str = "") -> VenueOrder | None:
        """An order of any symbol by the venue's id, or else the client's."""
        desk = self.desk(category)
        for symbol in desk.instruments:
            try:
                return desk.order(Named(account, symbol, order_id or None, None if order_id else link_id))
            except RefusalError:
                continue
        return None


def side_of(exchange: Exchange, limits: Limits) -> Side | None:
    """The side that both addresses share; None without trading."""
    if exchange.trading is None:
        return None
    home = exchange.venues.get("bybit_spot", exchange)
    if not isinstance(home.shared, Side):
        home.shared = Side(exchange, limits.uid_factor)
    return home.shared


@dataclass(frozen=True)
class Call:
    """A request that passed authentication and limits."""

    side: Side
    key: ApiKey
    fields: Fields
    #: Orders of a batch within the limit; 1 for other requests.
    admitted: int = 1

    @property
    def account(self) -> str:
        """The account's id."""
        return self.key.account


class Answer(NamedTuple):
    """What an operation returns."""

    result: object
    #: `retExtInfo`.
    extra: Mapping[str, Any] = {}
    text: str = "OK"


#: Does what was prepared, when the request arrives; raises RequestError, or RefusalError of the desk.
Run = Callable[[int], Answer]


@dataclass(frozen=True)
class Endpoint:
    """An operation of the account's side, by REST, by the trade socket, or both."""

    method: str
    #: Name of the limit, which is the path without /v5/.
    limit: str
    #: Checks the parameters. Raises RequestError.
    prepare: Callable[[Call], Run]
    #: One of these is needed, by category; without any: every key may.
    permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_batch: bool = False


#: Receives the outcome, the state of the limit and the time.
Done = Callable[[Answer | RequestError, Allowance, int], None]


def perform(
    side: Side,
    endpoint: Endpoint,
    key: ApiKey,
    fields: Fields,
    connection: Hashable,
    now_ns: int,
    done: Done,
    cut: Callable[[], None],
) -> None:
    """Counts and checks a request, does it when it arrives, and sends the outcome: with delays, later.

    A fault may lose the request or its outcome; `cut` ends the connection then.
    """
    category = fields.values.get("category")
    if category not in CATEGORIES:
        category = "linear"
    orders = _size(fields) if endpoint.is_batch else 1
    allowance = side.limits.count(side.account(key.account).uid, endpoint.limit, category, now_ns, orders)
    run: Run | RequestError
    try:
        needed = endpoint.permissions.get(category)
        if needed and not needed & key.permissions:
            raise RequestError(errors.PERMISSION, "Permission denied, please check your API key permissions.")
        if not allowance.admitted:
            raise RequestError(errors.TOO_MANY, "Too many visits. Exceeded the API Rate Limit.")
        run = endpoint.prepare(Call(side, key, fields, allowance.admitted))
    except RequestError as error:
        run = error
    delivery = side.trading.delivery[f"bybit_{category}"]

    fault = None
    if not isinstance(run, RequestError):
        fault = side.trading.faults.meet(_request(endpoint, key, fields, category), now_ns)
    if fault is not None and fault.kind is FaultKind.LOST_REQUEST:
        if fault.then == "cut":
            cut()
        return

    def arrived(at_ns: int) -> None:
        if fault is not None and fault.kind is FaultKind.REJECT:
            outcome: Answer | RequestError = errors.error_by(fault, category)
        else:
            outcome = run if isinstance(run, RequestError) else outcome_of(run, category, at_ns)
        if fault is not None and fault.kind is FaultKind.ACCEPTED_NO_ANSWER:
            if fault.then == "cut":
                delivery.answer(at_ns, connection, lambda _: cut())
            return
        if fault is not None and fault.kind is FaultKind.ACCEPTED_5XX:
            outcome = errors.error_by(fault, category)
        delivery.answer(at_ns, connection, lambda sent_ns: done(outcome, allowance, sent_ns))

    delivery.arrive(now_ns, connection, arrived)


def _request(endpoint: Endpoint, key: ApiKey, fields: Fields, category: str) -> Request:
    """A request as faults see it."""
    what = "query" if endpoint.method == "GET" else _WORDS.get(endpoint.limit.removesuffix("-batch"), "mode")
    symbol, link_id = fields.values.get("symbol", ""), fields.values.get("orderLinkId", "")
    return Request(f"bybit_{category}", key.account, what, str(symbol), str(link_id))


def outcome_of(run: Run, category: str, at_ns: int) -> Answer | RequestError:
    """What a prepared operation returns, or the venue's refusal."""
    try:
        with exact():
            return run(at_ns)
    except RequestError as error:
        return error
    except RefusalError as refusal:
        return refused(refusal, category)


def _size(fields: Fields) -> int:
    legs = fields.values.get("request")
    return max(1, len(legs)) if isinstance(legs, list) else 1
