"""Random histories: what the desk says has happened at the venue, whatever the channel loses, repeats or delays.

`python -m tests.soak.order_states` runs 100,000 of them.
"""

from __future__ import annotations

import pytest
from support.venue_history import History
from support.venue_model import STYLES, Faults


@pytest.mark.parametrize("style", STYLES)
def test_without_faults_every_request_is_answered_without_a_doubt(style: str) -> None:
    for seed in range(40):
        history = History(seed, style, Faults())
        history.run()
        assert not history.desk.facts.doubts


@pytest.mark.slow
def test_with_faults_nothing_wrong_is_said_and_every_doubt_ends() -> None:
    for seed in range(300):
        History(seed).run()
