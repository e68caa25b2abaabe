"""A lost frame explains what can follow from it, and nothing else."""

from __future__ import annotations

import pytest

from arb.runtime.replay_marks import LegMarks, losses_of
from arb.verify.losses import Loss, with_causes
from arb.verify.reconcile import Difference

SPOT, PERPETUAL = "spot:BTC", "perpetual:BTC"
LOSSES = {SPOT: Loss(2, after_ts=1000, after_exch_ts=800)}


def cause(what: str, ts: int, leg: str = "", where: str = "", then: str = "", now: str = "") -> str:
    [found] = with_causes([Difference(what, where, ts, then, now, leg=leg)], LOSSES, "disk full")
    return found.cause


@pytest.mark.parametrize(
    ("what", "leg", "last_equal"),
    [
        ("fill", SPOT, 800),
        ("fill", PERPETUAL, 1000),
        ("decision", "", 1000),
        ("request", "", 1000),
        ("answer", "", 1000),
        ("record", "", 1000),
        ("order latency", PERPETUAL, 1000),
        ("feed latency", SPOT, 1000),
    ],
)
def test_what_comes_behind_it_is_explained_and_what_was_before_is_not(
    what: str, leg: str, last_equal: int
) -> None:
    assert cause(what, last_equal, leg) == ""
    assert cause(what, last_equal + 1, leg) == "not recorded: 2 frames of spot:BTC: disk full"


def test_the_rows_of_other_legs_are_not() -> None:
    assert cause("recording", 0, SPOT, "spot:BTC rows") != ""
    assert cause("recording", 0, PERPETUAL, "perpetual:BTC rows") == ""
    assert cause("feed latency", 2000, PERPETUAL) == ""


@pytest.mark.parametrize(("now", "is_explained"), [("8", True), ("9", False), ("7", False)])
def test_as_many_frames_as_were_lost_may_be_missing(now: str, is_explained: bool) -> None:
    assert (cause("recording", 0, SPOT, "spot:BTC frames", "10", now) != "") == is_explained


@pytest.mark.parametrize("what", ["file", "manifest", "summary", "attempts", "input", "version"])
def test_files_are_never_explained_by_it(what: str) -> None:
    assert cause(what, 5000, SPOT) == ""


def test_without_a_loss_nothing_is() -> None:
    [found] = with_causes([Difference("fill", "", 5000, "", "", leg=SPOT)], {}, "disk full")

    assert found.cause == ""


def test_the_first_lost_frame_of_a_leg_counts() -> None:
    legs = [LegMarks(0), LegMarks(1)]
    for _ in range(3):
        legs[1].on_frame()
    legs[1].on_loss(70, 60)
    legs[1].on_frame()
    legs[1].on_loss(90, 80)

    assert losses_of(legs).tolist() == [(1, 2, 2, 70, 60)]
