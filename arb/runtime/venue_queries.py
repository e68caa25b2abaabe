"""Asks a venue for its time and its listings by public requests, to check its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from arb.config import VenueConfig
from arb.config.adapters import load_adapter
from arb.runtime.listings import Unanswered, ask_listings
from connectors.model import Listing
from connectors.net.interfaces import RestAnswer
from connectors.net.rest import HttpRest

#: Requests for the time; the one with the shortest round trip counts.
_TIME_REQUESTS = 3


class VenueAnswers(NamedTuple):
    """The answer to the time request, and the listings; None if the time request failed."""

    time: RestAnswer
    listings: dict[str, Listing] | Unanswered | None


async def ask_venue(venue: VenueConfig, symbols: Sequence[str], timeout_s: float) -> VenueAnswers:
    """Sends the requests. timeout_s: of each."""
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
