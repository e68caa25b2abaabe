"""A small form of `tests/soak/socket_chaos.py`: real sockets, faults of the sandbox, a touch that is NaN or true."""

from __future__ import annotations

import pytest
from support.socket_chaos import Report, Truth, run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [7])
def test_every_published_touch_is_true_at_its_id(seed: int) -> None:
    report: Report = run(seed, 4.0)
    assert report.lies == []
    assert report.known > 30
    assert sum(report.hits.values()) >= 3
    assert report.recovered


def test_a_witness_that_received_less_finds_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: of every change the truth is told half."""
    whole = Truth._change

    def halved(self: Truth, bids: list[list[str]], asks: list[list[str]], number: int) -> None:
        whole(self, bids[::2], asks, number)

    monkeypatch.setattr(Truth, "_change", halved)
    assert run(1, 4.0).lies
