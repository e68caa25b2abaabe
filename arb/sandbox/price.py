"""The price shared by all venues of a symbol, and each venue's view of it.

`SharedPrice` is a random walk with varying volatility: slow swings of activity, bursts, and jumps that take some tens
of ms. An `Anchor` is one venue's view of it: some ms late, with a mean-reverting basis, and occasionally dislocated for
some hundreds of ms. Pure: time and randomness are arguments, and the process does not depend on the step size.
"""

from __future__ import annotations

import math

from numpy.random import Generator

from connectors.units import MILLISECOND, SECOND

BPS = 1e-4

#: The shared price is simulated at multiples of this and interpolated in between.
GRID_NS = 10 * MILLISECOND
#: History kept, in grid steps: longer than the lag of any venue.
_MEMORY = 64

_VOLATILITY_BPS = 0.7  # per square root of a second, at activity 1: about 40 % a year
_SWING_S = 60.0
_SWING_SD = 0.45
_BURST_S = 1.5
_BURST_INTERVAL_S = 25.0
_JUMP_INTERVAL_S = 45.0
_ACTIVITY_MAX = 10.0

# A dislocation: how long it is held, and the median time constant of its decay.
_HOLD_MS_MIN = 10.0
_HOLD_MS_MAX = 600.0
_DECAY_MS = 120.0


class SharedPrice:
    """The logarithm of one symbol's efficient price, and the activity of its markets (`activity`, about 1)."""

    def __init__(self, chance: Generator, px: float, start_ns: int) -> None:
        self._chance = chance
        self._log_px = [math.log(px)] * _MEMORY
        #: Number of the newest point on the grid, counted from 0000 UTC 1970.
        self._newest = start_ns // GRID_NS
        self._swing = 0.0
        self._burst = 0.0
        #: The remaining size of a jump, and the number of steps to spread it over.
        self._jump = 0.0
        self._jump_steps = 0
        self.activity = 1.0

    def advance(self, to_ns: int) -> None:
        """Simulates the price up to `to_ns`."""
        while self._newest * GRID_NS < to_ns:
            self._step()

    def at(self, ns: int) -> float:
        """The logarithm of the price at a time within the kept history."""
        number, rest = divmod(ns, GRID_NS)
        number = max(number, self._newest - _MEMORY + 1)
        before = self._log_px[number % _MEMORY]
        if rest == 0 or number >= self._newest:
            return before
        return before + (self._log_px[(number + 1) % _MEMORY] - before) * (rest / GRID_NS)

    def _step(self) -> None:
        chance = self._chance
        dt = GRID_NS / SECOND
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
    """Temporary deviation of a venue's price: rises within tens of ms, is held, then decays. One at a time."""

    _RAMP_NS = 30 * MILLISECOND

    def __init__(self, chance: Generator, interval_s: float, size_bps: float, start_ns: int) -> None:
        """`interval_s` between two and `size_bps` of one are means; the least size is half of `size_bps`."""
        self._chance = chance
        self._interval_ns = interval_s * SECOND
        self._size_bps = size_bps
        self._size = self._decay_ns = 0.0
        self._hold_end = 0
        self._start = start_ns + round(chance.exponential(self._interval_ns))
        self._draw()

    def _draw(self) -> None:
        chance = self._chance
        half = self._size_bps / 2
        self._size = _sign(chance) * min(half + chance.exponential(half), 4 * self._size_bps) * BPS
        # Most are short: over before an order arrives.
        hold_ms = _HOLD_MS_MIN * (_HOLD_MS_MAX / _HOLD_MS_MIN) ** chance.random()
        self._hold_end = self._start + self._RAMP_NS + round(hold_ms * MILLISECOND)
        self._decay_ns = _DECAY_MS * MILLISECOND * math.exp(0.5 * chance.standard_normal())

    def at(self, now_ns: int) -> float:
        """The deviation of the log price. `now_ns` must not decrease."""
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
    """One venue's view of the price of a symbol."""

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
        """`basis_bps`: mean premium over the shared price, `basis_sd_bps` around it, with mean reversion."""
        self._chance = chance
        self._price = price
        self._dislocation = dislocation
        self._mean = basis_bps * BPS
        self._sd = basis_sd_bps * BPS
        self._reversion_ns = basis_reversion_s * SECOND
        self._basis = self._mean + self._sd * chance.standard_normal()
        self._now = start_ns
        #: Delay of the venue's view of the shared price. Written by the market.
        self.lag_ns = 0

    def px(self, now_ns: int) -> float:
        """The price as seen by the venue's market. `now_ns` must not decrease."""
        decay = math.exp((self._now - now_ns) / self._reversion_ns)
        noise = self._sd * math.sqrt(1.0 - decay * decay) * self._chance.standard_normal()
        self._basis = self._mean + (self._basis - self._mean) * decay + noise
        self._now = now_ns
        return math.exp(self._price.at(now_ns - self.lag_ns) + self._basis + self._dislocation.at(now_ns))


def _sign(chance: Generator) -> float:
    return 1.0 if chance.random() < 0.5 else -1.0
