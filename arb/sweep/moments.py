"""What the returns of all sets have to be known by for the judgement of luck, gathered set by set.

The returns themselves are not kept: a set takes about 300 bytes, however long the sweep's data are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from arb.sweep.unknown import Unknown

#: Blocks of the cross-validation: the paper's number, or fewer of four returns each.
BLOCKS = 16
_BLOCKS_MIN = 6
_BLOCK_RETURNS_MIN = 4


class Moments(NamedTuple):
    """Of a table of sets.

    returns: their number per set. sharpes, skews, kurtoses: (sets,) float64 over all returns, the ratio per return, and
    kurtosis 3 for a normal distribution; of a set that never trades 0, NaN, NaN. block_returns: number of returns of a
    block; blocks leave out the first returns if their number is no multiple. block_means: (sets,) mean over all blocks.
    block_sums, block_squares: (blocks, sets) sums of the differences from it and of their squares. correlation: of the
    returns, mean over all pairs of sets that trade, at least 0. traded: number of sets that trade.
    """

    returns: int
    sharpes: Any
    skews: Any
    kurtoses: Any
    block_returns: int
    block_means: Any
    block_sums: Any
    block_squares: Any
    correlation: float
    traded: int


def blocks_for(returns: int) -> int:
    """The even number of blocks for so many returns; 0 for too few."""
    blocks = min(BLOCKS, returns // _BLOCK_RETURNS_MIN // 2 * 2)
    return blocks if blocks >= _BLOCKS_MIN else 0


def moments_of(returns: Any, blocks: int | None = None) -> Moments | Unknown:
    """The moments of (times, sets) float64 returns."""
    gathered = Gathering(len(returns), blocks)
    gathered.add(returns)
    return gathered.end()


class Gathering:
    """Adds sets, some at a time, and ends with their moments."""

    def __init__(self, returns: int, blocks: int | None = None) -> None:
        """returns: of each set. blocks: an even number; None: `blocks_for`."""
        self._returns = returns
        self._blocks = blocks_for(returns) if blocks is None else blocks
        self._parts: list[tuple[Any, ...]] = []
        self._standard = np.zeros(returns)
        self._first = np.full(returns, np.nan)
        self._sets = self._unknown = self._traded = 0
        self._are_same = True

    def add(self, returns: Any) -> None:
        """(times, sets) float64 returns of the next sets; NaN where unknown."""
        self._unknown += int((~np.isfinite(returns)).any(axis=0).sum())
        if not self._sets:
            self._first = returns[:, 0]
        self._are_same = self._are_same and bool((returns == self._first[:, None]).all())
        self._sets += returns.shape[1]
        if self._unknown or not self._blocks:
            return
        self._traded += int(returns.any(axis=0).sum())
        self._parts.append((*self._of_all(returns), *self._of_blocks(returns)))

    def end(self) -> Moments | Unknown:
        """The moments of all sets; Unknown if there are too few returns to compare any."""
        if not self._blocks:
            least = _BLOCKS_MIN * _BLOCK_RETURNS_MIN
            return Unknown(f"{self._returns:,} returns: at least {least} are needed")
        if reason := self._why_not():
            return Unknown(reason)
        columns = [np.concatenate(column, axis=-1) for column in zip(*self._parts, strict=True)]
        sharpes, skews, kurtoses, means, sums, squares = columns
        return Moments(
            self._returns,
            sharpes,
            skews,
            kurtoses,
            self._returns // self._blocks,
            means,
            sums,
            squares,
            self._correlation(),
            self._traded,
        )

    def _why_not(self) -> str:
        if self._sets < 2:
            return "fewer than two sets: nothing was chosen"
        if self._unknown:
            return f"{self._unknown:,} of {self._sets:,} sets have returns that are not known"
        if not self._traded:
            return "no set traded"
        return "all sets have the same returns" if self._are_same else ""

    def _of_all(self, returns: Any) -> tuple[Any, Any, Any]:
        """Sharpe ratios, skewnesses, kurtoses; adds to the sum of the standardised returns."""
        differences = returns - returns.mean(axis=0)
        is_constant = (returns == returns[:1]).all(axis=0)
        deviations = np.where(is_constant, np.nan, np.sqrt((differences**2).mean(axis=0)))
        scores = differences / deviations
        self._standard += np.nan_to_num(scores).sum(axis=1)
        sharpes = returns.mean(axis=0) / (deviations * np.sqrt(len(returns) / (len(returns) - 1)))
        sharpes[is_constant & (returns[0] == 0.0)] = 0.0
        return sharpes, (scores**3).mean(axis=0), (scores**4).mean(axis=0)

    def _of_blocks(self, returns: Any) -> tuple[Any, Any, Any]:
        used = returns[len(returns) % self._blocks :]
        means = used.mean(axis=0)
        differences = (used - means).reshape(self._blocks, -1, returns.shape[1])
        return means, differences.sum(axis=1), (differences**2).sum(axis=1)

    def _correlation(self) -> float:
        """The variance of the sum of standardised returns is the sum of all correlations."""
        if self._traded < 2:
            return 1.0
        pairs = self._traded * (self._traded - 1)
        mean = (float(np.mean(self._standard**2)) - self._traded) / pairs
        return min(max(mean, 0.0), 1.0)
