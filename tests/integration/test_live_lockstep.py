"""One short lock-step session of each kind of strategy; `python -m tests.parity.live` runs many."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import NEW
from parity.live import check, first_exch_ts, made_of, session_config
from support.live_world import LiveSession
from support.published_session import Follower, PublishedSession, traded

from arb.alerts.rules import SHIPPED
from arb.alerts.store import Known
from arb.bot.recorder import Recorder
from arb.results.event_log import read_events
from arb.runtime.path_warming import ScratchOrders
from arb.watch.alerts import WatchAlerts

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("pair", "kind"), [("spot-spot", "spread"), ("usdm-linear", "random")])
def test_a_session_on_a_simulated_network_is_a_dry_run(pair: str, kind: str) -> None:
    found = check(pair, kind, 0, 15.0)
    assert found.differing == []
    assert found.fills > 0
    assert found.requests > 0


def warmed(live: LiveSession) -> ScratchOrders:
    """From now on the code of orders runs on scratch objects before each row of the session."""
    scratch, on_rows = ScratchOrders(live.orders._setup), live.driver.on_rows

    def warm_and_take(leg_no: int, rows: Any, now_ns: int) -> bool:
        for part in scratch.parts():
            part()
        return on_rows(leg_no, rows, now_ns)

    live.driver.on_rows = warm_and_take  # type: ignore[method-assign]
    return scratch


def test_a_session_is_the_same_with_a_watcher_that_follows_it_and_its_code_kept_warm(tmp_path: Path) -> None:
    config, first_ts = session_config("spot-spot", "spread", 0), first_exch_ts("spot-spot", 0)
    recorders = Recorder(len(config.legs)), Recorder(len(config.legs))
    alone = LiveSession(config, 0, tmp_path / "alone", made_of(config, recorders[0]), start_ts=first_ts)
    folder, made = tmp_path / "runs" / "followed", made_of(config, recorders[1])
    followed = PublishedSession(config, 0, folder, made, recorders[1], start_ts=first_ts)
    rules, known = list(SHIPPED.values()), Known({}, {}, 0, {})
    follower = Follower(folder.parent, WatchAlerts(rules, {}, known, lambda work: None, time.time_ns()))
    followed.on_second = follower.look
    scratch = warmed(followed)
    assert traded(alone, recorders[0], 15.0) == traded(followed, recorders[1], 15.0)
    assert scratch.gateway.fault is None
    scratch.free()

    # The watcher has seen it; and the quantities in the events are those of the requests.
    session = follower.look()
    assert session.status is not None
    assert session.counts["fill"] == len(followed.bot.fills)
    assert session.thinned is not None
    assert np.isfinite(session.thinned.rows["pnl_quote"]).sum() > 2
    requests = followed.orders.records().requests
    placed = {
        (int(one["leg"]), int(one["row"]["order_id"])): float(one["row"]["qty"])
        for one in requests
        if one["row"]["req"] == NEW
    }
    legs = [leg.name for leg in followed.legs]
    events = [one for one in session.trading if one.event in ("order", "chase", "reverse")]
    assert len(events) > 100
    assert {
        (legs.index(str(one.data["leg"])), one.data["order_id"]): one.data["qty"] for one in events
    } == placed
    assert read_events(followed.folder)[0][-1].event == "end"
