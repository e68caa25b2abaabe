"""Types of the venue side: message kinds, the record of a decoded message, and the protocol of venue classes.

Definitions only. A venue defines which frames to send, what a control frame means, and which requests to send; sockets,
clocks and retries belong to `connectors.net.session`, `connectors.net.rest` and `connectors.feed.feed`. Rows are
hftbacktest's `event_dtype`; a decoded message refers to its rows and carries the sequence ids by which
`connectors.book.sync` decides whether they may be applied.
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
    """Kind of a decoded frame. CONTROL and OTHER have no rows."""

    CONTROL = 0
    """Subscription acknowledgements, pongs, notices of the connection."""
    OTHER = 1
    """Valid market data without rows: klines, tickers of spot, trades outside the market."""
    DELTA = 2
    """Changes of a book; quantities are absolute."""
    SNAPSHOT = 3
    """A complete book: per side a DEPTH_CLEAR row and DEPTH_SNAPSHOT rows, best first."""
    BBO = 4
    """Best bid and offer: DEPTH_BBO rows, bid first."""
    TRADE = 5
    AGG_TRADE = 6
    FUNDING = 7
    """Mark price, funding rate and next funding time of a perpetual, or some of them: one FUNDING_EVENT row."""


#: Kind of a row with funding data, in the `ev` field of `event_dtype`; hftbacktest has no such event and ignores it.
#: px: mark price (NaN: not in the frame); fval: funding rate, positive if longs pay (NaN: not in the frame); ival: next
#: funding time in ns UTC (0: not in the frame); qty: 0. The row has no side. It is for the venue's side only: it gets
#: EXCH_EVENT and never LOCAL_EVENT, and it does not depend on the state of the book.
FUNDING_EVENT = 101


class SequenceRule(IntEnum):
    """How a venue's book ids show that no change is missing. `connectors.book.sequence` implements each."""

    SPAN = 0
    """Binance spot: an event spans ids U..u and the next begins at u + 1."""
    PREVIOUS = 1
    """Binance USD-M: an event contains the last id of the previous one (pu)."""
    INCREMENT = 2
    """Bybit: u increases by one from message to message."""


#: One decoded message. `exch_ts` is 0 if the venue sent no time; `sent_ts`, the time at which it sent the message, is 0
#: if it is not given beside `exch_ts`. Times are int64 nanoseconds UTC. `book` distinguishes a venue's books of one
#: instrument (Bybit's depths, with unrelated ids); 0 if there is only one.
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
    """An instrument of a venue. `symbol` is the venue's own spelling."""

    venue: str
    symbol: str
    tick_size: float
    lot_size: float


class Message(NamedTuple):
    """One frame decoded by the JSON decoder; the same content as a `MESSAGE_DTYPE` record and its rows."""

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
    """Streams that may be subscribed to. A venue maps them to its own names, and may lack some."""

    DEPTH = "depth"
    TOUCH = "touch"
    TRADE = "trade"
    AGG_TRADE = "aggTrade"
    KLINE_1M = "kline_1m"
    MARK_PRICE = "markPrice"
    """Mark price, funding rate and next funding time of a perpetual. Spot has no such stream."""
    TICKER = "ticker"


class Limits(NamedTuple):
    """Limits of a venue for one IP address, and the lifetime of a connection. Spans in ns."""

    connects: int
    """Connection attempts in `connects_ns`."""
    connects_ns: int
    messages: int
    """Frames that a client may send on one connection in `messages_ns`."""
    messages_ns: int
    topics: int
    """Most streams of one connection."""
    topics_per_request: int
    topic_chars: int
    """Most characters of all topics of one connection together; 0: no limit."""
    weight: int
    """Request weight allowed at the REST interface in `weight_ns`."""
    weight_ns: int
    life_ns: int
    """The venue closes a connection of this age; 0: never."""
    ping_ns: int
    """Interval at which the client must send a ping."""


class Request(NamedTuple):
    """A frame to send, the id that its response carries, and the topics that it concerns."""

    frame: str
    id: str
    topics: tuple[str, ...] = ()


class RestRequest(NamedTuple):
    """A public request; `path` with its query, and its weight for the limit."""

    path: str
    weight: int


