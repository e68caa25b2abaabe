"""What rows a strategy needs: thinned ones suffice for one that acts on touches, answers and its own deadlines alone.

What can be read is observed: the marks in the compiled code show the methods that it calls (`arb.bot.uses`), and each
run counts the orders that may rest in a book (`arb.risk.limits`). Whether it acts at rows that change no touch cannot
be read from it: sets are run on both kinds of rows, and everything that they leave is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from arb.bot.uses import Uses
from arb.sweep.engine import OneSet, Ran


def why_all_rows(uses: Uses, params: Mapping[str, Any], stale_after_ns: int) -> str:
    """What a strategy with these uses does that needs all rows; "" if nothing that can be read of it does.

    params: of a set. stale_after_ns: the age of a book for which rows are kept.
    """
    if uses.arrays or uses.levels:
        return "reads levels beyond the touch"
    # Thinned rows keep whether a book is older than the configured bound, not how old it is.
    if uses.latency and params.get("stale_after_ns") != stale_after_ns:
        return "reads feed_latency without the parameter stale_after_ns"
    return ""


def differences(one: tuple[OneSet, Ran], other: tuple[OneSet, Ran]) -> Iterator[str]:
    """What of a set's run is not that of another run of it, to the bit."""
    (one_set, ran), (other_set, again) = one, other
    if ran.error != again.error or not _same(ran.value, again.value):
        yield "outcome"
    if ran.fills_sha256 != again.fills_sha256:
        yield "fills"
    if ran.decisions_sha256 != again.decisions_sha256:
        yield "decisions"
    for name in ("records", "final"):
        if getattr(ran.output, name).tobytes() != getattr(again.output, name).tobytes():
            yield name
    # The last is rows of fills, which have a digest.
    if ran.output[4:-1] != again.output[4:-1]:
        yield "payments"
    if not np.array_equal(one_set.limits.refusals, other_set.limits.refusals):
        yield "refusals"


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other))
