"""Asks venues for time, listings and prices by public requests, and finds configured ticks and lots that differ."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from arb.config import VenueConfig
from arb.config.adapters import load_adapter
from arb.errors import InputError
from connectors.errors import DecodeError
from connectors.model import Listing, RestRequest, Venue
from connectors.net.hosts import AllowedHosts
from connectors.net.interfaces import RestAnswer
from connectors.net.rest import HttpRest

#: Maximum number of listing pages to read.
_PAGES_MAX = 20
#: Requests for the time; the one with the shortest round trip counts.
_TIME_REQUESTS = 3
#: How long the start of a session waits for the listings at most.
LISTINGS_S = 5.0


class Unanswered(NamedTuple):
    """A request for listings that failed: the answer, and why it could not be parsed ("": it was refused)."""

    answer: RestAnswer
    reason: str = ""


class VenueAnswers(NamedTuple):
    """The answer to the time request, and the listings; None if the time request failed."""

    time: RestAnswer
    listings: dict[str, Listing] | Unanswered | None


async def ask_venue(venue: VenueConfig, symbols: Sequence[str], timeout_s: float) -> VenueAnswers:
    """Asks for time and listings. timeout_s: of each request."""
    adapter, rest = load_adapter(venue), HttpRest(venue.connection.rest_api_url, timeout_s)
    try:
        answers = [await rest.ask(adapter.time_request())]
        while answers[-1].status == 200 and len(answers) < _TIME_REQUESTS:
            answers.append(await rest.ask(adapter.time_request()))
        best = min(answers, key=lambda answer: (answer.status != 200, answer.local_ts - answer.sent_ts))
        is_reached = best.status == 200
        return VenueAnswers(best, await ask_listings(adapter, rest, symbols) if is_reached else None)
    finally:
        await rest.close()


async def ask_listings(
    adapter: Venue, rest: HttpRest, symbols: Sequence[str]
) -> dict[str, Listing] | Unanswered:
    """The listings of `symbols`, for those that the venue has."""
    listings: dict[str, Listing] = {}
    request: RestRequest | None = adapter.listings_request(symbols)
    for _ in range(_PAGES_MAX):
        if request is None or all(symbol in listings for symbol in symbols):
            break
        answer = await rest.ask(request)
        # Binance refuses a request with an unknown symbol.
        if answer.status == 400:
            break
        if answer.status != 200:
            return Unanswered(answer)
        try:
            page = adapter.listings_of(answer.body)
        except DecodeError as error:
            return Unanswered(answer, str(error))
        listings |= {listing.symbol: listing for listing in page.listings}
        request = page.next
    if not listings and len(symbols) > 1:
        # At least one symbol is unknown: single requests show which.
        for symbol in symbols:
            found = await ask_listings(adapter, rest, [symbol])
            if isinstance(found, Unanswered):
                return found
            listings |= found
    return listings


async def compare_grids(
    asked: Sequence[tuple[VenueConfig, Sequence[str]]],
    timeout_s: float = LISTINGS_S,
    hosts: AllowedHosts | None = None,
    known: dict[str, dict[str, Listing] | str] | None = None,
) -> list[str]:
    """Compares ticks and lots of symbols with the venues' listings, concurrently. hosts: None: any.

    known: receives the listings, or why there are none, by venue.

    Returns a line for each comparison that was not possible. Raises InputError for ticks and lots that differ from the
    venue's. An unlisted symbol is left to the feed.
    """
    found = await asyncio.gather(*(listed(venue, symbols, timeout_s, hosts) for venue, symbols in asked))
    faults, notes = [], []
    if known is not None:
        known.update({venue.name: listings for (venue, _), listings in zip(asked, found, strict=True)})
    for (venue, symbols), listings in zip(asked, found, strict=True):
        if isinstance(listings, str):
            notes.append(
                f"{venue.name}: tick and lot were not compared with the venue's listing: {listings}; the frames show "
                "whether they are right"
            )
        else:
            faults += grid_faults(venue, symbols, listings)
            notes += _unlisted_steps(venue.name, symbols, listings)
    if faults:
        raise InputError("; ".join(faults))
    return notes


def grid_faults(venue: VenueConfig, symbols: Sequence[str], listings: Mapping[str, Listing]) -> list[str]:
    """A line for each instrument whose tick or lot differs from the listed one, with the correction."""
    faults = []
    for symbol in symbols:
        own, listing = venue.symbols[symbol], listings.get(symbol)
        if listing is None:
            continue
        wrong = [
            (key, ours, theirs)
            for key, ours, theirs in (
                ("tick_size", own.tick_size, listing.tick_size),
                ("lot_size", own.lot_size, listing.lot_size),
            )
            if theirs and Decimal(ours) != Decimal(theirs)
        ]
        if wrong:
            what = " and ".join(
                f"{key} is {plain(ours)}, the venue lists {plain(theirs)}" for key, ours, theirs in wrong
            )
            lines = ", ".join(f'{key} = "{plain(theirs)}"' for key, _, theirs in wrong)
            faults.append(
                f"{venue.name}:{symbol}: {what}; write {lines} in [symbols.{symbol}] of {venue.file}"
            )
    return faults


def _unlisted_steps(venue: str, symbols: Sequence[str], listings: Mapping[str, Listing]) -> list[str]:
    """A line for each listing that has no tick or lot to compare."""
    return [
        f"{venue}:{symbol}: the venue's listing has no {' and no '.join(missing)}; the frames show whether tick and "
        "lot are right"
        for symbol in symbols
        if symbol in listings and (missing := unlisted_steps(listings[symbol]))
    ]


def unlisted_steps(listing: Listing) -> list[str]:
    """The keys of the steps that a venue's listing lacks."""
    steps = (("tick_size", listing.tick_size), ("lot_size", listing.lot_size))
    return [key for key, size in steps if not size]


def plain(text: str) -> str:
    """A decimal without trailing zeros."""
    shown = f"{Decimal(text):f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


async def listed(
    venue: VenueConfig, symbols: Sequence[str], timeout_s: float, hosts: AllowedHosts | None = None
) -> dict[str, Listing] | str:
    """The listings of a venue, for the symbols that it has, or why they are not available. hosts: None: any."""
    rest = HttpRest(venue.connection.rest_api_url, timeout_s, hosts)
    try:
        async with asyncio.timeout(timeout_s):
            found = await ask_listings(load_adapter(venue), rest, symbols)
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except Exception as error:  # optional check: the frames show tick and lot, too
        return str(error) or type(error).__name__
    finally:
        await rest.close()
    if isinstance(found, Unanswered):
        return found.reason or found.answer.error or f"the answer is {found.answer.status}"
    return found


async def mid_of(
    venue: VenueConfig, symbol: str, timeout_s: float, hosts: AllowedHosts | None = None
) -> float:
    """The mid of a symbol's best bid and ask at a venue; NaN if it is not available. hosts: None: any."""
    adapter, rest = load_adapter(venue), HttpRest(venue.connection.rest_api_url, timeout_s, hosts)
    request = adapter.touch_request(symbol)
    try:
        answer = await rest.ask(request) if request is not None else None
        if answer is None or answer.status != 200:
            return math.nan
        return sum(adapter.touch_of(answer.body)) / 2.0
    except DecodeError:
        return math.nan
    finally:
        await rest.close()