class ControlKind(IntEnum):
    """Kind of a control frame."""

    ACK = 0
    ERROR = 1
    PONG = 2
    NOTICE = 3
    """The server is about to close the connection: open a new one at once."""
    AUTH = 4
    OTHER = 5


class Control(NamedTuple):
    """A control frame. `id` is that of the request it responds to; "" if the venue does not send it."""

    kind: ControlKind
    id: str = ""
    text: str = ""


class Mark(NamedTuple):
    """Position of a market frame in its stream, to hand over between two connections with the same streams.

    `key` is equal for the same frame on both; `is_start`: the stream begins here, no earlier frame is needed; `order`
    increases along the stream if the venue has such a number, else 0.
    """

    topic: str
    key: str
    is_start: bool = False
    order: int = 0


class Listing(NamedTuple):
    """A venue's data about an instrument. Steps and minima are the venue's texts; "" if missing.

    closes_ms: when its trading ends, in the venue's time; 0: not announced.
    """

    symbol: str
    is_trading: bool
    tick_size: str
    lot_size: str
    min_qty: str
    min_notional: str
    closes_ms: int = 0


class ListingPage(NamedTuple):
    """Some listings, and the request for the next page; None at the end."""

    listings: tuple[Listing, ...]
    next: RestRequest | None = None


class Venue(Protocol):
    """A venue, as pure functions of its frames: no socket, no clock."""

    @property
    def name(self) -> str: ...

    @property
    def sequence_rule(self) -> SequenceRule: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def parse_frame(self) -> Any:
        """The compiled parser of one frame into rows and a `MESSAGE_DTYPE` record (`connectors.parsing.scanner`)."""

    @property
    def decode_lines(self) -> Any:
        """The compiled loop over recorded lines (`connectors.parsing.lines.line_loop`)."""

    def decode(self, frame: bytes) -> Message:
        """Decodes `frame` with a JSON decoder: slow, general, and the reference for the parser.

        Raises DecodeError if the frame is not valid JSON or lacks a required field of its kind.
        """

    def topic(self, stream: Stream, symbol: str) -> str:
        """The venue's name of a stream. Raises InstrumentError if it has no such stream."""

    def route(self, stream: Stream) -> str:
        """The kind of connection that carries a stream; streams of one route may share a connection."""

    def url(self, base: str, route: str) -> str:
        """The address to connect to, from the configured one."""

    def requests(self, verb: str, topics: Sequence[str], first_id: int) -> list[Request]:
        """The frames for verb "subscribe" or "unsubscribe", within the venue's limits per request."""

    def ping(self, request_id: int) -> Request:
        """A request that the venue answers on any live connection."""

    def topic_of(self, frame: bytes) -> str:
        """The topic of a market frame; "" for a control frame or an invalid one. Never raises."""

    def opening(self, topic: str) -> bytes:
        """The first bytes of a topic's market frames as the venue writes them, up to the quote that ends the topic.

        A frame that begins like this belongs to the topic and is not a control frame. A frame of the topic may also
        begin differently; it then takes the slower path.
        """

    def control(self, frame: bytes) -> Control | None:
        """Decodes a control frame; None for market data and invalid frames. Cheap for market data."""

    def mark(self, frame: bytes) -> Mark:
        """The position of a market frame in its stream. Slow. Raises DecodeError."""

    def snapshot_request(self, symbol: str) -> RestRequest | None:
        """The request for a book snapshot; None if a new subscription sends it."""

    def time_request(self) -> RestRequest:
        """The request for the venue's time."""

    def time_of(self, body: bytes) -> int:
        """The venue's time in ns. Raises DecodeError."""

    def listings_request(self, symbols: Sequence[str]) -> RestRequest:
        """The request for the listings; the page contains at least `symbols`, if the venue has them."""

    def listings_of(self, body: bytes) -> ListingPage:
        """The listings in a response. Raises DecodeError."""

    def touch_request(self, symbol: str) -> RestRequest | None:
        """The request for an instrument's best bid and ask; None if the venue has none."""

    def touch_of(self, body: bytes) -> tuple[float, float]:
        """The prices of best bid and ask in a response. Raises DecodeError, also for a side without orders."""
