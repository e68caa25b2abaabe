"""`arb halt` while a session runs on an account: orders are pulled, positions are closed where that was asked for."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.journals import fill_disk
from support.live_commands import SPOT, config_of
from support.live_sandbox import Served
from support.paths import strategy_file

from arb.commands import live_run
from arb.commands.journal import statuses
from arb.commands.live import run_live_orders
from arb.commands.run_setup import WrittenRun
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.verify import Verdict, verify
from arb.config import Config
from arb.data.recordings.recorder import NoReserveError, Recorder
from arb.errors import ExitCode, InputError
from arb.journal.halts import Halt, Halts, clear_halt, set_halt
from arb.journal.reader import JournalReader
from arb.journal.schema import Flagged
from arb.runtime.host import Host
from arb.runtime.live_orders import LiveOrders
from arb.runtime.session import Session

pytestmark = pytest.mark.slow

#: Holds a position at each leg, and an order that rests; then waits. `half` holds one at the first leg only. Each run
#: of `quiet` only waits.
HOLDING = """
LEGS = "pairs"


def holding(bot):
    n = 1
    while bot.elapse(50_000_000) == 0:
        depths = bot.depth(0), bot.depth(1)
        if n == 1 and depths[0].best_ask > 0 and depths[1].best_bid > 0:
            bot.submit_buy_order(0, 1, depths[0].best_ask * 1.001, 0.05, 3, 0, False)
            bot.submit_sell_order(1, 1, depths[1].best_bid * 0.999, 0.05, 3, 0, False)
            bot.submit_buy_order(0, 2, depths[0].best_bid * 0.9952, 0.01, 0, 0, False)
            n += 1
    return 0


def half(bot):
    is_sent = False
    while bot.elapse(50_000_000) == 0:
        if not is_sent and bot.depth(0).best_ask > 0 and bot.depth(1).best_bid > 0:
            is_sent = bot.submit_buy_order(0, 1, bot.depth(0).best_ask * 1.001, 0.05, 3, 0, False) == 0
    return 0


def quiet(bot):
    while bot.elapse(50_000_000) == 0:
        pass
    return 0
