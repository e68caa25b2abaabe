"""Symbols to add to a configuration, from the venues' listings by public requests, or made up for the sandbox."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from arb.commands.sandbox import usual_price
from arb.config import VenueConfig
from arb.config.symbol_texts import NewSymbol
from arb.errors import InputError
from arb.runtime.listings import listed, mid_of, plain, unlisted_steps
from arb.sandbox.profiles import PROFILES
from connectors.model import Listing

#: How long a venue has to answer.
_TIMEOUT_S = 10.0
_OTHER_SOURCES = "name recordings with --recordings FOLDER, or give --simulated for the sandbox alone"


class FoundSymbols(NamedTuple):
    """Symbols at venues, the price of each in quote as far as it is known, and a line for each that was not found."""

    symbols: list[NewSymbol]
    prices: Mapping[str, float]
    notes: list[str]

    @property
    def venues_of(self) -> dict[str, list[str]]:
        """The venues of each symbol."""
        venues: dict[str, list[str]] = {}
        for new in self.symbols:
            venues.setdefault(new.symbol, []).append(new.venue)
        return venues


def listed_symbols(venues: Sequence[VenueConfig], symbols: Sequence[str]) -> FoundSymbols:
    """Asks all venues for their listings of the symbols, and one of them for the price of each.

    Raises InputError if no venue answers, or none lists a symbol.
    """
    return asyncio.run(_ask(venues, symbols))


async def _ask(venues: Sequence[VenueConfig], symbols: Sequence[str]) -> FoundSymbols:
    answers = await asyncio.gather(*(listed(venue, symbols, _TIMEOUT_S) for venue in venues))
    silent = {
        venue.name: answer for venue, answer in zip(venues, answers, strict=True) if isinstance(answer, str)
    }
    if len(silent) == len(venues):
        name, reason = next(iter(silent.items()))
        others = f", nor {', '.join(list(silent)[1:])}" if len(silent) > 1 else ""
        raise InputError(f"no listings of {name}: {reason}{others}; {_OTHER_SOURCES}")
    found: list[NewSymbol] = []
    notes = [f"{name}: left out, its listings are not available: {reason}" for name, reason in silent.items()]
    at: dict[str, list[VenueConfig]] = {symbol: [] for symbol in symbols}
    for venue, answer in zip(venues, answers, strict=True):
        if isinstance(answer, str):
            continue
        for symbol in symbols:
            listing = answer.get(symbol)
            fault = _fault(listing)
            if listing is None or fault:
                notes.append(f"{venue.name}:{symbol}: {fault}")
            else:
                found.append(_of_listing(venue.name, listing))
                at[symbol].append(venue)
    if absent := [symbol for symbol in symbols if not at[symbol]]:
        names = ", ".join(venue.name for venue in venues if venue.name not in silent)
        raise InputError(f"{', '.join(absent)}: not listed at {names}; look up the venue's name for it")
    prices = await asyncio.gather(*(_price(at[symbol], symbol) for symbol in symbols))
    return FoundSymbols(found, dict(zip(symbols, prices, strict=True)), notes)


async def _price(venues: Sequence[VenueConfig], symbol: str) -> float:
    """The price at the first of the venues that gives one; NaN if none does."""
    for venue in venues:
        price = await mid_of(venue, symbol, _TIMEOUT_S)
        if price > 0.0:
            return price
    return math.nan


def _fault(listing: Listing | None) -> str:
    """Why a listing gives no symbol; "" if it does."""
    if listing is None:
        return "the venue does not list it"
    if missing := unlisted_steps(listing):
        return f"left out, the venue's listing has no {' and no '.join(missing)}"
    return "" if listing.is_trading else "left out, it is listed but not trading now"


def _of_listing(venue: str, listing: Listing) -> NewSymbol:
    def minimum(text: str) -> str:
        return plain(text) if text and Decimal(text) > 0 else ""

    return NewSymbol(
        venue,
        listing.symbol,
        plain(listing.tick_size),
        plain(listing.lot_size),
        minimum(listing.min_qty),
        minimum(listing.min_notional),
        f"From the venue's listing, {datetime.now(UTC):%Y-%m-%d}.",
    )


def simulated_symbols(venues: Sequence[VenueConfig], symbols: Sequence[str]) -> FoundSymbols:
    """Symbols with steps like those of real ones at the sandbox's price: for the sandbox, without asking a venue.

    Raises InputError if the sandbox simulates none of the venues.
    """
    names = [venue.name for venue in venues if venue.name in PROFILES]
    if not names:
        raise InputError(f"--simulated: the sandbox simulates {', '.join(PROFILES)} only")
    found, prices = [], {}
    for symbol in symbols:
        price = usual_price(symbol)
        prices[symbol] = price if price > 0.0 else 1.0
        power = math.floor(math.log10(prices[symbol]))
        tick, lot = (f"{Decimal(1).scaleb(digits):f}" for digits in (power - 4, -power - 1))
        origin = "Made up for the sandbox: these are not the venue's values."
        found += [NewSymbol(name, symbol, tick, lot, "", "5", origin) for name in names]
    return FoundSymbols(found, prices, [])
