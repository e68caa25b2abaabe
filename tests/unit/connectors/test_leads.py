"""Leads of a recording: those of honest stamps are the plain largest, and stamps that are refuted are left out."""

from __future__ import annotations

import numpy as np
import pytest
from hftbacktest.types import event_dtype
from hypothesis import given
from hypothesis import strategies as st

from connectors.feed.leads import CONFIRMING_MESSAGES, LeadFinder, WrongStamps
from connectors.model import MESSAGE_DTYPE, Kind

S = 1_000_000_000
MS = 1_000_000
T0 = 1_704_067_200 * S
MARKET = [kind for kind in Kind if kind not in (Kind.CONTROL, Kind.OTHER, Kind.FUNDING)]


def finder_of(stamps: list[tuple[Kind, int, int]], *, at_once: int = 7) -> LeadFinder:
    """`stamps`: (kind, local time, venue time) of messages with one row."""
    found = LeadFinder()
    for start in range(0, len(stamps), at_once):
        part = stamps[start : start + at_once]
        rows, messages = np.zeros(len(part), event_dtype), np.zeros(len(part), MESSAGE_DTYPE)
        for n, (kind, local_ts, exch_ts) in enumerate(part):
            rows[n]["local_ts"], rows[n]["exch_ts"] = local_ts, exch_ts
            messages[n]["kind"], messages[n]["row_start"], messages[n]["row_end"] = kind, n, n + 1
        found.receive(rows, messages)
    return found


def calm(count: int, behind_ns: int = 1_270 * MS, kind: Kind = Kind.DELTA) -> list[tuple[Kind, int, int]]:
    """Frames every 100 ms that take 5 to 14 ms, on a clock that is behind."""
    return [
        (kind, T0 + n * 100 * MS, T0 + n * 100 * MS + behind_ns - (5 + n * 7 % 10) * MS) for n in range(count)
    ]


@given(
    st.lists(st.tuples(st.sampled_from(MARKET), st.integers(0, 200 * MS)), min_size=1, max_size=80),
    st.integers(-5 * S, 5 * S),
    st.lists(st.integers(-9 * S, 0), max_size=5),
)
def test_the_lead_of_honest_stamps_is_the_largest(
    frames: list[tuple[Kind, int]], behind_ns: int, backlogs: list[int]
) -> None:
    """Whatever frames took, and wherever the line was slow: the venue's clock goes on, but for disorder of 200 ms."""
    stamps = []
    for n, (kind, took) in enumerate(frames):
        late = -backlogs[n * len(backlogs) // len(frames)] if backlogs else 0
        exch_ts = T0 + n * 300 * MS
        stamps.append((kind, exch_ts - behind_ns + took + late, exch_ts))
    found = finder_of(stamps)
    assert found.lead_ns == max(exch_ts - local_ts for _, local_ts, exch_ts in stamps)
    assert found.wrong == []


def test_funding_data_does_not_count() -> None:
    ahead = [(Kind.FUNDING, local_ts, exch_ts + 500 * MS) for _, local_ts, exch_ts in calm(40)]
    assert finder_of([*calm(40), *ahead]).lead_ns == finder_of(calm(40)).lead_ns
    assert finder_of(ahead).lead_ns is None


def test_without_venue_times_there_is_no_lead() -> None:
    assert finder_of([(Kind.BBO, T0, 0)]).lead_ns is None


@pytest.mark.parametrize("ahead_ns", [3 * S, 3_480 * S, 86_400 * S])
@pytest.mark.parametrize("place", [0, 100, 199])
def test_one_wrong_stamp_is_left_out_and_counted(ahead_ns: int, place: int) -> None:
    stamps, clean = calm(200), finder_of(calm(200)).lead_ns
    local_ts = stamps[place][1] + 1
    for kind in (Kind.DELTA, Kind.TRADE):
        wrong = (kind, local_ts, local_ts + ahead_ns)
        found = finder_of([*stamps[: place + 1], wrong, *stamps[place + 1 :]])
        assert found.lead_ns == clean
        assert found.wrong == [WrongStamps(kind, 1, ahead_ns, local_ts)]


@pytest.mark.parametrize("ahead_ns", [-10 * S, 2 * S, 600 * S])
def test_a_clock_that_jumps_for_a_while_is_left_out(ahead_ns: int) -> None:
    stamps, clean = calm(900), finder_of(calm(900)).lead_ns
    stamps[300:400] = [(kind, local, exch + ahead_ns) for kind, local, exch in stamps[300:400]]
    found = finder_of(stamps)
    assert found.lead_ns == clean
    if ahead_ns > 0:
        [wrong] = found.wrong
        assert (wrong.kind, wrong.messages, wrong.local_ts) == (Kind.DELTA, 100, stamps[300][1])
    else:
        assert found.wrong == []


def test_a_local_clock_that_is_set_stays_what_it_was() -> None:
    """The recorder's clock was 5 s behind until it was set: those rows need the offset."""
    stamps = calm(400, behind_ns=0)
    stamps[:100] = [(kind, local - 5 * S, exch) for kind, local, exch in stamps[:100]]
    found = finder_of(stamps)
    assert found.lead_ns == 5 * S - 5 * MS
    assert found.wrong == []


def test_a_handful_of_frames_is_believed() -> None:
    stamps = calm(CONFIRMING_MESSAGES // 2)
    stamps[2] = (Kind.DELTA, T0, T0 + 9 * S)
    assert finder_of(stamps).lead_ns == 9 * S


@pytest.mark.parametrize("spells", [3, 200])
def test_many_wrong_stamps_and_leads_that_rise_all_day_are_bounded(spells: int) -> None:
    stamps = [(Kind.BBO, T0 + n * 10 * MS, T0 + n * 10 * MS + n * 5_000) for n in range(20_000)]
    for n in range(spells):
        kind, local, exch = stamps[60 * n]
        stamps[60 * n] = (kind, local, exch + 2 * S)
    found = finder_of(stamps, at_once=1_000)
    assert found.lead_ns == 19_999 * 5_000
    assert [wrong.messages for wrong in found.wrong] == [spells]
