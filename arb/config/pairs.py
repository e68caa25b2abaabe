"""Which legs of a run are its pairs. Pure: names and settings in, numbers of legs out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from arb.config.assets import difference, is_same_base
from arb.config.schema import Strategy

_ALLOW = "name the same assets, or set allow_different_assets = true in [strategy]"


def pairs_of(strategy: Strategy) -> list[tuple[int, int]]:
    """The numbers of each pair's legs: neighbours with the same base asset; none if any leg has no such neighbour.

    strategy: with the names of all legs. `strategy.pairs` are pairs as listed; `strategy.allow_different_assets` makes
    any neighbours one.
    """
    symbols = _symbols(strategy)
    pairs = list(_neighbours(len(symbols)))
    if strategy.pairs is not None:
        return pairs
    is_same = all(is_same_base(symbols[first], symbols[second]) for first, second in pairs)
    return pairs if not _why_ambiguous(strategy) and (is_same or strategy.allow_different_assets) else []


def why_no_pairs(strategy: Strategy) -> str:
    """Why a strategy that takes pairs cannot trade the legs, as a message; "" if it can."""
    names, symbols = strategy.legs, _symbols(strategy)
    if reason := _why_ambiguous(strategy):
        return reason
    for first, second in _neighbours(len(names)):
        if names[first].partition(":")[0] == names[second].partition(":")[0]:
            return f"{names[first]} and {names[second]} are at one venue; the legs of a pair are at two"
        words = difference(symbols[first], symbols[second])
        if words and not strategy.allow_different_assets:
            return f"{names[first]} and {names[second]} cannot be compared: {words}; {_ALLOW}"
    return ""


def _why_ambiguous(strategy: Strategy) -> str:
    symbol, count = Counter(_symbols(strategy)).most_common(1)[0]
    if len(strategy.legs) % 2:
        return f"{len(strategy.legs)} is an odd number of legs"
    if count > 2 and strategy.pairs is None:
        return f"{count} legs are of {symbol}: list the pairs in [strategy] pairs"
    return ""


def _symbols(strategy: Strategy) -> list[str]:
    return [name.partition(":")[2] for name in strategy.legs]


def _neighbours(legs: int) -> Iterator[tuple[int, int]]:
    return ((number, number + 1) for number in range(0, legs - 1, 2))
