"""The last alarms of sessions, from the files of the guards and watchers that have sent them. Reads alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arb.alerts.message import iso_time, scope_of
from arb.alerts.store import Alarm, read_alarms


class SessionAlarms:
    """Reads each file once."""

    def __init__(self, state: Path, but: Path | None = None) -> None:
        """state: the directory of the environments, and of the watcher. but: a folder in it that is left out."""
        self._shared = read_alarms(state, but)

    def of(self, folder: Path) -> dict[str, Alarm]:
        """The alarms of the session in a folder, by rule."""
        # A sandbox inside the command has its state in the session's folder.
        own = read_alarms(folder / "state")
        found: dict[str, Alarm] = {}
        for alarms in (*self._shared, *own):
            for place in (folder.name, scope_of(folder)):
                found = joined(found, alarms.get(place, {}))
        return found


def joined(some: Mapping[str, Alarm], others: Mapping[str, Alarm]) -> dict[str, Alarm]:
    """Alarms of one session that two have sent: of a rule the later one, with the sum of their counts."""
    found = dict(some)
    for rule, alarm in others.items():
        before = found.get(rule)
        if before is not None:
            alarm = max(before, alarm, key=lambda one: one.at_ns)._replace(begun=before.begun + alarm.begun)
        found[rule] = alarm
    return found


def last_of(alarms: Mapping[str, Alarm]) -> Alarm | None:
    """The latest; None without any."""
    return max(alarms.values(), key=lambda one: one.at_ns, default=None)


def alarm_line(alarm: Alarm) -> str:
    """For a list: when, its rule, and whether it is over."""
    return (
        f"{iso_time(alarm.at_ns)[5:16].replace('T', ' ')} {alarm.rule}{' is over' if alarm.is_over else ''}"
    )


def alarm_record(alarm: Alarm) -> dict[str, Any]:
    """An alarm for `--json`, as in the messages."""
    event = "end" if alarm.is_over else "begin"
    return {"at": iso_time(alarm.at_ns), "rule": alarm.rule, "event": event, "text": alarm.text}
