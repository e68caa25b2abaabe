"""`arb doctor`'s checks of a venue, from its answers and its feed: reach, clock, streams, listings. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from arb.commands.checks import Check, Level, listing_checks
from arb.config import VenueConfig
from arb.config.adapters import load_adapter
from arb.errors import ArbError
from arb.runtime.feed_watch import Arrival
from arb.runtime.feeds import venue_transport
from arb.runtime.listings import Unanswered, VenueAnswers
from connectors.errors import DecodeError
from connectors.feed.lags import clock_sample
from connectors.model import Listing
from connectors.net.interfaces import RestAnswer
from connectors.units import MILLISECOND, SECOND

#: Larger clock offsets are reported; beyond the second, Binance refuses orders as from the future.
_CLOCK_WARN_NS, _CLOCK_FAIL_NS = 250 * MILLISECOND, SECOND
_CLOCK_STEP = "let NTP set the clock (timedatectl set-ntp true, or chrony)"
_NETWORK_STEP = "look at network, DNS, firewall and proxy, and at [connection] of {file}"
#: Next steps for HTTP statuses that are not network problems.
_STATUS_STEPS = {
    403: "the venue refuses this address: wait ten minutes, then look whether it serves your region",
    418: "this address is banned for a while after too many requests: wait, and run fewer clients",
    429: "too many requests from this address: wait a minute, and run fewer clients",
    451: "the venue does not serve your region: use another one",
}


def venue_checks(
    venue: VenueConfig, symbols: Sequence[str], answers: VenueAnswers, streams: Check
) -> list[Check]:
    """The checks of one venue; a single line if it cannot be reached at all. streams: the check of its feed."""
    step = _NETWORK_STEP.format(file=venue.file)
    if answers.time.status == 0 and streams.level == Level.FAIL and streams.next_step == step:
        reason = answers.time.error or streams.text
        return [Check(venue.name, Level.FAIL, f"cannot be reached: {reason}", step)]
    checks = [*_time_checks(venue, answers.time), streams]
    return checks if answers.listings is None else checks + _listed(venue, symbols, answers.listings)


def transport_check(venue: VenueConfig) -> Check | None:
    """The failed check of a venue's streams if the library of its transport is not installed."""
    try:
        venue_transport(venue)
    except ArbError as error:
        step = "install it, or name another [venue] transport"
        return Check(f"{venue.name} streams", Level.FAIL, str(error), step)
    return None


def stream_check(venue: VenueConfig, symbols: Sequence[str], arrival: Arrival) -> Check:
    """Whether the books of all symbols arrived, and how soon; off the configured grid, or without frames."""
    name = f"{venue.name} streams"
    if not arrival.missing:
        found = f"the books of {', '.join(symbols)} after {arrival.elapsed_s:.1f} s"
        return Check(name, Level.OK, f"{venue.connection.websocket_url}: {found}")
    texts, steps = [], []
    for symbol in (one for one in arrival.missing if one in arrival.off_grid):
        fault, lines = arrival.off_grid[symbol]
        texts.append(f"no book of {symbol}, which is off the configured grid: {fault}")
        steps.append(
            f"write {lines} of {venue.file}"
            if lines
            else f"compare tick_size and lot_size in [symbols.{symbol}] of {venue.file} with the venue's listing"
        )
    if others := [one for one in arrival.missing if one not in arrival.off_grid]:
        why = f": {arrival.reason}" if arrival.reason else ""
        texts.append(f"no book of {', '.join(others)} within {arrival.timeout_s:g} s{why}")
        steps.append(_NETWORK_STEP.format(file=venue.file))
    return Check(name, Level.FAIL, "; ".join(texts), "; ".join(steps))


def _time_checks(venue: VenueConfig, answer: RestAnswer) -> list[Check]:
    name = f"{venue.name} REST"
    if answer.status != 200:
        return [_no_answer(name, venue, answer)]
    try:
        venue_ts = load_adapter(venue).time_of(answer.body)
    except DecodeError as error:
        step = f"correct rest_api_url of {venue.file}"
        return [Check(name, Level.FAIL, f"no answer of the venue: {error}", step)]
    round_trip_ms = (answer.local_ts - answer.sent_ts) / MILLISECOND
    offset_ns, error_ns = clock_sample(answer.sent_ts, venue_ts, answer.local_ts)
    reach = Check(name, Level.OK, f"{venue.connection.rest_api_url} answers in {round_trip_ms:,.1f} ms")
    return [reach, clock_check(f"{venue.name} clock", offset_ns, error_ns)]


def clock_check(name: str, offset_ns: int, error_ns: int) -> Check:
    """How far the local clock is off according to the venue; `error_ns` is the largest error of this estimate."""
    side = "behind" if offset_ns > 0 else "ahead of"
    text = (
        f"{abs(offset_ns) / MILLISECOND:,.1f} ms {side} the venue's, within {error_ns / MILLISECOND:,.1f} ms"
    )
    sure_ns = abs(offset_ns) - error_ns
    if sure_ns > _CLOCK_FAIL_NS:
        return Check(name, Level.FAIL, text, _CLOCK_STEP)
    if sure_ns > _CLOCK_WARN_NS:
        return Check(name, Level.WARN, text, _CLOCK_STEP)
    return Check(name, Level.OK, text)


def _listed(
    venue: VenueConfig, symbols: Sequence[str], listings: dict[str, Listing] | Unanswered
) -> list[Check]:
    if isinstance(listings, Unanswered):
        name = f"{venue.name} listings"
        if not listings.reason:
            return [_no_answer(name, venue, listings.answer)]
        step = f"correct rest_api_url of {venue.file}"
        return [Check(name, Level.FAIL, f"no answer of the venue: {listings.reason}", step)]
    return [
        check
        for symbol in symbols
        for check in listing_checks(
            f"{venue.name}:{symbol}", venue.file, venue.symbols[symbol], listings.get(symbol)
        )
    ]


def _no_answer(name: str, venue: VenueConfig, answer: RestAnswer) -> Check:
    reason = answer.error or f"answers {answer.status}"
    step = _STATUS_STEPS.get(answer.status, _NETWORK_STEP.format(file=venue.file))
    return Check(name, Level.FAIL, f"{venue.connection.rest_api_url}: {reason}", step)
