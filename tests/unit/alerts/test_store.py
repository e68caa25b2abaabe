"""What a guard keeps of states and messages: each once, however often and by whomever it is said."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from arb.alerts.message import Origin, Transition
from arb.alerts.store import ALERTS_DB, WAITING_MAX, AlertStore

FIRST = Origin("s1-7", "run-7", "sandbox", ("binance_spot",))
SECOND = Origin("s1-8", "run-8", "sandbox", ("binance_spot",))
SINCE_NS = 1_777_636_800_000_000_000
EVERY_NS = 60_000_000_000


def begin(number: int, rule: str = "doubt", text: str = "an order") -> Transition:
    return Transition(number, rule, text, SINCE_NS)


def end(number: int, rule: str = "doubt") -> Transition:
    return Transition(number, rule, "", SINCE_NS, is_over=True)


class Stored:
    """A store, and what it warns of."""

    def __init__(self, folder: Path, *channels: str, every_ns: int = 0) -> None:
        self.warned: list[str] = []
        self.store = AlertStore(folder / ALERTS_DB, channels or ("webhook",), self.warned.append, every_ns)

    def take(self, *transitions: Transition, origin: Origin = FIRST) -> None:
        for one in transitions:
            self.store.take(origin, one, SINCE_NS + 1_000_000_000)

    def sent(self, channel: str = "webhook") -> list[str]:
        """Accepts all messages; their ids."""
        found = []
        while (one := self.store.next(channel)) is not None:
            found.append(one.message["id"])
            self.store.accepted(channel, one.no)
        return found


def test_a_state_is_a_message_when_it_begins_and_one_when_it_ends(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    stored.take(begin(1))
    one = stored.store.next("webhook")
    assert one is not None
    assert one.message == {
        "id": "s1-7-1",
        "event": "begin",
        "rule": "doubt",
        "level": "warning",
        "text": "an order",
        "since": "2026-05-01T12:00:00.000Z",
        "at": "2026-05-01T12:00:01.000Z",
        "session": "run-7",
        "environment": "sandbox",
        "venues": ["binance_spot"],
        "next": "look for the order at the venue, which the session goes on asking",
    }
    stored.take(end(2))
    assert stored.sent() == ["s1-7-1", "s1-7-1-over"]
    assert stored.sent() == []


def test_what_is_said_again_after_a_restart_makes_no_message(tmp_path: Path) -> None:
    said = [begin(1), end(2), begin(3)]
    Stored(tmp_path).take(*said)
    again = Stored(tmp_path)
    again.take(*said, begin(4))
    assert again.sent() == ["s1-7-1", "s1-7-1-over", "s1-7-3"]
    assert again.store.holding() == ["doubt"]


def test_a_session_ends_what_earlier_ones_have_left_but_what_still_holds(tmp_path: Path) -> None:
    Stored(tmp_path).take(begin(1, "key"), begin(2, "failed"))
    stored = Stored(tmp_path)
    stored.take(Transition(1, keeps=("key",)), begin(2, "key"), origin=SECOND)
    assert stored.sent() == ["s1-7-1", "s1-7-2", "s1-7-2-over"]
    assert stored.store.holding() == ["key"]


def test_the_guard_s_own_state_is_one_while_it_holds(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    for now_ns in (SINCE_NS, SINCE_NS + 5):
        stored.store.begin(FIRST, "lost", "silent", now_ns)
    for _ in range(2):
        stored.store.end(SECOND, "lost", SINCE_NS + 9)
    assert stored.sent() == [f"s1-7-lost-{SINCE_NS}", f"s1-7-lost-{SINCE_NS}-over"]


def test_a_state_that_flaps_begins_once_in_a_while_and_its_last_state_is_sent_then(tmp_path: Path) -> None:
    stored = Stored(tmp_path, every_ns=EVERY_NS)

    def at(second: int, *transitions: Transition) -> list[str]:
        for one in transitions:
            stored.store.take(FIRST, one, SINCE_NS + second * 1_000_000_000)
        stored.store.release(SINCE_NS + second * 1_000_000_000)
        return stored.sent()

    assert at(0, begin(1), end(2)) == ["s1-7-1", "s1-7-1-over"], "the end is not held"
    assert at(10, begin(3), end(4), begin(5)) == at(20, end(6)) == at(30, begin(7), end(8)) == []
    assert at(31, begin(9, "unhedged")) == ["s1-7-9"], "each state for itself"
    assert stored.store.waiting() == 1, "the guard does not end before"
    stored = Stored(tmp_path, every_ns=EVERY_NS)  # after a kill
    assert at(59) == []
    stored.store.release(SINCE_NS + 60 * 1_000_000_000)
    one = stored.store.next("webhook")
    assert one is not None
    assert one.message["text"] == "an order (3 times since the last message)"
    assert stored.sent() == ["s1-7-7", "s1-7-7-over"]
    assert stored.store.waiting() == 0
    # It counts from that message; a state that holds then is sent without an end, which follows by itself.
    assert at(119, begin(10)) == at(119) == []
    assert at(120) == ["s1-7-10"]
    assert at(121, end(11)) == ["s1-7-10-over"]
    assert at(180, begin(12)) == ["s1-7-12"]
    assert at(170, end(13), begin(14)) == ["s1-7-12-over", "s1-7-14"], (
        "a clock that was set back holds nothing"
    )


@pytest.mark.parametrize("seed", range(5))
def test_however_a_state_flaps_its_beginnings_are_apart_and_its_last_state_is_the_last_message(
    tmp_path: Path, seed: int
) -> None:
    chance, stored, holds = Random(seed), Stored(tmp_path, every_ns=EVERY_NS), False
    messages: list[tuple[int, str]] = []
    changes = {chance.randrange(600) for _ in range(80)}
    for second in range(700):
        now_ns = SINCE_NS + second * 1_000_000_000
        if second in changes:
            holds = not holds
            number = second + 1
            stored.store.take(FIRST, begin(number) if holds else end(number), now_ns)
        if chance.random() < 0.02:  # the guard is killed
            stored.store.close()
            stored = Stored(tmp_path, every_ns=EVERY_NS)
        stored.store.release(now_ns)
        messages += [(second, one) for one in stored.sent()]
    ids = [one for _, one in messages]
    begun = [(second, one) for second, one in messages if not one.endswith("-over")]
    assert ids == [one for _, id_ in begun for one in (id_, f"{id_}-over")][: len(ids)]
    assert all(later - earlier >= 60 for (earlier, _), (later, _) in pairwise(begun))
    assert len(begun) > 5
    assert ids[-1].endswith("-over") is not holds
    assert (stored.store.holding(), stored.store.waiting()) == (["doubt"] if holds else [], 0)


@pytest.mark.parametrize("rule", ["halted", "failed", "lost"])
def test_what_ends_a_session_is_never_held(tmp_path: Path, rule: str) -> None:
    stored = Stored(tmp_path, every_ns=EVERY_NS)
    stored.take(begin(1, rule), end(2, rule), begin(3, rule))
    assert stored.sent() == ["s1-7-1", "s1-7-1-over", "s1-7-3"]


def test_each_channel_accepts_for_itself_and_one_that_is_gone_waits_for_nothing(tmp_path: Path) -> None:
    stored = Stored(tmp_path, "webhook", "apprise MAIL")
    stored.take(begin(1))
    assert stored.sent("webhook") == ["s1-7-1"]
    assert stored.store.waiting() == 1
    assert Stored(tmp_path, "webhook").store.waiting() == 0


def test_beyond_the_bound_the_oldest_message_is_dropped_and_named(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    for number in range(1, WAITING_MAX + 1, 2):
        stored.take(begin(number), end(number + 1))
    assert stored.warned == []
    stored.take(begin(WAITING_MAX + 1))
    assert stored.warned == ["alerts: webhook: more than 1,000 messages wait: the oldest is dropped"]
    one = stored.store.next("webhook")
    assert one is not None
    assert one.message["id"] == "s1-7-1-over"


def test_a_file_that_cannot_be_used_any_more_is_replaced_by_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Stored(tmp_path)
    stored.take(begin(1))
    stored.store._db.execute("PRAGMA query_only = ON")  # as a full disk: it can be read
    stored.take(end(2))
    assert stored.sent() == ["s1-7-1", "s1-7-1-over"]
    assert len(stored.warned) == 1
    (tmp_path / "file").write_text("")
    unusable = Stored(tmp_path / "file")
    unusable.take(begin(1))
    assert unusable.sent() == ["s1-7-1"]
    assert unusable.warned[0].startswith("alerts: alerts.db cannot be used (")


def test_the_file_is_the_user_s_alone_and_has_no_address(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    stored.take(begin(1))
    assert (tmp_path / ALERTS_DB).stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(tmp_path / ALERTS_DB) as db:
        assert db.execute("SELECT channel FROM waiting").fetchall() == [("webhook",)]
