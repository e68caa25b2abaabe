"""How far this machine's clock is off by a venue's: a few requests for its time. Event loop's thread."""

from __future__ import annotations

from arb.accounts.facts import AccountError, ClockFact
from arb.config import VenueConfig
from arb.config.account_keys import house_of
from arb.config.adapters import load_adapter
from connectors.errors import DecodeError
from connectors.feed.lags import clock_sample
from connectors.net.hosts import AllowedHosts
from connectors.net.rest import HttpRest

SAMPLES = 5
_ANSWER_S = 5.0


async def sample_clock(venue: VenueConfig, hosts: AllowedHosts) -> ClockFact:
    """The sample with the shortest round trip of five, one after the other. Raises AccountError if there is none."""
    adapter, rest = load_adapter(venue), HttpRest(venue.connection.rest_api_url, _ANSWER_S, hosts)
    found: list[tuple[int, int]] = []
    code, text = "", ""
    try:
        for _ in range(SAMPLES):
            answer = await rest.ask(adapter.time_request())
            if answer.status != 200:
                code, text = str(answer.status or ""), answer.error
                continue
            try:
                sample = clock_sample(answer.sent_ts, adapter.time_of(answer.body), answer.local_ts)
            except DecodeError as error:
                code, text = "answer", str(error)
                continue
            found.append((answer.local_ts - answer.sent_ts, sample.skew_ns))
    finally:
        await rest.close()
    if not found:
        raise AccountError(house_of(venue.name), f"time of {venue.name}", code, text)
    round_trip_ns, offset_ns = min(found)
    return ClockFact(offset_ns, round_trip_ns, len(found))
