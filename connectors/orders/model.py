"""The one form of orders and accounts: what a session asks of a venue, and what venues answer and report.

Definitions only. Prices are ticks and quantities lots, both whole numbers; fees and balances are decimals as the venue
wrote them. Times of the session are ns UTC, those of venues ms as they send them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from connectors.orders.blanking import blanked
from connectors.orders.limits import LimitUse
from connectors.orders.numbers import DecimalStep


class Act(IntEnum):
    """What a request asks for."""

    PLACE = 0
    CANCEL = 1
    AMEND = 2
    CANCEL_ALL = 3
    """All orders of a symbol."""
    LOOK_UP = 4
    """One order."""
    OPEN_ORDERS = 5
    EXECUTIONS = 6
    TIME = 7
    """The venue's clock."""
    BALANCES = 8
    POSITION = 9
    MODE = 10
    """Position mode of the account."""
    COMMISSION = 11
    LISTEN_KEY = 12
    RENEW_KEY = 13
    LOG_ON = 14
    SUBSCRIBE = 15
    SWITCH = 16
    """A dead-man's switch of the venue itself."""
    TRANSFERS = 17
    """Deposits and withdrawals of the account."""


class Force(IntEnum):
    """Time in force, with hftbacktest's numbers."""

    GTC = 0
    GTX = 1
    """Post-only."""
    FOK = 2
    IOC = 3


class Instrument(NamedTuple):
    """A leg, as order entry needs it."""

    symbol: str
    tick: DecimalStep
    lot: DecimalStep
    base: str
    quote: str
    is_spot: bool


class OrderRequest(NamedTuple):
    """A request before it is encoded. `client_id`: the order's present one at the venue; side: 1 buy, -1 sell."""

    act: Act
    leg: int
    symbol: str
    #: Number of the request among the leg's, from 1.
    request_no: int
    client_id: str
    #: Id of the replacing order (amend at spot) or of the cancellation (cancel at spot).
    new_client_id: str = ""
    venue_order_id: str = ""
    side: int = 0
    force: Force = Force.GTC
    is_market: bool = False
    reduce_only: bool = False
    tick: int = 0
    #: Of an amend: lots that may still trade; `total_lots` includes what was executed.
    lots: int = 0
    total_lots: int = 0
    #: Of an amend: same price, smaller quantity.
    keeps_place: bool = False
    #: Of EXECUTIONS and TRANSFERS: the earliest time.
    since_ms: int = 0
    #: Number of the repetition of a query; of TRANSFERS: 0 deposits, 1 withdrawals.
    attempt: int = 0
    #: Of a query: `VenueAnswer.cursor` of the page before.
    cursor: str = ""


class Channel(IntEnum):
    """What a request is sent over."""

    SOCKET = 0
    REST = 1


class WireRequest(NamedTuple):
    """The bytes of one request: made once and sent at most once."""

    channel: Channel
    #: Names the request on its channel, in the session.
    wire_id: str
    act: Act
    leg: int
    request_no: int
    #: SOCKET: the whole text message.
    text: str = ""
    #: REST. The query is as signed.
    method: str = ""
    path: str = ""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        """Without the key and the signature: an error's text may have it."""
        words = " ".join(blanked(one) for one in (self.text, self.method, self.path, self.query) if one)
        return f"WireRequest({self.wire_id!r}, {self.channel.name}, {self.act.name}, {words!r})"


class Verdict(IntEnum):
    """What an answer says about its request."""

    ACCEPTED = 0
    REFUSED = 1
    """The venue has done nothing, and will not."""
    EXISTS = 2
    """An order with this client id exists already."""
    NOT_OPEN = 3
    """The order to be changed is not open (any more)."""
    NOT_FOUND = 4
    """A query found nothing."""
    UNKNOWN = 5
    """The venue may or may not have done it."""
    FOUND = 6


class RefusedFor(IntEnum):
    """Reasons of refusals that are no fault of the request."""

    OTHER = 0
    MARKET = 1
    """Post-only would take, or fill-or-kill cannot be filled."""
    CLOSED = 2
    """The venue does not trade the symbol now."""
    TIME = 3
    """The request's time is too far from the venue's."""


class OrderStatus(IntEnum):
    """Status of an order at its venue; NEW and PARTIAL are open, the others final."""

    NEW = 0
    PARTIAL = 1
    FILLED = 2
    CANCELED = 3
    EXPIRED = 4
    REJECTED = 5

    @property
    def is_open(self) -> bool:
        """Whether the order may still trade."""
        return self <= OrderStatus.PARTIAL


