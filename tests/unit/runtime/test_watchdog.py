"""The watchdog tells a strategy that never comes back from one that works."""

from __future__ import annotations

import threading
import time
from itertools import count

import pytest

from arb.runtime.watchdog import Watchdog

LIMIT_S = 0.12


def reported(
    entered_ns: int, *, is_calling: bool, may_be_busy: bool = False, is_paused: bool = False
) -> list[str]:
    """What a watchdog says within some limits' time."""
    said: list[str] = []
    received = threading.Event()
    beats = count()

    def on_hang(text: str) -> None:
        said.append(text)
        received.set()

    dog = Watchdog(
        lambda: entered_ns,
        lambda: next(beats) if is_calling else 0,
        LIMIT_S,
        on_hang,
        may_be_busy=may_be_busy,
    )
    dog.start()
    if is_paused:
        with dog.paused():
            received.wait(4 * LIMIT_S)
    else:
        received.wait(20 * LIMIT_S if entered_ns and not (is_calling and may_be_busy) else 4 * LIMIT_S)
    dog.close()
    return said


def test_a_strategy_that_waits_is_left_alone() -> None:
    assert reported(0, is_calling=False) == []


@pytest.mark.parametrize(
    ("is_calling", "text"), [(False, "without calling the bot"), (True, "calls the bot, but never waits")]
)
def test_one_that_does_not_come_back_is_reported_of_once(is_calling: bool, text: str) -> None:
    said = reported(time.monotonic_ns(), is_calling=is_calling)

    assert len(said) == 1
    assert text in said[0]


def test_in_a_replay_one_that_calls_the_bot_is_at_work() -> None:
    assert reported(1, is_calling=True, may_be_busy=True) == []
    assert len(reported(1, is_calling=False, may_be_busy=True)) == 1


def test_a_pause_does_not_count() -> None:
    assert reported(1, is_calling=False, may_be_busy=True, is_paused=True) == []
