"""`arb doctor`'s venue checks: REST, websocket, clock, listings. Sends public requests only, no orders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from arb.commands.checks import (
    Check,
    Level,
    compiled_check,
    disk_check,
    files_check,
    listing_checks,
    python_check,
)
from arb.commands.feeds import instrument_at, open_feed, venue_transport
from arb.commands.legs import load_adapter
from arb.commands.listings import Unanswered, ask_listings
from arb.commands.running_sandbox import with_sandbox
from arb.commands.selection import Wanted
from arb.commands.serve import seeded_sandbox
from arb.config import Config, VenueConfig
from arb.errors import ArbError
from arb.runtime.record_tap import NoSink
from connectors.errors import DecodeError
from connectors.feed.lags import clock_sample
from connectors.feed.pipeline import warm_up
from connectors.feed.status import FeedStatus
from connectors.model import Venue
from connectors.net.interfaces import Event, EventKind, RestAnswer
from connectors.net.rest import HttpRest
from connectors.net.sockets import new_event_loop

_MS = 1_000_000
#: Requests for the time; the one with the shortest round trip counts.
_TIME_REQUESTS = 3
#: Larger clock offsets are reported; beyond the second, Binance refuses orders as from the future.
_CLOCK_WARN_NS, _CLOCK_FAIL_NS = 250 * _MS, 1000 * _MS
_CLOCK_STEP = "let NTP set the clock (timedatectl set-ntp true, or chrony)"
_NETWORK_STEP = "look at network, DNS, firewall and proxy, and at [connection] of {file}"
#: Next steps for HTTP statuses that are not network problems.
_STATUS_STEPS = {
    403: "the venue refuses this address: wait ten minutes, then look whether it serves your region",
    418: "this address is banned for a while after too many requests: wait, and run fewer clients",
    429: "too many requests from this address: wait a minute, and run fewer clients",
    451: "the venue does not serve your region: use another one",
}


class _Trouble:
    """A tap that keeps why connections failed, and which instruments are off the configured tick or lot."""

    def __init__(self) -> None:
        self.text = ""
        #: By symbol: what contradicts the configured grid, and the lines to write; "" until enough was measured.
        self.off_grid: dict[str, tuple[str, str]] = {}

    def on_frame(self, no: int, local_ts: int, frame: bytes) -> None:
        """See `connectors.feed.feed.Tap`."""

    def on_event(self, event: Event) -> None:
        """See `connectors.feed.feed.Tap`."""
        if event.kind == EventKind.GRID:
            fault, _, lines = event.text.partition("; write ")
            self.off_grid[event.symbol] = fault, lines
        elif event.kind in (EventKind.DISCONNECT, EventKind.ERROR, EventKind.GARBAGE, EventKind.REFUSED):
            self.text = event.text


def examine(
    config: Config, wanted: Sequence[Wanted], timeout_s: float, *, is_sandbox: bool = False
) -> list[Check]:
    """All checks: of this machine, then of each venue. Raises InputError for a sandbox that cannot be started."""
    directory = Path(config.data.directory)
    symbols = sum(len(one.symbols) for one in wanted)
    checks = [
        python_check(),
        disk_check(directory, config.record.reserve_gb),
        files_check(len(wanted), symbols),
        compiled_check(),
    ]
    for one in wanted:
        # Compiled first: compilation takes seconds, which would count as the venue's latency.
        warm_up(load_adapter(one.venue), instrument_at(one.venue, one.symbols[0]))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return checks + runner.run(_examine_venues(wanted, timeout_s, is_sandbox=is_sandbox))


async def _examine_venues(wanted: Sequence[Wanted], timeout_s: float, *, is_sandbox: bool) -> list[Check]:
    async with AsyncExitStack() as stack:
        if is_sandbox:
            venues = {one.venue.name: one.venue for one in wanted}
            pairs = [(one.venue.name, symbol) for one in wanted for symbol in one.symbols]
            sandbox = await stack.enter_async_context(seeded_sandbox(venues, pairs))
            venues = with_sandbox(venues, sandbox.urls)
            wanted = [one._replace(venue=venues[one.venue.name]) for one in wanted]
        found = await asyncio.gather(*(examine_venue(one.venue, one.symbols, timeout_s) for one in wanted))
        return [check for checks in found for check in checks]


async def examine_venue(venue: VenueConfig, symbols: Sequence[str], timeout_s: float) -> list[Check]:
    """The checks of one venue; a single line if it cannot be reached at all."""
    adapter, rest = load_adapter(venue), HttpRest(venue.connection.rest_api_url, timeout_s)
    try:
        answers, streams = await asyncio.gather(
            _ask_time(adapter, rest), _stream_check(venue, symbols, timeout_s)
        )
        best = min(answers, key=lambda answer: (answer.status != 200, answer.local_ts - answer.sent_ts))
        step = _NETWORK_STEP.format(file=venue.file)
        if best.status == 0 and streams.level == Level.FAIL and streams.next_step == step:
            reason = best.error or streams.text
            return [Check(venue.name, Level.FAIL, f"cannot be reached: {reason}", step)]
        checks = [*_time_checks(venue, adapter, best), streams]
        if best.status == 200:
            checks += await _listing_checks(venue, adapter, rest, symbols)
        return checks
    finally:
        await rest.close()


async def _ask_time(adapter: Venue, rest: HttpRest) -> list[RestAnswer]:
    answers = [await rest.ask(adapter.time_request())]
    while answers[-1].status == 200 and len(answers) < _TIME_REQUESTS:
        answers.append(await rest.ask(adapter.time_request()))
    return answers


def _time_checks(venue: VenueConfig, adapter: Venue, answer: RestAnswer) -> list[Check]:
    name = f"{venue.name} REST"
    if answer.status != 200:
        return [_no_answer(name, venue, answer)]
    try:
        venue_ts = adapter.time_of(answer.body)
    except DecodeError as error:
        return [
            Check(
                name, Level.FAIL, f"no answer of the venue: {error}", f"correct rest_api_url of {venue.file}"
            )
        ]
    round_trip_ms = (answer.local_ts - answer.sent_ts) / _MS
    offset_ns, error_ns = clock_sample(answer.sent_ts, venue_ts, answer.local_ts)
    reach = Check(name, Level.OK, f"{venue.connection.rest_api_url} answers in {round_trip_ms:,.1f} ms")
    return [reach, clock_check(f"{venue.name} clock", offset_ns, error_ns)]


def clock_check(name: str, offset_ns: int, error_ns: int) -> Check:
    """How far the local clock is off according to the venue; `error_ns` is the largest error of this estimate."""
    side = "behind" if offset_ns > 0 else "ahead of"
    text = f"{abs(offset_ns) / _MS:,.1f} ms {side} the venue's, within {error_ns / _MS:,.1f} ms"
    sure_ns = abs(offset_ns) - error_ns
    if sure_ns > _CLOCK_FAIL_NS:
        return Check(name, Level.FAIL, text, _CLOCK_STEP)
    if sure_ns > _CLOCK_WARN_NS:
        return Check(name, Level.WARN, text, _CLOCK_STEP)
    return Check(name, Level.OK, text)


async def _stream_check(venue: VenueConfig, symbols: Sequence[str], timeout_s: float) -> Check:
    """Whether the books of all symbols arrive, and how soon."""
    name, trouble = f"{venue.name} streams", _Trouble()
    try:
        venue_transport(venue)
    except ArbError as error:
        return Check(name, Level.FAIL, str(error), "install it, or name another [venue] transport")
    live = open_feed(venue, symbols, NoSink(), tap=trouble)
    began_ns = time.monotonic_ns()
    try:
        live.feed.start()
        while True:
            missing = [s.symbol for s in live.feed.states() if s.status != FeedStatus.SYNCED]
            elapsed_s = (time.monotonic_ns() - began_ns) / 1e9
            if not missing:
                where = venue.connection.websocket_url
                return Check(
                    name, Level.OK, f"{where}: the books of {', '.join(symbols)} after {elapsed_s:.1f} s"
                )
            # A book off its grid never arrives; its correction does, once enough was measured.
            is_settled = all(trouble.off_grid.get(symbol, ("", ""))[1] for symbol in missing)
            if is_settled or elapsed_s >= timeout_s:
                break
            await asyncio.sleep(0.05)
    finally:
        await live.close()
    return _no_book(name, venue, missing, trouble, timeout_s)


def _no_book(
    name: str, venue: VenueConfig, missing: Sequence[str], trouble: _Trouble, timeout_s: float
) -> Check:
    """The failed check of a venue with missing books: off the configured grid, or without frames."""
    texts, steps = [], []
    for symbol in (one for one in missing if one in trouble.off_grid):
        fault, lines = trouble.off_grid[symbol]
        texts.append(f"no book of {symbol}, which is off the configured grid: {fault}")
        steps.append(
            f"write {lines} of {venue.file}"
            if lines
            else f"compare tick_size and lot_size in [symbols.{symbol}] of {venue.file} with the venue's listing"
        )
    if others := [one for one in missing if one not in trouble.off_grid]:
        why = f": {trouble.text}" if trouble.text else ""
        texts.append(f"no book of {', '.join(others)} within {timeout_s:g} s{why}")
        steps.append(_NETWORK_STEP.format(file=venue.file))
    return Check(name, Level.FAIL, "; ".join(texts), "; ".join(steps))


async def _listing_checks(
    venue: VenueConfig, adapter: Venue, rest: HttpRest, symbols: Sequence[str]
) -> list[Check]:
    listings = await ask_listings(adapter, rest, symbols)
    if isinstance(listings, Unanswered):
        if not listings.reason:
            return [_no_answer(f"{venue.name} listings", venue, listings.answer)]
        step = f"correct rest_api_url of {venue.file}"
        text = f"no answer of the venue: {listings.reason}"
        return [Check(f"{venue.name} listings", Level.FAIL, text, step)]
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
