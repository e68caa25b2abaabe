"""The session's side of its guard: starts it, gives signs of life, starts it again when it dies, and ends it.

The signs come from a timer of the session's event loop, in which the strategy runs too: a frozen loop or a strategy
that does not return gives none. Until the guard has reached every venue, and while it does not answer, nothing is
opened. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from arb.alerts.message import Transition
from arb.errors import InputError
from arb.runtime.guard_plan import GuardPlan
from arb.sandbox.serve.urls import VenueUrls

#: Interval of the signs of life. So many without an answer, and nothing is opened; so many, and it is started again;
#: before the first answer, so many.
_BEAT_S, _SILENT, _LOST, _UNBORN = 0.1, 20, 50, 300
#: How long it may take to reach its venues at the start, and to end.
_READY_S, _END_S = 30.0, 2.0
#: The second in a row that lives no longer is followed after a second, then after twice as long, up to this.
_SHORT_S, _PAUSE_MAX_S = 10.0, 30.0
_LOOK_S = 0.02
#: Most states that wait for the guard; so many of them are on their way at a time.
_ALERTS_MAX, _ALERTS_SENT = 1_000, 32
#: How long the end waits until the guard has them.
_ALERTS_END_S = 10.0
#: Guards that were left to act after their session: `Popen` complains about what it does not see end.
_LEFT: list[subprocess.Popen[bytes]] = []

#: Writes a line of a kind to the session's log.
Write = Callable[[str, str], None]
#: Names the venues where orders are open and whose events do not arrive, at a time of a clock that never steps.
Away = Callable[[int], list[str]]


class NoGuard:
    """Of a session whose venues end with it."""

    timeout_ms = 1_000

    def start(self, urls: Mapping[str, VenueUrls], write: Write, away: Away) -> None:
        """Nothing is started."""

    async def ready(self) -> None:
        """Nothing is waited for."""

    def reason(self) -> str:
        """It never keeps an order from being sent."""
        return ""

    def will_cancel(self) -> bool:
        """Nobody cancels orders after the session."""
        return False

    def alert(self, transition: Transition) -> None:
        """Nobody sends it."""

    async def close(self, *, has_ended: bool, is_asked: bool = False) -> None:
        """Nothing has to end."""


class GuardProcess:
    """The guard of one session."""

    def __init__(self, plan: GuardPlan, environment: Mapping[str, str]) -> None:
        """plan: its venues have no addresses yet. environment: of the process, without keys."""
        self._plan = plan
        self.timeout_ms = plan.timeout_ms
        self._environment = dict(environment)
        self._away: Away = lambda now_ns: []
        self._write: Write = lambda kind, text: None
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: socket.socket | None = None
        self._buffer = b""
        self._is_ready = self._is_armed = self._is_closing = False
        #: Signs of life of the present guard, and the last one that it has answered.
        self._sent = self._answered = 0
        self._why = ""
        self._begun = self._next = 0.0
        #: Guards in a row that did not live long.
        self._shorts = 0
        #: What the guard has not kept yet, oldest first; of that, how many the present guard was given.
        self._alerts: deque[Transition] = deque()
        self._alerts_sent = 0

    def start(self, urls: Mapping[str, VenueUrls], write: Write, away: Away) -> None:
        """Starts it, at these addresses. write: to the session's log. away: called with each sign of life.

        Raises InputError.
        """
        self._write, self._away = write, away
        venues = [msgspec.structs.replace(one, rest=urls[one.name].rest) for one in self._plan.venues]
        self._plan = msgspec.structs.replace(self._plan, venues=tuple(venues))
        what = (
            "cancels the session's orders if the session stops" if self._plan.venues else "sends its alerts"
        )
        write("start", f"starting the guard, which {what}")
        self._spawn()
        self._beat()

    async def ready(self) -> None:
        """Returns when it has reached every venue. Raises InputError after a while."""
        deadline = time.monotonic() + _READY_S
        while self._plan.venues and not self._is_ready:
            if time.monotonic() > deadline:
                raise InputError(
                    f"the guard is not ready after {_READY_S:g} s: {self._why or 'it does not answer'}; "
                    f"{self._plan.log} may have more"
                )
            await asyncio.sleep(_LOOK_S)

    def reason(self) -> str:
        """Why nothing may be opened now; "": it may. From the first call on the guard expects signs of life."""
        if not self._is_armed:
            self._is_armed = True
            self._send("armed")
        if not self._plan.venues or (self._is_ready and self._sent - self._answered <= _SILENT):
            return ""
        return f"the guard is not up{f' ({self._why})' if self._why else ''}"

    def will_cancel(self) -> bool:
        """Whether it cancels what the session leaves open."""
        return self._is_armed and bool(self._plan.venues)

    def alert(self, transition: Transition) -> None:
        """Has a state's beginning or end sent, if alerts are configured, also if the guard dies meanwhile."""
        if self._plan.alerts is None:
            return
        if len(self._alerts) == _ALERTS_MAX:
            self._write("guard", f"alerts: more than {_ALERTS_MAX:,} wait for the guard: one is dropped")
            return
        self._alerts.append(transition)
        self._send_alerts()

    async def close(self, *, has_ended: bool, is_asked: bool = False) -> None:
        """Lets it go. has_ended: no order of the session is open; otherwise it cancels them, longer than this takes.
        is_asked: a signal has ended the session, so the guard sets no flag then."""
        if self._is_closing or (self._process is None and not self._begun):
            return
        self._is_closing = True
        await self._hand_over_alerts()
        if self._process is None:
            return
        if has_ended or is_asked:
            self._send("ended" if has_ended else "left")
        if self._pipe is not None:
            self._pipe.close()
        deadline = time.monotonic() + _END_S
        while has_ended and self._process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)
        if self._process.poll() is None:
            _LEFT.append(self._process)

    # -- the process

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        self._begun = time.monotonic()
        try:
            with theirs, Path(self._plan.log).open("ab") as log:
                # A session of its own: Ctrl+C and Ctrl+Z in the terminal are not for it.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "arb", "guard", "--fd", str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise InputError(f"the guard cannot be started: {error.strerror}") from None
        self._pipe, self._buffer = ours, b""
        self._is_ready, self._sent, self._answered, self._why = False, 0, 0, ""
        plan = msgspec.structs.replace(self._plan, is_armed=self._is_armed)
        with contextlib.suppress(OSError):  # it has ended: seen at the next sign of life
            ours.sendall(plan.line())
        ours.setblocking(False)
        self._alerts_sent = 0
        self._send_alerts()

    def _beat(self) -> None:
        if self._is_closing:
            return
        asyncio.get_running_loop().call_later(_BEAT_S, self._beat)
        if self._process is None or self._process.poll() is not None:
            self._restart()
            return
        self._read()
        self._sent += 1
        self._send(" ".join(("beat", str(self._sent), *self._away(time.monotonic_ns()))))
        if self._sent - self._answered > (_LOST if self._answered else _UNBORN):
            # Before its pipe is closed, which it would take for the session's end.
            self._process.kill()

    def _restart(self) -> None:
        """Starts another one, at once unless the last one did not live long."""
        now = time.monotonic()
        if self._process is not None:
            code, self._process = self._process.returncode, None
            self._shorts = self._shorts + 1 if now - self._begun < _SHORT_S else 0
            self._next = now + (min(2.0 ** (self._shorts - 2), _PAUSE_MAX_S) if self._shorts > 1 else 0.0)
            self._is_ready, self._why = False, f"exit code {code}"
            self._write(
                "guard", f"the guard has ended (exit code {code}): nothing is opened until another one is up"
            )
            if self._pipe is not None:
                self._pipe.close()
                self._pipe = None
        if now < self._next:
            return
        try:
            self._spawn()
        except InputError as error:
            self._why = str(error)
            self._next = now + _PAUSE_MAX_S

    # -- the pipe

    def _send_alerts(self) -> None:
        for no in range(self._alerts_sent, min(len(self._alerts), _ALERTS_SENT)):
            self._send(f"alert {msgspec.json.encode(self._alerts[no]).decode()}")
            self._alerts_sent = no + 1

    def _send(self, text: str) -> None:
        if self._pipe is not None:
            data = f"{text}\n".encode()
            with contextlib.suppress(OSError):  # it has ended, or reads nothing: seen by its answers
                if self._pipe.send(data) < len(data) and self._process is not None:
                    self._process.kill()

    async def _hand_over_alerts(self) -> None:
        """Returns when the guard has kept them all, or after a while: another one is started if there is none."""
        deadline = time.monotonic() + _ALERTS_END_S
        while self._plan.alerts is not None and time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                with contextlib.suppress(InputError):
                    self._spawn()
            self._read()
            if not self._alerts:
                return
            await asyncio.sleep(_LOOK_S)

    def _keep(self, number: int) -> None:
        while self._alerts and self._alerts[0].number <= number:
            self._alerts.popleft()
            self._alerts_sent -= 1
        self._send_alerts()

    def _read(self) -> None:
        if self._pipe is None:
            return
        data = b""
        with contextlib.suppress(OSError):
            data = self._pipe.recv(1 << 16)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "beat":
                self._answered = int(rest)
            elif word == "kept":
                self._keep(int(rest))
            elif word == "alerts":
                self._write("guard", rest)
            elif word == "ready" and not self._is_ready:
                self._is_ready, self._why = True, ""
                self._write("guard", f"the guard is up after {time.monotonic() - self._begun:.1f} s")
            elif word == "pulled":
                venue, _, count = rest.partition(" ")
                self._write(
                    "guard", f"{venue}: events do not arrive: the guard has cancelled {count} open orders"
                )
            elif word == "failed":
                if self._is_ready or self._why != rest:
                    self._write("guard", f"nothing is opened: the guard cannot reach a venue: {rest}")
                self._is_ready, self._why = False, rest