"""


def configured(folder: Path, function: str) -> Config:
    spec = f'strategy.function="{strategy_file("holding.py", HOLDING)}:{function}"'
    shutil.rmtree(folder / "config", ignore_errors=True)
    return config_of(
        folder / "config", SPOT, spec, f"live.state_directory={json.dumps(str(folder / 'state'))}"
    )


def await_legs(state: Path, legs: int) -> None:
    """Returns when the session has a position at so many legs."""
    for _ in range(6000):  # five minutes: the session may compile its strategy first
        time.sleep(0.05)
        with contextlib.suppress(InputError), JournalReader(state / "journal.db", "sandbox") as reader:
            if len({trade.venue for trade in reader.executions()}) == legs:
                break


def halt_when_it_holds(
    state: Path, times: list[float], *, is_flattening: bool = False, legs: int = 2
) -> None:
    """Sets the flag once the session has a position at so many legs."""
    await_legs(state, legs)
    times.append(time.monotonic())
    set_halt(state, Halt("", time.time_ns(), is_flattening, "a test"))


@pytest.mark.parametrize("is_flattening", [False, True])
def test_a_halted_session_pulls_its_orders_and_closes_positions_if_asked(
    tmp_path: Path, is_flattening: bool
) -> None:
    state = tmp_path / "state" / "sandbox"
    times: list[float] = []
    thread = threading.Thread(
        target=halt_when_it_holds, args=(state, times), kwargs={"is_flattening": is_flattening}
    )
    with Served(tmp_path) as served:
        sandbox = SandboxChoice(7, served.port_base)
        thread.start()
        result = run_live_orders(
            configured(tmp_path, "holding"), tmp_path / "run", sandbox, duration_s=60.0, has_report=False
        )
        thread.join()
        assert result.exit_code == ExitCode.HALTED_BY_RISK
        log = (tmp_path / "run" / "log.txt").read_text()
        assert "halt the session is halted (a test)" in log
        with JournalReader(state / "journal.db", "sandbox") as reader:
            assert reader.orders(open_only=True) == []
            held = {one.venue: float(one.qty - one.base_fees) for one in reader.positions()}
        if is_flattening:
            assert [held[venue] for venue in SPOT] == pytest.approx([0.0, 0.0], abs=1e-4)
        else:
            assert held[SPOT[0]] > 0.04
            assert held[SPOT[1]] < -0.04

        with pytest.raises(
            InputError, match=r"halted since .* UTC \(a test\): look at the accounts, then arb resume"
        ):
            run_live_orders(configured(tmp_path, "quiet"), tmp_path / "refused", sandbox, duration_s=1.0)
        clear_halt(state, "")
        # The next session begins with what this one has left.
        quiet = run_live_orders(
            configured(tmp_path, "quiet"), tmp_path / "quiet", sandbox, duration_s=2.0, has_report=False
        )
    assert quiet.exit_code == ExitCode.DONE
    legs = json.loads((quiet.folder / "summary.json").read_text())["legs"]
    # Without the flattening the host has balanced the pair first, as far as it is tradable.
    assert sum(leg["position_base"] for leg in legs) == pytest.approx(0.0, abs=2e-4)
    assert (abs(legs[0]["position_base"]) > 0.04) == (not is_flattening)
    for run in (result.folder, quiet.folder):
        found = verify(run)
        assert (found.is_proven, found.differences) == (True, [])


def half_while(folder: Path, served: Served, thread: threading.Thread) -> WrittenRun:
    """A session that trades one leg of two, while the thread runs."""
    thread.start()
    choice = SandboxChoice(7, served.port_base)
    result = run_live_orders(
        configured(folder, "half"), folder / "run", choice, duration_s=60.0, has_report=False
    )
    thread.join()
    return result


def test_a_halt_between_the_legs_is_hedged_before_the_session_ends(tmp_path: Path) -> None:
    state = tmp_path / "state" / "sandbox"
    thread = threading.Thread(target=halt_when_it_holds, args=(state, []), kwargs={"legs": 1})
    with Served(tmp_path) as served:
        result = half_while(tmp_path, served, thread)
    assert result.exit_code == ExitCode.HALTED_BY_RISK
    assert "legs that do not balance are hedged" in (tmp_path / "run" / "log.txt").read_text()
    assert len(result.trades) >= 2
    legs = json.loads((result.folder / "summary.json").read_text())["legs"]
    assert sum(leg["position_base"] for leg in legs) == pytest.approx(0.0, abs=2e-4)
    found = verify(result.folder)
    assert (found.is_proven, found.differences) == (True, [])


def full_journal(orders: LiveOrders, patch: pytest.MonkeyPatch) -> None:
    journal = orders._journal._journal  # type: ignore[attr-defined]
    fill_disk(journal)
    for no in range(20):  # more than its last page has room for
        journal.note(Flagged(1, no, "", "a test", "x" * 900))


def full_recording(orders: LiveOrders, patch: pytest.MonkeyPatch) -> None:
    def check(recorder: Recorder) -> None:
        raise NoReserveError("the reserve is reached")

    patch.setattr(Recorder, "_check_reserve", check)


def full_private_log(orders: LiveOrders, patch: pytest.MonkeyPatch) -> None:
    def write(handle: int, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr("arb.runtime.private_log.write_all", write)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_session_that_is_stopped_between_the_legs_hedges_first_or_says_what_it_cannot(
    tmp_path: Path, number: signal.Signals
) -> None:
    state, is_hedged = tmp_path / "state" / "sandbox", number == signal.SIGINT

    def stop() -> None:
        await_legs(state, 1)
        if not is_hedged:
            for venue, code in zip(SPOT, (-2010, 170131), strict=True):
                served.begin(kind="reject", request="place", venue=venue, code=code, count=1000)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop)
    with Served(tmp_path) as served:
        result = half_while(tmp_path, served, thread)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert result.exit_code == ExitCode.INTERRUPTED
    assert "its legs are balanced first" in log
    legs = json.loads((result.folder / "summary.json").read_text())["legs"]
    assert (abs(sum(leg["position_base"] for leg in legs)) < 2e-4) == is_hedged
    assert (
        "end not hedged: binance_spot:BTCUSDT and bybit_spot:BTCUSDT together hold +0.0" in log
    ) != is_hedged
    (status,) = statuses(tmp_path / "state", ["sandbox"])
    assert [text for _, _, text in status.unhedged] == re.findall("not hedged: (.*)", log)
    found = verify(result.folder)
    assert (found.is_proven, found.differences) == (True, [])


@pytest.mark.parametrize(
    ("fill", "message", "has_flag"),
    [
        (full_journal, "disk is full; make room, or use another disk, then arb resume", True),
        (full_recording, "the reserve is reached", False),
        (full_private_log, "No space left on device; .* is saved: make room", False),
    ],
)  # fmt: skip
def test_a_full_disk_between_the_legs_ends_the_session_once_they_are_hedged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fill: Callable[[LiveOrders, pytest.MonkeyPatch], None],
    message: str,
    has_flag: bool,
) -> None:
    state, look, holds = tmp_path / "state" / "sandbox", LiveOrders.supervise, threading.Event()
    thread = threading.Thread(target=lambda: (await_legs(state, 1), holds.set()))

    with monkeypatch.context() as patch, Served(tmp_path) as served:

        def supervise(orders: LiveOrders) -> None:
            if holds.is_set() and orders._kept > 1:  # the session is saved up to then
                holds.clear()
                fill(orders, patch)
            look(orders)

        patch.setattr(LiveOrders, "supervise", supervise)
        thread.start()
        with pytest.raises(InputError, match=message) as caught:
            run_live_orders(
                configured(tmp_path, "half"), tmp_path / "run", SandboxChoice(7, served.port_base),
                duration_s=60.0, has_report=False,
            )  # fmt: skip
        thread.join()
    assert "\n" not in str(caught.value)
    assert "legs that do not balance are hedged" in (tmp_path / "run" / "log.txt").read_text()
    with JournalReader(state / "journal.db", "sandbox") as reader:
        positions = reader.positions()
        assert len(positions) == 2
        assert float(sum(one.qty - one.base_fees for one in positions)) == pytest.approx(0.0, abs=2e-4)
        sent = {(one.leg, one.placed) for one in reader.orders()}
        assert {(one.leg, one.placed) for one in reader.executions()} <= sent
    assert [flag.reason in str(caught.value) for flag in Halts(state).read()] == [True] * has_flag
    found = verify(tmp_path / "run")
    if fill is full_recording:  # without its last frames a replay may decide at another time
        assert found.is_proven or found.causes[0].startswith("not recorded: ")
    else:
        assert found.verdict != Verdict.DIFFERS


@pytest.mark.parametrize("is_flattening", [False, True])
def test_a_halt_before_the_first_row_closes_what_was_taken_over_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_flattening: bool
) -> None:
    state = tmp_path / "state" / "sandbox"
    with Served(tmp_path) as served:
        sandbox = SandboxChoice(7, served.port_base)
        run_live_orders(
            configured(tmp_path, "holding"), tmp_path / "before", sandbox, duration_s=2.5, has_report=False
        )
        up = LiveOrders.open

        async def halted(orders: LiveOrders, host: Host, session: Session) -> None:
            await up(orders, host, session)
            set_halt(state, Halt("", time.time_ns(), is_flattening, "a test"))

        monkeypatch.setattr(LiveOrders, "open", halted)
        monkeypatch.setattr(live_run, "_HALT_S", 0.002)
        result = run_live_orders(
            configured(tmp_path, "quiet"), tmp_path / "run", sandbox, duration_s=20.0, has_report=False
        )
    assert result.exit_code == ExitCode.HALTED_BY_RISK
    legs = json.loads((result.folder / "summary.json").read_text())["legs"]
    held = [abs(leg["position_base"]) > 0.04 for leg in legs]
    assert held == [not is_flattening, not is_flattening]
    found = verify(result.folder)
    assert (found.is_proven, found.differences) == (True, [])
