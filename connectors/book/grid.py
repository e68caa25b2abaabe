"""Measures the tick and lot of received rows: the largest steps that divide all prices and all quantities.

Every decoded row of the book and of trades is checked here before it is used; a mark price is on no grid. A price off
the configured tick belongs to no level of the book, so a single one shows that the tick is wrong. Quantities are kept
as received, so a few off the lot do no harm (venues have orders older than their current lot); the lot is wrong if many
are off it, or if one is so small that its level would vanish (docs/decisions/0013).

A value is on a step if it is the float64 nearest to a whole multiple of it. That is exact for decimal texts of up to 15
significant digits; longer ones are off every step. Replay and live share this code. Pure; one thread.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Rows

#: Rows of the state.
_PX, _QTY = 0, 1
#: Most decimals of a value.
_DECIMALS_MAX = 17
# Fields of the state, int64. The configured step is STEP / 10**STEP_DECIMALS (0: none); the one measured over the
# values on it is MEASURED / 10**MEASURED_DECIMALS (0: none yet). From OFF_COUNTS on: how many values were off the step,
# by number of decimals; from OFF_UNITS on: their greatest common divisor in units of the last decimal.
_STEP, _STEP_DECIMALS, _MEASURED, _MEASURED_DECIMALS, _ROWS, _OFF, _VANISHING = range(7)
_OFF_COUNTS = 7
_OFF_UNITS = _OFF_COUNTS + _DECIMALS_MAX + 1
#: Fields of each row of the state.
STATE_FIELDS = _OFF_UNITS + _DECIMALS_MAX + 1

#: Three roundings (the value, the step, their product) change a value by less than this share of it.
_ROUNDING = 2.0**-51
_EXACT_MAX = 2.0**53
_POWERS = np.array([10.0**k for k in range(23)])

#: A lot is wrong if more than this share of the quantities is off it, and more than the count below; of few rows, a
#: quarter.
OFF_SHARE_MAX = 0.01
OFF_COUNT_MAX = 16
_OFF_SHARE_FEW = 0.25


class Measured(NamedTuple):
    """Result of a measurement. Steps are decimal texts, "" if there was no value.

    `lot_size` ignores the few finest quantities off the configured lot that `OFF_SHARE_MAX` allows.
    """

    tick_size: str = ""
    lot_size: str = ""
    rows: int = 0
    off_prices: int = 0
    off_quantities: int = 0
    #: Quantities of less than half a lot.
    vanishing: int = 0

    @property
    def is_tick_wrong(self) -> bool:
        """Whether the configured tick cannot be that of the rows."""
        return self.off_prices > 0

    @property
    def is_lot_wrong(self) -> bool:
        """Whether the configured lot cannot be that of the rows."""
        return self.vanishing > 0 or self.off_quantities > off_quantities_max(self.rows)


class GridMeter:
    """Measures the grid of one instrument's rows against the configured one."""

    def __init__(self, tick_size: float = 0.0, lot_size: float = 0.0) -> None:
        """0: not configured; no value is off it."""
        self.state: NDArray[np.int64] = np.zeros((2, STATE_FIELDS), np.int64)
        for own, size in zip(self.state, (tick_size, lot_size), strict=True):
            own[_STEP], own[_STEP_DECIMALS] = _as_integers(size)

    def follow(self, rows: Rows) -> bool:
        """Measures decoded rows; returns whether they show a finer step, or values off the configured one."""
        return bool(follow_grid(rows, len(rows), self.state))

    @property
    def is_off(self) -> bool:
        """Whether the rows so far contradict the configured tick or lot. Stays true once it is."""
        measured = self.measured
        return measured.is_tick_wrong or measured.is_lot_wrong

    @property
    def measured(self) -> Measured:
        """The measurement of all rows so far."""
        rows, off, vanishing = (int(self.state[_QTY, field]) for field in (_ROWS, _OFF, _VANISHING))
        few_max = off_quantities_max(rows)
        # If the few finest quantities make the lot wrong (they would vanish), the lot must include them.
        skipped_max = 0 if vanishing and off <= few_max else few_max
        return Measured(
            _step_text(self.state[_PX], 0),
            _step_text(self.state[_QTY], skipped_max),
            rows,
            int(self.state[_PX, _OFF]),
            off,
            vanishing,
        )


