"""The page's table of attempts."""

from __future__ import annotations

from pathlib import Path

from support.watched_folders import LEGS, WatchedFolder, event

from arb.watch.attempts import SHOWN_MAX, attempt_lines
from arb.watch.figures import sheet_of
from arb.watch.sessions import Sessions

WAY = {"buy": LEGS[0], "sell": LEGS[1]}


def test_an_attempt_has_its_edge_its_quantities_and_what_has_become_of_it() -> None:
    events = [
        event(1, "attempt", attempt=1, **WAY, edge_bps=12.345, buy_qty=0.5, sell_qty=0.25, purpose=None),
        event(2, "fill", attempt=1, leg=LEGS[0], price=1.0),
        event(3, "hedged", attempt=1, outcome="hedged", qty=0.25, profit=-1.5),
        event(
            4, "attempt", attempt=2, **WAY, edge_bps=None, buy_qty=None, sell_qty=None, purpose="stop loss"
        ),
        event(5, "missed", attempt=2, outcome="missed"),
        event(6, "attempt", attempt=3, **WAY, edge_bps=9.0, buy_qty=0.1, sell_qty=0.1, purpose=None),
    ]
    third, second, first = attempt_lines(reversed(events))
    assert first == (
        "1", ["00:00:01.000", f"0.5 {LEGS[0]}", f"0.25 {LEGS[1]}", "+12.345 bps", "0.25 hedged", "-1.50"]
    )  # fmt: skip
    assert second == ("2", ["00:00:04.000", LEGS[0], LEGS[1], "-", "missed, stop loss", "-"])
    assert third[1][4:] == ["under way", "-"]


def test_the_page_has_the_last_attempts_of_any_file(tmp_path: Path) -> None:
    folder = WatchedFolder(tmp_path / "a")
    folder.write_status()
    folder.write_events(*(event(n, "attempt", attempt=n, **WAY) for n in range(1, 30)))
    # Of other types than a session writes.
    folder.write_events(event(30, "attempt", attempt="\x1b[31m", buy=7, edge_bps="x", buy_qty="<b>"))
    sessions = Sessions([tmp_path])
    sessions.poll()
    (session,) = sessions
    (table,) = [one for one in sheet_of(session)["tables"] if one["title"] == "Last attempts"]
    assert len(table["rows"]) == SHOWN_MAX
    assert table["rows"][0][0] == "\\x1b[31m"
    assert [cell["text"] for cell in table["rows"][0][1]][1:4] == ["7", "-", "-"]
    folder.close()
