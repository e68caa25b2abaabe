"""The journal of a session has every order and execution of it, and what it does not take is not sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hftbacktest.order import CANCELED, EXPIRED, FILLED
from parity.live import PAIRS, SETTINGS, STRATEGIES, first_exch_ts, made_of
from support.journals import reader_at
from support.live_world import JournaledSession, config_of

from arb.bot.recorder import Recorder
from arb.commands.order_setup import derived_orders, written_lines
from arb.execution.ids import ids_of
from arb.journal.journal import JournalError
from arb.journal.schema import Intent
from arb.runtime.private_log import Mark, finish_private, read_private

pytestmark = pytest.mark.slow

PAIR = "spot-linear"
_ENDS = {"filled": FILLED, "canceled": CANCELED, "expired": EXPIRED}


def session(folder: Path, kind: str) -> JournaledSession:
    config = config_of(PAIRS[PAIR], *SETTINGS, *STRATEGIES[kind](0))
    made = made_of(config, Recorder(2))
    return JournaledSession(config, 0, folder, made, start_ts=first_exch_ts(PAIR, 0))


def test_the_journal_has_the_orders_and_executions_of_the_session(tmp_path: Path) -> None:
    live = session(tmp_path / "run", "random")
    live.run(8.0)
    found = live.orders.records()
    states = {(int(one["leg"]), int(one["request_no"])): one for one in found.states}
    with reader_at(tmp_path / "run" / "state") as reader:
        orders = {(one.leg, one.placed): one for one in reader.orders()}
        assert reader.orders(open_only=True) == []
        trades = reader.executions()
        positions = {one.venue: one.lots for one in reader.positions()}
        (run,) = reader.runs()
        assert (run.outcome, reader.is_running) == ("ended", False)
        agreed = reader.reconciliations()
        assert {account: one.is_agreed for account, one in agreed.items()} == {
            f"{leg.venue}-1": True for leg in live.legs
        }
        assert all(one.ts >= live.end_ts for one in agreed.values())
    assert len(orders) > 50
    assert len(trades) > 20
    # What the gateway refused at once was never on its way.
    assert {key for key, one in states.items() if one["phase"] == 3} <= orders.keys() <= states.keys()
    for key, order in orders.items():
        state = states[key]
        assert order.filled_lots == int(state["executed_lots"]), key
        assert _ENDS[order.status] == int(state["end"]), key
    listed = Counter(
        (int(x["leg"]), x["id"].decode(), int(x["lots"]), int(x["tick"])) for x in found.executions
    )
    sizes = [(leg.lot_size_text, leg.tick_size_text) for leg in live.legs]
    assert listed == Counter(
        (one.leg, one.execution_id, whole(one.qty, sizes[one.leg][0]), whole(one.price, sizes[one.leg][1]))
        for one in trades
    )
    for no, leg in enumerate(live.legs):
        own = [one for one in found.executions if one["leg"] == no]
        assert positions[leg.venue] == sum(int(one["side"]) * int(one["lots"]) for one in own)


def test_what_the_journal_does_not_take_is_never_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = session(tmp_path / "run", "random")
    commit, steps = live.journal.commit_step, []

    def full(intents: Sequence[Intent]) -> None:
        steps.append(len(intents))
        if len(steps) > 20:
            raise JournalError("the disk is full; make room")
        commit(intents)

    monkeypatch.setattr(live.journal, "commit_step", full)
    with pytest.raises(JournalError, match="the disk is full"):
        live.run(8.0)
    assert len(steps) == 21  # nothing is tried again
    live.session.fault = None
    live.end()

    assert live.gateway.open_orders == []
    assert isinstance(live.orders.fault, JournalError)
    found = live.orders.records()
    finish_private(live.folder)
    placed = [
        line.text
        for leg in live.legs
        for line in read_private(live.folder, leg.venue)
        if line.mark == Mark.EVENT and line.text.startswith("sent ") and line.text.endswith(("p", "c", "a"))
    ]
    assert len(placed) == sum(steps[:20])
    left = found.requests[found.requests["taken_ns"] == 0]
    assert len(left) >= steps[20]
    assert not left["is_sent"].any()
    with reader_at(live.folder / "state") as reader:
        assert reader.orders(open_only=True) == []
    lines = written_lines(live.folder, live.legs)
    ids = ids_of(live.orders.head)
    assert derived_orders(live.config, live.legs, ids, lines, found, "the disk is full").differences == []


def whole(number: Any, step: str) -> int:
    return int(number / type(number)(step))
