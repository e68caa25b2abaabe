"""What the check of recordings counts with: histograms, repeated frames, the book's outages, the clock's line."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hftbacktest.types import BUY_EVENT
from hypothesis import given, settings
from hypothesis import strategies as st
from support.books import PlainBook
from support.streams import Event, History, decoded

from arb.data.check import chain as fields
from arb.data.check.chain import Chain
from arb.data.check.clock import clock_line
from arb.data.check.histogram import (
    DELAY_BINS,
    DELAY_ERROR_NS,
    LOG_BINS,
    delay_bin,
    delay_quantiles,
    log_bin,
    log_edges,
)
from arb.data.check.repeats import FrameHashes
from arb.data.check.streams import NO_DELAY, WINDOWS
from arb.data.outages import keep_longest
from connectors.model import Kind, SequenceRule
from connectors.parsing.scanner import DELTA_BID

HOUR_NS = 3_600_000_000_000
#: A true history never crosses; one whose asks are moved down does.
ASKS_LOWER = 2.0


@given(value=st.integers(0, (1 << 47) - 1))
@settings(max_examples=100, deadline=None)
def test_a_value_lies_within_its_bin(value: int) -> None:
    found = int(log_bin(value))
    assert found == log_bin.py_func(value)
    assert 0 <= found < LOG_BINS
    low, high = log_edges(np.array([found]))
    assert low[0] <= value < high[0]
    assert high[0] - low[0] <= max(1, value / 128)


@given(distance=st.integers(-2 * HOUR_NS, 2 * HOUR_NS))
@settings(max_examples=50, deadline=None)
def test_a_delay_is_found_again_within_the_error(distance: int) -> None:
    counts = np.zeros(DELAY_BINS, np.int64)
    counts[delay_bin(distance)] += 1
    assert delay_bin(distance) == delay_bin.py_func(distance)
    [found] = delay_quantiles(counts, (0.5,))
    assert abs(found - distance) <= max(DELAY_ERROR_NS, abs(distance) / 256)


def test_quantiles_are_those_of_numpy_within_the_error() -> None:
    chance = np.random.default_rng(5)
    delays = np.concatenate([chance.lognormal(15, 1.5, 50_000), chance.normal(4e9, 1e9, 500)]).astype(
        np.int64
    )
    counts = np.bincount([delay_bin(d) for d in delays.tolist()], minlength=DELAY_BINS)
    shares = (0.01, 0.5, 0.95, 0.99, 1.0)
    expected = np.quantile(delays, shares, method="inverted_cdf")
    assert np.array(delay_quantiles(counts, shares)) == pytest.approx(expected, rel=0.004, abs=DELAY_ERROR_NS)


def test_the_longest_spans_are_kept() -> None:
    spans = np.zeros((4, 3), np.int64)
    lengths = random.Random(3).sample(range(1, 100), 50)
    for n, length in enumerate(lengths):
        keep_longest(spans, 1_000 * n, 1_000 * n + length, n)
    assert sorted((spans[:, 1] - spans[:, 0]).tolist()) == sorted(lengths)[-4:]


def lines_of(frames: list[bytes]) -> bytes:
    return b"".join(b"%019d %s\n" % (10**18 + n, frame) for n, frame in enumerate(frames))


@given(st.lists(st.binary(max_size=40).filter(lambda b: b"\n" not in b)), st.integers(1, 50), st.booleans())
@settings(max_examples=150, deadline=None)
def test_frames_have_one_hash_only_if_they_are_equal(
    frames: list[bytes], piece: int, has_last_newline: bool
) -> None:
    text = lines_of(frames)
    if frames and not has_last_newline:
        text = text[:-1]
    hashes = FrameHashes()
    chunks = [text[n : n + piece] for n in range(0, len(text), piece)]
    assert list(hashes.pass_on(chunks)) == chunks
    found = hashes.take(len(frames)).tolist()
    assert len(found) == len(frames)
    assert hashes.text_bytes == len(text)
    assert {(a, b) for a in range(len(frames)) for b in range(a) if found[a] == found[b]} == {
        (a, b) for a in range(len(frames)) for b in range(a) if frames[a] == frames[b]
    }


@pytest.mark.parametrize("rule", SequenceRule)
def test_crossed_moments_are_those_of_a_plain_book(rule: SequenceRule) -> None:
    history = History(rule, random.Random(1), 400)
    start = history.events[0].last_id
    events = [history.snapshot(start), *history.events[1:]]
    chain = Chain(rule, None)
    rows, messages = decoded(events)
    rows["px"][(rows["ev"] & np.uint64(BUY_EVENT)) == 0] -= ASKS_LOWER
    for n in range(0, len(messages), 37):
        chain.receive(rows, messages[n : n + 37])
    chain.close(int(messages["local_ts"][-1]))

    # A fetched snapshot is shown when a change joins it.
    shown = events if rule == SequenceRule.INCREMENT else events[1:]
    spreads = [spread_of(history.books[event.last_id]) - ASKS_LOWER for event in shown]
    assert int(chain.state[fields.CROSSED]) == sum(spread < 0 for spread in spreads)
    assert int(chain.state[fields.LOCKED]) == sum(spread == 0 for spread in spreads)
    assert sum(spread < 0 for spread in spreads) > 10
    assert longest_run(spreads) * 1000 == (chain.crossed[:, 1] - chain.crossed[:, 0]).max()


def spread_of(book: PlainBook) -> float:
    bid, _, ask, _ = book.touch()
    return ask - bid


def longest_run(spreads: list[float]) -> int:
    """The most moments in a row that are crossed or locked; the last moment has no length."""
    longest = run = 0
    for spread in spreads[:-1]:
        run = run + 1 if spread <= 0 else 0
        longest = max(longest, run)
    return longest


def broken_chain(rule: SequenceRule) -> tuple[list[Event], int]:
    """A change is missing, and a snapshot comes ten events later; how many moments the book is unknown for."""
    history = History(rule, random.Random(2), 60)
    changes = history.events
    events = [history.snapshot(changes[0].last_id), *changes[1:20], *changes[21:31]]
    return [*events, history.snapshot(changes[30].last_id), *changes[31:]], 10


def test_a_snapshot_that_is_too_old_does_not_begin_the_gap_anew() -> None:
    history = History(SequenceRule.SPAN, random.Random(2), 60)
    changes = history.events
    old, good = history.snapshot(changes[10].last_id), history.snapshot(changes[39].last_id)
    events = [
        history.snapshot(changes[0].last_id),
        *changes[1:20],
        *changes[21:31],
        old,
        *changes[31:40],
        good,
    ]
    chain = Chain(SequenceRule.SPAN, None)
    rows, messages = decoded(events)
    chain.receive(rows, messages)
    chain.close(int(messages["local_ts"][-1]))
    assert [row.tolist() for row in chain.unknown.longest if row[1]] == [[1_020_000, 1_040_000, 0]]


def test_a_change_at_the_time_of_a_gap_does_not_hide_it() -> None:
    events, moments = broken_chain(SequenceRule.SPAN)
    rows, messages = decoded(events)
    late = messages["local_ts"][20]
    rows["local_ts"][rows["local_ts"] == messages["local_ts"][19]] = late
    messages["local_ts"][19] = late
    chain = Chain(SequenceRule.SPAN, None)
    chain.receive(rows, messages)
    chain.close(int(messages["local_ts"][-1]))
    # With the moments from each snapshot to the change that joins it.
    assert chain.unknown.unknown_ns == (1 + moments + 1) * 1000


def test_a_day_carries_on_the_book_of_the_day_before() -> None:
    history = History(SequenceRule.SPAN, random.Random(9), 300)
    changes = history.events
    first, whole = Chain(SequenceRule.SPAN, None), Chain(SequenceRule.SPAN, None)
    first.receive(*decoded([history.snapshot(changes[0].last_id), *changes[1:150]]))
    first.close(1_150_000)
    second = Chain(SequenceRule.SPAN, first.end())
    second.receive(*decoded(changes[150:], first_ts=2_000_000))
    second.close(2_150_000)
    whole.receive(*decoded([history.snapshot(changes[0].last_id), *changes[1:]]))
    whole.close(1_300_000)
    assert (second.gap_count, second.unknown.unknown_ns, second.is_carried) == (0, 0, True)
    for field in (fields.CROSSED, fields.LOCKED):
        assert first.state[field] + second.state[field] == whole.state[field]


def test_a_book_too_deep_to_follow_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "LEVELS_MAX", -(1 << 18) + 100)
    parts = [(DELTA_BID, float(px), 1.0) for px in range(1, 200)]
    history = History(SequenceRule.SPAN, random.Random(1), 3)
    last = history.events[0].last_id
    chain = Chain(SequenceRule.SPAN, None)
    chain.receive(*decoded([history.snapshot(last), Event(Kind.DELTA, last + 1, last + 1, last, parts)]))
    chain.close(2_000_000)
    assert chain.state[fields.IS_TOO_DEEP] == 1
    assert chain.state[fields.CROSSED] + chain.state[fields.LOCKED] == 0


def envelope(chance: np.random.Generator, seconds: int, ppm: float) -> np.ndarray:
    """Least delays of each second from noon on: a drifting clock under frames of 1 ms and a little."""
    delays = np.full(WINDOWS, NO_DELAY, np.int64)
    when = np.arange(seconds)
    delays[13 * 3600 + when] = 1_000_000 + when * ppm * 1e3 + chance.exponential(3e5, seconds)
    return delays


@pytest.mark.parametrize("ppm", [-6.0, 40.0])
def test_drift_is_the_slope_of_the_lower_envelope(ppm: float) -> None:
    delays = envelope(np.random.default_rng(1), 345, ppm)
    delays[13 * 3600 + 100 : 13 * 3600 + 130] += 90_000_000  # a burst of slow frames
    line = clock_line(delays, 0)
    assert line.drift_ppm == pytest.approx(ppm, abs=0.3)


@pytest.mark.parametrize("seconds", [4, 40])
def test_slow_frames_are_no_step(seconds: int) -> None:
    delays = envelope(np.random.default_rng(1), 345, 0.0)
    delays[13 * 3600 + 100 : 13 * 3600 + 100 + seconds] += 900_000_000
    assert clock_line(delays, 0).steps == []


@pytest.mark.parametrize("by_ms", [-700, 80, 30_000])
def test_a_step_is_found_and_does_not_count_as_drift(by_ms: int) -> None:
    delays = envelope(np.random.default_rng(1), 345, -6.0)
    delays[13 * 3600 + 200 : 13 * 3600 + 345] += by_ms * 1_000_000
    line = clock_line(delays, 50 * HOUR_NS)
    [step] = line.steps
    assert step.local_ts == 50 * HOUR_NS + (12 * 3600 + 200) * 1_000_000_000
    assert step.by_ns / 1e6 == pytest.approx(by_ms, abs=1)
    assert line.drift_ppm == pytest.approx(-6.0, abs=0.5)


@pytest.mark.parametrize("seconds", [0, 59])
def test_a_short_recording_has_no_drift(seconds: int) -> None:
    assert clock_line(envelope(np.random.default_rng(1), seconds, -6.0), 0).drift_ppm is None
