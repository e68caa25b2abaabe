"""When faults strike, whom they are about, and what they make of frames."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.faults import Injector
from connectors.units import SECOND as S

VENUE, STREAM = "binance_spot", "btcusdt@depth@100ms"


def injector(*faults: Fault, seed: int = 1) -> tuple[Injector, list[dict[str, Any]]]:
    reported: list[dict[str, Any]] = []
    return Injector(faults, default_rng(seed), 0, reported.append), reported


def times(fault: Fault, until_s: float, seed: int = 1) -> list[float]:
    one, _ = injector(fault, seed=seed)
    struck = []
    for tenth in range(round(until_s * 10) + 1):
        struck += [tenth / 10 for _ in one.strikes(tenth * S // 10)]
    return struck


def test_once_and_again() -> None:
    assert times(Fault(FaultKind.GAP, at_s=2.5), 20) == [2.5]
    assert times(Fault(FaultKind.GAP, every_s=4), 13) == [4, 8, 12]
    assert times(Fault(FaultKind.GAP, at_s=1, every_s=4), 13) == [1, 5, 9, 13]


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_by_chance_at_the_rate_and_by_seed(seed: int) -> None:
    fault = Fault(FaultKind.GAP, per_minute=120)
    struck = times(fault, 60, seed)
    assert struck == times(fault, 60, seed)
    assert 60 < len(struck) < 200


def test_a_frame_fault_spoils_as_many_frames_as_it_says_and_no_others() -> None:
    one, reported = injector(Fault(FaultKind.GAP, stream="btcusdt@depth*", client=2, at_s=1, count=2))
    assert one.take(VENUE, STREAM, [1, 2], "x", 0) == []
    one.strikes(S)
    assert one.take(VENUE, "btcusdt@trade", [1, 2], "x", S) == []
    assert one.take(VENUE, STREAM, [1, 3], "x", S) == []
    for _ in range(2):
        (act,) = one.take(VENUE, STREAM, [1, 2], "text of it", S)
        assert act.client == 2
    assert one.take(VENUE, STREAM, [1, 2], "x", S) == []
    assert [(line["kind"], line["clients"], line["frame"]) for line in reported] == [
        ("gap", [2], "text of it")
    ] * 2
    one.strikes(2 * S)
    assert one.is_calm(VENUE)


def test_faults_that_are_over_are_not_kept() -> None:
    again, waiting = Fault(FaultKind.GAP, every_s=1000), Fault(FaultKind.GAP, client=9)
    one, reported = injector(again, waiting)
    for second in range(20):
        one.add(Fault(FaultKind.GAP), second * S)
        one.add(Fault(FaultKind.SILENCE, duration_s=0.5), second * S)
        one.strikes(second * S)
        assert one.take(VENUE, STREAM, [1], "x", second * S)
    assert [line["fault"] for line in reported] == list(range(3, 43, 2))
    assert len(one._scheduled) <= 4
    one.strikes(1000 * S)
    assert len(one.take(VENUE, STREAM, [1, 9], "x", 1000 * S)) == 2


def test_a_lasting_fault_ends() -> None:
    one, _ = injector(Fault(FaultKind.CLOCK, venue="bybit*", at_s=1, duration_s=2, offset_ms=-500))
    one.strikes(S)
    assert one.clock_offset_ms("bybit_spot", 2 * S) == -500
    assert one.clock_offset_ms("binance_spot", 2 * S) == 0
    assert not one.is_calm("bybit_linear")
    assert one.clock_offset_ms("bybit_spot", 3 * S) == 0
    one.strikes(3 * S)
    assert one.is_calm("bybit_linear")


def test_activations_that_overlap_modify_all_their_frames() -> None:
    faults, reported = injector(Fault(FaultKind.GAP, every_s=1, count=2))
    assert len(faults.strikes(2 * S)) == 2
    taken = [len(faults.take(VENUE, STREAM, [1], "frame", 2 * S)) for _ in range(6)]
    assert taken == [1, 1, 1, 1, 0, 0]
    assert len(reported) == 4
