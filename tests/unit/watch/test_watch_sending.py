"""Alarms of sessions: of a watcher without channels, of guards, and where they are shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.alert_world import calm
from support.command_line import arb
from support.watched_folders import WatchedFolder

from arb.alerts.alarms import SessionAlarms
from arb.alerts.message import Origin, scope_of
from arb.alerts.rules import SHIPPED
from arb.alerts.store import ALERTS_DB, AlertStore
from arb.commands.watch_alerts import FOLDER, WatchSending
from arb.watch.figures import sheet_of
from arb.watch.metrics import Metrics
from arb.watch.payloads import run_of_list
from arb.watch.sessions import Sessions
from connectors.units import SECOND

NOW_NS = time.time_ns()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[WatchedFolder]:
    made = WatchedFolder(tmp_path / "runs" / "run-1")
    yield made
    made.close()


def writes(session: WatchedFolder, **changed: Any) -> None:
    whole = calm(time.time_ns(), NOW_NS)
    session.write_status(**{name: getattr(whole, name) for name in whole.__struct_fields__} | changed)


def guard_reports(
    state: Path, session: str, rule: str, text: str, now_ns: int, *, ends: bool = False
) -> None:
    """A guard of a session has sent a message."""
    store = AlertStore(state / ALERTS_DB, ["webhook"], lambda line: None)
    origin = Origin("t-1", session, "demo", ())
    (store.end if ends else store.begin)(origin, rule, *((now_ns, text) if ends else (text, now_ns)))
    store.close()


def test_a_watcher_without_channels_shows_alarms_and_writes_nothing(
    session: WatchedFolder, tmp_path: Path
) -> None:
    sending = WatchSending(list(SHIPPED.values()), (), tmp_path / "state", waits=False)
    other = WatchSending(
        list(SHIPPED.values()), (), tmp_path / "state", waits=False
    )  # not refused: neither sends
    sessions = Sessions([session.path.parent])
    metrics = Metrics(sessions)
    writes(session, drawdown_quote=450.0)
    sessions.poll()
    sending.look(sessions, time.time_ns())
    (found,) = sessions
    row = run_of_list(found)
    assert row["alarm"][0].endswith(" drawdown")
    assert row["alarm"][2] is False
    (table,) = [one for one in sheet_of(found)["tables"] if one["title"] == "Alarms"]
    (line,) = table["rows"]
    assert (line[0], line[1][0], line[1][2]) == ("drawdown", {"text": "holds"}, {"text": "1"})
    assert b'arb_alarms_total{rule="drawdown",session="run-1"} 1.0' in metrics.text()
    writes(session)
    sessions.poll(time.time_ns() + SECOND)
    sending.look(sessions, time.time_ns())
    assert run_of_list(found)["alarm"][0].endswith(" drawdown is over")
    assert not (tmp_path / "state").exists()
    assert sending.is_done
    sending.close()
    other.close()


def test_alarms_of_a_guard_are_those_of_its_session(session: WatchedFolder, tmp_path: Path) -> None:
    state = tmp_path / "state"
    guard_reports(state / "demo", "run-1", "lost", "its process is gone", NOW_NS)
    guard_reports(state / "demo", "run-2", "halted", "another session", NOW_NS)
    # A rehearsal has its state in its own folder.
    guard_reports(session.path / "state" / "sandbox", "run-1", "doubt", "an order", NOW_NS + SECOND)
    sending = WatchSending(list(SHIPPED.values()), (), state, waits=False)
    sessions = Sessions([session.path.parent])
    writes(session)
    sessions.poll()
    sending.look(sessions, time.time_ns())
    (found,) = sessions
    assert {name: one.text for name, one in found.alarms.items()} == {
        "lost": "its process is gone", "doubt": "an order"
    }  # fmt: skip
    assert run_of_list(found)["alarm"][1] == "an order"
    sending.close()


def test_the_list_of_runs_has_the_last_alarm_of_watcher_and_guard(
    session: WatchedFolder, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    writes(session, command="live", environment="demo", accounts=["binance-7"])
    store = AlertStore(state / FOLDER / ALERTS_DB, [], lambda line: None)
    origin = Origin("w1", "run-1", "live", (), scope_of(session.path))
    store.begin(origin, "lag", "late", NOW_NS)
    store.end(origin, "lag", NOW_NS + SECOND, "in time")
    store.begin(origin, "lag", "late again", NOW_NS + 2 * SECOND)
    store.close()
    assert SessionAlarms(state).of(session.path)["lag"].begun == 2
    words = ("runs", session.path.parent, "--set", f'live.state_directory="{state}"')
    (line,) = arb(*words, "--json").stdout.splitlines()
    found = json.loads(line)
    alarm = found["last_alarm"]
    assert (alarm["rule"], alarm["event"], alarm["text"]) == ("lag", "begin", "late again")
    assert (found["environment"], found["accounts"]) == ("demo", ["binance-7"])
    guard_reports(state / "demo", "run-1", "halted", "a person", NOW_NS + 3 * SECOND)
    guard_reports(state / "demo", "run-1", "halted", "resumed", NOW_NS + 4 * SECOND, ends=True)
    shown = arb(*words).stdout
    assert "live demo" in shown
    assert "halted is over" in shown
    # A file that is none is no alarm.
    (state / "demo" / ALERTS_DB).write_bytes(b"torn" * 100)
    (line,) = arb(*words, "--json").stdout.splitlines()
    assert json.loads(line)["last_alarm"]["rule"] == "lag"
