"""Converts between the sandbox's clock, the market's clock and the times in frames. Pure.

The market's clock runs `speed` times as fast as the sandbox's. Frames have market times (`--times recorded`) or, by
default, the times of the sandbox's clock at which they are sent.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from connectors.units import MILLISECOND

#: Times in frames: all are ms with 13 digits. Funding times, `T` of Binance's mark prices and `nextFundingTime` of
#: Bybit's tickers, a text, are moved like the others.
_STAMP = re.compile(r'("(?:E|T|ts|cts)":|"nextFundingTime":")(\d{13})(?!\d)')


class Timeline(NamedTuple):
    """The relation of the clocks."""

    wall_start_ns: int
    market_start_ns: int
    speed: float
    #: Whether times in frames are moved to the sandbox's clock.
    is_moved: bool

    def market_ns(self, wall_ns: int) -> int:
        """The market's time at time `wall_ns` of the sandbox's clock."""
        return self.market_start_ns + round((wall_ns - self.wall_start_ns) * self.speed)

    def wall_ns(self, market_ns: int) -> int:
        """The time of the sandbox's clock at a time of the market."""
        return self.wall_start_ns + round((market_ns - self.market_start_ns) / self.speed)

    def stamp_ms(self, market_ns: int) -> int:
        """A market time as written in frames."""
        if not self.is_moved:
            return market_ns // MILLISECOND
        return self.wall_ns(market_ns) // MILLISECOND

    def frame_ms(self, wall_ns: int) -> int:
        """A time of the sandbox's clock as written in frames."""
        return self.stamp_ms(self.market_ns(wall_ns))

    def convert(self, text: str) -> str:
        """A frame whose market times are converted to those that are sent."""
        if not self.is_moved:
            return text
        return _STAMP.sub(lambda m: f"{m[1]}{self.stamp_ms(int(m[2]) * MILLISECOND)}", text)


def shift_stamps(text: str, offset_ms: int) -> str:
    """A frame with its times changed by `offset_ms`."""
    return _STAMP.sub(lambda m: f"{m[1]}{int(m[2]) + offset_ms}", text)


def stamps_of(text: str) -> list[int]:
    """The times in a frame, in ms, without the next funding time of Bybit's, which may precede the frame's own."""
    return [int(match[2]) for match in _STAMP.finditer(text) if match[1][-1] == ":"]
