"""Which instruments share a connection: as many as the venue's limits let it carry. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from connectors.model import Instrument, Stream, Venue

#: Of a topic in a list: quotes and a comma.
_CHARS_AROUND = 3


class Pack(NamedTuple):
    """What one connection carries: numbers of instruments, and their topics."""

    numbers: list[int]
    topics: list[str]


def packs_of(venue: Venue, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Pack]:
    """The streams of all instruments, those of one instrument together."""
    limits = venue.limits
    packs: list[Pack] = []
    chars = 0
    for no, instrument in enumerate(instruments):
        topics = [venue.topic(stream, instrument.symbol) for stream in streams]
        size = sum(len(topic) + _CHARS_AROUND for topic in topics)
        is_full = not packs or len(packs[-1].topics) + len(topics) > limits.topics
        if is_full or (limits.topic_chars and chars + size > limits.topic_chars):
            packs.append(Pack([], []))
            chars = 0
        packs[-1].numbers.append(no)
        packs[-1].topics.extend(topics)
        chars += size
    return packs