def off_quantities_max(rows: int) -> int:
    """How many quantities may be off the lot in `rows` rows."""
    return int(max(rows * OFF_SHARE_MAX, min(OFF_COUNT_MAX, rows * _OFF_SHARE_FEW)))


def is_multiple(step: str, of: float) -> bool:
    """Whether a measured step is a whole multiple of a configured one."""
    return Decimal(step) % Decimal(repr(of)) == 0


def is_coarser(step: str, configured: float) -> bool:
    """Whether the measured step is a larger multiple of the configured one; `step` "": there was no value."""
    return bool(step) and Decimal(step) > Decimal(repr(configured)) and is_multiple(step, configured)


def fault_text(measured: Measured, tick_size: float, lot_size: float) -> str:
    """How the measurement contradicts the configured tick and lot; "" if it does not."""
    faults = []
    if measured.is_tick_wrong:
        faults.append(
            f"{measured.off_prices:,} prices are no multiples of the configured tick_size {size_text(tick_size)}, "
            f"all are of {measured.tick_size}"
        )
    if measured.is_lot_wrong:
        few = f", {measured.vanishing:,} are less than half of it" if measured.vanishing else ""
        faults.append(
            f"{measured.off_quantities:,} quantities are no multiples of the configured lot_size "
            f"{size_text(lot_size)}{few}; measured: {measured.lot_size}"
        )
    return " and ".join(faults)


def setting_text(measured: Measured) -> str:
    """The measured steps that contradict the configured ones, as configuration settings, comma separated."""
    settings = []
    if measured.is_tick_wrong:
        settings.append(f'tick_size = "{measured.tick_size}"')
    if measured.is_lot_wrong:
        settings.append(f'lot_size = "{measured.lot_size}"')
    return ", ".join(settings)


def size_text(size: float) -> str:
    """A configured step as a decimal text without exponent."""
    return _plain(Decimal(repr(size)))


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _as_integers(size: float) -> tuple[int, int]:
    """A step as mantissa and number of decimals."""
    if size == 0.0:
        return 0, 0
    number = Decimal(_plain(Decimal(repr(size))))
    decimals = -int(number.as_tuple().exponent)
    return int(number.scaleb(decimals)), decimals


def _step_text(state: NDArray[np.int64], skipped_max: int) -> str:
    """The largest common step of all values except the finest `skipped_max` of those off the configured step."""
    counts = state[_OFF_COUNTS:_OFF_UNITS].tolist()
    left = skipped_max
    classes = []
    for decimals in range(_DECIMALS_MAX, -1, -1):
        left -= counts[decimals]
        if counts[decimals] and left < 0:
            classes.append((int(state[_OFF_UNITS + decimals]), decimals))
    if state[_MEASURED]:
        classes.append((int(state[_MEASURED]), int(state[_MEASURED_DECIMALS])))
    if not classes:
        return ""
    most = max(decimals for _, decimals in classes)
    units = math.gcd(*(unit * 10 ** (most - decimals) for unit, decimals in classes))
    return _plain(Decimal(units).scaleb(-most))


@compiled
def follow_grid(rows, end, state):
    """Measures rows[:end]; returns whether they show anything new. `state`: a `GridMeter.state`."""
    is_new = False
    px_per, qty_per = _per_unit(state[_PX]), _per_unit(state[_QTY])
    for r in range(end):
        px, qty = rows[r].px * px_per, rows[r].qty * qty_per
        # False for NaN, the price of a cleared side, and before anything was measured.
        if (
            not abs(px - np.rint(px)) <= px * _ROUNDING
            and np.int64(rows[r].ev) & 0xFF != FUNDING_EVENT
            and _learn(rows[r].px, state[_PX])
        ):
            px_per = _per_unit(state[_PX])
            is_new = True
        if not abs(qty - np.rint(qty)) <= qty * _ROUNDING and _learn(rows[r].qty, state[_QTY]):
            qty_per = _per_unit(state[_QTY])
            is_new = True
    state[_PX, _ROWS] += end
    state[_QTY, _ROWS] += end
    return is_new


