"""Checks whether a strategy can trade the configured legs: their number, assets, capital and lots.

What a strategy declares (LEGS) is an error for every strategy; capital and lots are errors for the built-in one, and at
most notes for a user's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from arb.commands.strategy_facts import common_lot
from arb.config import Config
from arb.config.adapters import load_adapter
from arb.config.assets import difference
from arb.config.pairs import why_no_pairs
from arb.errors import ConfigError
from arb.leg import Leg
from arb.results.notes import DIFFERENT_ASSETS, NO_CAPITAL
from arb.strategies.loader import ANY_LEGS, PAIRS, LoadedStrategy
from connectors.parsing.contracts import inverse_reason

#: The built-in strategy.
BUILT_IN = "arb.strategies.spread.strategy:run"


def is_built_in(config: Config) -> bool:
    """Whether the run uses the built-in strategy."""
    return config.strategy.function == BUILT_IN


def refuse_unfit(config: Config, strategy: LoadedStrategy) -> None:
    """Raises ConfigError for legs that the strategy cannot trade."""
    for leg in config.legs:
        if reason := inverse_reason(load_adapter(config.venues[leg.venue]).name, leg.symbol):
            raise ConfigError(f"{config.file}: [strategy] legs: {leg.venue}: {reason}")
    _refuse_number(config, strategy)
    for line in _penniless(config) if is_built_in(config) else ():
        raise ConfigError(f"{config.file}: {line}")


def _refuse_number(config: Config, strategy: LoadedStrategy) -> None:
    """Raises ConfigError unless the legs are what the strategy's LEGS declares."""
    reason = ""
    if strategy.legs == PAIRS:
        reason = why_no_pairs(config.strategy)
        takes = "pairs of legs"
    elif strategy.legs != ANY_LEGS:
        takes = f"{strategy.legs} leg{'s' if strategy.legs != 1 else ''}"
        reason = "" if strategy.legs == len(config.legs) else f"the configuration has {len(config.legs)}"
    if reason:
        raise ConfigError(f"{config.file}: [strategy] legs: {strategy.spec} takes {takes}: {reason}")


def refuse_coarse_lots(config: Config) -> None:
    """Raises ConfigError for lots of which no attempt of the built-in strategy may trade one.

    After the lots were compared with the data or the listings, which say what to write in place of a wrong one.
    """
    for line in _too_coarse(config) if is_built_in(config) else ():
        raise ConfigError(f"{config.file}: {line}")


def fit_notes(config: Config) -> list[str]:
    """A line for each such condition that is allowed nevertheless."""
    notes = [f"{DIFFERENT_ASSETS}: {line}: sums over both legs mean little" for line in _different(config)]
    return notes if is_built_in(config) else notes + [f"{NO_CAPITAL}: {line}" for line in _penniless(config)]


def has_different_assets(config: Config) -> bool:
    """Whether the legs of a pair are of different assets."""
    return any(_different(config))


def _pairs(config: Config) -> Iterator[tuple[Leg, Leg]]:
    numbers = config.pairs or ([(0, 1)] if len(config.legs) == 2 else [])
    return ((config.legs[first], config.legs[second]) for first, second in numbers)


def _different(config: Config) -> Iterator[str]:
    for first, second in _pairs(config):
        if words := difference(first.symbol, second.symbol):
            yield f"{first.name} and {second.name} cannot be compared: {words}"


def _penniless(config: Config) -> Iterator[str]:
    """Pairs with no capital for either direction. The default capital is known later, and allows both."""
    if not config.capital:
        return
    for first, second in _pairs(config):
        ways = ((first, second), (second, first))
        if not any(
            buy.quote > 0.0 and (sell.base if sell.is_spot else sell.quote) > 0.0 for buy, sell in ways
        ):
            yield (
                f"[capital] has nothing to trade {first.name} against {second.name} with: a spot leg buys with "
                f"quote and sells base, a perpetual needs quote as margin; {_held(first)}, {_held(second)}"
            )


def _too_coarse(config: Config) -> Iterator[str]:
    """Pairs whose smallest order exceeds the largest allowed attempt, in either direction."""
    for first, second in _pairs(config):
        if first.contract_size != 1.0 or second.contract_size != 1.0:
            continue
        common = common_lot([first.lot_size_text, second.lot_size_text])
        least = max(common, first.min_qty, second.min_qty)
        allowed, key = min(_most(first, second, config))
        if allowed < least * (1.0 - 1e-9):
            yield (
                f"{first.name} and {second.name} can never be traded: the least order of both is {least:g} (lot_size, "
                f"min_qty), and {key} allows {allowed:g}"
            )


def _most(first: Leg, second: Leg, config: Config) -> Iterator[tuple[float, str]]:
    """What limits the quantity of an attempt in both directions, and by which key."""
    for leg in (first, second):
        yield _attempt_max(leg, config), "max_position_size"
        yield leg.position_limit, "position_limit"
    yield config.risk.max_order_qty or math.inf, "[risk] max_order_qty"
    share = config.value("risk.capital_allocation")
    yield (
        max(leg.base * share if leg.is_spot else math.inf for leg in (first, second)),
        "the share of base in [capital] that [risk] capital_allocation names",
    )


def _attempt_max(leg: Leg, config: Config) -> float:
    own = getattr(config.symbols.get(leg.symbol), "max_position_size", None)
    return float(own or config.value("strategy.max_position_size"))


def _held(leg: Leg) -> str:
    base = f"{leg.base:g} base, " if leg.is_spot else ""
    return f"{leg.venue} has {base}{leg.quote:g} quote"
