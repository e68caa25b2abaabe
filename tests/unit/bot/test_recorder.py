"""The recorder against hftbacktest's, its growth and its bound."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest import HashMapMarketDepthBacktest
from hftbacktest import Recorder as TheirRecorder
from hftbacktest.types import record_dtype
from numba import njit

from arb.backtest.bot import hashmap_bot
from arb.bot.account import ACCOUNT
from arb.bot.compilation import compile_strategy
from arb.bot.log import GrowingLog
from arb.bot.recorder import DECISION, Recorder


def session(bot, recorder, steps):
    """Buys now and then, and records every millisecond."""
    for step in range(steps):
        if bot.elapse(1_000_000) != 0:
            break
        if step % 10 == 5:
            bot.submit_buy_order(0, step, bot.depth(0).best_ask, 1.0, 0, 0, False)
        recorder.record(bot)
    return bot.current_timestamp


def decisions(recorder, count):
    for index in range(count):
        recorder.decide(index, 3, index // 2, index % 2, index + 2**63, 0.5 * index)


@pytest.fixture
def markets(random_market: Any) -> list[np.ndarray[Any, Any]]:
    return [random_market(1, 200), random_market(2, 200)]


@pytest.mark.slow
def test_records_are_those_of_hftbacktest(markets: Any, asset: Any, tmp_path: Path) -> None:
    theirs = TheirRecorder(2, 1000)
    njit(session)(HashMapMarketDepthBacktest([asset(m) for m in markets]), theirs.recorder, 150)
    shared = Recorder(2, rows=4)
    njit(session)(HashMapMarketDepthBacktest([asset(m) for m in markets]), shared, 150)
    ours = Recorder(2, rows=4)
    bot = hashmap_bot([asset(m) for m in markets], markets)
    compile_strategy(session)(bot, ours.recorder, 150)

    for recorder in (shared, ours):
        for asset_no in range(2):
            for name in record_dtype.names or ():
                np.testing.assert_array_equal(recorder.get(asset_no)[name], theirs.get(asset_no)[name])
            for name in ACCOUNT.names or ():
                assert not recorder.get(asset_no)[name].any()
    assert len(ours.records) == 150
    assert ours.get(0)["num_trades"][-1] > 5

    theirs.to_npz(str(tmp_path / "theirs.npz"))
    ours.to_npz(tmp_path / "ours.npz")
    saved = [np.load(tmp_path / name) for name in ("theirs.npz", "ours.npz")]
    assert sorted(saved[0].keys()) == sorted(saved[1].keys()) == ["0", "1"]
    np.testing.assert_array_equal(saved[0]["1"]["balance"], saved[1]["1"]["balance"])


def test_decisions_are_kept_in_order() -> None:
    recorder = Recorder(1, rows=2)

    compile_strategy(decisions)(recorder, 1000)

    rows = recorder.decisions
    assert rows.dtype == DECISION
    assert rows["timestamp"].tolist() == list(range(1000))
    assert rows["leg"].tolist() == [0, 1] * 500
    assert int(rows["order_id"][5]) == 2**63 + 5
    assert rows["value"][999] == 499.5
    assert recorder.dropped == {"records": 0, "decisions": 0}


def test_rows_beyond_the_bound_are_dropped_and_counted() -> None:
    recorder = Recorder(1, rows=4, rows_max=100)

    compile_strategy(decisions)(recorder, 1000)

    assert len(recorder.decisions) == 100
    assert recorder.decisions["timestamp"][-1] == 99
    assert recorder.dropped == {"records": 0, "decisions": 900}


def test_rows_taken_before_a_growth_stay_as_they_were() -> None:
    recorder = Recorder(1, rows=4)
    strategy = compile_strategy(decisions)
    strategy(recorder, 3)
    before = recorder.decisions

    strategy(recorder, 5000)

    assert before["timestamp"].tolist() == [0, 1, 2]
    assert len(recorder.decisions) == 5003


def test_another_thread_reads_whole_rows_while_the_strategy_writes() -> None:
    recorder = Recorder(1, rows=4)
    strategy = compile_strategy(decisions)
    strategy(recorder, 1)
    thread = threading.Thread(target=strategy, args=(recorder, 2_000_000))
    thread.start()

    faults = 0
    while thread.is_alive():
        rows = recorder.decisions[1:]
        faults += int((rows["timestamp"] != np.arange(len(rows))).sum())
        faults += int((rows["value"] != 0.5 * np.arange(len(rows))).sum())

    thread.join()
    assert faults == 0
    assert len(recorder.decisions) == 2_000_001


def test_a_recorder_of_fewer_assets_records_the_first_ones(markets: Any, asset: Any) -> None:
    recorder = Recorder(1)
    bot = hashmap_bot([asset(m) for m in markets], markets)

    compile_strategy(session)(bot, recorder, 5)

    assert recorder.records.shape == (5, 1)


def test_a_log_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="rows"):
        GrowingLog(DECISION, rows=0)
    with pytest.raises(ValueError, match="one asset"):
        Recorder(0)
