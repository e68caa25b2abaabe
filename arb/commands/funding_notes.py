"""The notes of a run on funding times that its data do not have."""

from __future__ import annotations

from collections.abc import Sequence

from arb.data.catalog.funding import FUNDING_MARKETS
from arb.data.funding import count_funding
from arb.data.rows.funding import last_venue_ts
from arb.data.rows.row_files import Conversion
from arb.leg import Leg
from arb.results.notes import funding_notes_of
from connectors.errors import InstrumentError
from connectors.model import Rows, Stream, Venue


def funding_notes(
    legs: Sequence[Leg], venues: Sequence[Venue], conversion: Conversion, arrays: Sequence[Sequence[Rows]]
) -> list[str]:
    """A line for each perpetual leg with funding times without data, from its first frame to the last row of the run.

    venues: of the legs. conversion, arrays: cut to the part of the days that is run; the arrays are those of each leg.
    """
    notes = []
    end_ts = last_venue_ts(rows for own in arrays for rows in own)
    for leg, venue, files in zip(legs, venues, conversion.files, strict=True):
        start_ts = min((file.first_ts for file in files if file.first_ts), default=0)
        if leg.is_spot or not start_ts:
            continue
        spans = [span for file in files for span in file.funding]
        count = count_funding(spans, start_ts, end_ts)
        notes += funding_notes_of(leg.name, count, has_data=bool(spans), remedy=_remedy(venue, leg.symbol))
    return notes


def _remedy(venue: Venue, symbol: str) -> str:
    """How to get the data; "" if they cannot be had."""
    ways = []
    try:
        venue.topic(Stream.MARK_PRICE, symbol)
        ways.append("record with --streams markPrice")
    except InstrumentError:
        pass
    if venue.name in FUNDING_MARKETS:
        ways.append("arb download --kinds funding,mark")
    return ", or ".join(ways)
