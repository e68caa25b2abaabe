"""One venue's clock never stops the others: seeded faults of one venue's clock beside other venues of a run."""

from __future__ import annotations

import pytest
from support.chaos import LieError
from support.clock_chaos import ClockChaos
from support.sim_time import MS, S

from connectors.feed.status import FeedStatus
from connectors.net.interfaces import EventKind


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_one_venues_clock_never_stops_the_others(seed: int) -> None:
    chaos = ClockChaos(seed)
    chaos.run()
    assert chaos.looks > 500


def settled(seed: int = 1) -> ClockChaos:
    chaos = ClockChaos(seed)
    chaos.start()
    return chaos


def events(chaos: ClockChaos, kind: EventKind) -> list[str]:
    return [event.text for event in chaos.wrong.watch.events if event.kind == kind]


@pytest.mark.parametrize("seed", range(4))
def test_a_clock_that_jumps_ahead_takes_its_own_books_alone(seed: int) -> None:
    chaos = settled(seed)
    before = chaos.offset.offset_ns
    chaos.wrong.server.skew_ns = 3 * S
    chaos.timers.run(S)
    assert chaos.wrong.watch.check(0) is None
    assert chaos.wrong.feed.status(0) == FeedStatus.SYNCING
    assert chaos.wrong.watch.books[0].is_empty()
    assert all(run.watch.check(0) is not None for run in chaos.others)
    assert chaos.offset.offset_ns == pytest.approx(before, abs=20 * MS)
    chaos.wrong.server.skew_ns = 0
    chaos.timers.run(3 * S)
    assert chaos.wrong.watch.check(0) is not None
    assert chaos.wrong.feed.status(0) == FeedStatus.SYNCED
    ahead, right = events(chaos, EventKind.CLOCK)
    assert ahead.startswith(("its clock is 2.9 s ahead", "its clock is 3.0 s ahead"))
    assert right == "its clock is right again"


def test_one_wrong_stamp_is_counted_and_named_once() -> None:
    """One trade that was stamped 58 minutes ahead moved the times of all venues for the rest of a session."""
    chaos = settled()
    before = chaos.offset.offset_ns
    for _ in range(3):
        chaos.wrong.net.faults.frames.append(("stamp", ("trade",)))
        chaos.timers.run(2 * S)
    (stream,) = chaos.wrong.feed.clock.stamps.counts
    assert chaos.wrong.feed.clock.stamps.counts[stream].messages == 3
    (text,) = events(chaos, EventKind.STAMP)
    assert text.startswith("a message of its trade stream is stamped ")
    assert chaos.offset.offset_ns == pytest.approx(before, abs=20 * MS)
    assert all(run.watch.check(0) is not None for run in (chaos.wrong, *chaos.others))


def test_a_wrong_clock_is_noticed_by_the_check() -> None:
    chaos = settled()
    chaos.others[0].server.skew_ns = 3 * S
    with pytest.raises(LieError, match="its touch is not known"):
        chaos.timers.run(3 * S)
