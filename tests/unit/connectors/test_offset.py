"""The offset of live feeds: what moves it, how soon, and that one venue's clock does not move another's rows."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sim_time import SimTimers

from connectors.feed.clock_offset import (
    AGREE_NS,
    BIN_NS,
    LEAD_NS_MAX,
    PATIENCE_NS,
    SLACK_NS,
    SLOT_NS,
    SLOTS,
    OffsetEstimator,
    VenueLead,
)
from connectors.feed.lags import ClockSample

S = 1_000_000_000
MS = 1_000_000


class Line:
    """Venues whose frames arrive every 20 ms, each with its lead, and the offset that follows from them."""

    def __init__(self, venues: int = 2, *, samples: bool = True) -> None:
        self.estimator = OffsetEstimator()
        self.leads = [VenueLead(self.estimator) for _ in range(venues)]
        for lead in self.leads:
            self.estimator.begin(lead, SimTimers())
        self.now = 0
        self.chance = random.Random(7)
        self.samples = samples

    def run(self, span_ns: int, *behind_ns: int) -> None:
        """By how much the local clock is behind each venue's; frames take 1 to 20 ms."""
        if self.samples and self.now == 0:
            self.answer(*behind_ns)
        end = self.now + span_ns
        while self.now < end:
            self.now += 20 * MS
            for lead, behind in zip(self.leads, behind_ns, strict=True):
                lead.observe(behind - self.chance.randrange(1 * MS, 20 * MS), self.now)

    def answer(self, *skew_ns: int) -> None:
        """The venues' answers about their times."""
        for lead, skew in zip(self.leads, skew_ns, strict=True):
            lead.sample(ClockSample(skew, 20 * MS), self.now)

    @property
    def offset_ns(self) -> int:
        return self.estimator.offset_ns


@pytest.mark.parametrize("samples", [True, False])
@pytest.mark.parametrize("behind_ns", [1 * MS, 1_270 * MS, 3_000 * S])
def test_a_clock_that_is_behind_is_known_within_a_second(behind_ns: int, samples: bool) -> None:
    line = Line(samples=samples)
    line.run(S + 100 * MS, behind_ns, behind_ns)
    assert behind_ns - 3 * MS <= line.offset_ns <= behind_ns


@pytest.mark.parametrize("behind_ns", [0, 1_270 * MS])
@pytest.mark.parametrize("ahead_ns", [200 * MS, 3 * S, 3_480 * S, 2 * LEAD_NS_MAX])
def test_one_wrong_stamp_moves_nothing(behind_ns: int, ahead_ns: int) -> None:
    line = Line()
    line.run(5 * S, behind_ns, behind_ns)
    before = line.offset_ns
    line.leads[0].observe(behind_ns + ahead_ns, line.now)
    assert line.offset_ns <= before + SLACK_NS
    line.run(5 * S, behind_ns, behind_ns)
    assert line.offset_ns <= before + SLACK_NS
    if ahead_ns > SLACK_NS:
        assert line.offset_ns <= max(0, behind_ns)


@pytest.mark.parametrize("ahead_ns", [-10 * S, 3 * S, 600 * S, 3_600 * S])
@pytest.mark.parametrize("span_ns", [S, 60 * S])
@pytest.mark.parametrize(("samples", "answers_too"), [(False, False), (True, False), (True, True)])
def test_a_venue_whose_clock_jumps_moves_nothing(
    ahead_ns: int, span_ns: int, answers_too: bool, samples: bool
) -> None:
    """USD-M stamps that were 3 s ahead for one second moved the offset by 3 s for ten minutes."""
    line = Line(samples=samples)
    line.run(20 * S, 1_270 * MS, 1_270 * MS)
    before = line.offset_ns
    if answers_too:
        line.answer(1_270 * MS, 1_270 * MS)
        line.answer(1_270 * MS + ahead_ns, 1_270 * MS)
    line.run(span_ns, 1_270 * MS + ahead_ns, 1_270 * MS)
    assert abs(line.offset_ns - before) <= 3 * MS
    line.run(SLOT_NS, 1_270 * MS, 1_270 * MS)
    assert abs(line.offset_ns - before) <= 3 * MS


@pytest.mark.parametrize(
    ("behind_ns", "ahead_ns"),
    # Where the local clock is wrong too, two venues cannot show which of them is right: the one that is behind counts.
    [
        (0, -10 * S),
        (1_270 * MS, -10 * S),
        (0, 3 * S),
        (1_270 * MS, 3 * S),
        (300 * S, 3 * S),
        (300 * S, 600 * S),
    ],
)
def test_a_venue_whose_clock_is_wrong_from_the_start_moves_nothing(behind_ns: int, ahead_ns: int) -> None:
    line = Line()
    line.run(20 * S, behind_ns + ahead_ns, behind_ns)
    assert behind_ns - 3 * MS <= line.offset_ns <= max(0, behind_ns)


def test_a_large_lead_waits_for_a_venue_that_is_silent() -> None:
    line = Line()
    line.leads[0].sample(ClockSample(600 * S, MS), 0)
    while line.now < PATIENCE_NS - 2 * S:
        line.now += 20 * MS
        line.leads[0].observe(600 * S, line.now)
        assert line.offset_ns == 0
    line.run(4 * S, 600 * S, 0)
    assert line.offset_ns == 0


