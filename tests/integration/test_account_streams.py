"""Streams of accounts that fall silent, or are lost while the machine's clock is wrong, on simulated time."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import live_net
from support.resting_lines import VENUES, RestingLines, Still

from arb.sandbox.faults import Fault, FaultKind
from connectors.units import SECOND

SPOT = ("binance_spot", "bybit_spot")


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_net, "SeededTape", Still)


def lost(venue: str, at_s: float) -> Fault:
    return Fault(FaultKind.USER_LOST, venue=venue, at_s=at_s)


@pytest.mark.parametrize("off_s", [-5, 5])
@pytest.mark.parametrize("venues", [SPOT, VENUES])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stream_is_up_again_while_our_clock_is_wrong(
    tmp_path: Path, venues: tuple[str, str], off_s: int, when: str
) -> None:
    """The clock is set wrong before the streams are lost, or while they are: nothing asks for the venue's time then."""
    lines = RestingLines(tmp_path, *(lost(venue, 20.0) for venue in venues), switch="off", venues=venues)
    assert all(desk.is_up for desk in lines.desks.values())
    lines.pass_time(10.0 if when == "before" else 18.02)
    lines.client.skew_ns = off_s * SECOND
    lines.pass_time(8.02 if when == "before" else 0.0)
    lines.pass_time(0.1)
    assert not any(desk.is_up for desk in lines.desks.values())
    lines.pass_time(12.0)
    assert all(desk.is_up for desk in lines.desks.values()), lines.events


def test_a_clock_that_is_set_right_again(tmp_path: Path) -> None:
    lines = RestingLines(tmp_path, lost(SPOT[0], 20.0), switch="off", venues=SPOT)
    lines.client.skew_ns = 5 * SECOND
    lines.pass_time(18.02)
    lines.client.skew_ns = 0
    lines.pass_time(0.1)
    assert not lines.desks[SPOT[0]].is_up
    lines.pass_time(15.0)
    assert lines.desks[SPOT[0]].is_up, lines.events


@pytest.mark.parametrize("venues", [SPOT, VENUES])
def test_a_network_that_falls_silent_is_noticed_within_five_seconds(
    tmp_path: Path, venues: tuple[str, str]
) -> None:
    silent = [Fault(FaultKind.HALF_OPEN, venue=venue, at_s=10.0, duration_s=0.0) for venue in venues]
    lines = RestingLines(tmp_path, *silent, switch="off", venues=venues)
    lines.pass_time(7.9)
    assert all(desk.is_up for desk in lines.desks.values())
    lines.pass_time(5.1)
    assert [venue for venue, event, _ in lines.events if event == "away"] == list(venues)
    lines.pass_time(2.0)
    assert all(desk.is_up for desk in lines.desks.values()), lines.events
