"""The websocket for orders of one venue: one line takes requests, an old one only answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.net.interfaces import Timers, Transport
from connectors.net.rate_limit import Limiter
from connectors.orders.model import WireRequest
from connectors.orders.protocol import OrderProtocol
from connectors.trade.interfaces import LineOwner, Sent
from connectors.trade.keeper import LineKeeper
from connectors.trade.times import TradeTimes

_UNSENT = Sent(False, "")


class TradeSocket(LineKeeper):
    """Keeps a line for orders up. A request is written to one line once, or not at all."""

    letter = "t"

    def __init__(
        self,
        urls: Sequence[str],
        protocol: OrderProtocol,
        *,
        transport: Transport,
        timers: Timers,
        chance: Callable[[], float],
        connects: Limiter,
        owner: LineOwner,
        times: TradeTimes,
        now_ms: Callable[[], int],
    ) -> None:
        """See `LineKeeper`."""
        super().__init__(
            urls,
            protocol,
            transport=transport,
            timers=timers,
            chance=chance,
            connects=connects,
            owner=owner,
            times=times,
            now_ms=now_ms,
        )
        self._path_of = protocol.path

    def send(self, request: WireRequest) -> Sent:
        """Writes a request to the line that is up. Without one, nothing is written and nothing kept for later."""
        line = self._line
        if line is None or not line.send(request.text):
            return _UNSENT
        return line.sent

    def _prepare(self) -> None:
        self._open(self._path_of())

    def _old_ns(self) -> int:
        # By then every request on the old line is answered or in doubt.
        return self._times.answer_ns
