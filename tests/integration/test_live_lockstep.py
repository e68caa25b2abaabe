"""One short lock-step session of each kind of strategy; `python -m tests.parity.live` runs many."""

from __future__ import annotations

import pytest
from parity.live import check

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("pair", "kind"), [("spot-spot", "spread"), ("usdm-linear", "random")])
def test_a_session_on_a_simulated_network_is_a_dry_run(pair: str, kind: str) -> None:
    found = check(pair, kind, 0, 15.0)
    assert found.differing == []
    assert found.fills > 0
    assert found.requests > 0
