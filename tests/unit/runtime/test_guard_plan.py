"""When a guard acts, by what the session wrote; which orders are the session's."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from arb.errors import InputError
from arb.journal.halts import Halt, Halts, set_halt
from arb.runtime import guard
from arb.runtime.guard_plan import GuardKey, GuardPlan, GuardVenue, Pulse, Scheduled, plan_of
from connectors.units import MILLISECOND, SECOND

LOOK = 50 * MILLISECOND


def silent(pulse: Pulse, begin_ns: int, span_ns: int, step_ns: int = LOOK) -> list[str]:
    """What the looks of a silence say."""
    return [pulse.look(begin_ns + n * step_ns) for n in range(1, span_ns // step_ns + 1)]


def armed(timeout_ms: int = 1000) -> Pulse:
    pulse = Pulse(timeout_ms, is_armed=True)
    assert pulse.look(0) == ""
    return pulse


def test_it_acts_when_the_time_without_a_sign_of_life_is_over_and_not_before() -> None:
    pulse = armed()
    assert set(silent(pulse, 0, SECOND)) == {""}
    assert pulse.look(SECOND + LOOK) == "the session gave no sign of life for 1,000 ms"


def test_a_sign_of_life_is_answered_and_begins_the_time_anew() -> None:
    pulse = armed()
    silent(pulse, 0, SECOND)
    assert pulse.receive("beat 12") == "beat 12"
    assert set(silent(pulse, SECOND, SECOND)) == {""}


def test_time_in_which_the_guard_itself_did_not_run_is_no_silence() -> None:
    pulse = armed()
    assert pulse.look(3600 * SECOND) == ""
    assert pulse.receive("beat 1")
    assert pulse.look(3600 * SECOND + LOOK) == ""


@pytest.mark.parametrize(
    ("ran", "waited", "acts_ns"),
    [
        (0.0, 0.0, SECOND),  # stopped, or it waits for something else
        (1.0, 0.0, SECOND),  # it computes and does not return
        (0.5, 0.5, SECOND),
        (0.25, 0.75, SECOND),
        (0.2, 0.8, SECOND),  # one of ten processes on two processors
        (0.125, 0.875, 8 * SECOND // 5),
        (0.0, 1.0, 10 * SECOND),  # its machine lets it do nothing
    ],
)
@pytest.mark.parametrize("is_long", [False, True])
def test_time_in_which_the_session_waits_for_a_processor_counts_as_far_as_it_computes(
    ran: float, waited: float, acts_ns: int, is_long: bool
) -> None:
    """is_long: its wait goes on, so that the system has not added it yet."""
    pulse = Pulse(1000, is_armed=True)
    acts, queued = [], 0.0
    for now in range(0, 11 * SECOND, LOOK):
        computed = ran * now
        if is_long and waited:  # in every look but one of so many
            turns = round(1 / (1 - waited)) if waited < 1 else 1 << 60
            computed = (now // LOOK // turns) * LOOK * ran * turns
        queued = 0.0 if is_long else waited * now
        at = Scheduled(SECOND + int(computed), 9 * SECOND + int(queued), is_ready=waited > 0)
        if pulse.look(now, at):
            acts.append(now)
    assert acts_ns <= acts[0] <= acts_ns + (8 if is_long else 2) * LOOK


def test_a_slow_session_that_waits_for_its_disk_in_between_has_longer_than_one_that_computes() -> None:
    acts = {}
    for yields in (0, 1):  # at each look
        pulse = Pulse(1000, is_armed=True)
        looks = [(n, Scheduled(n * LOOK // 5, n * LOOK * 4 // 5, yields=n * yields)) for n in range(100)]
        acts[yields] = next(n * LOOK for n, at in looks if pulse.look(n * LOOK, at))
    assert SECOND < acts[0] <= SECOND + 2 * LOOK
    assert 5 * SECOND // 2 < acts[1] <= 5 * SECOND // 2 + 2 * LOOK


def test_a_session_whose_disk_does_not_answer_for_a_while_is_not_taken_for_a_frozen_one() -> None:
    pulse = Pulse(1000, is_armed=True)
    reasons = [pulse.look(n * LOOK, Scheduled(0, 0, is_blocked=n > 2)) for n in range(220)]
    assert set(reasons[: 8 * SECOND // LOOK]) == {""}
    assert reasons[-1]


def test_a_session_that_a_busy_machine_let_compute_for_a_moment_is_not_taken_for_a_stuck_one() -> None:
    """Measured at a load of 17 on two processors: in 3.96 s it computed for 0.16 s and waited for 3.65 s."""
    pulse = Pulse(1000, is_armed=True)
    for n in range(80):
        part = n * LOOK / (3.96 * SECOND)
        at = Scheduled(round(0.16 * SECOND * part), round(3.65 * SECOND * part), yields=n // 4)
        assert pulse.look(n * LOOK, at) == ""


def test_a_wait_that_is_added_after_a_sign_of_life_is_none_of_the_next_silence() -> None:
    pulse = Pulse(1000, is_armed=True)
    pulse.look(0, Scheduled(0, 1))
    pulse.receive("beat 1")
    acts = [n * LOOK for n in range(1, 60) if pulse.look(n * LOOK, Scheduled(0, 2 * SECOND))]
    assert acts[0] == SECOND + 2 * LOOK


def test_the_reason_says_what_the_session_did_in_its_silence() -> None:
    pulse = Pulse(1000, is_armed=True)
    reasons = [pulse.look(n * LOOK, Scheduled(n * LOOK // 10, n * LOOK // 10)) for n in range(1, 40)]
    reason = next(filter(None, reasons))
    assert reason.endswith(
        " (in 1.05 s it computed for 0.10 s, and waited 0.10 s for a processor or a disk)"
    ), reason


@pytest.mark.parametrize("is_armed", [False, True])
def test_a_closed_pipe_counts_once_there_may_be_orders(is_armed: bool) -> None:
    pulse = Pulse(1000, is_armed=False)
    if is_armed:
        pulse.receive("armed")
    pulse.is_closed = True
    assert bool(pulse.look(1)) is is_armed
    assert pulse.is_over is not is_armed


def test_a_session_that_a_signal_has_ended_in_doubt_is_left_to_the_guard() -> None:
    pulse = Pulse(500, is_armed=True)
    assert pulse.receive("left") == ""
    assert pulse.look(0) == ""
    pulse.is_closed = True
    assert pulse.look(1) == "the session was stopped with orders in doubt"
    assert pulse.is_left
    assert not pulse.is_over


def test_before_the_first_order_a_silence_is_none() -> None:
    pulse = Pulse(1000, is_armed=False)
    assert set(silent(pulse, 0, 5 * SECOND)) == {""}


def test_it_looks_until_an_order_that_was_on_its_way_cannot_arrive_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, seconds in (("_LATE_S", 0.1), ("_OFTEN_S", 0.02)):
        monkeypatch.setattr(guard, name, seconds)
    found = iter([2, 0, 0, 1])
    looked = []

    async def cancel_all(self: guard.VenueOrders) -> int:
        looked.append(time.monotonic())
        return next(found, 0)

    monkeypatch.setattr(guard.VenueOrders, "cancel_all", cancel_all)
    plan = GuardPlan("state", "log", "s12345", 1, 1000, recv_window_ms=200)
    venue = GuardVenue("binance_spot", "http://127.0.0.1:1", GuardKey("binance", "hmac", "id", "key"), ())

    async def clear() -> None:
        orders = guard.VenueOrders(plan, venue)
        await orders.clear()
        await orders.close()

    asyncio.run(clear())
    assert len(looked) > 5
    assert looked[-1] - looked[0] >= 0.3  # the receive window, and what an answer may take


def test_the_flag_of_a_person_stays(tmp_path: Path) -> None:
    guard._halt(tmp_path, "arb guard: silent")
    assert [one.reason for one in Halts(tmp_path).read()] == ["arb guard: silent"]
    set_halt(tmp_path, Halt("", 1, True, "by hand"))
    guard._halt(tmp_path, "arb guard: silent")
    assert [(one.reason, one.is_flattening) for one in Halts(tmp_path).read()] == [("by hand", True)]


def test_what_has_ended_is_not_guarded() -> None:
    pulse = armed()
    pulse.receive("ended")
    pulse.is_closed = True
    assert set(silent(pulse, 0, 5 * SECOND)) == {""}
    assert pulse.is_over


def test_a_venue_is_unattended_when_its_events_have_not_arrived_for_so_long() -> None:
    pulse = armed()
    now = 0
    found = []
    for number in range(30):
        pulse.receive(f"beat {number} binance_spot" if number != 15 else "beat 15 bybit_spot")
        now += 2 * LOOK
        pulse.look(now)
        found.append(pulse.unattended)
    assert found.index(["binance_spot"]) == 10
    assert found[15:26] == [[]] * 11
    assert found[26:] == [["binance_spot"]] * 4


@pytest.mark.parametrize(
    ("client_id", "is_ours"),
    [
        ("arb-s12345-5-0-0-1", True),
        ("arb-s12345-4-0-1-ff", True),
        ("arb-s12345-6-0-0-1", False),
        ("arb-s12346-5-0-0-1", False),
        ("web_1", False),
        ("", False),
        ("arb-s12345-5-0-0-1x", False),
    ],
)
def test_orders_of_the_session_and_of_those_before_it(client_id: str, is_ours: bool) -> None:
    assert GuardPlan("s", "l", "s12345", 5, 1000, 2000).owns(client_id) is is_ours


def test_a_plan_arrives_as_it_was_and_shows_no_key() -> None:
    key = GuardKey("binance", "hmac", "the key", "the secret")
    plan = GuardPlan(
        "s", "l", "s12345", 5, 1000, 2000, (GuardVenue("binance_spot", "http://x", key, ()),), True
    )
    assert plan_of(plan.line().rstrip(b"\n")) == plan
    assert "secret" not in repr(plan)
    assert "the key" not in repr(plan)
    with pytest.raises(InputError, match="no plan") as refused:
        plan_of(b'{"key": "the secret"')
    assert "secret" not in str(refused.value)
