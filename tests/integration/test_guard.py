"""A session that stops, in any way, leaves no order of its own at its venues: its guard cancels them.

On one sandbox, with orders of others. `python -m tests.soak.guard_load` is a session of an hour on a busy machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from soak.guard_load import run
from support.alert_receiver import Receiver
from support.canaries import Search
from support.command_line import arb
from support.guard_processes import await_guard, guard_process
from support.guarded import Guarded
from support.live_sandbox import await_first_row, await_that
from support.paths import ROOT

from arb.errors import ExitCode
from arb.runtime.guard_process import GuardProcess

pytestmark = pytest.mark.slow

#: Most time until nothing is open any more.
GONE_S = 2.0
HOOK = "alerts.webhook='${ALERTS_HOOK}'"
#: Sessions of several tests have one state folder, where a state that begins again soon would be held.
EACH = "alerts.every_s=0.0"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with Guarded(tmp_path_factory.mktemp("guarded")) as made:
        yield made


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Of the alerts of sessions with the setting HOOK."""
    with Receiver() as made:
        monkeypatch.setenv("ALERTS_HOOK", made.address)
        yield made


@pytest.fixture(autouse=True)
def others(guarded: Guarded) -> Iterator[None]:
    """Orders of others rest before and after each test, and nothing is halted."""
    guarded.resume()
    before = guarded.open_orders(is_ours=False)
    assert len(before) == 2
    yield
    assert guarded.open_orders(is_ours=False) == before
    asyncio.run(guarded.cancel_ours())
    guarded.resume()


def test_a_killed_session(guarded: Guarded, receiver: Receiver) -> None:
    process = guarded.resting("resting", HOOK, EACH)
    guard = guard_process(process.pid)
    looking = Search(["canary-of-the-hook"])
    looking.look_at_process(process.pid)
    shown = ("status", "--state-directory", guarded.state)
    assert arb(*shown).output.startswith("sandbox: a session runs, its guard, too\n")
    assert guarded.gone_after(process.kill) < GONE_S
    output = process.communicate()[1]
    assert arb(*shown).output.startswith("sandbox: no session runs, a guard is cancelling its orders\n")
    await_guard(guard)
    assert arb(*shown).output.startswith("sandbox: no session runs\n")
    assert [one.reason for one in guarded.halts()] == [
        "arb guard: the session's process has ended without its end"
    ]
    assert "none is open" in guarded.guard_log()
    assert receiver.texts == ["begin lost"]
    message = receiver.received[0][1]
    assert message["text"].startswith("the session's process has ended without its end: its open orders are")
    assert (message["session"], message["environment"]) == (guarded.run.name, "sandbox")
    assert message["venues"] == list(guarded.venues)
    # The next start is refused until a person has looked, then agrees with the venues.
    refused = guarded.begin("--duration", "1s", function="idle").communicate()[1]
    assert "halted since" in refused
    guarded.resume()
    again = guarded.begin("--duration", "1s", "--set", HOOK, "--set", EACH, function="idle")
    output += again.communicate()[1]
    assert again.returncode == ExitCode.DONE
    assert guarded.halts() == ()
    assert receiver.texts == ["begin lost", "end lost"]
    looking.look(output.encode(), "output")
    looking.look_through(guarded.folder)
    assert looking.found == []


def test_a_stopped_session_halts_when_it_goes_on(guarded: Guarded, receiver: Receiver) -> None:
    # A process that goes on may be slow at first: that is another alert.
    settings = ("guard.timeout_ms=800", 'supervisor.round_trip="off"', HOOK, EACH)
    process = guarded.resting("resting", *settings)
    guard = guard_process(process.pid)
    after = guarded.gone_after(lambda: process.send_signal(signal.SIGSTOP))
    assert 0.7 < after < GONE_S
    await_guard(guard)
    assert "gave no sign of life for 800 ms" in guarded.halts()[0].reason
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == ExitCode.HALTED_BY_RISK
    assert "halt the session is halted (arb guard: the session gave no sign of life" in guarded.log()
    assert guarded.open_orders(is_ours=True) == []
    receiver.await_texts("begin lost", "end lost", "begin halted")
    assert "no sign of life for 800 ms" in receiver.received[2][1]["text"]


