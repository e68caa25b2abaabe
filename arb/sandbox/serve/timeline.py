"""The sandbox's clocks in one place: its own, the market's, and the times that frames tell. Pure.

The market's clock runs `speed` times as fast as the sandbox's. Frames tell the market's times as they are ("kept"), or
moved to the sandbox's clock ("now"): then a frame's time is close to when it is sent, at any speed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MS = 1_000_000
#: Times in frames: all are ms with 13 digits. `T` of a mark price is a time too, and is moved like the others.
_STAMP = re.compile(r'"(E|T|ts|cts)":(\d{13})(?!\d)')


class Timeline(NamedTuple):
    """How the clocks hang together."""

    wall_start_ns: int
    market_start_ns: int
    speed: float
    is_moved: bool
    """Whether frames tell the sandbox's time."""

    def market_ns(self, wall_ns: int) -> int:
        """The market's time when the sandbox's clock says `wall_ns`."""
        return self.market_start_ns + round((wall_ns - self.wall_start_ns) * self.speed)

    def told_ms(self, market_ns: int) -> int:
        """How a time of the market is told in frames."""
        if not self.is_moved:
            return market_ns // MS
        return (self.wall_start_ns + round((market_ns - self.market_start_ns) / self.speed)) // MS

    def retell(self, text: str) -> str:
        """A frame that holds the market's times, as it is told."""
        if not self.is_moved:
            return text
        return _STAMP.sub(lambda m: f'"{m[1]}":{self.told_ms(int(m[2]) * MS)}', text)


def shift_stamps(text: str, offset_ms: int) -> str:
    """A frame with its times changed by `offset_ms`."""
    return _STAMP.sub(lambda m: f'"{m[1]}":{int(m[2]) + offset_ms}', text)


def stamps_of(text: str) -> list[int]:
    """The times that a frame tells, in ms."""
    return [int(match[2]) for match in _STAMP.finditer(text)]
