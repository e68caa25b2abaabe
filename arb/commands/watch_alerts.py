"""The alerts of `arb watch`: its rules, its file beside the journals, and the sending of its messages.

Without a channel, and while another watcher sends, nothing is sent and no file is used: the page has the alarms that
this watcher has seen itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from arb.alerts.alarms import SessionAlarms, joined
from arb.alerts.message import ChannelAddress, Origin
from arb.alerts.rules import AlertRule
from arb.alerts.sender import AlertSender
from arb.alerts.store import ALERTS_DB, Alarm, AlertStore, Known
from arb.alerts.telegram import Questions
from arb.commands.alert_channels import alert_channels, bot_token, channels_by_name
from arb.config import AlertsConfig
from arb.config.alert_rules import alert_rules
from arb.config.environment import state_directory
from arb.config.strict import Source
from arb.errors import InputError
from arb.journal.locks import HeldLock
from arb.watch.alerts import WatchAlerts
from arb.watch.answers import answer_of
from arb.watch.sessions import Sessions
from connectors.units import SECOND

log = logging.getLogger(__name__)

#: In the state directory, beside the environments; held by the watcher that sends.
FOLDER, LOCK = "watch", "watch.lock"
#: How often a watcher beside a session tries to take over from another one, and files of guards are read.
_TRY_NS, _GUARDS_NS = SECOND, 5 * SECOND


class WatchSending:
    """The alerts of one watcher. Call `look` after each poll, `close` at the end. One thread."""

    def __init__(
        self,
        rules: Sequence[AlertRule],
        channels: Sequence[ChannelAddress],
        state: Path,
        *,
        waits: bool,
        ask: Callable[[], Questions] | None = None,
    ) -> None:
        """state: the state directory. waits: while another watcher sends, this one does not, and takes over when that
        has ended. ask: begins to answer questions then. Raises InputError without `waits` while another one does."""
        self._rules, self._channels = rules, tuple(channels)
        self._directory, self._state = state, state / FOLDER
        self._tried_ns = self._guards_ns = 0
        self._ask = ask
        #: Whether it is to send, once it has the file.
        self._sends = bool(channels) or ask is not None
        self._questions: Questions | None = None
        self._lock: HeldLock | None = None
        self._sender: AlertSender | None = None
        self._alerts: WatchAlerts | None = None
        #: The alarms that guards have sent, by the folders of their sessions.
        self._of_guards: dict[Path, dict[str, Alarm]] = {}
        if self._sends and not waits:
            self._lock = self._locked()

    @property
    def is_done(self) -> bool:
        """Whether no message is left to send."""
        is_given = self._alerts is None or not self._alerts.has_pending
        return self._sender is None or (is_given and self._sender.is_done)

    def look(self, sessions: Sessions, now_ns: int) -> None:
        """Compares the sessions with the rules, and sends."""
        if self._sends and self._sender is None:
            self._begin(sessions, now_ns)
        if self._alerts is None:
            rules = [rule._replace(to=()) for rule in self._rules]
            self._join(sessions, WatchAlerts(rules, {}, Known({}, {}, 0, {}), lambda work: None, now_ns))
        if self._alerts is not None:
            self._alerts.look(sessions, now_ns)
            self._show(sessions, self._alerts, now_ns)
        if self._questions is not None:
            self._questions.answer_all(lambda command: answer_of(command, sessions, now_ns))

    def close(self) -> None:
        """What is not sent is sent by the next watcher."""
        if self._questions is not None:
            self._questions.close()
        if self._sender is not None:
            self._sender.close()
        if self._lock is not None:
            self._lock.close()

    def _show(self, sessions: Sessions, alerts: WatchAlerts, now_ns: int) -> None:
        """Gives each session its alarms, for page and metrics."""
        found = list(sessions)
        if abs(now_ns - self._guards_ns) >= _GUARDS_NS:
            self._guards_ns = now_ns
            files = SessionAlarms(self._directory, but=self._state)
            known = {one.folder for one in found}
            self._of_guards = {folder: own for folder, own in self._of_guards.items() if folder in known}
            for one in found:
                if not one.is_over or one.folder not in self._of_guards:
                    self._of_guards[one.folder] = files.of(one.folder)
        for one in found:
            one.alarms = joined(self._of_guards.get(one.folder, {}), alerts.alarms(one.folder))

    def _join(self, sessions: Sessions, alerts: WatchAlerts) -> None:
        if self._alerts is not None:
            sessions.listeners.remove(self._alerts)
        self._alerts = alerts
        sessions.join(alerts)

    def _begin(self, sessions: Sessions, now_ns: int) -> None:
        if self._lock is None:
            if abs(now_ns - self._tried_ns) < _TRY_NS:
                return
            self._tried_ns = now_ns
            try:
                self._lock = self._locked()
            except InputError:
                return
        names = [one.name for one in self._channels]
        store = AlertStore(self._state / ALERTS_DB, names, log.warning)
        known = store.known()
        store.close()
        self._sender = AlertSender(
            self._state,
            Origin(f"watch-{os.getpid()}", "", "", ()),
            self._channels,
            kept=lambda number: None,
            warn=log.warning,
        )
        by_name = channels_by_name(self._channels)
        own = self._sender
        alerts = WatchAlerts(self._rules, by_name, known, own.give, now_ns, room=lambda: own.room)
        self._join(sessions, alerts)
        self._questions = None if self._ask is None else self._ask()

    def _locked(self) -> HeldLock:
        return HeldLock(self._state / LOCK, "the file of the alerts", f"arb watch, process {os.getpid()}")


def watch_sending(config: AlertsConfig, *, waits: bool) -> WatchSending:
    """The alerts of a watcher with this configuration. Raises ConfigError, and InputError if another watcher has the
    file."""
    channels, token = alert_channels(config), bot_token(config)
    chats = config.alerts.telegram_chats
    ask = None if token is None else (lambda: Questions(token, chats, log.warning))
    rules = alert_rules(config.alerts, Source(config.file))
    return WatchSending(rules, channels, state_directory(config.live), waits=waits, ask=ask)
