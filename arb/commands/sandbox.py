"""`arb sandbox record`: writes recordings of a simulated market."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from numpy.random import default_rng

import arb
from arb.config import VenueConfig
from arb.config.assets import assets_of
from arb.data.catalog.days import recording_path
from arb.errors import InputError
from arb.sandbox.events import Listing
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.market import Market
from arb.sandbox.profiles import MODEST, PROFILES, STARTING_TICKS, STARTING_USD, TICKS_MIN, WIDE
from arb.sandbox.recording import Recorded, RecordingFiles, record
from connectors.units import SECOND

#: How far the venues' prices leave each other.
DISLOCATIONS = {"modest": MODEST, "wide": WIDE}
#: How long a recording may be, in seconds.
DURATION_MIN_S = 6.0
DURATION_MAX_S = 14 * 86_400.0
#: Shortest time between two funding payments, and the largest rate.
FUNDING_MIN_S = 2.0
FUNDING_RATE_MAX = 0.05
_RATE = re.compile(r"-?0(\.\d{1,10})?", re.ASCII)
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0}
_START_FORM = "%Y-%m-%dT%H:%M:%S"
#: Largest lag of the recorder's clock behind the venues'.
_CLOCK_BEHIND_MAX_S = 1.5
#: Local times have 19 digits.
_START_MIN, _START_MAX = datetime(2002, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def record_market(
    out: Path,
    seed: int,
    duration_s: float,
    start: datetime,
    venues: Sequence[str],
    symbols: Sequence[str],
    known: Mapping[str, VenueConfig],
    dislocations: str = "modest",
    funding: Funding | None = None,
) -> list[Recorded]:
    """Records a simulated market of all `venues` and `symbols` into `out`, for `duration_s`; returns what was written.

    `start` is UTC by the recorder's clock. Ticks and lots are those of `known`. dislocations: a key of `DISLOCATIONS`.
    funding: also record mark price and funding, which one of the venues must have.
    The same arguments and the same versions of arb and NumPy give the same bytes. Raises InputError for invalid
    arguments or existing files.
    """
    duration = duration_text(duration_s)
    if not DURATION_MIN_S <= duration_s <= DURATION_MAX_S:
        raise InputError(f"--duration {duration}: it must be from {DURATION_MIN_S:g}s to 14d")
    if not _START_MIN <= start < _START_MAX:
        raise InputError(f"--start {start:{_START_FORM}}: it must lie in the years 2002 to 2199")
    listings = [listing_of(venue, symbol, known) for venue in unique(venues) for symbol in unique(symbols)]
    if funding is not None and all(listing.is_spot for listing in listings):
        raise InputError(
            "--streams markPrice: none of the venues has it; add a perpetual one, as binance_usdm"
        )
    prices = {symbol: starting_price(symbol, known) for symbol in symbols}
    length = timedelta(seconds=duration_s)
    _refuse_existing(out, listings, start, start + length)
    start_ns = round(start.timestamp()) * SECOND
    end_ns = start_ns + round(duration_s * SECOND)
    chance = default_rng(seed)
    clock_offset_ns = -round(chance.uniform(0.0, _CLOCK_BEHIND_MAX_S) * SECOND)
    market = Market(listings, prices, chance, start_ns - clock_offset_ns, DISLOCATIONS[dislocations])
    origin = (
        f"simulated, not a recording of any venue: arb {arb.__version__} sandbox record --seed {seed}"
        f" --duration {duration} --start {start:{_START_FORM}} --venues {','.join(unique(venues))}"
        f" --symbols {','.join(unique(symbols))}"
        f"{'' if dislocations == 'modest' else f' --dislocations {dislocations}'}"
        f"{'' if funding is None else _funding_text(funding)}"
    )
    with RecordingFiles(out, origin) as files:
        record(market, chance, start_ns, end_ns, clock_offset_ns, files, funding)
        return files.publish()


def funding_of(interval_s: float | None, rates: Sequence[str] | None) -> Funding:
    """The funding that the options `--funding-interval` and `--funding-rate` describe. Raises InputError."""
    funding = USUAL_FUNDING
    if interval_s is not None:
        if not FUNDING_MIN_S <= interval_s <= _UNITS["d"] or interval_s % 1.0:
            raise InputError(
                f"--funding-interval {duration_text(interval_s)}: it must be from {FUNDING_MIN_S:g}s to 1d, in whole "
                "seconds"
            )
        funding = funding._replace(interval_ms=round(interval_s * 1000))
    if rates is not None:
        for rate in rates:
            if not _RATE.fullmatch(rate) or abs(float(rate)) > FUNDING_RATE_MAX:
                raise InputError(
                    f"--funding-rate {rate}: it must be a decimal from -{FUNDING_RATE_MAX} to {FUNDING_RATE_MAX}, as "
                    "0.0001"
                )
        funding = funding._replace(rates=tuple(rates))
    return funding


def _funding_text(funding: Funding) -> str:
    """The options of a recording with funding."""
    interval = duration_text(funding.interval_ms / 1000)
    return f" --streams markPrice --funding-interval {interval} --funding-rate={','.join(funding.rates)}"


def duration_text(duration_s: float) -> str:
    """A duration as `--duration` takes it."""
    unit = next((unit for unit, size in _UNITS.items() if duration_s % size == 0.0), "")
    return f"{duration_s / _UNITS[unit]:g}{unit}" if unit else f"{duration_s:g}s"


def listing_of(venue: str, symbol: str, known: Mapping[str, VenueConfig]) -> Listing:
    """The sandbox's listing of an instrument, with tick and lot of the venue's file. Raises InputError."""
    if venue not in PROFILES or venue not in known:
        names = ", ".join(sorted(set(PROFILES) & set(known)))
        raise InputError(f"--venues {venue}: the sandbox has no such venue; it has {names}")
    described = known[venue].symbols.get(symbol)
    if described is None:
        raise InputError(
            f"--symbols {symbol}: {known[venue].file} does not describe it; add [symbols.{symbol}] there"
        )
    return Listing(venue, symbol, described.tick_size, described.lot_size)


def starting_price(symbol: str, known: Mapping[str, VenueConfig]) -> float:
    """The initial price of a symbol: that of its assets, or so many of the largest tick that its venues have."""
    tick = max(float(venue.symbols[symbol].tick_size) for venue in known.values() if symbol in venue.symbols)
    usual = usual_price(symbol)
    return usual if usual >= TICKS_MIN * tick else STARTING_TICKS * tick


def usual_price(symbol: str) -> float:
    """The price of a symbol by the sandbox's list of assets, in quote; NaN if it does not have them."""
    assets = assets_of(symbol)
    if assets is None:
        return math.nan
    return STARTING_USD.get(assets.base, math.nan) / STARTING_USD.get(assets.quote, math.nan)


def unique(names: Sequence[str]) -> list[str]:
    """The names without duplicates, in order."""
    return list(dict.fromkeys(names))


def _refuse_existing(out: Path, listings: Sequence[Listing], start: datetime, end: datetime) -> None:
    """Raises InputError before any work is done if a file of the recording exists."""
    day = start.date()
    while day <= (end - timedelta(microseconds=1)).date():
        for listing in listings:
            path = recording_path(out, listing.venue, listing.symbol, day)
            for file in (path, path.with_suffix(".origin")):
                if os.path.lexists(file):
                    raise InputError(f"{file}: exists already; name another folder with --out")
        day += timedelta(days=1)
