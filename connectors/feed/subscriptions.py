"""Assigns instruments to connections, as many to each as the venue's limits allow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from connectors.model import Instrument, Stream, Venue

#: Characters added to each topic in a list: two quotes and a comma.
_CHARS_AROUND = 3


class Pack(NamedTuple):
    """Content of one connection: its route, indices of instruments, their topics, whether they are of the books."""

    route: str
    numbers: list[int]
    topics: list[str]
    has_books: bool


def packs_of(venue: Venue, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Pack]:
    """Splits the streams of all instruments over connections; those of one instrument and route share a connection."""
    routes: dict[str, list[Stream]] = {}
    for stream in streams:
        routes.setdefault(venue.route(stream), []).append(stream)
    packs: list[Pack] = []
    for route, members in routes.items():
        packs += _packs_of_route(venue, instruments, route, members)
    return packs


def _packs_of_route(
    venue: Venue, instruments: Sequence[Instrument], route: str, streams: Sequence[Stream]
) -> list[Pack]:
    limits = venue.limits
    packs: list[Pack] = []
    chars = 0
    for no, instrument in enumerate(instruments):
        # Two streams may have one topic, as ticker and mark price of Bybit's perpetuals.
        topics = list(dict.fromkeys(venue.topic(stream, instrument.symbol) for stream in streams))
        size = sum(len(topic) + _CHARS_AROUND for topic in topics)
        is_full = not packs or len(packs[-1].topics) + len(topics) > limits.topics
        if is_full or (limits.topic_chars and chars + size > limits.topic_chars):
            packs.append(Pack(route, [], [], Stream.DEPTH in streams))
            chars = 0
        packs[-1].numbers.append(no)
        packs[-1].topics.extend(topics)
        chars += size
    return packs