class EndCause(IntEnum):
    """Why an order ended before it was filled."""

    NONE = 0
    IOC_REST = 1
    FOK = 2
    WOULD_TAKE = 3
    """Post-only."""
    SELF_TRADE = 4
    PRICE_RANGE = 5
    BY_USER = 6
    BY_VENUE = 7
    REDUCE_ONLY = 8
    LIQUIDATION = 9
    NO_LIQUIDITY = 10
    UNKNOWN = 11


class OrderUpdate(NamedTuple):
    """The state of one order at its venue. -1: not said."""

    symbol: str
    client_id: str
    venue_order_id: str
    status: OrderStatus
    #: Cumulative, of this venue order.
    executed_lots: int
    total_lots: int
    tick: int
    cause: EndCause
    venue_ms: int
    was_amended: bool = False


class ExecutionKind(IntEnum):
    """What an execution belongs to."""

    TRADE = 0
    LIQUIDATION = 1
    ADL = 2


class Execution(NamedTuple):
    """One execution; its id is unique among those of its order, and at the symbol but for a trade with oneself.

    side: 1 buy, -1 sell.
    """

    symbol: str
    client_id: str
    venue_order_id: str
    execution_id: str
    side: int
    tick: int
    lots: int
    is_maker: bool
    #: Positive: paid. Asset "": none.
    fee: Decimal
    fee_asset: str
    venue_ms: int
    kind: ExecutionKind = ExecutionKind.TRADE
    #: Fees that are in no figure, for the log: charged in a further asset, or unreadable.
    other_fees: str = ""


class Funding(NamedTuple):
    """A funding payment. amount: received. rate, mark: NaN if not said."""

    symbol: str
    asset: str
    amount: Decimal
    rate: float
    mark: float
    position: Decimal | None
    venue_ms: int


class Transfer(NamedTuple):
    """A deposit, or a withdrawal if it is negative. transfer_id: its own in the account; two streams may report it."""

    asset: str
    amount: Decimal
    transfer_id: str
    venue_ms: int


class Setting(NamedTuple):
    """A setting of an account: its name, with the symbol that it is of, and its value."""

    name: str
    value: str


class PositionRisk(NamedTuple):
    """What a venue says of the margin of a perpetual position. asset: of its margin; 0: none, or not said.

    maintenance: what it needs so as not to be liquidated. isolated: the margin that is its own, with profits that are
    not realised, which `unrealized` repeats. mark, liquidation: prices; at the second one the venue closes it.
    """

    asset: str
    maintenance: Decimal
    isolated: Decimal
    unrealized: Decimal
    mark: Decimal
    liquidation: Decimal


@dataclass(frozen=True, slots=True)
class AccountView:
    """Balances by asset and positions by symbol; `is_complete`: those that are missing are zero.

    tied: what orders, positions and losses tie up of balances, where it is more than nothing. unrealized: profits of
    positions that are in no balance, but for isolated ones, by asset. margins: what positions that are not isolated
    have against their maintenance margin, by asset; margin_ratio: the account's need by what it has, where the venue
    says it. risks: by symbol. settings: by name. All these of responses alone.
    """

    balances: dict[str, Decimal]
    positions: dict[str, Decimal]
    is_complete: bool
    venue_ms: int
    tied: dict[str, Decimal] = field(default_factory=dict)
    unrealized: dict[str, Decimal] = field(default_factory=dict)
    margins: dict[str, Decimal] = field(default_factory=dict)
    margin_ratio: Decimal | None = None
    risks: dict[str, PositionRisk] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


class NoticeKind(IntEnum):
    """What a message says that is about no order and no balance."""

    LOGGED_ON = 0
    SUBSCRIBED = 1
    ENDED = 2
    """The stream of events ends."""
    KEY_EXPIRED = 3
    SHUTDOWN = 4
    MODE_CHANGED = 5
    MARGIN_CALL = 6
    PONG = 7
    IGNORED = 8


class Notice(NamedTuple):
    """A message about no order and no balance."""

    kind: NoticeKind
    text: str = ""


class VenueAnswer(NamedTuple):
    """The answer to one wire request. text: the venue's, at most 200 characters."""

    wire_id: str
    verdict: Verdict
    code: int = 0
    text: str = ""
    updates: tuple[OrderUpdate, ...] = ()
    executions: tuple[Execution, ...] = ()
    venue_ms: int = 0
    #: How long to send nothing more; 0: no limit.
    retry_after_ns: int = 0
    #: Whether the connection takes no more requests.
    is_line_over: bool = False
    #: Of a query: what the next page is asked for with; "": there is none.
    cursor: str = ""
    #: What it says is used of limits on requests.
    uses: tuple[LimitUse, ...] = ()
    reason: RefusedFor = RefusedFor.OTHER


Decoded: TypeAlias = (
    VenueAnswer | OrderUpdate | Execution | Funding | Transfer | Setting | AccountView | Notice
)
