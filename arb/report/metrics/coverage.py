"""For how long each leg had no book, and for how long the other had one meanwhile, by the records.

A state counts from its record to the next, so a gap shorter than the time between records may not be seen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from arb.report.metrics.run import NS_PER_S


class Coverage(NamedTuple):
    """Of one leg."""

    #: Without a mid price.
    unquoted_s: float
    #: Without one while the other leg had one.
    one_sided_s: float
    #: Records at which the mid was not known.
    unquoted_records: int


def coverage_of(timestamps: Any, is_known: Any) -> list[Coverage]:
    """A Coverage for each leg; is_known: (row, leg)."""
    spans = np.diff(timestamps)
    stood = is_known[:-1]
    found = []
    for leg_no in range(is_known.shape[1]):
        missing = ~stood[:, leg_no]
        # The legs of a pair stand side by side.
        other = stood[:, leg_no ^ 1]
        found.append(
            Coverage(
                unquoted_s=float(spans[missing].sum()) / NS_PER_S,
                one_sided_s=float(spans[missing & other].sum()) / NS_PER_S,
                unquoted_records=int((~is_known[:, leg_no]).sum()),
            )
        )
    return found
