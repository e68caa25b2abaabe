"""The page's numbers are those of `summary.json` and `status.json`, by their keys, in the report's formats."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.command_line import arb
from support.finished_runs import small_run
from support.watched_folders import WatchedFolder, event

from arb.report.html import page
from arb.report.wording import shown
from arb.results.figures.declared import value_at
from arb.results.figures.summary import GROUPS
from arb.watch.figures import STATUS, sheet_of
from arb.watch.payloads import runs_of
from arb.watch.sessions import Sessions, WatchedSession

#: Kinds of the figures of a summary by key; a number of an item is `N`.
KINDS = {
    ".".join(
        part for part in (group.key, "N" if group.key in ("legs", "pairs") else "", figure.name) if part
    ): figure.kind
    for group in GROUPS
    for figure in group.figures
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[WatchedFolder]:
    with contextlib.closing(WatchedFolder(tmp_path / "a")) as folder:
        yield folder


def session_in(folder: WatchedFolder) -> WatchedSession:
    sessions = Sessions([folder.path])
    sessions.poll()
    (session,) = sessions
    return session


def summary() -> dict[str, Any]:
    return dict(small_run().summary)


def declared(key: str) -> str | None:
    """The kind of a summary's number; None if it is declared nowhere."""
    return KINDS.get(re.sub(r"\.\d+\.", ".N.", key)) or (
        "count" if KINDS.get(key.rpartition(".")[0]) == "counts" else None
    )


def test_numbers_of_a_finished_run_are_its_summary(folder: WatchedFolder) -> None:
    folder.write_status()
    folder.end(summary())
    numbers = sheet_of(session_in(folder))["numbers"]
    own = {key: found for key, found in numbers.items() if not key.startswith(STATUS)}
    assert len(own) > 30
    for key, (text, _, value) in own.items():
        kind = declared(key)
        assert kind is not None, key
        assert value == value_at(summary(), key), key
        assert text == shown(value, kind), key
    # Behind it the rows of attempts have columns of the same names.
    report = page(small_run(), ()).partition("data-attempt")[0]
    in_report = dict(re.findall(r'data-key="([\w.]+)"[^>]*>([^<]*)<', report))
    both = own.keys() & in_report.keys()
    assert len(both) > 20
    assert {key: own[key][0] for key in both} == {key: in_report[key] for key in both}


def test_numbers_of_a_session_that_goes_on_are_its_status(folder: WatchedFolder) -> None:
    status = folder.write_status()
    folder.write_events(
        *(
            event(n, "opportunity", reason=reason)
            for n, reason in enumerate(("busy", "taken", "size", "busy"), 1)
        )
    )
    sheet = sheet_of(session_in(folder))
    as_object, numbers = msgspec.to_builtins(status), sheet["numbers"]
    for key, (_, _, value) in numbers.items():
        if key.startswith(STATUS):
            place, _, name = key.removeprefix(STATUS).rpartition(".")
            assert name in (value_at(as_object, place) if place else as_object), key
            assert value == value_at(as_object, key.removeprefix(STATUS))
        else:
            assert declared(key), key
    expected = {
        "fills": "1,234",
        "pnl_quote": "-0.1235",
        "fee_quote": "12.35",
        "equity.end_quote": "9,999.88",
        "attempts.missed": "80",
        "opportunities.missed": "3",
        "opportunities.missed_by_reason.busy": "2",
    }
    assert {key: numbers[key][0] for key in expected} == expected
    assert numbers["legs.1.position_base"] == ["-0.0125", "short", -0.0125]
    assert numbers["status.legs.1.lag_ms"] == ["-", "unknown", None]
    texts = [
        cell["text"]
        for table in sheet["tables"]
        for _, row in table["rows"]
        for cell in row
        if "text" in cell
    ]
    assert "no book of binance_usdm:BTCUSDT for 31 s" in texts


def test_each_cell_has_its_number(folder: WatchedFolder) -> None:
    folder.write_status()
    for is_over in (False, True):
        if is_over:
            folder.end(summary())
        sheet = sheet_of(session_in(folder))
        cells = [
            cell["key"]
            for table in sheet["tables"]
            for _, row in table["rows"]
            for cell in row
            if "key" in cell
        ]
        assert {*cells, *(key for _, key in sheet["tiles"])} == sheet["numbers"].keys()


@pytest.mark.parametrize("is_over", [False, True])
def test_the_list_has_what_arb_runs_prints(folder: WatchedFolder, is_over: bool) -> None:
    folder.write_status()
    if is_over:
        folder.end(summary())
    sessions = Sessions([folder.path])
    sessions.poll()
    (run,) = runs_of(sessions)["runs"]
    printed = arb("runs", folder.path).stdout.split()
    assert run["fills"][0] in printed
    assert run["profit"][0] in printed
    assert run["profit"] == sheet_of(next(iter(sessions)))["numbers"]["pnl_quote"]


@pytest.mark.parametrize(
    "odd",
    [
        {"fills": "many", "pnl_quote": {}},
        {"legs": 5},
        {"legs": [1]},
        {"opportunities": {"missed_by_reason": [1]}},
    ],
)
def test_a_summary_of_other_types_is_shown_as_it_is(folder: WatchedFolder, odd: dict[str, Any]) -> None:
    folder.write_status()
    folder.end({**summary(), **odd})
    sessions = Sessions([folder.path])
    sessions.poll()
    (session,) = sessions
    assert sheet_of(session)["tables"]
    (run,) = runs_of(sessions)["runs"]
    assert run["state"] == "ended"


def test_a_session_without_status_or_summary_has_a_page(folder: WatchedFolder) -> None:
    assert sheet_of(session_in(folder))["numbers"]["fills"] == ["-", "unknown", None]
    folder.end({})
    assert sheet_of(session_in(folder))["numbers"]["fills"] == ["-", "unknown", None]