@compiled
def follow_on_grid(rows, end, state):
    """Measures rows[:end] if all are on the configured tick and lot; otherwise returns False and measures nothing."""
    px_per, qty_per = _per_unit(state[_PX]), _per_unit(state[_QTY])
    is_new = False
    for r in range(end):
        px, qty = rows[r].px * px_per, rows[r].qty * qty_per
        if not (abs(px - np.rint(px)) <= px * _ROUNDING and abs(qty - np.rint(qty)) <= qty * _ROUNDING):
            if _is_off(rows[r].px, state[_PX]) or _is_off(rows[r].qty, state[_QTY]):
                return False
            is_new = True
    if is_new:
        follow_grid(rows, end, state)
    else:
        state[_PX, _ROWS] += end
        state[_QTY, _ROWS] += end
    return True


@compiled
def _is_off(value, state):
    """Whether a value is not a multiple of the configured step."""
    if not (value > 0.0 and value < np.inf and state[_STEP]):
        return False
    mantissa, decimals = _decimal_of(value)
    return not _is_whole(mantissa, decimals, state[_STEP], state[_STEP_DECIMALS])


@compiled
def _per_unit(state):
    """Number of measured steps in 1."""
    return _POWERS[state[_MEASURED_DECIMALS]] / state[_MEASURED] if state[_MEASURED] else np.nan


@compiled
def _learn(value, state):
    """Adds a value that may be off the measured step; returns whether it shows anything new."""
    if not (value > 0.0 and value < np.inf):
        return False
    mantissa, decimals = _decimal_of(value)
    step = state[_STEP]
    if step and not _is_whole(mantissa, decimals, step, state[_STEP_DECIMALS]):
        state[_OFF] += 1
        if np.rint(value / (step / _POWERS[state[_STEP_DECIMALS]])) == 0.0:
            state[_VANISHING] += 1
        state[_OFF_COUNTS + decimals] += 1
        state[_OFF_UNITS + decimals] = _gcd(mantissa, state[_OFF_UNITS + decimals])
        return True
    units, known = state[_MEASURED], state[_MEASURED_DECIMALS]
    if decimals >= known:
        now, now_decimals = _gcd_scaled(units, decimals - known, mantissa), decimals
    else:
        now, now_decimals = _gcd_scaled(mantissa, known - decimals, units), known
    while now_decimals > 0 and now % 10 == 0:
        now //= 10
        now_decimals -= 1
    state[_MEASURED], state[_MEASURED_DECIMALS] = now, now_decimals
    return now != units or now_decimals != known


@compiled
def _decimal_of(value):
    """The shortest decimal that parses to `value`: its digits as an integer, and the number of decimals.

    If it has more digits than a float64 distinguishes: one unit of the finest decimal, a multiple of no step.
    """
    for decimals in range(_DECIMALS_MAX + 1):
        mantissa = np.rint(value * _POWERS[decimals])
        if mantissa >= _EXACT_MAX:
            break
        if mantissa / _POWERS[decimals] == value:
            return np.int64(mantissa), decimals
    return np.int64(1), _DECIMALS_MAX


@compiled
def _is_whole(mantissa, decimals, step, step_decimals):
    """Whether mantissa / 10**decimals (without trailing zeros) is a whole multiple of step / 10**step_decimals."""
    if decimals > step_decimals:
        return False
    rest = mantissa % step
    for _ in range(step_decimals - decimals):
        rest = rest * 10 % step
    return rest == 0


@compiled
def _gcd(a, b):
    while b:
        a, b = b, a % b
    return a


@compiled
def _gcd_scaled(a, tens, b):
    """The greatest common divisor of a * 10**tens and b > 0, where a * 10**tens may exceed an int64."""
    rest = a % b
    for _ in range(tens):
        rest = rest * 10 % b
    return _gcd(b, rest)
