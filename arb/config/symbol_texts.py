"""The texts of configuration files with symbols of the user's own. Pure.

In a venue's file a symbol is a table with tick, lot and minima. The main file has the legs, and limits of about the
same value for every symbol: a base quantity that suits BTC is no order at all in XRP.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from arb.config.schema import SYMBOL_PLACEHOLDER
from arb.config.starting_capital import STARTING_QUOTE
from arb.config.text_edits import with_keys

#: What the largest attempt and the largest position are worth, in quote, in the limits written here.
ATTEMPT_QUOTE = 1_000.0
POSITION_QUOTE = 10_000.0
#: An attempt is worth at least so many times the largest minimum of the symbol's venues.
_MINIMA = 2
#: Largest quantity of a limit.
_QTY_MAX = 1e9
#: The order in which venues are chosen as the legs.
_VENUES = ("binance_spot", "bybit_spot", "binance_usdm", "bybit_linear")
_WIDTH = 100


class NewSymbol(NamedTuple):
    """An instrument to write into a venue's file. Numbers are decimal texts; minima "" if unknown."""

    venue: str
    symbol: str
    tick_size: str
    lot_size: str
    min_qty: str
    min_notional: str
    #: Where the values are from, as a comment above them.
    origin: str


class AttemptLimits(NamedTuple):
    """Limits of a symbol in base, as decimal texts."""

    max_position_size: str
    position_limit: str


class Traded(NamedTuple):
    """The legs of a main file: names for each symbol, with the placeholder if every symbol has the same venues."""

    symbols: tuple[str, ...]
    legs: tuple[str, ...]


def with_symbol(text: str, new: NewSymbol, file: str) -> str:
    """The text of a venue's file with a symbol; the keys of an existing table are replaced. Raises ConfigError."""
    values = {"tick_size": json.dumps(new.tick_size), "lot_size": json.dumps(new.lot_size)}
    values |= {
        key: value for key, value in (("min_qty", new.min_qty), ("min_notional", new.min_notional)) if value
    }
    return with_keys(text, ("symbols", new.symbol), values, file, textwrap.wrap(new.origin, _WIDTH))


def limits_of(news: Sequence[NewSymbol], price: float) -> AttemptLimits | None:
    """The limits of a symbol, given what its venues say and its price in quote; None if the price is NaN."""
    if not price > 0.0:
        return None
    lot = max(Decimal(new.lot_size) for new in news)
    least = max(
        max(float(new.min_qty or new.lot_size), float(new.min_notional or 0.0) / price) for new in news
    )
    attempt = max(ATTEMPT_QUOTE / price, _MINIMA * least)
    return AttemptLimits(
        _round_text(attempt, lot), _round_text(attempt * POSITION_QUOTE / ATTEMPT_QUOTE, lot)
    )


def base_text(news: Sequence[NewSymbol], price: float) -> str:
    """The base of a symbol that is worth what a spot venue begins with."""
    return _round_text(STARTING_QUOTE / price, max(Decimal(new.lot_size) for new in news))


def traded(venues_of: Mapping[str, Sequence[str]]) -> Traded:
    """The legs for symbols at these venues: two venues of all symbols; else two for each, without the placeholder.

    A symbol at one venue is left out if another has two.
    """
    paired = {symbol: venues for symbol, venues in venues_of.items() if len(venues) > 1} or dict(venues_of)
    symbols = tuple(paired)
    common = [venue for venue in _ordered(paired[symbols[0]]) if all(venue in own for own in paired.values())]
    if len(common) > 1 or len(symbols) == 1:
        return Traded(symbols, tuple(f"{venue}:{SYMBOL_PLACEHOLDER}" for venue in common[:2]))
    return Traded(
        symbols, tuple(f"{venue}:{symbol}" for symbol in symbols for venue in _ordered(paired[symbol])[:2])
    )


def main_text(
    text: str,
    file: str,
    legs: Traded,
    limits: Mapping[str, AttemptLimits],
    directory: str | None = None,
) -> str:
    """The main template for symbols of the user's own: legs, limits, and without `[capital]`, which follows the price.

    directory: of the recordings; None leaves the default.
    """
    first = legs.symbols[0]
    text = _without_capital(text, first).replace("[symbols.BTCUSDT]", f"[symbols.{first}]")
    values = {"legs": json.dumps(list(legs.legs))}
    if len(legs.symbols) == 1:
        values["symbol"] = json.dumps(first)
    elif legs.legs[0].endswith(f":{SYMBOL_PLACEHOLDER}"):
        values["symbols"] = json.dumps(list(legs.symbols))
    text = with_keys(text, ("strategy",), values, file)
    if directory is not None:
        text = with_keys(text, ("data",), {"directory": json.dumps(directory, ensure_ascii=False)}, file)
    if len(legs.symbols) == 1 and first in limits:
        text = with_keys(text, ("strategy",), {"max_position_size": limits[first].max_position_size}, file)
        return with_keys(text, ("risk",), {"position_limit": limits[first].position_limit}, file)
    return with_limits(text, file, {symbol: limits[symbol] for symbol in legs.symbols if symbol in limits})


def with_limits(text: str, file: str, limits: Mapping[str, AttemptLimits]) -> str:
    """The text of a main file with the limits of symbols, each in `[symbols.<SYMBOL>]`. Raises ConfigError."""
    for symbol, own in limits.items():
        comment = f"An attempt is worth about {ATTEMPT_QUOTE:,.0f} quote, a position {POSITION_QUOTE:,.0f}."
        text = with_keys(text, ("symbols", symbol), own._asdict(), file, [comment])
    return text


def _ordered(venues: Sequence[str]) -> list[str]:
    return sorted(venues, key=lambda venue: _VENUES.index(venue) if venue in _VENUES else len(_VENUES))


def _without_capital(text: str, symbol: str) -> str:
    """The main template with a comment in place of the blocks of `[capital]`."""
    note = (
        f"# Without [capital] a run begins with {STARTING_QUOTE:,.0f} quote at each venue and, at a spot venue, base "
        "of the same worth.\n# To choose it, write for every venue of a leg, with a base at spot venues only:\n"
        f"# [capital.binance_spot]\n# quote = {STARTING_QUOTE}\n# base_of.{symbol} = 1.0\n"
    )
    blocks = text.split("\n\n")
    capital = [no for no, block in enumerate(blocks) if re.search(r"^\[capital\.", block, re.MULTILINE)]
    kept = [block for no, block in enumerate(blocks) if no not in capital]
    kept.insert(capital[0], note.rstrip())
    return "\n\n".join(kept)


def _round_text(qty: float, lot: Decimal) -> str:
    """A quantity of two significant digits, in whole lots and at least one."""
    qty = min(qty, _QTY_MAX)
    digit = Decimal(1).scaleb(math.floor(math.log10(qty)) - 1)
    rounded = round(Decimal(qty) / digit) * digit
    lots = max(1, round(rounded / lot))
    shown = f"{lots * lot:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
