"""How often the set that is best on one half of the time is below the median on the other half.

The probability of backtest overfitting by combinatorially symmetric cross-validation (CSCV). The time is cut into an
even number of blocks of equal length. For each way to take half of the blocks, the set with the highest Sharpe ratio
on these is chosen and ranked among all sets on the other blocks. The share of the ways in which the chosen set has at
most the median rank there is the probability: about one half if the sets differ by luck alone, near zero if the best
set is better for a reason that lasts.

Source: D. H. Bailey, J. M. Borwein, M. López de Prado, Q. J. Zhu, "The Probability of Backtest Overfitting", Journal
of Computational Finance 20 (4), 2017, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from arb.sweep.moments import Moments
from arb.sweep.unknown import Unknown

#: A half whose sum of squares about its mean is this share of that about the mean of all does not vary: the rest is
#: rounding. Likewise, a mean that is none.
_NO_VARIANCE = 1e-10
_NO_MEAN = 1e-9
#: So many fit in a processor's cache.
_RATIOS_AT_ONCE = 30_000
#: Blocks whose subsets are summed in advance.
_GROUP = 4


class Overfitting(NamedTuple):
    """The result over all splits.

    share: the probability of overfitting. loss_share: of the splits in which the chosen set loses on the other half.
    sharpe_before, sharpe_after: mean Sharpe ratio of the chosen set on the half that it was chosen on and on the other
    one, per return. ranks: (splits,) the chosen set's rank on the other half over the number of sets plus one; its
    logit is the paper's lambda.
    """

    share: float
    loss_share: float
    sharpe_before: float
    sharpe_after: float
    blocks: int
    splits: int
    ranks: Any


def overfitting(moments: Moments) -> Overfitting | Unknown:
    """The probability of overfitting of a table of sets.

    A half in which a set does not trade has the Sharpe ratio 0. Sets that are equally good share a rank, or the
    choice with equal weights; so the order of the sets has no effect.
    """
    parts = []
    for first, second in _splits(moments):
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            return Unknown(
                "a set's returns are constant over half of the blocks: it has no Sharpe ratio there"
            )
        parts += [_judge(first, second), _judge(second, first)]
    shares, losses, before, after, ranks = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Overfitting(
        float(shares.mean()),
        float(losses.mean()),
        float(before.mean()),
        float(after.mean()),
        len(moments.block_sums),
        len(shares),
        ranks,
    )


def _splits(moments: Moments) -> Iterator[tuple[Any, Any]]:
    """(splits, sets) Sharpe ratios on halves and on their complements; each half is in one pair, on one side.

    The sums over a half are added in the same order for every set, so equal sets have equal ratios to the last bit.
    """
    blocks, sets = moments.block_sums.shape
    every = (1 << blocks) - 1
    # The half without the last block; the complement has it.
    halves = np.array([half for half in range(1 << (blocks - 1)) if half.bit_count() == blocks // 2])
    sums, squares = _SubsetSums(moments.block_sums), _SubsetSums(moments.block_squares)
    count = moments.block_returns * blocks // 2
    rows = max(1, _RATIOS_AT_ONCE // sets)
    for first in range(0, len(halves), rows):
        part = halves[first : first + rows]
        first_side, second_side = (
            _sharpes(moments.block_means, sums.of(side), squares.of(side), count)
            for side in (part, every ^ part)
        )
        yield first_side, second_side


class _SubsetSums:
    """Sums over subsets of rows, of a few rows each in advance."""

    def __init__(self, rows: Any) -> None:
        self._tables = []
        for first in range(0, len(rows), _GROUP):
            table = np.zeros((1, rows.shape[1]))
            for row in rows[first : first + _GROUP]:
                table = np.concatenate((table, table + row))
            self._tables.append(table)

    def of(self, subsets: Any) -> Any:
        """(subsets, sets) sums; bit k of a subset is row k."""
        summed = self._tables[0][subsets & (len(self._tables[0]) - 1)]
        for n, table in enumerate(self._tables[1:], 1):
            summed += table[(subsets >> (_GROUP * n)) & (len(table) - 1)]
        return summed


def _sharpes(means: Any, differences: Any, squares: Any, count: int) -> Any:
    """Sharpe ratios of halves of so many returns, from sums about the mean of all; NaN where they are not defined."""
    own_means = means + differences / count
    about_own = squares - differences**2 / count
    is_constant = about_own <= _NO_VARIANCE * squares
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpes = own_means / np.sqrt(about_own / (count - 1))
    if is_constant.any():
        is_none = np.abs(own_means) <= _NO_MEAN * np.sqrt(squares / count)
        sharpes[is_constant] = np.where(is_none, 0.0, np.nan)[is_constant]
    return sharpes


def _judge(before: Any, after: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Per split: share at most at the median, share of losses, both Sharpe ratios, and the rank of the chosen sets."""
    sets = after.shape[1]
    best = before.max(axis=1)
    is_best = before == best[:, None]
    chosen = np.argmax(is_best, axis=1)
    values = np.take_along_axis(after, chosen[:, None], axis=1)
    # The mean of the ranks from the first to the last of equal values.
    ranks = (after < values).sum(axis=1) + ((after == values).sum(axis=1) + 1) / 2.0
    values = values[:, 0]
    below, losses = (ranks <= (sets + 1) / 2.0).astype(float), (values < 0.0).astype(float)
    for split in np.flatnonzero(is_best.sum(axis=1) > 1):
        tied = after[split, is_best[split]]
        order = np.sort(after[split])
        own = (np.searchsorted(order, tied) + np.searchsorted(order, tied, "right") + 1) / 2.0
        below[split], losses[split] = np.mean(own <= (sets + 1) / 2.0), np.mean(tied < 0.0)
        values[split], ranks[split] = tied.mean(), own.mean()
    return below, losses, best, values, ranks / (sets + 1)
