"""Finds the states of all watched sessions of which messages are sent: rules over their figures, and how they ended.

What holds, and what was taken, is in the watcher's file of alerts (`arb.alerts.store`), so that a watcher that is
killed goes on where it was: events are read again from the session's start, and what was taken of them is left out by
their number. `look` is called after each poll of the sessions. One thread.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from arb.alerts.conditions import Lasting
from arb.alerts.message import SEPARATOR, Origin, Terms, Transition, scope_of
from arb.alerts.metrics import METRICS, OF_THE_END
from arb.alerts.rules import AlertRule
from arb.alerts.store import Alarm, AlertStore, Known
from arb.errors import InputError
from arb.results.event_log import LoggedEvent
from arb.results.runs import KILLED, RUNNING
from arb.results.status import Status
from arb.watch.alert_figures import AlertFigures, Figure, Step
from arb.watch.sessions import Sessions, WatchedSession
from connectors.units import SECOND

#: How often the file is given the time until which everything was looked at.
_WATCHED_NS = SECOND
#: A session that ended so long before the last such time may have ended unseen.
_UNSEEN_NS = 60 * SECOND
#: After files that cannot be read.
_AGAIN_NS = 5 * SECOND
_FAILED = frozenset({"failed", "hung"})
_ENDED = "the session has ended"

#: Most work that waits; beyond it the oldest is given in any case.
PENDING_MAX = 20_000

Work = Callable[[AlertStore], None]
Give = Callable[[Work], None]


class RuleNow(NamedTuple):
    """A rule of a session at present. holds: None: not known."""

    rule: AlertRule
    session: str
    figure: Figure
    holds: bool | None


class _Own:
    """What is known of one session."""

    def __init__(self, session: WatchedSession, rules: Sequence[AlertRule]) -> None:
        self.folder = session.folder
        self.began_ns = session.status.began_ns if session.status else 0
        self.scope = scope_of(session.folder)
        place = self.scope.removesuffix(SEPARATOR)
        self.id = "w" + hashlib.sha256(f"{place} {self.began_ns}".encode()).hexdigest()[:12]
        self.figures = AlertFigures(session.status)
        self.lasting = {rule.name: Lasting(round(rule.for_s * SECOND)) for rule in rules}
        #: Whether the condition of a rule of events held at the last one, and that event's number.
        self.stepped: dict[str, bool] = {}
        self.number = 0
        #: Those that were read before the first status, which says whose they are.
        self.early: list[LoggedEvent] = []
        self.is_seeded = False
        #: The state in which it was found over; "": it goes on.
        self.ended_as = ""
        #: Of one that was over when it was found: whether its events were read, or when that is tried again.
        self.is_repeated, self.again_ns = False, 0


class WatchAlerts:
    """One watcher's; one of the listeners of its sessions."""

    def __init__(
        self,
        rules: Sequence[AlertRule],
        channels: Mapping[str, str],
        known: Known,
        give: Give,
        now_ns: int,
        room: Callable[[], int] = lambda: PENDING_MAX,
    ) -> None:
        """channels: names of `AlertRule.to`, each with the channel's own. give: takes work for the file's thread, as
        much as `room` says: a watcher that starts may find more than channels can have waiting."""
        self.rules = list(rules)
        self._terms = {rule.name: _terms_of(rule, channels) for rule in rules}
        self._stepped = [one for one in self.rules if METRICS[one.when.metric].is_stepped and not one.for_s]
        self._sampled = [one for one in self.rules if one not in self._stepped]
        self._give_now, self._room = give, room
        #: Work that has not been given yet, oldest first.
        self._pending: deque[Work] = deque()
        #: Keys of the states that hold, as the file has them once all work is done; what was taken.
        self._held = set(known.states)
        self._taken = dict(known.taken)
        #: By scope and rule, as the file has them once all work is done.
        self._alarms = {scope: dict(alarms) for scope, alarms in known.alarms.items()}
        self._unseen_ns = known.watched_ns - _UNSEEN_NS if known.watched_ns else now_ns
        self._watched_ns = 0
        self._own: dict[Path, _Own] = {}
        self._is_first = True

    # -- the listener

    def on_status(self, session: WatchedSession, status: Status) -> None:
        """See `Listener`."""
        own = self._of(session)
        if not own.is_seeded:
            own.is_seeded = True
            early, own.early = own.early, []
            if early:
                self.on_events(session, early)
            if session.head is not None and session.thinned is not None:
                own.figures.follow_edges([(a, b) for a, b in session.head.edges], session.thinned.rows)
        own.figures.on_status(status)

    def on_events(self, session: WatchedSession, events: Sequence[LoggedEvent]) -> None:
        """See `Listener`."""
        own = self._of(session)
        if events[0].number == 1 and own.number:  # another session in the same folder
            del self._own[session.folder]
            own = self._of(session)
        if not own.began_ns:
            own.early += events
            return
        for step in own.figures.on_events(events):
            for rule in self._stepped:
                if rule.when.metric == step.metric:
                    self._follow(session, own, rule, step)
        own.number = events[-1].number

    def _follow(self, session: WatchedSession, own: _Own, rule: AlertRule, step: Step) -> None:
        holds = rule.when.holds(step.figure.value)
        if holds is None or holds == own.stepped.get(rule.name, False):
            return
        own.stepped[rule.name] = holds
        if not _is_reported(rule, session):
            change = step.event.number, _text(rule, step.figure), step.event.time_ns
            self._take(session, own, rule, *change, is_over=not holds)

    def alarms(self, folder: Path) -> Mapping[str, Alarm]:
        """The alarms of the session in a folder, by rule."""
        return self._alarms.get(scope_of(folder), {})

    # -- after each poll

    def look(self, sessions: Sessions, now_ns: int) -> None:
        """Compares every session with the rules."""
        found = list(sessions)
        for session in found:
            if session.is_over:
                self._end(session, found, now_ns)
            elif session.status is not None:
                own = self._of(session)
                for rule in self._sampled:
                    self._compare(session, own, rule, now_ns)
                for rule in self._stepped:
                    self._catch_up(session, own, rule, now_ns)
        self._forget({one.folder for one in found}, now_ns)
        if now_ns - self._watched_ns >= _WATCHED_NS:
            self._watched_ns = now_ns
            self._give(lambda store: store.watched(now_ns))
        room = max(self._room(), len(self._pending) - PENDING_MAX)
        while self._pending and room > 0:
            self._give_now(self._pending.popleft())
            room -= 1

    def now(self, sessions: Sessions, now_ns: int) -> Iterator[RuleNow]:
        """Every rule of every session that goes on."""
        for session in sessions:
            if not session.is_over and session.status is not None:
                own = self._of(session)
                for rule in self.rules:
                    figure = self._figure(session, own, rule, now_ns)
                    yield RuleNow(rule, session.name, figure, rule.when.holds(figure.value))

    def _compare(self, session: WatchedSession, own: _Own, rule: AlertRule, now_ns: int) -> None:
        if _is_reported(rule, session):
            return
        figure = self._figure(session, own, rule, now_ns)
        lasting = own.lasting[rule.name]
        holds = lasting.look(rule.when.holds(figure.value), now_ns)
        if holds is not None and holds != (own.scope + rule.name in self._held):
            since_ns = lasting.since_ns if holds else None
            self._report(session, own, rule, _text(rule, figure), now_ns, since_ns, is_over=not holds)

    def _catch_up(self, session: WatchedSession, own: _Own, rule: AlertRule, now_ns: int) -> None:
        """A state of another limit, which the rule had before the watcher was started again."""
        is_read = own.number >= self._taken.get(_source(own, rule), 0)
        is_held = own.scope + rule.name in self._held
        if is_read and is_held and not own.stepped.get(rule.name, False):
            figure = own.figures.value(rule.when.metric, now_ns)
            self._report(session, own, rule, _text(rule, figure), now_ns, None, is_over=True)

    def _figure(self, session: WatchedSession, own: _Own, rule: AlertRule, now_ns: int) -> Figure:
        status = session.status
        match rule.when.metric:
            case "silent_s":
                seconds = max(0.0, (now_ns - status.time_ns) / SECOND) if status else 0.0
                return Figure(seconds, f"no sign of life for {seconds:.1f} s")
            case "halted":
                why = status.halted if status else ""
                return Figure(float(bool(why)), why or "it is not halted")
            case "failed":
                return Figure(0.0, "it runs")
            case metric:
                return own.figures.value(metric, now_ns)

    # -- the end of a session

    def _end(self, session: WatchedSession, found: Sequence[WatchedSession], now_ns: int) -> None:
        if session.status is None:
            session.know_status()
        own = self._of(session)
        if not (own.number or own.is_repeated) and now_ns >= own.again_ns and self._is_unseen(session):
            try:
                session.repeat(self, is_whole=True)
            except InputError:  # it is on the page
                own.again_ns = now_ns + _AGAIN_NS
            else:
                own.is_repeated, own.ended_as = True, ""
        held = [rule for rule in self.rules if own.scope + rule.name in self._held]
        if session.run.state != own.ended_as:
            own.ended_as = session.run.state
            has_successor = _has_successor(session, found)
            for rule in self.rules:
                figure = _figure_of_end(rule.when.metric, session)
                if figure.value and not has_successor and self._is_unseen(session):
                    self._take_end(session, own, rule, figure, now_ns)
                elif rule in held and session.run.state != KILLED and not figure.value:
                    self._report(session, own, rule, _ENDED, now_ns, None, is_over=True)
        elif held and _has_successor(session, found):
            for rule in held:
                text = "a later session runs"
                self._report(session, own, rule, text, now_ns, None, is_over=True)

    def _is_unseen(self, session: WatchedSession) -> bool:
        """Whether it may have ended after the last watcher had looked."""
        last_ns = session.status.time_ns if session.status else 0
        return max(session.ended_ns, last_ns) > self._unseen_ns

    def _take_end(
        self, session: WatchedSession, own: _Own, rule: AlertRule, figure: Figure, now_ns: int
    ) -> None:
        if rule.when.holds(figure.value) and not _is_reported(rule, session):
            self._take(session, own, rule, 1, _text(rule, figure), now_ns, is_over=False, end="-end")

    def _forget(self, present: set[Path], now_ns: int) -> None:
        """Sessions whose folder is gone, also while no watcher ran, and states of rules that are no more."""
        for folder in self._own.keys() - present:
            del self._own[folder]
            self._forget_folder(str(folder.absolute()), now_ns)
        if self._is_first:
            self._is_first = False
            names = {rule.name for rule in self.rules}
            for key in sorted(self._held):
                place, _, rule = key.rpartition(SEPARATOR)
                if rule not in names:
                    self._finish(place, rule, "it is not reported any more", now_ns)
                elif not Path(place).exists():
                    self._forget_folder(place, now_ns)

    def _forget_folder(self, place: str, now_ns: int) -> None:
        scope = place + SEPARATOR
        for key in [key for key in self._held if key.startswith(scope)]:
            self._finish(place, key.removeprefix(scope), "its folder is gone", now_ns)
        self._alarms.pop(scope, None)

    def _finish(self, place: str, rule: str, text: str, now_ns: int) -> None:
        self._held.discard(place + SEPARATOR + rule)
        origin = Origin("w", Path(place).name, "", (), place + SEPARATOR)
        self._note(origin, rule, text, now_ns, is_over=True)
        self._give(lambda store: store.end(origin, rule, now_ns, text))

    # -- what is given to the file

    @property
    def has_pending(self) -> bool:
        """Whether there is work that was not given yet."""
        return bool(self._pending)

    def _give(self, work: Work) -> None:
        self._pending.append(work)

    def _report(
        self,
        session: WatchedSession,
        own: _Own,
        rule: AlertRule,
        text: str,
        now_ns: int,
        since_ns: int | None,
        *,
        is_over: bool,
    ) -> None:
        origin, terms, name = self._origin(session, own), self._terms[rule.name], rule.name
        self._note(origin, name, text, now_ns, is_over=is_over)
        if is_over:
            self._held.discard(own.scope + name)
            self._give(lambda store: store.end(origin, name, now_ns, text))
        else:
            self._held.add(own.scope + name)
            self._give(lambda store: store.begin(origin, name, text, now_ns, terms, since_ns))

    def _take(
        self,
        session: WatchedSession,
        own: _Own,
        rule: AlertRule,
        number: int,
        text: str,
        now_ns: int,
        *,
        is_over: bool,
        end: str = "",
    ) -> None:
        source = _source(own, rule) + end
        if number <= self._taken.get(source, 0):
            return
        self._taken[source] = number
        (self._held.discard if is_over else self._held.add)(own.scope + rule.name)
        origin, terms = self._origin(session, own, source), self._terms[rule.name]
        self._note(origin, rule.name, text, now_ns, is_over=is_over)
        transition = Transition(number, rule.name, text, now_ns, is_over)
        self._give(lambda store: store.take(origin, transition, now_ns, terms))

    def _note(self, origin: Origin, rule: str, text: str, at_ns: int, *, is_over: bool) -> None:
        own = self._alarms.setdefault(origin.scope, {})
        before = own.get(rule, Alarm(rule, 0, "", is_over=True, begun=0))
        if before.is_over != is_over:
            own[rule] = Alarm(rule, at_ns, text, is_over, before.begun + (not is_over))

    def _origin(self, session: WatchedSession, own: _Own, source: str = "") -> Origin:
        venues = tuple(dict.fromkeys(leg.partition(":")[0] for leg in session.run.legs))
        return Origin(source or own.id, session.name, session.run.command, venues, own.scope)

    def _of(self, session: WatchedSession) -> _Own:
        before = self._own.get(session.folder)
        began_ns = session.status.began_ns if session.status else 0
        if before is not None and before.began_ns in (began_ns, began_ns or before.began_ns):
            return before
        own = self._own[session.folder] = _Own(session, self.rules)
        if before is not None and not before.began_ns:
            own.early = before.early
        return own


