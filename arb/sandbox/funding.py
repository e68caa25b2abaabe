"""Funding of the simulated perpetuals: its times and rates. Pure."""

from __future__ import annotations

from typing import NamedTuple

from connectors.units import MILLISECOND, MINUTE


class Funding(NamedTuple):
    """Payments are due at the multiples of `interval_ms` since 1970; each interval has one of the rates, in turn.

    Rates are decimal texts, as in the frames.
    """

    interval_ms: int = 480 * MINUTE // MILLISECOND
    rates: tuple[str, ...] = ("0.00010000",)

    def next_ms(self, now_ms: int) -> int:
        """The next funding time after `now_ms`."""
        return (now_ms // self.interval_ms + 1) * self.interval_ms

    def rate(self, now_ms: int) -> str:
        """The rate that is paid at the next funding time."""
        return self.rates[now_ms // self.interval_ms % len(self.rates)]


#: As at the venues for most instruments: every 8 h, 1 bp.
USUAL_FUNDING = Funding()
