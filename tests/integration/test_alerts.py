"""Messages about states of sessions reach a receiver on this machine, whatever dies.

`python -m tests.soak.alerts` kills more guards; sessions that die are in `test_guard.py`.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from soak.alerts import run
from support.alert_receiver import AlertGuard, Receiver
from support.live_sandbox import VENUES, demo_settings

from arb.alerts.message import ChannelAddress, Transition
from arb.commands.live import run_live_orders
from arb.commands.sandbox_choice import SandboxChoice
from arb.config import load, write_templates
from arb.errors import StrategyError

pytestmark = pytest.mark.slow

HOOK = "alerts.webhook='${ALERTS_HOOK}'"


def test_no_message_is_lost_or_new_twice_while_guards_are_killed(tmp_path: Path) -> None:
    with Receiver() as receiver:
        result = asyncio.run(run(tmp_path, receiver, 2, seed=2))
    assert (result.lost, result.doubled, result.kills) == (0, 0, 2)
    assert result.count >= 2


def test_a_session_on_a_sandbox_of_its_own_reports_a_rule_and_that_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_templates(tmp_path)
    legs = json.dumps([f"{venue}:SYMBOL" for venue in VENUES])
    own = [HOOK, f"strategy.legs={legs}", "supervisor.memory_gb=0.01"]
    own += [f"capital.{venue}={{base=10.0, quote=1000000.0}}" for venue in VENUES]
    with Receiver() as receiver:
        monkeypatch.setenv("ALERTS_HOOK", receiver.address)
        config = load(tmp_path / "arbitrage.toml", demo_settings(tmp_path, "raises", *own))
        with pytest.raises(StrategyError):
            run_live_orders(config, tmp_path / "run", SandboxChoice(7), has_report=False)
        receiver.await_texts("begin supervisor memory", "begin failed")
    assert "division" in receiver.received[1][1]["text"]
    assert "starting the guard, which sends its alerts" in (tmp_path / "run" / "log.txt").read_text()


def test_a_receiver_that_is_away_delays_no_other_one_state_holds_no_other_and_a_silent_session_is_reported(
    tmp_path: Path,
) -> None:
    away = ChannelAddress("webhook", "away", "http://127.0.0.1:9/canary-of-the-hook")

    async def scene(receiver: Receiver) -> None:
        guard = AlertGuard(tmp_path, (away, receiver.channel), every_s=600.0)
        guard.start()
        for number in (1, 2, 3):  # the third is held
            guard.process.alert(Transition(number, "doubt", "an order", 1, number == 2))
        await guard.until(lambda: receiver.texts == ["begin doubt", "end doubt"])
        await guard.until(lambda: "alerts: away: Connection refused; trying again" in guard.lines)
        assert guard.process.reason() == "", (
            "it keeps nothing from being opened, and expects signs of life now"
        )
        time.sleep(1.0)  # the session's loop is frozen
        await guard.until(lambda: receiver.texts[2:] == ["begin lost", "end lost"])
        guard.end()

    with Receiver() as receiver:
        asyncio.run(scene(receiver))
    assert "canary" not in (tmp_path / "guard.txt").read_text()
