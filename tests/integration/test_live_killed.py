"""A live session that was killed or stopped by a signal: what it wrote is proven, and nothing is placed unasked."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hftbacktest.order import EXPIRED
from support.live_commands import SPOT, live_process
from support.live_sandbox import await_fills

from arb.commands.verify import verify
from arb.errors import ExitCode
from arb.runtime.live_files import read_order_files
from arb.runtime.private_log import read_private

pytestmark = pytest.mark.slow

#: `arb` whose entries in `session.db` are all made after a step with a refusal, before that is handed over.
ENTRY_A_REFUSAL = """
import asyncio
from arb.__main__ import main
from arb.commands import live_run
from arb.runtime.live_orders import LiveOrders

keepers = []

class Keeper(live_run.SessionKeeper):
    def __init__(self, *given, **more):
        super().__init__(*given, **more)
        keepers.append(self)

def keep_first(orders, call, later=LiveOrders._later):
    if orders.gateway._delivered:
        asyncio.get_running_loop().call_soon(lambda: [one.keep() for one in keepers])
    later(orders, call)

live_run._KEEP_S = (3600.0,)
live_run.SessionKeeper, LiveOrders._later = Keeper, keep_first
main()
"""


def kill_after_fills(run: Path, process: subprocess.Popen[str]) -> None:
    try:
        await_fills(run, 20)
    finally:
        process.kill()
        process.wait()


def test_a_killed_session_is_finished_and_proven_up_to_its_last_second(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = live_process(tmp_path, "busy")
    kill_after_fills(run, process)
    found = verify(run)
    assert found.differences == []
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["outcome"] == "killed"
    assert manifest["session"]["orders"]["executions"] >= 20
    assert len(read_order_files(run).states) >= 20


def test_a_killed_session_whose_last_entry_is_between_refusals_and_their_answers_is_proven(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    process = live_process(tmp_path, "half_refused", "live.max_notional=5000", arb=("-c", ENTRY_A_REFUSAL))
    kill_after_fills(run, process)
    found = verify(run)
    assert found.differences == []
    refused = [one for one in read_order_files(run).states if one["end"] == EXPIRED]
    assert len(refused) >= 10


def test_a_stopped_session_asks_the_venues_before_it_places_anything(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = live_process(tmp_path, "busy", "live.answer_timeout_ms=5000", "live.recv_window_ms=5000")
    try:
        await_fills(run, 10)
        process.send_signal(signal.SIGSTOP)
        time.sleep(5.5)
        process.send_signal(signal.SIGCONT)
        await_fills(run, 60)  # more than it had not kept when it was stopped
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == ExitCode.INTERRUPTED
    finally:
        process.kill()
        process.wait()
    assert verify(run).differences == []
    for venue in SPOT:
        lines = list(read_private(run, venue))
        stopped = [no for no, one in enumerate(lines) if (one.mark, one.text) == ("@", "stopped")]
        assert stopped, "it was noticed"
        after = lines[stopped[-1] :]
        texts = [one.text for one in after]
        # A query that a busy machine does not answer in time is sent once more.
        asked = {text.split()[1] for text in texts if text.startswith("sent executions-")}
        answered = next(no for no, text in enumerate(texts) if " 200" in text and text.split()[0] in asked)
        orders = [no for no, text in enumerate(texts) if text.startswith("sent ") and text.endswith("-p")]
        assert texts.index(f"sent {texts[answered].split()[0]}") < answered < min(orders)
