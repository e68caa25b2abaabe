"""Limits of a venue on requests, and what it reports as used of them. Definitions only; `limits_of` of each venue has
the documented figures."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class LimitKind(IntEnum):
    """What a limit counts."""

    ORDERS = 0
    """New orders."""
    AMENDS = 1
    CANCELS = 2
    WEIGHT = 3
    """Weight of requests, or their number, of one address."""


class VenueLimit(NamedTuple):
    """A limit: at most `most` in a window."""

    kind: LimitKind
    window_ns: int
    most: int


class LimitUse(NamedTuple):
    """What a venue says is used of a limit. most: 0 if it does not say; until_ns: end of the window, 0 likewise."""

    kind: LimitKind
    window_ns: int
    used: int
    most: int = 0
    until_ns: int = 0