def _terms_of(rule: AlertRule, channels: Mapping[str, str]) -> Terms:
    return Terms(
        round(rule.every_s * SECOND), tuple(channels[name] for name in rule.to), rule.level, rule.next
    )


def _source(own: _Own, rule: AlertRule) -> str:
    return f"{own.id}-{rule.name}"


def _is_reported(rule: AlertRule, session: WatchedSession) -> bool:
    """Whether the session's guard sends the messages of this state."""
    return bool(rule.state) and session.status is not None and rule.state in session.status.reported


def _text(rule: AlertRule, figure: Figure) -> str:
    when, unit = rule.when, METRICS[rule.when.metric].unit
    if when.metric in OF_THE_END and (when.metric != "silent_s" or figure.value == float("inf")):
        return figure.text
    return f"{figure.text}; limit {when.limit:g}{unit and f' {unit}'}"


def _figure_of_end(metric: str, session: WatchedSession) -> Figure:
    state, note = session.run.state, session.run.note
    if metric == "silent_s" and state == KILLED:
        return Figure(float("inf"), "its process is gone without its end")
    if metric == "failed" and state in _FAILED:
        return Figure(1.0, note or "it has failed")
    if metric == "halted" and state == "halted":
        return Figure(1.0, (session.status and session.status.halted) or note or "it has ended halted")
    return Figure(0.0, "")


def _has_successor(session: WatchedSession, found: Sequence[WatchedSession]) -> bool:
    """Whether a later session of the same command and legs runs in the same folder of runs."""
    own = session.run
    return any(
        one.run.state == RUNNING
        and one.folder.parent == session.folder.parent
        and (one.run.command, one.run.legs) == (own.command, own.legs)
        and one.run.began > own.began
        for one in found
    )
