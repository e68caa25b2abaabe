"""The supervisor of a session on a running sandbox: what venues and others do to its account, and what follows."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from integration.test_account_halt import HOLDING
from integration.test_live_command import on_served
from support.live_commands import config_of
from support.live_sandbox import Served
from support.paths import strategy_file

from arb.commands.live import run_live_orders
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.verify import verify
from arb.config import Config
from arb.errors import ExitCode, InputError
from arb.journal.halts import Halts
from arb.journal.reader import JournalReader
from arb.results.status import Status, read_status
from arb.runtime import orders_start, venue_watch
from arb.runtime.private_log import read_private

pytestmark = pytest.mark.slow

PERPETUAL = ("binance_usdm", "bybit_linear")
SPOT = ("binance_spot", "bybit_spot")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a sandbox beside the session shakes hands late."""
    monkeypatch.setattr(orders_start, "_OPEN_S", 240.0)


def configured(folder: Path, *settings: str) -> Config:
    spec = f'strategy.function="{strategy_file("holding.py", HOLDING)}:holding"'
    state = f"live.state_directory={json.dumps(str(folder / 'state'))}"
    return config_of(folder / "config", PERPETUAL, spec, state, *settings)


def when_it_holds(served: Served, state: Path, fault: dict[str, Any], logged: str) -> None:
    """Begins a fault once the session has a position at both legs, and, within twenty seconds, such a line."""
    for _ in range(6000):  # five minutes: the session may compile its strategy first
        time.sleep(0.05)
        with contextlib.suppress(InputError), JournalReader(state / "journal.db", "sandbox") as reader:
            if len({trade.venue for trade in reader.executions()}) == 2:
                break
    log = state.parents[1] / "run" / "log.txt"
    for _ in range(400):
        if logged in log.read_text():
            break
        time.sleep(0.05)
    served.begin(**fault)


def session(
    folder: Path, fault: dict[str, Any], *settings: str, logged: str = ""
) -> tuple[ExitCode, Path, Path]:
    """A session whose account has a fault, after a line of its log; its exit code, folder and state."""
    state = folder / "state" / "sandbox"
    with Served(folder, venues=PERPETUAL) as served:
        thread = threading.Thread(target=when_it_holds, args=(served, state, fault, logged))
        thread.start()
        result = run_live_orders(
            configured(folder, *settings),
            folder / "run",
            SandboxChoice(7, served.port_base),
            duration_s=60.0,
            has_report=False,
        )
        thread.join()
    return result.exit_code, result.folder, state


def status_of(run: Path) -> Status:
    """What other processes were shown last."""
    found = read_status(run)
    assert found is not None
    return found


def held(state: Path) -> dict[str, float]:
    """Base by venue, by the session's own executions."""
    with JournalReader(state / "journal.db", "sandbox") as reader:
        assert reader.orders(open_only=True) == []
        return {one.venue: float(one.qty) for one in reader.positions()}


@pytest.mark.parametrize("kind", ["liquidate", "adl"])
def test_a_position_that_its_venue_closes_ends_the_other_leg_too(tmp_path: Path, kind: str) -> None:
    fault = {"kind": kind, "venue": "binance_usdm"}
    code, run, state = session(tmp_path, fault)
    assert code == ExitCode.HALTED_BY_RISK
    log = (run / "log.txt").read_text()
    word = "liquidation" if kind == "liquidate" else "adl"
    assert f"lots beyond the session's executions ({word})" in log
    (flag,) = Halts(state).read()
    assert flag.is_flattening
    assert flag.reason.startswith("supervisor forced: binance_usdm:BTCUSDT")
    # The liquidated leg is not sold once more; the other one is closed.
    assert held(state)["bybit_linear"] == pytest.approx(0.0, abs=1e-9)
    assert held(state)["binance_usdm"] == pytest.approx(0.05, abs=1e-3)
    found = verify(run)
    assert (found.is_proven, found.differences) == (True, [])


