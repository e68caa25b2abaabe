"""Renews a venue's own dead-man's switch, which cancels orders at the venue when neither session nor guard live.

It reaches orders of everybody: Binance USD-M's countdown those of a symbol, Bybit's protection those of the account's
product. Requests go by the REST queue of the venue's lines, and are no input of the desk. One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from connectors.errors import DecodeError
from connectors.net.backoff import Alarm
from connectors.net.interfaces import RestAnswer, Timers
from connectors.orders.model import VenueAnswer, Verdict, WireRequest
from connectors.orders.protocol import OrderProtocol
from connectors.trade.rest_queue import RestLine
from connectors.units import MILLISECOND, SECOND

#: Part of its time after which a switch is renewed, and when it is tried again after a failure.
_RENEWED_AT = 0.3
_AGAIN_NS = SECOND


class SwitchTerms(NamedTuple):
    """The switch of a session at one venue. window_ms: when it fires; is_required: nothing is opened without it."""

    window_ms: int
    is_required: bool


class VenueSwitch:
    """The switch of one venue."""

    def __init__(
        self,
        protocol: OrderProtocol,
        rest: RestLine,
        timers: Timers,
        terms: SwitchTerms,
        *,
        now_ms: Callable[[], int],
        has_room: Callable[[], bool],
        noted: Callable[[str], None],
    ) -> None:
        """now_ms: the session's clock. has_room: whether the venue's limits allow a request now. noted: receives a line
        when the switch is on, and when it fails."""
        self.terms = terms
        self._protocol = protocol
        self._rest = rest
        self._alarm = Alarm(timers)
        self._now_ms = now_ms
        self._has_room = has_room
        self._noted = noted
        #: Why it is not known to be on; "": it is.
        self.reason = "it is not on yet"
        self._has_failed = False
        #: Number of the round of requests, and how many of it are not answered.
        self._round = self._left = 0
        self._is_stopping = False
        #: Whether it is off, or nothing more can be done about it.
        self.is_over = False

    def start(self) -> None:
        """Switches it on, and renews it from now on."""
        self._renew()

    def stop(self) -> None:
        """Switches it off, where the venue has that: no order is open any more. `is_over` follows."""
        self._is_stopping = True
        self._alarm.cancel()
        self._ask(0)
        self.is_over = not self._left

    def abandon(self) -> None:
        """Renews it no more: it fires."""
        self._alarm.cancel()
        self._round += 1

    def _renew(self) -> None:
        if self._left:
            self._fail("no answer")
        if self._has_room():
            self._alarm.set(round(_RENEWED_AT * self.terms.window_ms) * MILLISECOND, self._renew)
            self._ask(self.terms.window_ms)
        else:
            self._fail("no room in the venue's limits on requests")
            self._alarm.set(_AGAIN_NS, self._renew)

    def _ask(self, window_ms: int) -> None:
        requests = self._protocol.switch(window_ms, self._now_ms(), is_renewal=not self.reason)
        self._round += 1
        self._left = len(requests)
        for request in requests:
            self._rest.ask(request, partial(self._receive, request, self._round))

    def _receive(self, request: WireRequest, number: int, answer: RestAnswer) -> None:
        """An answer; one of an earlier round is too late."""
        if number != self._round:
            return
        why = self._refusal(request, answer)
        if why:
            self._fail(why)
            # The others of this round do not count any more.
            self._round, self._left = self._round + 1, 0
            if self._is_stopping:
                self.is_over = True
            else:
                self._alarm.set(_AGAIN_NS, self._renew)
            return
        self._left -= 1
        if self._left:
            return
        self.is_over = self._is_stopping
        if self.reason and not self._is_stopping:
            self.reason, self._has_failed = "", False
            self._noted(
                f"on: after {self.terms.window_ms / 1e3:g} s without a renewal the venue cancels "
                f"{self._protocol.switch_reach}, anybody's"
            )

    def _refusal(self, request: WireRequest, answer: RestAnswer) -> str:
        """Why a request was not done; "": it was."""
        if answer.status == 0:
            return answer.error or "no answer"
        try:
            found = self._protocol.decode_rest(request, answer.status, answer.body, answer.retry_after_ns)
        except DecodeError as error:
            return str(error)
        if not isinstance(found, VenueAnswer):
            return "another answer"
        return "" if found.verdict is Verdict.ACCEPTED else f"{found.code} {found.text}"

    def _fail(self, why: str) -> None:
        """Reports the first failure in a row, in the words of its reason."""
        self.reason = why
        if not self._has_failed:
            self._has_failed = True
            what = "not switched off" if self._is_stopping else "not renewed"
            self._noted(f"{what}: {why}")