def test_a_strategy_that_never_returns(guarded: Guarded) -> None:
    process = guarded.begin(function="stuck")
    await_that(lambda: len(guarded.open_orders(is_ours=True)) == 6, "orders")
    assert guarded.gone_after(lambda: None) < GONE_S + 1.0
    guard = guard_process(process.pid)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == ExitCode.OUR_FAULT
    assert "where its guard cancels them" in errors
    await_guard(guard)


def test_a_guard_that_dies_is_started_again_and_nothing_is_opened_without_it(guarded: Guarded) -> None:
    process = guarded.resting()
    first = guard_process(process.pid)
    os.kill(first, signal.SIGKILL)
    begun = time.monotonic()
    await_that(lambda: guard_process(process.pid) not in (0, first), "another guard", look_s=0.01)
    assert time.monotonic() - begun < 1.0
    await_that(lambda: guarded.log().count("the guard is up after") == 2, "the guard to be up")
    assert (
        "guard the guard has ended (exit code -9): nothing is opened until another one is up" in guarded.log()
    )
    second = guard_process(process.pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    await_guard(second)
    assert guarded.halts() == ()
    assert guarded.guard_log() == ""
    facts = json.loads((guarded.run / "facts.json").read_text())
    assert all(facts[venue]["gate"]["halted"] > 0 for venue in guarded.venues)


class Watched:
    """A guard without a session: what it says, and how it ends."""

    def __init__(self, guarded: Guarded, tag: str, run: int = 5) -> None:
        self.guarded = guarded
        self.process = GuardProcess(guarded.plan(tag, run), dict(os.environ))
        self.lines: list[str] = []
        self.away: list[str] = []

    async def begin(self, client_id: str) -> None:
        """Starts it, and places an order at each venue."""
        self.process.start(
            self.guarded.sandbox.urls, lambda kind, text: self.lines.append(text), lambda now_ns: self.away
        )
        await self.process.ready()
        assert self.process.reason() == ""
        await self.guarded.place(client_id)

    async def until(self, is_so: Callable[[], bool], span_s: float = 20.0) -> None:
        deadline = time.monotonic() + span_s
        while not is_so():
            assert time.monotonic() < deadline, self.lines
            await asyncio.sleep(0.01)

    def has_ended(self, *codes: int) -> bool:
        process = self.process._process
        assert process is not None
        return process.poll() in codes


def venues_of(orders: list[tuple[str, str]]) -> list[str]:
    return sorted(venue for venue, _ in orders)


def test_orders_at_a_venue_whose_events_do_not_arrive(guarded: Guarded) -> None:
    async def scene() -> None:
        watched = Watched(guarded, "saway1")
        await watched.begin("arb-saway1-5-0-0-1")
        watched.away = [guarded.venues[0]]
        await watched.until(lambda: venues_of(guarded.open_orders(is_ours=True)) == [guarded.venues[1]])
        await watched.until(
            lambda: any("the guard has cancelled 1 open orders" in line for line in watched.lines)
        )
        await watched.process.close(has_ended=True)
        assert watched.has_ended(ExitCode.DONE)

    asyncio.run(scene())
    assert venues_of(guarded.open_orders(is_ours=True)) == [guarded.venues[1]], "the session ended: it knows"
    assert guarded.halts() == ()


def test_a_guard_that_was_started_again_knows_that_orders_may_be_open(guarded: Guarded) -> None:
    async def scene() -> None:
        watched = Watched(guarded, "sagain")
        await watched.begin("arb-sagain-5-0-0-1")
        first = watched.process._process
        assert first is not None
        first.kill()
        await watched.until(lambda: watched.process._process not in (None, first))
        await watched.process.ready()
        await watched.process.close(has_ended=False)
        await watched.until(lambda: watched.has_ended(ExitCode.HALTED_BY_RISK), 60.0)

    asyncio.run(scene())
    assert not guarded.open_orders(is_ours=True)
    assert len(guarded.halts()) == 1


def test_ctrl_c_while_an_order_is_in_doubt(guarded: Guarded) -> None:
    process = guarded.begin(function="swinging")
    await_first_row(guarded.run)
    venue, guard, run = guarded.venues[0], guard_process(process.pid), guarded.run
    guarded.fault(kind="lost_request", request="place", venue=venue)
    await_that(lambda: " place: no answer in time" in guarded.log(), "a doubt", look_s=0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    # How long the end waits: unit/runtime/test_orders_end.py; how long it takes: tests/soak/process_chaos.py.
    named = rf"1 order may be open \(stopped before .* of it\): look at {venue} arb-\S+; the next start asks"
    assert re.search(named, guarded.log())
    assert all(f" position {one}:" in guarded.log() for one in guarded.venues)
    assert "not known at the end" not in guarded.log()
    await_guard(guard)
    assert "the session was stopped with orders in doubt: cancelling the orders" in guarded.guard_log()
    assert guarded.halts() == (), "nobody has to resume it"
    again = guarded.begin("--duration", "1s", function="idle")
    errors = again.communicate(timeout=60)[1]
    assert again.returncode == ExitCode.DONE, errors
    assert not guarded.open_orders(is_ours=True)
    for one in (run, guarded.run):
        arb("verify", one)


def test_a_closed_pipe_and_orders_of_other_runs_and_tags(guarded: Guarded) -> None:
    async def scene() -> None:
        watched = Watched(guarded, "sclos1")
        for client_id in ("arb-sclos1-6-0-0-1", "arb-sother-5-0-0-1", "arb-sclos1-4-0-0-1"):
            await guarded.place(client_id)
        await watched.begin("arb-sclos1-5-0-0-1")
        await watched.process.close(has_ended=False)
        await watched.until(lambda: watched.has_ended(ExitCode.HALTED_BY_RISK))

    asyncio.run(scene())
    left = guarded.open_orders(is_ours=True)
    assert (
        sorted(client_id for _, client_id in left) == ["arb-sclos1-6-0-0-1"] * 2 + ["arb-sother-5-0-0-1"] * 2
    )
    assert len(guarded.halts()) == 1


def test_a_venue_that_does_not_answer_keeps_it_from_being_ready(guarded: Guarded) -> None:
    async def scene() -> None:
        watched = Watched(guarded, "sfail1")
        urls = dict(guarded.sandbox.urls)
        urls[guarded.venues[0]] = urls[guarded.venues[0]]._replace(rest="http://127.0.0.1:9")
        watched.process.start(urls, lambda kind, text: watched.lines.append(text), lambda now_ns: [])
        await watched.until(lambda: any("the guard cannot reach a venue" in line for line in watched.lines))
        assert watched.process.reason().startswith(
            f"the guard is not up ({guarded.venues[0]}: BTCUSDT: no answer"
        )
        await watched.process.close(has_ended=True)
        assert watched.has_ended(ExitCode.DONE)

    asyncio.run(scene())


def test_a_guard_without_a_session_and_without_compiled_code(tmp_path: Path) -> None:
    heavy = ("numba", "hftbacktest", "ccxt", "greenlet")
    program = (
        "import sys, arb.cli.guard, arb.runtime.guard\n"
        f"print(*(name for name in {heavy} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
    for words, text in (
        (["--fd", "77"], "error: --fd 77: Bad file descriptor: arb live starts the guard itself"),
        ([], "error: Missing option '--fd'"),
    ):
        refused = subprocess.run(
            [sys.executable, "-m", "arb", "guard", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == ExitCode.USER_INPUT
        assert refused.stderr.startswith(text)


def test_it_does_not_act_while_the_machine_is_busy() -> None:
    alarms, _ = run(5.0, 3, seed=2)
    assert alarms == []
