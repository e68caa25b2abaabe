"""Builds a venue's live feed from its file: addresses, transport, adapter, instruments. Within an event loop."""

from __future__ import annotations

import random
from collections.abc import Sequence

from arb.config import VenueConfig
from arb.config.adapters import feed_latency_ns, instrument_at, load_adapter
from arb.errors import InputError
from connectors.errors import InstrumentError, TransportError
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.feed import Feed
from connectors.feed.interfaces import FeedTimes, Sink, Tap
from connectors.model import Stream, Venue
from connectors.net.hosts import AllowedHosts, GuardedTransport
from connectors.net.interfaces import Transport
from connectors.net.rest import HttpRest
from connectors.net.sockets import AsyncioTimers, transport_of

#: Streams that a bot needs.
BOT_STREAMS = (Stream.DEPTH, Stream.TOUCH, Stream.TRADE)


def bot_streams(adapter: Venue) -> tuple[Stream, ...]:
    """The streams that a bot needs, without those the venue lacks: some have no separate best bid and offer."""
    return tuple(stream for stream in BOT_STREAMS if stream == Stream.DEPTH or has_stream(adapter, stream))


def session_streams(adapter: Venue) -> tuple[Stream, ...]:
    """The streams of a trading session: those of a bot, and at a perpetual venue mark price and funding."""
    marks = (Stream.MARK_PRICE,) if has_stream(adapter, Stream.MARK_PRICE) else ()
    return bot_streams(adapter) + marks


def has_stream(adapter: Venue, stream: Stream) -> bool:
    """Whether the venue has the stream."""
    try:
        adapter.topic(stream, "X")
    except InstrumentError:
        return False
    return True


def websocket_urls(venue: VenueConfig) -> tuple[str, ...]:
    """The websocket addresses of a venue: the main one, then the fallbacks in the order of the file."""
    connection = venue.connection
    return (connection.websocket_url, *connection.websocket_fallback_urls)


def venue_transport(venue: VenueConfig) -> Transport:
    """The transport named in the venue's file. Raises InputError if its library is not installed."""
    try:
        return transport_of(venue.connection.transport)
    except TransportError as error:
        raise InputError(f"{venue.file}: [connection] transport: {error}") from None


def guarded(transport: Transport, hosts: AllowedHosts | None) -> Transport:
    """The transport, which connects to these hosts only; None: to any."""
    return transport if hosts is None else GuardedTransport(transport, hosts)


class LiveFeed:
    """A feed on real sockets and its REST client. `feed` is not started yet."""

    def __init__(self, feed: Feed, rest: HttpRest) -> None:
        self.feed = feed
        self.rest = rest

    async def close(self) -> None:
        """Ends the feed and its requests. May be called repeatedly."""
        self.feed.stop()
        await self.rest.close()


def open_feed(
    venue: VenueConfig,
    symbols: Sequence[str],
    sink: Sink,
    *,
    streams: Sequence[Stream] | None = None,
    tap: Tap | None = None,
    offset: OffsetEstimator | None = None,
    stale_after_ms: int = 2000,
    hosts: AllowedHosts | None = None,
) -> LiveFeed:
    """The feed of a venue, on the running event loop. One `offset` for all venues of a run.

    streams: None for those that a bot needs and the venue has. hosts: those that may be connected to; None: any.
    Raises ConfigError for a symbol that the venue's file does not describe and for an adapter that cannot be loaded,
    InputError for a stream that the venue does not have and a library that is not installed.
    """
    adapter, rest = load_adapter(venue), HttpRest(venue.connection.rest_api_url, hosts=hosts)
    try:
        feed = Feed(
            adapter,
            [instrument_at(venue, symbol) for symbol in symbols],
            bot_streams(adapter) if streams is None else streams,
            websocket_urls(venue),
            transport=guarded(venue_transport(venue), hosts),
            rest=rest,
            timers=AsyncioTimers(),
            # Spreads the retries of many clients; no recorded data depends on it.
            chance=random.SystemRandom().random,
            sink=sink,
            tap=tap,
            offset=offset,
            feed_latency_ns=feed_latency_ns(venue),
            times=FeedTimes(stale_after_ns=stale_after_ms * 1_000_000),
        )
    except InstrumentError as error:
        raise InputError(f"{venue.file}: {error}") from None
    return LiveFeed(feed, rest)
