"""A session over midnight UTC: recording and private frames have a file for each day, the journal is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from parity.live import PAIRS, SETTINGS, STRATEGIES, first_exch_ts, made_of
from support import live_net, live_world, net_timers
from support.dry_market import START_NS
from support.journals import reader_at
from support.live_world import JournaledSession, config_of

from arb.bot.recorder import Recorder
from arb.commands.order_setup import derived_orders, written_lines
from arb.execution.ids import ids_of
from arb.runtime.private_log import finish_private
from connectors.units import DAY, SECOND

pytestmark = pytest.mark.slow

PAIR = "spot-linear"
MIDNIGHT_NS = START_NS - START_NS % DAY + DAY
DAYS = ("20240101", "20240102")


def test_files_of_a_session_rotate_at_midnight_and_are_proven_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (live_net, live_world, net_timers):
        monkeypatch.setattr(module, "START_NS", MIDNIGHT_NS - 6 * SECOND)
    config = config_of(PAIRS[PAIR], *SETTINGS, *STRATEGIES["random"](0))
    start_ts = first_exch_ts.__wrapped__(PAIR, 0)  # not the one that other tests keep
    live = JournaledSession(config, 0, tmp_path / "run", made_of(config, Recorder(2)), start_ts=start_ts)
    live.run(9.0)
    finish_private(live.folder)

    for leg in live.legs:
        names = {path.name for path in (live.folder / "private").rglob(f"{leg.venue}*.gz")}
        assert names == {f"{leg.venue}_{day}.gz" for day in DAYS}
        recorded = {path.name for path in (live.folder / "recording" / leg.venue).rglob("*.gz")}
        assert {name for name in recorded if any(day in name for day in DAYS)} == recorded
        assert all(any(day in name for name in recorded) for day in DAYS), recorded
    with reader_at(live.folder / "state") as reader:
        days = {(one.ts - MIDNIGHT_NS) // DAY for one in reader.executions()}
        assert days == {-1, 0}
        (run,) = reader.runs()
        assert run.outcome == "ended"
    lines = written_lines(live.folder, live.legs)
    derived = derived_orders(live.config, live.legs, ids_of(live.orders.head), lines, live.orders.records())
    assert derived.differences == []
