"""Eighty seconds of a live session with faults of every kind; `python -m tests.soak.live_soak` runs hours."""

from __future__ import annotations

from pathlib import Path

import pytest
from soak.live_soak import FAULTS, soak

from arb.execution import order_states

pytestmark = pytest.mark.slow


def test_a_session_with_faults_ends_as_the_ledger_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps so few orders whole that most have ended long ago."""
    monkeypatch.setattr(order_states, "FINALS_MAX", 20)
    found = soak(tmp_path, "usdm-spot", 3, 80.0 / 3600.0, every_s=60.0, looks=2)
    assert found.wrong == []
    assert found.faults.keys() >= {fault.kind for fault in FAULTS} - {"key_expired"}
    assert found.requests > found.orders > 90
    assert found.executions > 50
    assert found.doubts.total() > 10
