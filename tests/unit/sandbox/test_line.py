"""The way to the recorder: in order, never before it was sent, on the recorder's clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from arb.sandbox.line import Line
from arb.sandbox.streams import Frame
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

START = 1_704_067_200 * S


@given(st.lists(st.integers(0, 300 * MS), max_size=60), st.integers(-S, S))
def test_frames_arrive_once_in_order_and_later_than_sent(sent: list[int], offset: int) -> None:
    line = Line(default_rng(1), 10.0, offset)
    frames = [Frame(START + at, f"{n}") for n, at in enumerate(sent)]
    arrived = []
    for now in range(START, START + 2 * S, 100 * MS):
        new = line.carry([f for f in frames if now - 100 * MS < f.send_ns <= now], now)
        assert all(now - 100 * MS < at - offset <= now for at, _ in new)
        arrived += new
    sent_at = {frame.text: frame.send_ns for frame in frames}
    assert [at for at, _ in arrived] == sorted({at for at, _ in arrived})
    assert all(at - offset > sent_at[text] for at, text in arrived)
    assert [text for _, text in arrived] == [text for _, text in sorted(frames)]


def test_an_answer_arrives_after_its_round_trip_and_a_later_frame_waits() -> None:
    line = Line(default_rng(1), 10.0, 0)
    line.answer(Frame(START, "snapshot"), 300 * MS)
    arrived = line.carry([Frame(START + 400 * MS, "b"), Frame(START, "a")], START + 200 * MS)
    assert [text for _, text in arrived] == ["a"]
    arrived = line.carry([], START + S)
    assert [text for _, text in arrived] == ["snapshot", "b"]
    assert arrived[0][0] == START + 300 * MS
