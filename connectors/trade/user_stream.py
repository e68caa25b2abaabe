"""The stream of an account's events at one venue, and its listen key where there is one.

A key is requested for every new line; a repeated request extends the key that is valid, or gives another one after
it has expired. While two lines are up, both deliver: whoever receives the events must know those that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from connectors.net.backoff import Alarm
from connectors.net.interfaces import RestAnswer, Timers, Transport
from connectors.net.rate_limit import Limiter
from connectors.orders.protocol import UserProtocol
from connectors.trade.interfaces import LineOwner
from connectors.trade.keeper import LineKeeper
from connectors.trade.line import TradeLine
from connectors.trade.rest_queue import RestLine
from connectors.trade.times import TradeTimes


class _ListenKey(msgspec.Struct, frozen=True):
    listenKey: str  # noqa: N815 (the venue's name)


_LISTEN_KEY = msgspec.json.Decoder(_ListenKey)


class UserStream(LineKeeper):
    """Keeps a stream of events up. That it is up says nothing of what was missed before."""

    letter = "u"

    def __init__(
        self,
        urls: Sequence[str],
        protocol: UserProtocol,
        *,
        transport: Transport,
        timers: Timers,
        chance: Callable[[], float],
        connects: Limiter,
        owner: LineOwner,
        times: TradeTimes,
        now_ms: Callable[[], int],
        rest: RestLine | None,
    ) -> None:
        """See `LineKeeper`. rest: for listen keys; None where the venue has none."""
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
        self._user = protocol
        self._rest = rest
        self._renewing = Alarm(timers)
        #: Number of the last request for a key: an answer to an earlier one is of no use.
        self._asked = 0

    def stop(self) -> None:
        """See `LineKeeper`."""
        self._asked += 1
        self._renewing.cancel()
        super().stop()

    def _prepare(self) -> None:
        request = self._user.key_request(self._now_ms())
        if request is None:
            self._open(self._user.path(""))
            return
        self._asked += 1
        asked = self._asked

        def done(answer: RestAnswer) -> None:
            if asked == self._asked:
                self._receive_key(answer)

        self._rest_line().ask(request, done)

    def _receive_key(self, answer: RestAnswer) -> None:
        key = _key_of(answer)
        if key:
            self._open(self._user.path(key))
        else:
            self._fail()

    def _old_ns(self) -> int:
        return self._times.overlap_ns

    def line_up(self, line: TradeLine) -> None:
        super().line_up(line)
        self._plan_renewal()

    def _plan_renewal(self) -> None:
        self._renewing.set(self._times.renew_ns, self._renew)

    def _renew(self) -> None:
        request, line = self._user.renewal(self._now_ms()), self._line
        if request is None or line is None:
            return
        self._plan_renewal()

        def done(answer: RestAnswer) -> None:
            if answer.status != 200:
                self.replace(line.where)

        self._rest_line().ask(request, done)

    def _rest_line(self) -> RestLine:
        if self._rest is None:
            raise ValueError("a listen key needs a REST line")
        return self._rest


def _key_of(answer: RestAnswer) -> str:
    """The key of an answer; "" if it has none."""
    if answer.status != 200:
        return ""
    try:
        return _LISTEN_KEY.decode(answer.body).listenKey
    except (msgspec.DecodeError, UnicodeError):
        return ""