def test_a_session_whose_sandbox_ends_with_it_is_halted_like_any_other(tmp_path: Path) -> None:
    spec = f'strategy.function="{strategy_file("holding.py", HOLDING)}:half"'
    loss = 'supervisor.drawdown="halt"', "supervisor.drawdown_pct=0.00005"  # less than the fee
    config = config_of(tmp_path, SPOT, spec, *loss)
    result = run_live_orders(config, tmp_path / "run", SandboxChoice(7), duration_s=120.0, has_report=False)
    assert result.exit_code == ExitCode.HALTED_BY_RISK
    first, second = (leg["position_base"] for leg in result.summary["legs"])
    assert first > 0.0
    assert second == pytest.approx(-first, abs=1e-3), "the host has hedged it"
    found = verify(result.folder)
    assert (found.is_proven, found.differences) == (True, [])


def test_a_trade_of_somebody_else_halts_and_leaves_what_is_held(tmp_path: Path) -> None:
    fault = {
        "kind": "foreign_order",
        "venue": "bybit_linear",
        "side": "buy",
        "price_bps": 50.0,
        "quantity": "0.02",
    }
    switches = (f"account.{venue}.switch='require'" for venue in PERPETUAL)
    code, run, state = session(tmp_path, fault, *switches)
    assert code == ExitCode.HALTED_BY_RISK
    assert (run / "log.txt").read_text().count(" switch: on: after 10 s without a renewal") == 2
    switched = [one.text for one in read_private(run, "binance_usdm") if "countdownCancelAll" in one.text]
    assert ["countdownTime=0&" in text for text in switched] == [False] * (len(switched) - 1) + [True]
    assert "supervisor position: bybit_linear:BTCUSDT has +20 lots beyond" in (run / "log.txt").read_text()
    published = status_of(run)
    assert [leg.off for leg in published.legs] == [0.0, pytest.approx(0.02)]
    assert (published.command, published.environment) == ("live", "sandbox")
    assert [name.partition("-")[0] for name in published.accounts] == ["binance", "bybit"]
    (flag,) = Halts(state).read()
    assert not flag.is_flattening
    assert held(state)["bybit_linear"] == pytest.approx(-0.05, abs=1e-3)
    found = verify(run)
    assert (found.is_proven, found.differences) == (True, [])


def test_what_venues_list_and_announce_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue_watch, "LISTED_S", 0.3)
    run = on_served(tmp_path, {"kind": "maintenance", "venue": "*", "notice_s": 2.0, "duration_s": 60.0})
    log = (run / "log.txt").read_text()
    assert log.count("what rests is cancelled") == 2
    assert "venue binance_spot:BTCUSDT: " in log, "by its listing, or a refusal"
    assert log.count("venue bybit_spot:BTCUSDT: maintenance (maintenance of BTCUSDT) in ") == 1


def test_a_withdrawal_is_seen_and_is_no_loss_and_margin_is_read(tmp_path: Path) -> None:
    fault = {"kind": "transfer", "venue": "bybit_linear", "asset": "USDT", "quantity": "-2000"}
    settings = ('supervisor.transfers="halt"', "supervisor.drawdown_pct=0.5", "supervisor.account_s=1.0")
    margin = "so as not to liquidate positions, limit 0.0001 %: nothing is opened"
    code, run, state = session(tmp_path, fault, *settings, "supervisor.margin_pct=0.0001", logged=margin)
    assert code == ExitCode.HALTED_BY_RISK
    (flag,) = Halts(state).read()
    assert flag.reason.startswith("supervisor transfers: -2000 USDT at bybit_linear")
    log = (run / "log.txt").read_text()
    assert margin in log
    assert "drawdown" not in log
    assert (status_of(run).margin_pct or 0.0) > 0.0001
    found = verify(run)
    assert (found.is_proven, found.differences) == (True, [])


@pytest.mark.parametrize("venue", PERPETUAL)
def test_a_leverage_that_somebody_changes_is_noticed(tmp_path: Path, venue: str) -> None:
    fault = {"kind": "mode_switched", "venue": venue, "field": "leverage", "value": "7"}
    code, run, state = session(tmp_path, fault, 'supervisor.modes="halt"', "supervisor.account_s=1.0")
    assert code == ExitCode.HALTED_BY_RISK
    (flag,) = Halts(state).read()
    assert flag.reason.startswith(f"supervisor modes: {venue}: leverage of BTCUSDT was ")
    assert flag.reason.endswith(", is 7")
    found = verify(run)
    assert (found.is_proven, found.differences) == (True, [])
