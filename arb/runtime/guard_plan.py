"""What a session gives its guard over their pipe, and when the guard acts. Pure.

The pipe has lines. The session's first is the plan, with the keys; then `armed` before its first order, `beat N` about
ten times a second, with the venues where orders are open and whose events it does not receive (with a mark: those from
which nothing has arrived for the whole time), and `ended` when no
order of it is open any more, or `left` when a signal has ended it with orders in doubt. The guard answers `ready`,
`beat N`, `failed WHY` while it cannot reach a venue, and `pulled VENUE COUNT` when it has cancelled there.

Where alerts are configured, the session writes `alert JSON` for each state that begins or ends
(`arb.alerts.message.Transition`), and again to another guard until `kept NUMBER` answers it; `alerts TEXT` is what does
not work.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from arb.alerts.message import ChannelAddress, Origin
from arb.errors import InputError
from arb.execution.ids import parse_client_id
from connectors.units import MILLISECOND, SECOND

#: After the name of a venue from which nothing arrives.
SILENT_MARK = "!"
#: Most of a silence that counts at one look: the guard itself may have been stopped, or wait for the processor.
_STEP_NS = 250 * MILLISECOND
#: Of the time in which the session waits for a processor so many times as much counts as it computes meanwhile without
#: ever giving its processor back: a strategy that does not return does that, also as one of ten processes on two
#: processors. A session that is only slow waits for its disk and its sockets in between; of it as much counts as it
#: computes. At least a tenth counts.
_WAITS_RUN, _WAITS_PART = 4, 10


class GuardKey(msgspec.Struct, frozen=True):
    """A key of an account, as `arb.runtime.trade_protocols.Key`."""

    house: str
    kind: str
    id: str
    private: str

    def __repr__(self) -> str:
        return f"GuardKey({self.house})"


class GuardLeg(msgspec.Struct, frozen=True):
    """An instrument, as order entry needs it."""

    symbol: str
    tick: str
    lot: str
    base: str
    quote: str
    is_spot: bool


class GuardVenue(msgspec.Struct, frozen=True):
    """A venue of the session. rest: the address of its orders, and the only one that is connected to."""

    name: str
    rest: str
    key: GuardKey
    legs: tuple[GuardLeg, ...]


class GuardAlerts(msgspec.Struct, frozen=True):
    """What the guard sends, besides. channels: at least one. has_lost: also that the session is gone or silent.
    every_s: a state's beginning is sent at most once in so long."""

    origin: Origin
    channels: tuple[ChannelAddress, ...]
    has_lost: bool = True
    every_s: float = 0.0


class GuardPlan(msgspec.Struct, frozen=True):
    """What is guarded. state: the environment's folder in the state directory; log: a file in the session's folder.

    tag, run: orders of this tag are the session's, those of later runs another one's. is_armed: the session may have
    orders already, whose guard has died. venues: none where they end with the session: then only alerts
    are sent.
    """

    state: str
    log: str
    tag: str
    run: int
    timeout_ms: int
    recv_window_ms: int
    venues: tuple[GuardVenue, ...] = ()
    is_armed: bool = False
    alerts: GuardAlerts | None = None

    def owns(self, client_id: str) -> bool:
        """Whether an order is to be cancelled."""
        found = parse_client_id(client_id)
        return found is not None and found.tag == self.tag and found.run <= self.run

    def line(self) -> bytes:
        """The plan as the first line of the pipe."""
        return msgspec.json.encode(self) + b"\n"


def plan_of(line: bytes) -> GuardPlan:
    """The plan from its line. Raises InputError; its text has nothing of the line."""
    try:
        return msgspec.json.decode(line, type=GuardPlan)
    except msgspec.DecodeError:
        raise InputError("the pipe's first line is no plan: arb live starts the guard itself") from None


class Scheduled(NamedTuple):
    """For how long in all a thread has computed, and was ready to and had no processor; whether it waits for one now,
    or for its disk; how often it has waited for anything else than a processor.

    Linux adds a wait to `waited_ns` when it is over.
    """

    ran_ns: int
    waited_ns: int
    is_ready: bool = False
    is_blocked: bool = False
    yields: int = 0


#: Where the system does not say it.
UNKNOWN = Scheduled(0, 0)


