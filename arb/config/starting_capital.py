"""What a run begins with if the configuration has no `[capital]`: the same amount of quote at each venue, and base.

Pure: the caller finds the first prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from arb.config.model import Config
from arb.config.schema import Capital
from arb.errors import InputError
from arb.leg import Leg

#: Quote of each venue, and worth of the base at each spot venue, all its symbols together.
STARTING_QUOTE = 10_000.0


def with_starting_capital(config: Config, mids: Sequence[float]) -> Config:
    """A configuration without `[capital]` with the default one.

    mids: the first price of each leg, in quote; NaN if unknown. Raises InputError for a spot leg without a price.
    """
    capital: dict[str, Capital] = {}
    for venue in dict.fromkeys(leg.venue for leg in config.legs):
        pairs = [(leg, mid) for leg, mid in zip(config.legs, mids, strict=True) if leg.venue == venue]
        worth = STARTING_QUOTE / len(pairs)
        base = {leg.symbol: _base_worth(leg, worth, mid) for leg, mid in pairs if leg.is_spot}
        capital[venue] = Capital(quote=STARTING_QUOTE, base_of=base)
    legs = tuple(
        replace(leg, base=capital[leg.venue].base_of.get(leg.symbol, 0.0), quote=STARTING_QUOTE)
        for leg in config.legs
    )
    return replace(config, capital=capital, legs=legs)


def _base_worth(leg: Leg, worth: float, mid: float) -> float:
    """The base of this worth, to the nearest lot."""
    if not mid > 0.0:
        raise InputError(
            f"{leg.name}: no book with bids and asks, whose price would give the base that the run begins with: "
            f"write [capital.{leg.venue}] with base and quote"
        )
    lots = round(worth / (mid * leg.contract_size) / leg.lot_size)
    return float(Decimal(leg.lot_size_text) * lots)