def test_after_a_while_the_only_venue_is_believed() -> None:
    line = Line()
    while line.now < PATIENCE_NS + 200 * MS:
        line.now += 20 * MS
        line.leads[0].observe(2 * S, line.now)
    assert line.offset_ns == 2 * S


def test_a_quiet_venue_is_believed_by_its_frames_in_order() -> None:
    line = Line(1, samples=False)
    for n in range(12):
        line.leads[0].observe(2 * S, n * 7 * S)
    assert line.offset_ns == 2 * S


def test_a_backlog_at_the_start_is_caught_up() -> None:
    """The frames of the first seconds were late; what comes in time shows how far the clock is behind."""
    line = Line()
    line.answer(1_270 * MS, 1_270 * MS)
    line.now = 1
    line.run(4 * S, 1_270 * MS - 9 * S, 1_270 * MS - 9 * S)
    assert line.offset_ns == 0
    line.run(6 * S, 1_270 * MS, 1_270 * MS)
    assert 1_265 * MS <= line.offset_ns <= 1_270 * MS


def test_an_old_lead_is_forgotten() -> None:
    line = Line(1, samples=False)
    for n in range(SLOTS * 60 + 70):
        line.leads[0].observe(400 * MS if n < 20 else 100 * MS, n * S)
    assert line.offset_ns == 100 * MS


def test_a_lead_that_the_venues_own_answers_refute_is_given_up() -> None:
    line = Line(1, samples=False)
    line.run(2 * S, 30 * S)
    assert line.offset_ns > 29 * S
    line.answer(0)
    assert line.offset_ns == 0


def test_a_known_offset_is_not_estimated() -> None:
    estimator = OffsetEstimator(7)
    venue, timers = VenueLead(estimator), SimTimers()
    estimator.begin(venue, timers)
    for n in range(100):
        venue.observe(5 * S, n * BIN_NS)
    timers.skew_ns = -S
    estimator.look(timers, 100 * MS)
    assert (estimator.offset_ns, estimator.steps, estimator.last_step_ns) == (7, 1, -S)


@pytest.mark.parametrize("step_ns", [-600 * S, -S // 5, S // 2, S])
def test_a_local_clock_that_is_set_leaves_the_venues_time_as_it_was(step_ns: int) -> None:
    line, timers = Line(), SimTimers()
    line.run(5 * S, 1_270 * MS, 1_270 * MS)
    line.estimator.begin(line.leads[0], timers)
    before = line.offset_ns
    timers.skew_ns = step_ns
    line.estimator.look(timers, 100 * MS)
    line.estimator.look(timers, 100 * MS)
    assert line.offset_ns == before - step_ns
    assert line.estimator.steps == 1
    line.run(5 * S, 1_270 * MS - step_ns, 1_270 * MS - step_ns)
    assert abs(line.offset_ns - (before - step_ns)) <= 3 * MS


class HeldTimers(SimTimers):
    """The process is held up between its looks at the two clocks."""

    holds = 0

    def time_ns(self) -> int:
        if self.holds:
            self.holds -= 1
            self.run(9 * S)
        return super().time_ns()


@pytest.mark.parametrize("holds", [1, 3])
def test_a_process_that_is_held_up_while_it_reads_the_clocks_sees_no_step(holds: int) -> None:
    estimator, timers = OffsetEstimator(), HeldTimers()
    estimator.begin(VenueLead(estimator), timers)
    for _ in range(3):
        timers.holds = holds
        estimator.look(timers, 100 * MS)
        timers.run(250 * MS)
    assert estimator.steps == 0


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1 << 32),
    behind_ns=st.sampled_from([0, 200 * MS, 1_270 * MS, 300 * S]),
    venues=st.integers(2, 4),
    answers_too=st.booleans(),
)
def test_no_single_venue_moves_the_times_of_the_others(
    seed: int, behind_ns: int, venues: int, answers_too: bool
) -> None:
    """Random leads of one venue, for random spans: the offset stays within the confirmed bound of the right one."""
    chance = random.Random(seed)
    line = Line(venues)
    line.run(5 * S, *[behind_ns] * venues)
    for _ in range(12):
        wrong = int(chance.choice((-10, -1, 0.1, 0.4, 0.7, 3, 60, 3_480, 3_600)) * S * chance.random())
        span = int(chance.choice((20 * MS, 200 * MS, S, 8 * S)))
        if answers_too and chance.random() < 0.5:
            line.answer(*[behind_ns] * venues)
            line.answer(behind_ns + wrong, *[behind_ns] * (venues - 1))
        line.run(span, behind_ns + wrong, *[behind_ns] * (venues - 1))
        assert behind_ns - 20 * MS <= line.offset_ns <= behind_ns + AGREE_NS
        line.run(int(chance.choice((20 * MS, S, 12 * S))), *[behind_ns] * venues)
        assert behind_ns - 20 * MS <= line.offset_ns <= behind_ns + AGREE_NS


def test_evidence_is_bounded() -> None:
    venue = VenueLead(OffsetEstimator())
    for n in range(10_000):
        venue.observe(n, n * BIN_NS // 3)
    assert len(venue._bins) <= 100
    assert len(venue._slots) <= SLOTS
