"""Signals at random moments of a start; the long form is `python tests/soak/signals.py --cold 100 --warm 200`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.signal_soak import one_signal

pytestmark = pytest.mark.slow

#: Seconds a command may take to end behind the compilation step that was running, with room for a busy machine.
TAKES_S = 60.0


@pytest.mark.parametrize(("is_cold", "latest_s", "count"), [(True, 8.0, 1), (False, 3.0, 1)])
def test_a_signal_at_any_moment_ends_a_session_and_leaves_nothing_half_done(
    is_cold: bool, latest_s: float, count: int, tmp_path: Path
) -> None:
    source = random.Random(7)
    found = [one_signal(tmp_path / str(n), source, latest_s, is_cold=is_cold) for n in range(count)]
    assert [one for one in found if one.fault] == []
    assert max(one.took_s for one in found) < TAKES_S
