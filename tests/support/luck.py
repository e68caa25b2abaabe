"""The probability of overfitting as its paper has it, and sweeps whose sets differ by luck alone."""

from __future__ import annotations

import itertools
import math
import statistics
from typing import Any

import numpy as np


def sharpe(returns: list[float]) -> float:
    deviation = statistics.stdev(returns)
    return statistics.mean(returns) / deviation if deviation else 0.0


def enumerated(returns: Any, blocks: int) -> tuple[float, list[float]]:
    """The probability and all logits as section 3 of the paper says it, step by step and without arrays."""
    times, sets = returns.shape
    rows = times // blocks
    parts = [returns[n * rows : (n + 1) * rows].tolist() for n in range(blocks)]
    logits = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        train = [row for n in range(blocks) if n in chosen for row in parts[n]]
        test = [row for n in range(blocks) if n not in chosen for row in parts[n]]
        before = [sharpe([row[one] for row in train]) for one in range(sets)]
        after = [sharpe([row[one] for row in test]) for one in range(sets)]
        best = max(range(sets), key=before.__getitem__)
        rank = sorted(after).index(after[best]) + 1
        share = rank / (sets + 1)
        logits.append(math.log(share / (1 - share)))
    return sum(logit <= 0.0 for logit in logits) / len(logits), logits


def random_sweep(generator: np.random.Generator, times: int = 240, sets: int = 20) -> Any:
    """Strategies that are long or short at random, on one random walk."""
    steps = generator.normal(size=(times, 1))
    return steps * generator.choice([-1.0, 1.0], (times, sets))
