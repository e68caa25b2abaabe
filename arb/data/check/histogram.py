"""Counts values in a fixed number of bins, from which quantiles of a whole day follow with a bounded error.

Spacings are counted in bins of at most 1/128 of their value. Delays may be negative and are moved by the run's offset
only after counting, so their bins have a constant width, 8 us, up to 2 s from the first delay, and grow with the
distance beyond. Memory is the same for a minute and for a day.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from connectors.jit.compilation import compiled

#: Bins for values of up to 47 bits: 39 hours in ns.
LOG_BINS = 5_248
_VALUE_MAX = (1 << 47) - 1

#: Delays closer than this to the first one are counted in bins of 1 << _WIDTH_BITS ns.
_NEAR_NS = 1 << 31
_WIDTH_BITS = 13
_NEAR_BINS = (2 * _NEAR_NS) >> _WIDTH_BITS
#: Near bins, then far bins above, then far bins below.
DELAY_BINS = _NEAR_BINS + 2 * LOG_BINS
#: Half the width of a near bin: the maximum error of a quantile of delays; 1/256 of the distance beyond `_NEAR_NS`.
DELAY_ERROR_NS = 1 << (_WIDTH_BITS - 1)


@compiled
def log_bin(value):
    """The bin of a number: the number itself below 256, then 128 bins for each power of two."""
    if value < 256:
        return max(value, 0)
    value = min(value, _VALUE_MAX)  # exact as a float64
    shift = math.frexp(np.float64(value))[1] - 8
    return shift * 128 + (value >> shift)


@compiled
def delay_bin(distance):
    """The bin of a delay, given by its distance from the first one in ns."""
    if distance >= _NEAR_NS:
        return _NEAR_BINS + log_bin(distance)
    if distance < -_NEAR_NS:
        return _NEAR_BINS + LOG_BINS + log_bin(-distance)
    return (distance + _NEAR_NS) >> _WIDTH_BITS


def log_edges(bins: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest value of each bin, and the first value beyond the last."""
    shift = np.maximum(bins // 128 - 1, 0)
    width = np.exp2(shift)
    low = (bins - shift * 128) * width
    return low, low + width


def delay_centres(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The middle of each delay bin: a distance from the first delay, in ns."""
    centres = (bins.astype(np.float64) + 0.5) * float(1 << _WIDTH_BITS) - float(_NEAR_NS)
    for first, sign in ((_NEAR_BINS, 1.0), (_NEAR_BINS + LOG_BINS, -1.0)):
        is_far = (bins >= first) & (bins < first + LOG_BINS)
        low, high = log_edges(bins[is_far] - first)
        centres[is_far] = sign * (low + high) / 2
    return centres


def delay_quantiles(counts: NDArray[np.int64], shares: tuple[float, ...]) -> list[float]:
    """The distances below or at which these shares of the delays lie; NaN without any."""
    bins = np.flatnonzero(counts)
    if not len(bins):
        return [math.nan] * len(shares)
    centres = delay_centres(bins)
    order = np.argsort(centres)
    reached = np.cumsum(counts[bins[order]])
    ranks = np.ceil(np.array(shares) * reached[-1])
    return [float(value) for value in centres[order][np.searchsorted(reached, ranks)]]


def log_quantile(counts: NDArray[np.int64], share: float) -> float:
    """The value at or below which this share of the counted ones lies; 0 without any."""
    reached = np.cumsum(counts)
    if reached[-1] == 0:
        return 0.0
    found = np.searchsorted(reached, math.ceil(share * reached[-1]))
    low, high = log_edges(np.array([found]))
    return float(low[0] + high[0] - 1) / 2
