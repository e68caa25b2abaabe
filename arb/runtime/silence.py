"""Venues that have fallen silent: their connections stay open, and nothing arrives on one of them, not even answers to
pings. While orders are open there they are named in the signs of life, and the guard cancels them with its own
connections; until the venue is received again nothing is opened there.

Pings are sent only while orders are open. Time counts from look to look, and of each no more than twice the usual
interval: a session that did not run itself has received nothing either. Event loop's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arb.execution.venue_desk import VenueDesk
from arb.runtime.guard_plan import SILENT_MARK
from arb.runtime.order_lines import OrderLines
from connectors.units import MILLISECOND

#: Most time between two looks that counts: they are a tenth of a second apart.
_STEP_NS = 200 * MILLISECOND
#: A venue is silent after so many times the guard's timeout: it may be slow, as a session may, and it shares no clock
#: with it. With the guard's part that is 1.6 of two seconds.
_TIMEOUTS = 1.5
#: A ping is sent with each third look: Binance takes five a second.
_PING_EVERY = 3


@dataclass(slots=True)
class _Watched:
    """Of a venue: for how long nothing arrived, and how often it was looked at since orders are open."""

    silent_ns: int = 0
    looks: int = 0


class VenueSilence:
    """Of one session."""

    def __init__(
        self, desks: Mapping[str, VenueDesk], lines: Mapping[str, OrderLines], timeout_ms: int
    ) -> None:
        """lines: filled later, before the first look. timeout_ms: the guard's."""
        self._desks, self._lines = desks, lines
        self._timeout_ns = round(_TIMEOUTS * timeout_ms) * MILLISECOND
        self._watched = {venue: _Watched() for venue in desks}
        self._looked_ns = 0

    def look(self, now_ns: int) -> list[str]:
        """The venues where orders are open and whose events do not arrive, those that are silent with a mark.

        now_ns: of a clock that never steps; about ten times a second.
        """
        step, self._looked_ns = min(now_ns - self._looked_ns, _STEP_NS), now_ns
        found = []
        for venue, desk in self._desks.items():
            own = self._watched[venue]
            if not desk.orders.open:
                own.silent_ns = own.looks = 0
                continue
            if not desk.is_up:
                own.silent_ns = own.looks = 0
                found.append(venue)
                continue
            has_received = self._lines[venue].probe(is_pinging=own.looks % _PING_EVERY == 0)
            # What arrived before the first ping is no part of it.
            own.silent_ns = 0 if has_received or not own.looks else own.silent_ns + step
            own.looks += 1
            if own.silent_ns > self._timeout_ns:
                found.append(f"{venue}{SILENT_MARK}")
        return found

    def reasons(self) -> dict[str, str]:
        """Why nothing may be opened, by venue."""
        return {
            venue: f"nothing was received from the venue for {own.silent_ns / 1e9:.1f} s"
            for venue, own in self._watched.items()
            if own.silent_ns > self._timeout_ns
        }
