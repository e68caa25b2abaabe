"""Signals that the tutorial-style strategies import from a module of their own, as users split their code."""

from __future__ import annotations

import numpy as np
from hftbacktest.types import BUY_EVENT
from numba import njit


@njit
def trade_flow(hbt, asset_no):
    """Bought minus sold quantity of the public trades since they were cleared, and their number."""
    flow = 0.0
    trades = hbt.last_trades(asset_no)
    for trade in trades:
        flow += trade.qty if trade.ev & BUY_EVENT == BUY_EVENT else -trade.qty
    return flow, len(trades)


@njit
def traded_depths(hbt, asset_no, mid_tick, depths, first):
    """Writes how far each public trade was from `mid_tick`, in ticks, into `depths` from `first`; the next place."""
    tick_size = hbt.depth(asset_no).tick_size
    for trade in hbt.last_trades(asset_no):
        if first < len(depths):
            depths[first] = abs(trade.px / tick_size - mid_tick)
            first += 1
    return first


@njit
def fit_line(x, y):
    """Least squares of y = a x + b; (a, b)."""
    count = len(x)
    mean_x, mean_y = np.mean(x), np.mean(y)
    top = bottom = 0.0
    for index in range(count):
        top += (x[index] - mean_x) * (y[index] - mean_y)
        bottom += (x[index] - mean_x) ** 2
    slope = top / bottom if bottom > 0.0 else 0.0
    return slope, mean_y - slope * mean_x


@njit
def arrival_intensity(depths, count, levels):
    """A and k of intensity = A exp(-k depth), fitted to how many trades reached each of the first `levels` depths."""
    reached = np.zeros(levels)
    for index in range(count):
        for level in range(min(levels, int(depths[index]) + 1)):
            reached[level] += 1.0
    known = 0
    while known < levels and reached[known] > 0.0:
        known += 1
    if known < 3:
        return 0.0, 0.0
    slope, intercept = fit_line(np.arange(known) * 1.0, np.log(reached[:known]))
    return np.exp(intercept), -slope
