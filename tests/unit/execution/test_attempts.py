"""The attempt of an order, from the strategy's own log."""

from __future__ import annotations

import numpy as np

from arb.bot.recorder import DECISION
from arb.execution.attempts import LINES_MAX, Attempts
from arb.execution.ids import ATTEMPT_MAX


def decisions(*lines: tuple[int, int, int]) -> np.ndarray:
    """lines: attempt, leg, order id."""
    return np.array([(1, 2, *line, 0.5) for line in lines], DECISION)


def test_the_latest_line_of_an_order_counts() -> None:
    log = decisions((4, 0, 7), (5, 0, 7), (5, 1, 8))
    attempts = Attempts()
    attempts.decisions = lambda: log
    attempts.read()
    assert (attempts.of(0, 7), attempts.of(1, 8), attempts.of(1, 7)) == (5, 5, 0)


def test_a_line_belongs_to_its_step_alone() -> None:
    logs = [decisions((5, 0, 7)), decisions((5, 0, 7), (6, 0, 9)), decisions((5, 0, 7), (6, 0, 9))]
    attempts = Attempts()
    found = []
    for log in logs:
        attempts.decisions = lambda log=log: log
        attempts.read()
        found.append((attempts.of(0, 7), attempts.of(0, 9)))
    # An id may be used again, by an order that belongs to no attempt.
    assert found == [(5, 0), (0, 6), (0, 0)]


def test_a_strategy_without_a_log_has_attempt_0() -> None:
    attempts = Attempts()
    attempts.read()
    assert attempts.of(0, 1) == 0


def test_of_many_lines_the_latest_are_read_and_numbers_fit_into_an_id() -> None:
    log = decisions(
        (3, 0, 1), *((ATTEMPT_MAX + 5, 0, no) for no in range(2, LINES_MAX + 1)), (-4, 0, LINES_MAX + 1)
    )
    attempts = Attempts()
    attempts.decisions = lambda: log
    attempts.read()
    assert (attempts.of(0, 1), attempts.of(0, 2), attempts.of(0, LINES_MAX + 1)) == (0, ATTEMPT_MAX, 0)
