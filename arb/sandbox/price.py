"""The price that all venues of a symbol share, and where each venue's market believes it to be.

`SharedPrice` is a random walk whose pace breathes: slow swings of activity, bursts, and jumps that take some tens of
ms. An `Anchor` is one venue's view of it: some ms late, off by a basis that reverts, and now and then dislocated for
some hundreds of ms. Pure: time and randomness are arguments, and any step size gives the same kind of process.
"""

from __future__ import annotations

import math

from numpy.random import Generator

MS = 1_000_000
S = 1_000_000_000
BPS = 1e-4

#: The shared price is known at multiples of this, and in between by interpolation.
GRID_NS = 10 * MS
#: So far back it is remembered, in steps of the grid: further than any venue lags.
_MEMORY = 64

_VOLATILITY_BPS = 0.7  # of a root second, at activity 1: about 40 % a year
_SWING_S = 60.0
_SWING_SD = 0.45
_BURST_S = 1.5
_BURST_INTERVAL_S = 25.0
_JUMP_INTERVAL_S = 45.0
_ACTIVITY_MAX = 10.0

# A dislocation: how long it stands, and the median of the time constant of its end.
_HOLD_MS_MIN = 10.0
_HOLD_MS_MAX = 600.0
_DECAY_MS = 120.0


class SharedPrice:
    """The logarithm of one symbol's efficient price, and how busy its markets are (`activity`, about 1)."""

    def __init__(self, chance: Generator, px: float, start_ns: int) -> None:
        self._chance = chance
        self._log_px = [math.log(px)] * _MEMORY
        #: Number of the newest point on the grid, counted from 0000 UTC 1970.
        self._newest = start_ns // GRID_NS
        self._swing = 0.0
        self._burst = 0.0
        #: What is left of a jump, and in how many steps it is made.
        self._jump = 0.0
        self._jump_steps = 0
        self.activity = 1.0

    def advance(self, to_ns: int) -> None:
        """Makes the price known up to `to_ns`."""
        while self._newest * GRID_NS < to_ns:
            self._step()

    def at(self, ns: int) -> float:
        """The logarithm of the price at a time that is known and not longer ago than what is remembered."""
        number, rest = divmod(ns, GRID_NS)
        number = max(number, self._newest - _MEMORY + 1)
        before = self._log_px[number % _MEMORY]
        if rest == 0 or number >= self._newest:
            return before
        return before + (self._log_px[(number + 1) % _MEMORY] - before) * (rest / GRID_NS)

    def _step(self) -> None:
        chance = self._chance
        dt = GRID_NS / S
        pull = dt / _SWING_S
        self._swing += -self._swing * pull + _SWING_SD * math.sqrt(2 * pull) * chance.standard_normal()
        self._burst *= 1 - dt / _BURST_S
        if chance.random() < dt / _BURST_INTERVAL_S:
            self._burst += 1.0 + chance.exponential(1.5)
        if self._jump_steps == 0 and chance.random() < dt / _JUMP_INTERVAL_S:
            self._jump = _sign(chance) * (1.5 + chance.exponential(1.5)) * BPS
            self._jump_steps = int(chance.integers(1, 5))
            self._burst += 2.5
        self.activity = min(_ACTIVITY_MAX, math.exp(self._swing) * (1.0 + self._burst))
        move = _VOLATILITY_BPS * BPS * math.sqrt(dt * self.activity) * chance.standard_normal()
        if self._jump_steps:
            part = self._jump / self._jump_steps
            self._jump -= part
            self._jump_steps -= 1
            move += part
        log_px = self._log_px[self._newest % _MEMORY] + move
        self._newest += 1
        self._log_px[self._newest % _MEMORY] = log_px


class Dislocation:
    """A venue's price is off for a while: up within tens of ms, held, then decaying. One at a time."""

    _RAMP_NS = 30 * MS

    def __init__(self, chance: Generator, interval_s: float, size_bps: float, start_ns: int) -> None:
        """`interval_s` between two, and `size_bps` of one, are means; no size is below half of that."""
        self._chance = chance
        self._interval_ns = interval_s * S
        self._size_bps = size_bps
        self._size = self._decay_ns = 0.0
        self._hold_end = 0
        self._start = start_ns + round(chance.exponential(self._interval_ns))
        self._draw()

    def _draw(self) -> None:
        chance = self._chance
        half = self._size_bps / 2
        self._size = _sign(chance) * min(half + chance.exponential(half), 4 * self._size_bps) * BPS
        # Most are fleeting: gone before an order is there.
        hold_ms = _HOLD_MS_MIN * (_HOLD_MS_MAX / _HOLD_MS_MIN) ** chance.random()
        self._hold_end = self._start + self._RAMP_NS + round(hold_ms * MS)
        self._decay_ns = _DECAY_MS * MS * math.exp(0.5 * chance.standard_normal())

    def at(self, now_ns: int) -> float:
        """How far off the price is, as a logarithm. Times must not fall."""
        if now_ns < self._start:
            return 0.0
        if now_ns < self._hold_end:
            return self._size * min(1.0, (now_ns - self._start) / self._RAMP_NS)
        age = (now_ns - self._hold_end) / self._decay_ns
        if age < 5.0:
            return self._size * math.exp(-age)
        self._start = now_ns + round(self._chance.exponential(self._interval_ns))
        self._draw()
        return 0.0


class Anchor:
    """Where one venue's market believes the price of a symbol to be."""

    def __init__(
        self,
        chance: Generator,
        price: SharedPrice,
        dislocation: Dislocation,
        *,
        basis_bps: float,
        basis_sd_bps: float,
        basis_reversion_s: float,
        start_ns: int,
    ) -> None:
        """`basis_bps` over the shared price on average, `basis_sd_bps` around it, with that time constant."""
        self._chance = chance
        self._price = price
        self._dislocation = dislocation
        self._mean = basis_bps * BPS
        self._sd = basis_sd_bps * BPS
        self._reversion_ns = basis_reversion_s * S
        self._basis = self._mean + self._sd * chance.standard_normal()
        self._now = start_ns
        #: How late the market sees the shared price. Written by the market.
        self.lag_ns = 0

    def px(self, now_ns: int) -> float:
        """The price in the eyes of the venue's market. Times must not fall."""
        decay = math.exp((self._now - now_ns) / self._reversion_ns)
        noise = self._sd * math.sqrt(1.0 - decay * decay) * self._chance.standard_normal()
        self._basis = self._mean + (self._basis - self._mean) * decay + noise
        self._now = now_ns
        return math.exp(self._price.at(now_ns - self.lag_ns) + self._basis + self._dislocation.at(now_ns))


def _sign(chance: Generator) -> float:
    return 1.0 if chance.random() < 0.5 else -1.0
