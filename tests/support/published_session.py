"""A live session on simulated time that publishes its files for other processes, and a watcher that follows them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.live import proofs

from arb.bot.recorder import Recorder
from arb.commands.run_files import limits_of
from arb.commands.run_setup import setup_of
from arb.commands.watch_facts import facts_of
from arb.config import Config
from arb.files import lock
from arb.results.evidence import SESSION_LOCK
from arb.runtime.output import SessionOutput
from arb.runtime.session_watch import WATCH_S, SessionWatch
from arb.watch.alerts import WatchAlerts
from arb.watch.metrics import Metrics
from arb.watch.payloads import encode, session_of
from arb.watch.sessions import Sessions, WatchedSession
from connectors.units import SECOND
from support.live_world import LiveSession, Made
from support.net_timers import Turn

_WATCH_NS = round(WATCH_S * SECOND)


class Follower:
    """A watcher of one folder: page, metrics and alerts, as `arb watch` has them, after each tick of the session."""

    def __init__(self, folder: Path, alerts: WatchAlerts) -> None:
        self.sessions = Sessions([folder])
        self.metrics, self.alerts = Metrics(self.sessions), alerts
        self.sessions.join(alerts)

    def look(self) -> WatchedSession:
        """Reads what is new, and makes all that would be sent."""
        now_ns = time.time_ns()
        while self.sessions.poll(now_ns):
            pass
        self.alerts.look(self.sessions, now_ns)
        assert self.metrics.text()
        (found,) = self.sessions
        assert encode(session_of(found))
        return found


class PublishedSession(LiveSession):
    """The session publishes, as `arb live` does; `on_second` is called after each status."""

    def __init__(
        self, config: Config, seed: int, folder: Path, made: Made, recorder: Recorder, **more: Any
    ) -> None:
        super().__init__(config, seed, folder, made, **more)
        self.on_second: Callable[[], object] = lambda: None
        self._held = contextlib.ExitStack()
        lock(self._held.enter_context((folder / SESSION_LOCK).open("xb")))
        output = self._held.enter_context(SessionOutput(folder / "log.txt"))
        facts = facts_of(
            config, setup_of(config), "live", folder=folder, created_ns=time.monotonic_ns(), duration_s=None
        )
        self.watch = SessionWatch(
            self.bot, recorder, self.session, [], facts,
            limits=made.limits or limits_of(config), orders=self.orders, output=output,
        )  # fmt: skip
        self._ticks = 0

    def _start(self) -> None:
        super()._start()
        self._tick()

    def _tick(self) -> None:
        if self.session.is_over:
            return
        self.watch.tick()
        self._ticks += 1
        if self._ticks % round(SECOND / _WATCH_NS) == 0:
            self.on_second()
        self.timers.at(self.timers.now + _WATCH_NS, Turn.TIMER, self._tick)

    def _close(self) -> None:
        super()._close()
        self.watch.log_trading()
        self.watch.close("ended", {"outcome": "ended"})
        self._held.close()


def traded(live: LiveSession, recorder: Recorder, seconds: float) -> dict[str, bytes]:
    """What a session has done: its orders, fills and decisions, the checksums of its rows; and no proof may fail."""
    live.run(seconds)
    orders = live.orders.records()
    assert proofs(live, recorder, orders) == []
    done: dict[str, Any] = {
        name: getattr(orders, name) for name in ("requests", "responses", "executions", "states")
    }
    done |= {"fills": live.bot.fills, "charges": live.bot.charges, "decisions": recorder.decisions}
    done["rows"] = live.session.snapshot(is_whole=False).sums
    found = {name: value.tobytes() for name, value in done.items()}
    assert all(found[name] for name in ("requests", "executions", "fills", "decisions"))
    live.bot.close()
    return found
