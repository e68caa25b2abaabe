"""Words of the venue side: message kinds, the record of one decoded message, and what a venue class offers.

Nothing here computes: a venue says which frames to send, what a control frame means, and which requests to ask, and
leaves sockets, clocks and retries to `connectors.net.session`, `connectors.net.rest` and `connectors.feed.feed`. Rows
are hftbacktest's `event_dtype`; a decoded message names the rows it made and carries the sequence ids that
`connectors.book.sync` needs to decide whether they may be applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
"""Event rows, hftbacktest's `event_dtype`, shape (n,)."""
Messages = NDArray[np.void]
"""Decoded messages, `MESSAGE_DTYPE`, shape (m,)."""


class Kind(IntEnum):
    """What a frame turned out to be. CONTROL and OTHER make no rows."""

    CONTROL = 0
    """Subscription acknowledgements, pongs, notices of the connection."""
    OTHER = 1
    """Valid market data that makes no row: klines, mark prices, trades that are not of the market."""
    DELTA = 2
    """Changes of a book; quantities are absolute."""
    SNAPSHOT = 3
    """A whole book: per side a DEPTH_CLEAR row and DEPTH_SNAPSHOT rows, best first."""
    BBO = 4
    """Best bid and offer: DEPTH_BBO rows, bid first."""
    TRADE = 5
    AGG_TRADE = 6


class SequenceRule(IntEnum):
    """How a venue's book ids prove that no change is missing. `connectors.book.sync` implements each."""

    SPAN = 0
    """Binance spot: an event spans ids U..u and the next begins at u + 1."""
    PREVIOUS = 1
    """Binance USD-M: an event names the last id of the one before it (pu)."""
    INCREMENT = 2
    """Bybit: u grows by one from message to message."""


#: One decoded message. `exch_ts` is 0 where the venue sent no time; `sent_ts`, when it sent the message, is 0 where it
#: does not say so beside `exch_ts`. Times are int64 nanoseconds UTC.
#: `book` tells a venue's several books of one instrument apart (Bybit's depths, whose ids have nothing in common);
#: 0 where there is only one.
MESSAGE_DTYPE = np.dtype(
    [
        ("kind", "i8"),
        ("local_ts", "i8"),
        ("exch_ts", "i8"),
        ("first_id", "i8"),
        ("last_id", "i8"),
        ("prev_id", "i8"),
        ("symbol", "i8"),
        ("row_start", "i8"),
        ("row_end", "i8"),
        ("line", "i8"),
        ("sent_ts", "i8"),
        ("book", "i8"),
    ],
    align=True,
)


class Instrument(NamedTuple):
    """What is traded at a venue. `symbol` is the venue's own spelling."""

    venue: str
    symbol: str
    tick_size: float
    lot_size: float


class Message(NamedTuple):
    """One frame decoded by the general decoder; the same content as a `MESSAGE_DTYPE` record and its rows."""

    kind: Kind
    rows: Rows
    exch_ts: int = 0
    first_id: int = 0
    last_id: int = 0
    prev_id: int = 0
    symbol: str = ""
    sent_ts: int = 0
    book: int = 0


class Stream(Enum):
    """What may be subscribed to. A venue tells its own names, and which of them it has."""

    DEPTH = "depth"
    TOUCH = "touch"
    TRADE = "trade"
    AGG_TRADE = "aggTrade"
    KLINE_1M = "kline_1m"
    MARK_PRICE = "markPrice"
    """Mark price and funding rate of a perpetual, as a stream of its own."""
    TICKER = "ticker"


class Limits(NamedTuple):
    """What a venue allows from one address, and how long a connection lives. Spans in ns."""

    connects: int
    """Connection attempts in `connects_ns`."""
    connects_ns: int
    messages: int
    """Frames that we may send on one connection in `messages_ns`."""
    messages_ns: int
    topics: int
    """Streams of one connection."""
    topics_per_request: int
    topic_chars: int
    """Characters of all topics of one connection together; 0: no limit."""
    weight: int
    """Request weight of the REST interface in `weight_ns`."""
    weight_ns: int
    life_ns: int
    """A connection is closed by the venue when it is so old; 0: never."""
    ping_ns: int
    """We are to send a ping so often."""


