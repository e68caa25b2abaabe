"""The strategy's greenlet: exceptions reach the host, a stop is an answer, and nobody holds the loop for ever."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from support.dry_market import MS, dry_legs, leg, received_rows

from arb.bot.compilation import compile_strategy
from arb.engine.timeline import STOPS_MAX
from arb.runtime.live_rows import LiveDriver
from arb.runtime.replay import replay
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.watermark import VenueSide

pytestmark = pytest.mark.slow


def count_rows(bot, seen):
    """Wakes at every row until the end."""
    while bot.wait_next_feed(True, 60_000_000_000) != 1:
        seen[0] += 1
    return 7


def raise_at(bot, seen, at):
    while bot.wait_next_feed(True, 60_000_000_000) != 1:
        seen[0] += 1
        if seen[0] == at:
            raise ValueError
    return 0


def divide_at(bot, seen, at):
    while bot.wait_next_feed(True, 60_000_000_000) != 1:
        seen[0] += 1
        seen[1] = 1 // (at - seen[0])
    return 0


def never_heed(bot, seen):
    """Goes on whatever the bot answers."""
    while True:
        bot.wait_next_feed(True, 60_000_000_000)
        seen[0] += 1


def clean_up(bot, seen):
    """Cancels its order when it is told to stop, and asks for more."""
    bot.elapse(1_000_000_000)
    bot.submit_buy_order(0, 1, 50_000.0, 0.001, 0, 0, False)
    while bot.wait_next_feed(True, 60_000_000_000) != 1:
        seen[0] += 1
    seen[1] = bot.cancel(0, 1, True)
    seen[2] = bot.submit_buy_order(0, 2, 50_000.0, 0.001, 0, 0, False)
    seen[3] = bot.elapse(1)
    return len(bot.orders(0))


def bot_of(**options: Any) -> DryRunBot:
    return DryRunBot([leg(number) for number in range(2)], **options)


def live(function: Any, *arguments: Any) -> tuple[DryRunBot, StrategyTask, LiveDriver, Any]:
    """A strategy on a live bot, waiting for its first row; what it counts into."""
    bot, seen = bot_of(is_live=True), np.zeros(4, np.int64)
    task = StrategyTask(bot, compile_strategy(function), (bot, seen, *arguments))
    driver = LiveDriver(bot, task, VenueSide(bot.exchanges, 50 * MS, 100 * MS))
    task.resume()
    return bot, task, driver, seen


def batches(steps: int = 200) -> list[Any]:
    """(leg, rows of one local time) of both legs, by time."""
    found = []
    for number in range(2):
        rows = received_rows(number, 1, steps)
        cuts = np.flatnonzero(np.diff(rows["local_ts"])) + 1
        found += [(int(part["local_ts"][0]), number, part) for part in np.split(rows, cuts)]
    return sorted(found, key=lambda each: each[:2])


def test_a_replay_ends_with_the_strategys_value() -> None:
    legs, bot, seen = dry_legs(1, 100), bot_of(), np.zeros(4, np.int64)

    task = replay(bot, [data.arrays for data in legs], compile_strategy(count_rows), (bot, seen))

    assert (task.value, task.error, task.is_alive) == (7, None, False)
    assert seen[0] > 100
    assert bot.world.heartbeat >= seen[0]
    assert not task.resume()


@pytest.mark.parametrize(("function", "kind"), [(raise_at, ValueError), (divide_at, ZeroDivisionError)])
def test_what_the_strategy_raises_reaches_the_host(function: Any, kind: type[Exception]) -> None:
    for at in range(1, 21):
        _, task, driver, seen = live(function, at)
        for now, leg_no, rows in batches(40):
            if not driver.on_rows(leg_no, rows, now):
                break
        assert isinstance(task.error, kind)
        assert seen[0] == at
        assert not task.is_alive


def test_a_stop_is_the_answer_1() -> None:
    bot, task, driver, seen = live(clean_up)
    for now, leg_no, rows in batches():
        driver.on_rows(leg_no, rows, now)
    received = int(seen[0])

    assert task.is_alive
    assert driver.stop()

    assert task.error is None
    assert seen[0] == received > 50
    assert list(seen[1:]) == [0, 1, 1], "the cancel goes out, nothing else does"
    assert task.value == 1
    assert bot.is_stopped


def test_a_stop_before_the_first_row() -> None:
    _, task, driver, _ = live(count_rows)

    assert driver.stop()
    assert task.value == 7


def test_a_stop_before_the_strategy_has_begun() -> None:
    bot, seen = bot_of(), np.zeros(4, np.int64)
    task = StrategyTask(bot, compile_strategy(count_rows), (bot, seen))

    assert task.stop()
    assert (task.value, seen[0]) == (7, 0)


def test_a_strategy_that_does_not_heed_a_stop_is_parked() -> None:
    _, task, driver, seen = live(never_heed)
    for now, leg_no, rows in batches(40):
        driver.on_rows(leg_no, rows, now)
    received = int(seen[0])

    assert not driver.stop()
    assert seen[0] == received + STOPS_MAX
    assert not task.stop(), "again and again"
    assert seen[0] == received + STOPS_MAX


def test_the_heartbeat_stands_still_only_without_calls() -> None:
    bot, _, driver, seen = live(count_rows)
    beats = []
    for now, leg_no, rows in batches(40):
        driver.on_rows(leg_no, rows, now)
        beats.append(bot.world.heartbeat)
    assert len(set(beats)) > 10
    assert beats == sorted(beats)
    assert beats[-1] >= seen[0]


def test_a_task_that_was_stopped_frees_its_bot() -> None:
    bot, task, driver, _ = live(count_rows)
    for now, leg_no, rows in batches(20):
        driver.on_rows(leg_no, rows, now)
    kept = weakref.ref(bot)
    driver.stop()

    del bot, task, driver
    gc.collect()

    assert kept() is None


def test_an_interruption_while_switching_stops_the_strategy_and_is_received(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    legs, bot, seen = dry_legs(1, 100), bot_of(), np.zeros(4, np.int64)

    def interrupted(_task: StrategyTask) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(StrategyTask, "park", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replay(bot, [data.arrays for data in legs], compile_strategy(count_rows), (bot, seen), piece_rows=10)
    assert seen[0] < 100


def test_it_runs_beside_an_event_loop() -> None:
    bot, task, driver, seen = live(count_rows)
    ticks = []

    async def feed() -> None:
        for now, leg_no, rows in batches(60):
            driver.on_rows(leg_no, rows, now)
            await asyncio.sleep(0)
        driver.stop()

    async def tick() -> None:
        while task.is_alive:
            ticks.append(int(seen[0]))
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(feed(), tick())

    asyncio.run(both())
    assert task.value == 7
    assert len(set(ticks)) > 20
    assert bot.world.lost == 0


def test_another_thread_may_run_a_task_of_its_own() -> None:
    legs, values = dry_legs(1, 60), []

    def run() -> None:
        bot, seen = bot_of(), np.zeros(4, np.int64)
        task = replay(bot, [data.arrays for data in legs], compile_strategy(count_rows), (bot, seen))
        values.append((task.value, int(seen[0])))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(values) == 2
    assert values[0] == values[1]
