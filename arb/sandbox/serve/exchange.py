"""Base classes of a venue in the server: its instruments, its REST interface, and its protocol (`Family`).

An instrument processes every sent frame, with or without subscribers, so that the first frame of a client is consistent
with the following ones. Pure; one thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import Listing
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.serve.derived import Derived, Sent
from arb.sandbox.serve.limits import Limits, Weights
from arb.sandbox.serve.raw_request import RawRequest, Reply
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.session import Opening, Session
from arb.sandbox.serve.tape import Line, Tape
from connectors.units import MILLISECOND

if TYPE_CHECKING:
    from arb.sandbox.trading.state import Trading


class Instrument(ABC):
    """One listing at a venue."""

    #: The streams that are derived from others.
    derived: Derived

    def __init__(self, no: int, listing: Listing, tape: Tape, funding: Funding = USUAL_FUNDING) -> None:
        """funding: of a perpetual."""
        self.no = no
        self.listing = listing
        self.funding = funding
        self._tape = tape

    def source_of(self, key: str) -> str | None:
        """The stream that serves subscriptions to `key`; None if there is none."""
        if self.is_derived(key):
            return key
        return self._tape.source_of(self.no, key)

    def is_derived(self, key: str) -> bool:
        """Whether `key` is derived from other streams; a recorded stream has priority."""
        return key in self.derived.keys and self._tape.source_of(self.no, key) is None

    def due(self, now_ms: int) -> list[Sent]:
        """The derived frames that are due."""
        return [sent for sent in self.derived.due(now_ms) if self.is_derived(sent[0])]

    @abstractmethod
    def follow(self, line: Line) -> None:
        """Processes a sent frame, or a recorded snapshot."""

    @abstractmethod
    def depth(self, limit: int) -> str | None:
        """The book in the form of the REST depth endpoint; None while it is not known."""

    def opening(self, key: str, now_ms: int) -> str:
        """The first frame for a new subscriber of `key`; "" if there is none."""
        return ""


class Rest(ABC):
    """The REST interface of one venue, for one client address."""

    def __init__(self, exchange: Exchange, facts: Mapping[str, Facts], limits: Limits) -> None:
        self._exchange = exchange
        self._facts = facts
        self._weight_max = limits.weight_max
        self.weights = Weights(limits.weight_max, limits.weight_window_s, limits.ban_s)

    @abstractmethod
    def answer(self, raw: RawRequest, now_ns: int, now_ms: int, reply: Reply) -> None:
        """Replies to a request at `now_ns`, now or later; `now_ms` is the venue's time.

        Without `Exchange.trading`, order and account requests are refused in the venue's format.
        """

    @abstractmethod
    def refusal(self, status: int, now_ns: int, now_ms: int, retry_after_s: int | None = None) -> Response:
        """The response to a request that exceeds a limit, with status 429 or 418."""


class Family(ABC):
    """The protocol of one venue, as its family defines it."""

    instrument: ClassVar[type[Instrument]]
    rest: ClassVar[type[Rest]]
    #: Whether the book of a recording begins with a REST snapshot.
    has_snapshots: ClassVar[bool]

    def __init__(self, venue: str) -> None:
        self.venue = venue

    @abstractmethod
    def key_of(self, text: str) -> str:
        """The key of a sent frame; "" if it has none."""

    @abstractmethod
    def symbol_of(self, key: str) -> str:
        """The symbol of a key."""

    def recorded(self, listing: Listing, text: str) -> tuple[str, str]:
        """Key and text of a recorded frame, in the form in which frames are sent."""
        return self.key_of(text), text

    def form(self, text: str, key: str, name: str, is_combined: bool) -> str:
        """A frame in the form for a subscriber of `name`."""
        return text

    @abstractmethod
    def depth_request(self, symbol: str) -> RawRequest:
        """A REST depth request of 1,000 levels."""

    @abstractmethod
    def session(self, exchange: Exchange, rest: Rest, opening: Opening, limits: Limits) -> Session:
        """The protocol of a new connection. Raises RouteError for a path that the venue does not have.

        rest: the venue's, which counts the weight of websocket requests too.
        """


class Exchange:
    """All instruments of one venue, for sessions and REST."""

    def __init__(
        self,
        family: Family,
        tape: Tape,
        funding: Funding = USUAL_FUNDING,
        trading: Trading | None = None,
    ) -> None:
        """trading: None: market data only."""
        self.family = family
        self.venue = family.venue
        self.trading = trading
        #: All venues of the sandbox, this one included, by name: two venues of one house may share an account.
        self.venues: Mapping[str, Exchange] = {self.venue: self}
        #: What the venues of one house share beside the account, kept at one of them.
        self.shared: object = None
        #: The venue's clock in ms, as frames and answers show it, at a time of the sandbox's clock.
        self.venue_ms: Callable[[int], int] = lambda now_ns: now_ns // MILLISECOND
        #: By the tape's number, and by symbol.
        self.by_no = {
            no: family.instrument(no, listing, tape, funding)
            for no, listing in enumerate(tape.listings)
            if listing.venue == self.venue
        }
        self.instruments = {one.listing.symbol: one for one in self.by_no.values()}
        self.listings = [one.listing for one in self.by_no.values()]

    def instrument_of_key(self, key: str) -> Instrument | None:
        """The instrument of a stream name."""
        return self.instruments.get(self.family.symbol_of(key))

    def source_of(self, key: str) -> str | None:
        """The stream that serves `key`, if any."""
        instrument = self.instrument_of_key(key)
        return instrument.source_of(key) if instrument else None
