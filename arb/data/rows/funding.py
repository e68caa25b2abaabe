"""Downloaded funding times among the rows of a day: for the venue's side only, in the order of its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from hftbacktest.types import EXCH_EVENT

from arb.data.catalog.days import Day
from arb.data.catalog.funding import FundingFiles, funding_files
from arb.data.funding import FundingSpan
from arb.data.rows.cache import RowCache
from arb.data.rows.spool import Scan
from connectors.model import Kind, Rows

#: Rows at the end of an array among which one of the venue's side is looked for: it is nearly always the last.
_TAIL_ROWS = 4096


class DayFunding:
    """The downloaded funding times of a day; of a day that has none, or funding frames of its own, nothing.

    Call `among` once; what was inserted is known afterwards.
    """

    def __init__(self, files: FundingFiles | None, hashes: Sequence[str]) -> None:
        self._files = files
        #: SHA-256 of the files, which change the rows.
        self.hashes = hashes
        self.spans: tuple[FundingSpan, ...] = ()
        #: How many rows were inserted: in all, at the front, before all rows of the venue's side, and after them.
        self.rows = self.before = self.after = 0

    @classmethod
    def of_day(cls, day: Day, scan: Scan, cache: RowCache) -> DayFunding:
        """What was downloaded into the data folder of a day. Raises InputError for a file that cannot be read."""
        files = None if scan.frames[Kind.FUNDING] else funding_files(day)
        return cls(files, [] if files is None else [cache.fingerprint(path) for path in files.paths])

    def among(self, pieces: Iterator[Rows]) -> Iterator[Rows]:
        """Ordered rows with the funding times, each before the first row of the venue's side that is later.

        A day without rows stays without. Raises InputError for files that cannot be read.
        """
        if self._files is None:
            yield from pieces
            return
        # Reading archives loads compiled code, which most recordings do not need.
        from arb.data.archives.funding import read_funding

        funding, spans = read_funding(self._files)
        at = count = 0
        for piece in pieces:
            seen = (
                np.flatnonzero(piece["ev"] & np.uint64(EXCH_EVENT)) if at < len(funding) else np.zeros(0, int)
            )
            places = np.searchsorted(piece["exch_ts"][seen], funding["exch_ts"][at:], "right")
            places = places[places < len(seen)]
            positions = seen[places]
            if not count:
                self.before = int(np.count_nonzero(places == 0))
                positions[: self.before] = 0
            yield np.insert(piece, positions, funding[at : at + len(places)]) if len(places) else piece
            at += len(places)
            count += len(piece)
        if count:
            self.after = len(funding) - at
            self.rows, self.spans = len(funding), spans
            if self.after:
                yield funding[at:]


def last_venue_ts(arrays: Iterable[Rows]) -> int:
    """The latest venue time of ordered rows, apart from downloaded funding times; 0 without any."""
    latest = 0
    for rows in arrays:
        for tail in (rows[-_TAIL_ROWS:], rows):
            is_venue = (tail["ev"] & np.uint64(EXCH_EVENT) != 0) & (tail["ival"] != tail["exch_ts"])
            if is_venue.any():
                latest = max(latest, int(tail["exch_ts"][is_venue][-1]))
                break
    return latest
