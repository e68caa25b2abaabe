"""Which legs of a run are its pairs. Pure: names and settings in, numbers of legs out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from arb.config.assets import difference
from arb.config.schema import Strategy

_ALLOW = "name the same assets, or set allow_different_assets = true in [strategy]"


def pairs_of(strategy: Strategy) -> list[tuple[int, int]]:
    """The numbers of each pair's legs: neighbours, if every leg has one to be compared with; otherwise none.

    strategy: with the names of all legs. Two legs are always a pair; more of them if `strategy.pairs` lists them, or
    if no symbol has more than two and neighbours trade the same assets (`strategy.allow_different_assets`: any).
    """
    pairs = list(_neighbours(len(strategy.legs)))
    if len(strategy.legs) == 2 or strategy.pairs is not None:
        return pairs
    return [] if why_no_pairs(strategy) else pairs


def why_no_pairs(strategy: Strategy) -> str:
    """Why neighbours are no pairs, as a message; "" if they are."""
    names = strategy.legs
    symbols = Counter(name.partition(":")[2] for name in names)
    if len(names) % 2:
        return f"{len(names)} is an odd number of legs"
    symbol, count = symbols.most_common(1)[0]
    if count > 2 and strategy.pairs is None:
        return f"{count} legs are of {symbol}: list the pairs in [strategy] pairs"
    for first, second in _neighbours(len(names)):
        if names[first].partition(":")[0] == names[second].partition(":")[0]:
            return f"{names[first]} and {names[second]} are at one venue; the legs of a pair are at two"
        words = difference(names[first].partition(":")[2], names[second].partition(":")[2])
        if words and not strategy.allow_different_assets:
            return f"{names[first]} and {names[second]} cannot be compared: {words}; {_ALLOW}"
    return ""


def _neighbours(legs: int) -> Iterator[tuple[int, int]]:
    return ((number, number + 1) for number in range(0, legs - 1, 2))
