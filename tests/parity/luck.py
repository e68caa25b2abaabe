"""How much of the best is luck, measured: `python -m tests.parity.luck [--sweeps 200]` prints docs/sweep.md's figures.

Random strategies on random walks, with and without a planted edge, are judged; the probability of overfitting is
compared with the enumeration of its paper, and the deflated Sharpe ratio with the example of its own.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.luck import enumerated, random_sweep

from arb.sweep.deflated import expected_best, probability_above
from arb.sweep.moments import Moments, moments_of
from arb.sweep.overfitting import Overfitting, overfitting

#: Sets; of these, with an edge; the edge in standard errors of the mean of all returns.
_PLANTED = (
    (20, 0, 0.0),
    (100, 0, 0.0),
    (20, 4, 3.0),
    (100, 20, 3.0),
    (20, 1, 3.0 * math.sqrt(2.0)),
    (20, 1, 3.0),
)
_BLOCKS = 8


def judged(returns: Any, blocks: int | None = None) -> Overfitting:
    """The probability of a table that has one."""
    moments = moments_of(returns, blocks)
    if not isinstance(moments, Moments):
        raise ValueError(moments.reason)
    found = overfitting(moments)
    if not isinstance(found, Overfitting):
        raise ValueError(found.reason)
    return found


def average(sweeps: int, sets: int, edges: int, errors: float, seed: int) -> float:
    """The mean probability of sweeps in which the first sets have an edge of so many standard errors."""
    generator, shares = np.random.default_rng(seed), []
    for _ in range(sweeps):
        returns = random_sweep(generator, sets=sets)
        returns[:, :edges] += errors / math.sqrt(len(returns))
        shares.append(judged(returns, _BLOCKS).share)
    return float(np.mean(shares))


def largest_difference(tables: int, seed: int) -> float:
    """Between the probability, and every logit, and those of the enumeration."""
    generator, found = np.random.default_rng(seed), 0.0
    for _ in range(tables):
        blocks, sets = int(generator.choice([4, 6, 8])), int(generator.integers(2, 9))
        returns = generator.normal(0.1, 1.0, (blocks * int(generator.integers(2, 6)), sets))
        share, logits = enumerated(returns, blocks)
        ours = judged(returns, blocks)
        own = np.sort(np.log(ours.ranks / (1.0 - ours.ranks)))
        found = max(found, abs(ours.share - share), float(np.abs(own - np.sort(logits)).max()))
    return found


def main() -> None:
    """Prints one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"probability of overfitting, mean of {options.sweeps} sweeps of random strategies on random walks:"
    )
    for sets, edges, errors in _PLANTED:
        mean = average(options.sweeps, sets, edges, errors, options.seed)
        edge = f"an edge of {errors:.2f} standard errors in {edges}" if edges else "no edge"
        print(f"  {sets:>4} sets, {edge}: {mean:.3f}")
    print(f"largest difference from the enumeration, 50 tables: {largest_difference(50, options.seed):.1e}")
    benchmark = expected_best(100, 0.5 / 250)
    example = probability_above(2.5 / math.sqrt(250), benchmark, 1250, -3.0, 10.0)
    print(f"deflated Sharpe ratio of the paper's example: {example:.4f}")


if __name__ == "__main__":
    main()
