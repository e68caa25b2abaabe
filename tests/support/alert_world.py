"""Sessions of a test under the alerts of a watcher, on simulated time: files of sessions in, messages out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from arb.alerts.rules import SHIPPED, AlertRule
from arb.alerts.store import AlertStore
from arb.results.status import EdgeStatus, Status
from arb.watch.alerts import WatchAlerts
from arb.watch.sessions import Sessions
from connectors.units import SECOND
from support.watched_folders import EDGES, LEGS, WatchedFolder, event, status

CHANNEL = "webhook"


def calm(now_ns: int, began_ns: int) -> Status:
    """A status of which no shipped rule reports anything."""
    whole = status(time_ns=now_ns, began_ns=began_ns)
    legs = [
        msgspec.structs.replace(leg, bid=64_000.1, ask=64_000.2, lag_ms=12.0, age_s=0.1, gaps=0)
        for leg in whole.legs
    ]
    edges = [EdgeStatus(*way, -20.0, -20.0) for way in EDGES]
    return msgspec.structs.replace(whole, legs=legs, edges=edges, doubts=0, rules=[], margin_pct=10.0)


class AlertWorld:
    """One session, and the watcher that follows it. `restart` replaces the watcher by another one on the same file."""

    def __init__(
        self, folder: Path, rules: Sequence[AlertRule] = tuple(SHIPPED.values()), name: str = "run-1"
    ) -> None:
        self.root, self._file = folder / "runs", folder / "alerts.db"
        self.rules = [rule._replace(every_s=0.0) for rule in rules]
        self.now_ns = time.time_ns()
        self.session = WatchedFolder(self.root / name)
        self.began_ns = self.now_ns
        #: What differs from `calm`, until it is changed again; and the next event.
        self.changed: dict[str, Any] = {}
        self.number = 1
        self._messages: list[dict[str, Any]] = []
        self._watch()

    def _watch(self) -> None:
        self.store = AlertStore(self._file, [CHANNEL, "apprise MAIL"], lambda line: None)
        self.sessions = Sessions([self.root])
        channels = {CHANNEL: CHANNEL, "MAIL": "apprise MAIL"}
        known = self.store.known()
        self.alerts = WatchAlerts(self.rules, channels, known, lambda work: work(self.store), self.now_ns)
        self.sessions.join(self.alerts)

    def restart(self) -> None:
        """The watcher is killed, and another one is started."""
        self.store.close()
        self._watch()

    # -- the session

    def pass_s(self, seconds: float = 1.0, **changed: Any) -> None:
        """Time passes, with a status a second, which differs from a calm one."""
        self.changed.update(changed)
        for _ in range(max(1, round(seconds))):
            self.now_ns += SECOND
            self.write()
            self.look()

    def write(self) -> None:
        """The session writes its status."""
        whole = msgspec.structs.replace(calm(self.now_ns, self.began_ns), **self.changed)
        self.session.write_status(**msgspec.structs.asdict(whole))

    def legs(self, **changed: Any) -> None:
        """From now on the first leg differs."""
        first, *others = calm(self.now_ns, self.began_ns).legs
        self.changed["legs"] = [msgspec.structs.replace(first, **changed), *others]

    def edge(self, edge_bps: float) -> None:
        """From now on the first edge is this."""
        self.changed["edges"] = [EdgeStatus(*EDGES[0], edge_bps, 0.0), EdgeStatus(*EDGES[1], -20.0, -20.0)]

    def happens(self, kind: str, **data: Any) -> None:
        """The session writes an event, now."""
        self.session.write_events(event(self.number, kind, time_ns=self.now_ns, **data))
        self.number += 1

    # -- the watcher

    def look(self) -> None:
        """The watcher polls once, and compares."""
        while self.sessions.poll(self.now_ns):
            pass
        self.alerts.look(self.sessions, self.now_ns)

    def messages(self, channel: str = CHANNEL) -> list[dict[str, Any]]:
        """What was sent so far."""
        while (found := self.store.next(channel)) is not None:
            self._messages.append(found.message)
            self.store.accepted(channel, found.no)
        return self._messages

    @property
    def texts(self) -> list[str]:
        """Event and rule of each message."""
        return [f"{message['event']} {message['rule']}" for message in self.messages()]

    def close(self) -> None:
        self.session.close()
        self.store.close()


__all__ = ["LEGS", "AlertWorld", "calm"]
