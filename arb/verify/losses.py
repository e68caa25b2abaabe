"""Finds which differences of a session can follow from frames that were not recorded. Pure.

A lost frame changes the rows of its leg. The strategy can act on it only after it arrived, and its orders reach a venue
later still; so everything done before then, in any leg, must still be equal. Fills of the frame's own leg may differ
earlier: the frame may have any venue time after the last one up to which the simulated exchange had all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from arb.verify.reconcile import Difference

#: Kinds of differences that are dated by the strategy's clock.
_ON_LOCAL_TIME = ("request", "answer", "decision", "record", "order latency", "end")


class Loss(NamedTuple):
    """Lost frames of one leg. after_ts, after_exch_ts: complete up to these times (`replay_marks.LOSS`)."""

    frames: int
    after_ts: int
    after_exch_ts: int


def with_causes(
    differences: Iterable[Difference], losses: Mapping[str, Loss], error: str | None
) -> list[Difference]:
    """Adds a cause to differences that can follow from the losses. losses: by leg; error: why recording failed."""
    if not losses:
        return list(differences)
    first_ts = min(loss.after_ts for loss in losses.values())
    return [
        one._replace(cause=_cause(losses, error)) if _can_follow(one, losses, first_ts) else one
        for one in differences
    ]


def _can_follow(one: Difference, losses: Mapping[str, Loss], first_ts: int) -> bool:
    own = losses.get(one.leg)
    if one.what == "recording":
        if own is None:
            return False
        is_count = one.where.endswith(" frames")
        return not is_count or int(one.recorded) - int(one.replayed) == own.frames
    if one.what == "fill":
        after = first_ts if own is None else min(first_ts, own.after_exch_ts)
        return one.ts > after
    if one.what == "feed latency":
        return own is not None and one.ts > own.after_ts
    if one.what in _ON_LOCAL_TIME:
        return one.ts > first_ts
    # The final state is later than every loss.
    return one.what == "state"


def _cause(losses: Mapping[str, Loss], error: str | None) -> str:
    lost = ", ".join(f"{loss.frames} frames of {leg}" for leg, loss in losses.items())
    return f"not recorded: {lost}: {error or 'the session was killed'}"
