"""`arb doctor`: checks this machine and the channels of alerts, then the venues by public requests and their feeds.

Sends no orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from arb.commands.alerts import alert_checks
from arb.commands.checks import Check, compiled_check, disk_check, files_check, python_check
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.selection import Wanted
from arb.commands.venue_checks import stream_check, transport_check, venue_checks
from arb.config import Config
from arb.config.adapters import instrument_at, load_adapter
from arb.runtime.feed_watch import FeedWatch
from arb.runtime.host import Host
from arb.runtime.listings import ask_venue
from connectors.feed.pipeline import warm_up


def examine(
    config: Config, wanted: Sequence[Wanted], timeout_s: float, *, sandbox: SandboxChoice | None = None
) -> list[Check]:
    """All checks: of this machine, then of each venue. Raises InputError for a sandbox that cannot be started."""
    pairs = [(one.venue.name, symbol) for one in wanted for symbol in one.symbols]
    checks = [
        python_check(),
        disk_check(Path(config.data.directory), config.record.reserve_gb),
        files_check(len(wanted), len(pairs)),
        compiled_check(),
        *alert_checks(config),
    ]
    for one in wanted:
        # Compiled first: compilation takes seconds, which would count as the venue's latency.
        warm_up(load_adapter(one.venue), instrument_at(one.venue, one.symbols[0]))
    venues = {one.venue.name: one.venue for one in wanted}
    with Host(venues, sandbox.market_of(venues, pairs) if sandbox else None) as host:
        found = host.run(lambda: host.until_over(examine_venues(host, wanted, timeout_s)))
    if found is None:
        raise KeyboardInterrupt
    return checks + found


async def examine_venues(host: Host, wanted: Sequence[Wanted], timeout_s: float) -> list[Check]:
    """The checks of each venue."""
    venues = host.venues.values()
    watches: list[FeedWatch | Check] = [transport_check(venue) or FeedWatch() for venue in venues]
    for one, watch in zip(wanted, watches, strict=True):
        if isinstance(watch, FeedWatch):
            watch.feed = host.open_feed(one.venue.name, one.symbols, watch, tap=watch).feed
    host.start_feeds()

    async def examined(one: Wanted, watch: FeedWatch | Check) -> list[Check]:
        venue = host.venues[one.venue.name]
        queries = asyncio.create_task(ask_venue(venue, one.symbols, timeout_s))
        if isinstance(watch, FeedWatch):
            watch = stream_check(venue, one.symbols, await watch.wait(timeout_s))
        return venue_checks(venue, one.symbols, await queries, watch)

    found = await asyncio.gather(*map(examined, wanted, watches))
    return [check for checks in found for check in checks]