class _Silence:
    """The time since the first look after a sign of life. Of each look no more than a quarter of a second counts."""

    def __init__(self, now_ns: int, scheduled: Scheduled) -> None:
        self._looked_ns, self._begun, self._last = now_ns, scheduled, scheduled
        #: What it had computed when it last gave its processor back.
        self._yielded_ns = scheduled.ran_ns
        self._elapsed_ns = self._queued_ns = self._blocked_ns = 0

    def look(self, now_ns: int, scheduled: Scheduled) -> None:
        """Adds the time since the last look."""
        step = min(now_ns - self._looked_ns, _STEP_NS)
        self._elapsed_ns += step
        if scheduled.is_ready and scheduled.ran_ns == self._last.ran_ns:
            self._queued_ns += step
        if scheduled.is_blocked:
            self._blocked_ns += max(step - (scheduled.ran_ns - self._last.ran_ns), 0)
        if scheduled.yields != self._last.yields:
            self._yielded_ns = scheduled.ran_ns
        self._looked_ns, self._last = now_ns, scheduled

    @property
    def counted_ns(self) -> int:
        """Without the time in which the machine did not let the session compute."""
        waited = self._waited_ns
        computed = max(self._ran_ns, _WAITS_RUN * (self._last.ran_ns - self._yielded_ns))
        return self._elapsed_ns - waited + max(min(waited, computed), waited // _WAITS_PART)

    def __str__(self) -> str:
        """What the session did meanwhile, " (...)"; "" where the system does not say it."""
        if self._last == UNKNOWN:
            return ""
        seconds, ran, waited = (ns / SECOND for ns in (self._elapsed_ns, self._ran_ns, self._waited_ns))
        return f" (in {seconds:.2f} s it computed for {ran:.2f} s, and waited {waited:.2f} s for a processor or a disk)"

    @property
    def _ran_ns(self) -> int:
        return max(self._last.ran_ns - self._begun.ran_ns, 0)

    @property
    def _waited_ns(self) -> int:
        over_ns = self._last.waited_ns - self._begun.waited_ns
        return min(max(over_ns, self._queued_ns) + self._blocked_ns, self._elapsed_ns)


class Pulse:
    """Whether the session lives, by what it wrote. Times are ns of a clock that never steps."""

    def __init__(self, timeout_ms: int, *, is_armed: bool) -> None:
        self._timeout_ms = timeout_ms
        #: Whether the session may have orders; whether it said that it has none any more, or that it was stopped with
        #: orders in doubt; whether its pipe is closed.
        self.is_armed = is_armed
        self.is_ended = self.is_left = self.is_closed = False
        self._looked_ns = -1
        #: None after a sign of life.
        self._silence: _Silence | None = None
        #: For how long orders have been open at venues whose events the session does not receive.
        self._away: dict[str, int] = {}
        #: Venues from which the session has received nothing at all for too long.
        self._silent: list[str] = []

    def receive(self, line: str) -> str:
        """Takes a line of the session; returns what is answered at once, "" for nothing."""
        word, _, rest = line.partition(" ")
        self._silence = None
        self.is_armed |= word == "armed"
        self.is_ended |= word == "ended"
        self.is_left |= word == "left"
        if word != "beat":
            return ""
        number, _, names = rest.partition(" ")
        self._silent = [name[:-1] for name in names.split() if name.endswith(SILENT_MARK)]
        away = [name for name in names.split() if not name.endswith(SILENT_MARK)]
        self._away = {name: self._away.get(name, 0) for name in away}
        return f"beat {number}"

    def look(self, now_ns: int, scheduled: Scheduled = UNKNOWN) -> str:
        """Why the guard acts now; "": the session lives, has ended, or has no order yet. scheduled: of the session so
        far.
        """
        if self._silence is None:
            self._silence = _Silence(now_ns, scheduled)
        self._silence.look(now_ns, scheduled)
        if self._looked_ns >= 0:
            step = min(now_ns - self._looked_ns, _STEP_NS)
            self._away = {name: away + step for name, away in self._away.items()}
        self._looked_ns = now_ns
        if self.is_ended or not self.is_armed:
            return ""
        if self.is_closed and self.is_left:
            return "the session was stopped with orders in doubt"
        if self.is_closed:
            return "the session's process has ended without its end"
        if self._silence.counted_ns > self._timeout_ms * MILLISECOND:
            return f"the session gave no sign of life for {self._timeout_ms:,} ms{self._silence}"
        return ""

    @property
    def unattended(self) -> list[str]:
        """Venues where the session has had open orders without events for too long."""
        return self._silent + [
            name for name, away in self._away.items() if away > self._timeout_ms * MILLISECOND
        ]

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to guard any more."""
        return self.is_ended or (self.is_closed and not self.is_armed)
