"""Which streams share a connection: as many as the venue's limits allow. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.types import Instrument, Stream, Venue


def packs(
    venue: Venue, instruments: Sequence[Instrument], streams: Sequence[Stream]
) -> list[tuple[list[int], list[str]]]:
    """For each connection: places of its instruments in the list, and topics. An instrument's streams stay together."""
    limits = venue.limits
    found: list[tuple[list[int], list[str]]] = []
    chars = 0
    for no, instrument in enumerate(instruments):
        topics = [venue.topic(stream, instrument.symbol) for stream in streams]
        size = sum(len(topic) + 3 for topic in topics)
        is_full = not found or len(found[-1][1]) + len(topics) > limits.topics
        if is_full or (limits.topic_chars and chars + size > limits.topic_chars):
            found.append(([], []))
            chars = 0
        found[-1][0].append(no)
        found[-1][1].extend(topics)
        chars += size
    return found
