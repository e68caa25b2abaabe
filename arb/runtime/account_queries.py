"""Asks one venue about orders, executions and positions before a session, over the session's own REST requests.

Each question is asked until it is answered, a few times; a request that changes something is sent once. Event loop's
thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from decimal import Decimal

from arb.errors import InputError
from connectors.errors import DecodeError
from connectors.net.interfaces import RestAnswer, TradeRest
from connectors.orders.model import (
    AccountView,
    Act,
    Decoded,
    Execution,
    Instrument,
    OrderRequest,
    OrderUpdate,
    VenueAnswer,
    Verdict,
)
from connectors.orders.protocol import OrderProtocol
from connectors.units import MILLISECOND

#: How often a question is asked, and the pause before the next time.
_TRIES, _PAUSE_S = 5, 0.5
#: Most pages of one list.
_PAGES_MAX = 1_000
_ANSWERED = frozenset({Verdict.FOUND, Verdict.NOT_FOUND, Verdict.ACCEPTED, Verdict.NOT_OPEN})


class AccountQueries:
    """See the module. `legs`: the venue's instruments by leg."""

    def __init__(
        self,
        protocol: OrderProtocol,
        rest: TradeRest,
        legs: Mapping[int, Instrument],
        *,
        now_ns: Callable[[], int] = time.time_ns,
        pause_s: float = _PAUSE_S,
    ) -> None:
        self.venue = protocol.venue
        self._protocol = protocol
        self._rest = rest
        self._legs = dict(legs)
        self._now_ns = now_ns
        self._pause_s = pause_s
        self._number = 0
        #: The venue's clock less ours, after `clock`.
        self.offset_ms = 0
        for leg, instrument in legs.items():
            protocol.add_leg(leg, instrument)

    async def clock(self) -> int:
        """The venue's time, ms; later requests are stamped with it."""
        leg = next(iter(self._legs))
        answer = await self._asked(self._request(Act.TIME, leg))
        if not isinstance(answer, VenueAnswer) or answer.venue_ms <= 0:
            raise InputError(f"{self.venue}: it did not report its clock")
        self.offset_ms = answer.venue_ms - self._now_ns() // MILLISECOND
        return answer.venue_ms

    async def open_orders(self, leg: int) -> list[OrderUpdate]:
        """All open orders of a leg's symbol, anybody's."""
        updates, _ = await self._list(self._request(Act.OPEN_ORDERS, leg))
        return [one for one in updates if one.status.is_open]

    async def executions(self, leg: int, since_ms: int = 0, venue_id: str = "") -> list[Execution]:
        """The executions of a leg's symbol since then, or of one order."""
        request = self._request(Act.EXECUTIONS, leg)._replace(since_ms=since_ms, venue_order_id=venue_id)
        _, executions = await self._list(request)
        return executions

    async def look_up(self, leg: int, client_id: str = "", venue_id: str = "") -> OrderUpdate | None:
        """One order; None if none of the venue's lists has it."""
        for attempt in (0, 1):
            request = self._request(Act.LOOK_UP, leg)._replace(
                client_id=client_id, venue_order_id=venue_id, attempt=attempt
            )
            answer = await self._asked(request)
            if isinstance(answer, VenueAnswer) and answer.updates:
                return answer.updates[-1]
        return None

    async def cancel(self, leg: int, order: OrderUpdate) -> None:
        """Asks once to cancel an order; its outcome is looked up afterwards."""
        request = self._request(Act.CANCEL, leg)._replace(
            client_id=order.client_id, venue_order_id=order.venue_order_id
        )
        if self.venue == "binance_spot":
            request = request._replace(new_client_id=f"{order.client_id}-r")
        await self._once(request)

    async def positions(self) -> dict[str, Decimal]:
        """Positions in base by symbol, of a venue of perpetuals; those that are missing are zero."""
        found: dict[str, Decimal] = {}
        for leg in self._legs:
            answer = await self._asked(self._request(Act.POSITION, leg))
            if not isinstance(answer, AccountView):
                raise InputError(f"{self.venue}: it did not report its positions")
            found.update(answer.positions)
        return found

    def _request(self, act: Act, leg: int) -> OrderRequest:
        return OrderRequest(act, leg, self._legs[leg].symbol, 0, "")

    async def _list(self, request: OrderRequest) -> tuple[list[OrderUpdate], list[Execution]]:
        updates: list[OrderUpdate] = []
        executions: list[Execution] = []
        for _ in range(_PAGES_MAX):
            answer = await self._asked(request)
            if not isinstance(answer, VenueAnswer):
                break
            updates += answer.updates
            executions += answer.executions
            if not answer.cursor:
                return updates, executions
            request = request._replace(cursor=answer.cursor)
        raise InputError(f"{self.venue}: its list of {request.act.name.lower().replace('_', ' ')} has no end")

    async def _asked(self, request: OrderRequest) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
        """The answer to a question. Raises InputError if there is none after a few times."""
        why = ""
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(self._pause_s * attempt)
            answer, why = await self._once(request)
            if answer is not None and _is_answer(request, answer):
                return answer
            if isinstance(answer, VenueAnswer):
                why = f"{answer.code} {answer.text}"
                if answer.retry_after_ns:
                    await asyncio.sleep(answer.retry_after_ns / 1e9)
        what = request.act.name.lower().replace("_", " ")
        raise InputError(f"{self.venue}: {request.symbol}: no answer about {what}: {why or 'no response'}")

    async def _once(
        self, request: OrderRequest
    ) -> tuple[VenueAnswer | AccountView | tuple[Decoded, ...] | None, str]:
        """One request over REST: (answer, why there is none)."""
        self._number += 1
        now_ms = self._now_ns() // MILLISECOND + self.offset_ms
        wire = self._protocol.encode_rest(request, f"start-{self._number}", now_ms)
        done: asyncio.Future[RestAnswer] = asyncio.get_running_loop().create_future()
        self._rest.send(wire, done.set_result)
        answer = await done
        if answer.status == 0:
            return None, answer.error
        try:
            return self._protocol.decode_rest(wire, answer.status, answer.body, answer.retry_after_ns), ""
        except DecodeError as error:
            return None, str(error)


def _is_answer(request: OrderRequest, answer: VenueAnswer | AccountView | tuple[Decoded, ...]) -> bool:
    """Whether a question was answered. A history without the order says nothing about it: that is an answer too."""
    if not isinstance(answer, VenueAnswer) or answer.verdict in _ANSWERED:
        return True
    return request.act is Act.LOOK_UP and request.attempt % 2 == 1 and not answer.code
