"""The first prices of a run on live data, from which the default capital follows. Before the session begins."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from arb.config import Config
from arb.config.adapters import instrument_at, load_adapter
from arb.errors import InputError
from arb.runtime.feed_watch import FeedWatch
from arb.runtime.host import Host
from connectors.feed.pipeline import warm_up

if TYPE_CHECKING:
    from arb.config.environment import Environment
    from arb.sandbox.serve.sandbox import Sandbox
    from arb.sandbox.serve.urls import VenueUrls

_TIMEOUT_S = 10.0


def live_mids(
    config: Config,
    market: Sandbox | Mapping[str, VenueUrls] | Environment | None,
    notice: Callable[[str], None],
) -> list[float]:
    """The mid of each leg's first book, in quote; NaN for perpetuals, whose capital needs none.

    market, notice: as in `run_session`; a sandbox of the session is started for this, and stopped. Raises InputError
    for a book that does not arrive within 10 s, KeyboardInterrupt for a signal.
    """
    symbols: dict[str, list[str]] = {}
    for leg in config.legs:
        if leg.is_spot:
            symbols.setdefault(leg.venue, []).append(leg.symbol)
    found: dict[tuple[str, str], float] | None = {}
    if symbols:
        for venue, own in symbols.items():
            warm_up(load_adapter(config.venues[venue]), instrument_at(config.venues[venue], own[0]))
        notice(
            f"waiting for the first prices of {', '.join(symbols)}, by which a run without [capital] begins "
            f"({_TIMEOUT_S:g} s at most)"
        )
        with Host(dict(config.venues), market) as host:
            found = host.run(lambda: host.until_over(_mids(host, symbols)))
    if found is None:
        raise KeyboardInterrupt
    return [found.get((leg.venue, leg.symbol), math.nan) for leg in config.legs]


async def _mids(host: Host, symbols: Mapping[str, list[str]]) -> dict[tuple[str, str], float]:
    watches = {venue: FeedWatch() for venue in symbols}
    for venue, watch in watches.items():
        watch.feed = host.open_feed(venue, symbols[venue], watch, tap=watch).feed
    host.start_feeds()
    found = await asyncio.gather(
        *(_mids_of(venue, symbols[venue], watch) for venue, watch in watches.items())
    )
    return {key: mid for mids in found for key, mid in mids.items()}


async def _mids_of(venue: str, symbols: list[str], watch: FeedWatch) -> dict[tuple[str, str], float]:
    arrival = await watch.wait(_TIMEOUT_S)
    if arrival.missing:
        symbol = arrival.missing[0]
        reason = arrival.off_grid.get(symbol, (arrival.reason, ""))[0]
        raise InputError(
            f"{venue}:{symbol}: no book within {arrival.timeout_s:g} s{f' ({reason})' if reason else ''}, whose price "
            f"would give the base that the run begins with: arb doctor looks for the cause; or write [capital.{venue}]"
        )
    touches = map(watch.feed.touch, range(len(symbols)))
    return {
        (venue, symbol): (touch.bid_px + touch.ask_px) / 2.0
        for symbol, touch in zip(symbols, touches, strict=True)
    }