class Request(NamedTuple):
    """A frame that we send, the id that its answer carries, and the topics that it is about."""

    frame: str
    id: str
    topics: tuple[str, ...] = ()


class RestRequest(NamedTuple):
    """A public request; `path` with its query, and what it weighs against the limit."""

    path: str
    weight: int


class ControlKind(IntEnum):
    """What a control frame says."""

    ACK = 0
    ERROR = 1
    PONG = 2
    NOTICE = 3
    """The server is about to close: a new connection is wanted at once."""
    AUTH = 4
    OTHER = 5


class Control(NamedTuple):
    """A control frame. `id` is that of the request it answers; "" where the venue does not say."""

    kind: ControlKind
    id: str = ""
    text: str = ""


class Mark(NamedTuple):
    """Where a market frame stands in its stream, for joining two connections that carry the same streams.

    `key` is equal for what is the same on both; `is_start`: the stream begins here, nothing before it is needed;
    `order` rises along the stream where the venue has such a number, else 0.
    """

    topic: str
    key: str
    is_start: bool = False
    order: int = 0


class Listing(NamedTuple):
    """What a venue says of an instrument. Steps and minima are the venue's texts; "" where it says nothing."""

    symbol: str
    is_trading: bool
    tick_size: str
    lot_size: str
    min_qty: str
    min_notional: str


class ListingPage(NamedTuple):
    """Some listings, and the request for the next ones; None at the end."""

    listings: tuple[Listing, ...]
    next: RestRequest | None = None


class Venue(Protocol):
    """A venue as pure functions of its frames: no socket, no clock."""

    @property
    def name(self) -> str: ...

    @property
    def sequence_rule(self) -> SequenceRule: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def parse_frame(self) -> Any:
        """The compiled parser of one frame: rows and a `MESSAGE_DTYPE` record (`connectors.parsing.scanner`)."""

    @property
    def decode_lines(self) -> Any:
        """The compiled loop over recorded lines (`connectors.parsing.lines.line_loop`)."""

    def decode(self, frame: bytes) -> Message:
        """The message in `frame`, by a JSON decoder: slow, general, and the reference of the parser.

        Raises DecodeError when the frame is not valid JSON or lacks what its kind must have.
        """

    def topic(self, stream: Stream, symbol: str) -> str:
        """The venue's name of a stream. Raises InstrumentError where it has none such."""

    def route(self, stream: Stream) -> str:
        """Which kind of connection carries a stream; streams of one route may share one."""

    def url(self, base: str, route: str) -> str:
        """The address to connect to, from the configured one."""

    def requests(self, verb: str, topics: Sequence[str], first_id: int) -> list[Request]:
        """The frames that "subscribe" or "unsubscribe", within the venue's limits of one request."""

    def ping(self, request_id: int) -> Request:
        """A frame that any live connection answers."""

    def topic_of(self, frame: bytes) -> str:
        """The topic of a market frame; "" for a control frame and for what is none. Never raises."""

    def opening(self, topic: str) -> bytes:
        """How market frames of a topic begin as the venue writes them, up to the quote that ends the topic.

        A frame that begins so is of this topic and no control frame. One that begins otherwise may be of it all the
        same, and takes a slower way.
        """

    def control(self, frame: bytes) -> Control | None:
        """What a control frame says; None for market data and for what is no frame. Cheap for market data."""

    def mark(self, frame: bytes) -> Mark:
        """Where a market frame stands in its stream. Slow. Raises DecodeError."""

    def snapshot_request(self, symbol: str) -> RestRequest | None:
        """The request for a whole book; None where it comes by subscribing anew."""

    def time_request(self) -> RestRequest:
        """The request for the venue's time."""

    def time_of(self, body: bytes) -> int:
        """The venue's time in ns. Raises DecodeError."""

    def listings_request(self, symbols: Sequence[str]) -> RestRequest:
        """The request for what is traded; the page holds at least `symbols`, if the venue has them."""

    def listings_of(self, body: bytes) -> ListingPage:
        """What is traded. Raises DecodeError."""
