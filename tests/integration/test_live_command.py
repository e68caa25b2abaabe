"""`arb live --sandbox`: a session over sockets writes what proves it, and leaves no order open."""

from __future__ import annotations

import errno
import gzip
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hftbacktest.order import NEW
from support.command_line import arb
from support.guard_processes import end_left_guards
from support.live_commands import PERPETUAL, SPOT, config_of, live_process
from support.live_sandbox import (
    Served,
    alarms_interrupt,
    await_that,
    fills_kept,
)

from arb import files
from arb.commands.account_start import AccountStart
from arb.commands.live import run_live_orders, slow_strategy_notes
from arb.commands.report import report_run
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.serve import keys_of
from arb.commands.verify import Verdict, verify
from arb.config import Config
from arb.errors import ExitCode, InputError, InvariantError
from arb.journal.reader import JournalReader
from arb.results.simulated_orders import read_simulated
from arb.runtime import orders_start
from arb.runtime.host import Host
from arb.runtime.live_files import read_order_files
from arb.runtime.path_warming import PathWarming
from arb.runtime.private_log import read_private

pytestmark = pytest.mark.slow


def session(folder: Path, config: Config, seconds: float = 4.0, **options: Any) -> Path:
    result = run_live_orders(
        config, folder / "run", SandboxChoice(7), duration_s=seconds, has_report=False, **options
    )
    assert result.exit_code == ExitCode.DONE
    return result.folder


def facts_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "facts.json").read_text())


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a sandbox beside the session shakes hands late."""
    monkeypatch.setattr(orders_start, "_OPEN_S", 240.0)


@pytest.mark.parametrize("venues", [SPOT, PERPETUAL])
def test_a_session_is_proven_and_its_account_agrees(tmp_path: Path, venues: tuple[str, ...]) -> None:
    run = session(tmp_path, config_of(tmp_path, venues))
    found = verify(run)
    assert (found.is_proven, found.differences) == (True, [])
    assert [proof.id for proof in found.proofs] == ["a", "b", "c", "d", "e"]

    orders, facts = read_order_files(run), facts_of(run)
    assert len(orders.executions) > 20
    assert set(orders.states["phase"]) <= {3, 4}, "every order is over"
    summary = json.loads((run / "summary.json").read_text())
    for venue, leg in zip(venues, summary["legs"], strict=True):
        start, end = (facts[venue]["balances"][at] for at in ("start", "end"))
        if venue in SPOT:
            cash = leg["cash_quote"] - leg["fee_quote"]
            assert float(end["USDT"]) - float(start["USDT"]) == pytest.approx(cash, abs=1e-4)
            assert float(end["BTC"]) - float(start["BTC"]) == pytest.approx(leg["position_base"], abs=1e-8)
        else:
            position = float(facts[venue]["positions"]["end"]["BTCUSDT"])
            assert position == pytest.approx(leg["position_base"], abs=1e-8)
        assert facts[venue]["open_orders"]["end"] == []


def test_its_orders_are_compared_with_the_simulated_exchange(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    run = run_live_orders(config, tmp_path / "run", SandboxChoice(7), duration_s=4.0).folder
    written = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    orders = read_simulated(run / "simulated.csv", [leg.name for leg in config.legs])
    assert orders is not None
    requests = read_order_files(run).requests
    assert len(orders) == (requests["row"]["req"][requests["taken_ns"] > 0] == NEW).sum()
    assert sum(one.filled_by == "both" for one in orders) > 10
    lots = sum(int(row["lots"]) for row in read_order_files(run).executions)
    assert sum(one.live_lots for one in orders) == lots
    page = (run / "report.html").read_text()
    assert "Orders beside the simulated exchange" in page
    assert all(f'data-order="{one.client_id}"' in page for one in orders[:20])

    shown = arb("verify", "--trust", run).output
    proven = shown.splitlines()
    table = proven[proven.index("Orders beside the simulated exchange:") : -1]
    assert max(map(len, table)) <= 80
    assert proven[-1] == "proven"
    assert arb("verify", "--trust", run).output == shown
    report_run(run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == written

    (run / "simulated.csv").write_text((run / "simulated.csv").read_text().replace(",both,", ",live,", 1))
    differences = verify(run).differences
    assert [(one.what, one.where) for one in differences if one.what == "simulated"] == [
        (
            "simulated",
            next(f"simulated.csv, line {n}" for n, one in enumerate(orders, 2) if one.filled_by == "both"),
        )
    ]
    assert "simulated.csv" in [one.where for one in differences if one.what == "file"]


def test_no_file_has_a_key_or_a_signature_and_requests_carry_the_window(tmp_path: Path) -> None:
    run = session(tmp_path, config_of(tmp_path, SPOT, "live.recv_window_ms=4321"), 2.0)
    secrets = [text for key in keys_of(7) for text in (key.key.id, *key.private.splitlines())]
    for path in run.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            assert not [text for text in secrets if text.encode() in content], path
    sent = [line.text for venue in SPOT for line in read_private(run, venue) if line.mark == ">"]
    places = [text for text in sent if "order.place" in text or "order.create" in text]
    assert places
    assert all("4321" in text for text in places)


def test_an_interrupted_session_cancels_its_orders_and_is_written(tmp_path: Path) -> None:
    def press(line: str) -> None:
        if "received its first row" in line:
            signal.setitimer(signal.ITIMER_REAL, 2.0)

    with alarms_interrupt():
        config = config_of(tmp_path)
        result = run_live_orders(config, tmp_path / "run", SandboxChoice(7), has_report=False, echo=press)
    assert result.exit_code == ExitCode.INTERRUPTED
    orders = read_order_files(result.folder)
    assert len(orders.requests) > 10
    assert set(orders.states["phase"]) <= {3, 4}
    assert verify(result.folder).is_proven


def test_on_a_running_sandbox_with_faults_doubts_end_and_the_session_is_proven(tmp_path: Path) -> None:
    config = config_of(tmp_path, SPOT, "live.answer_timeout_ms=300", "live.recv_window_ms=100")
    with Served(tmp_path) as served:
        for kind in ("lost_request", "accepted_no_answer", "user_lost"):
            request = {} if kind == "user_lost" else {"request": "place"}
            served.begin(kind=kind, venue="binance_spot", at_s=2.0, **request)
        result = run_live_orders(
            config, tmp_path / "run", SandboxChoice(7, served.port_base), duration_s=4.0, has_report=False
        )
    assert result.exit_code == ExitCode.DONE
    doubts = facts_of(result.folder)["binance_spot"]["doubts"]
    assert any(one["lasted_ns"] > 10**10 for one in doubts), "it took the window and ten seconds to be sure"
    assert verify(result.folder).differences == []


def on_served(folder: Path, fault: dict[str, Any], *settings: str, seconds: float = 7.0) -> Path:
    """A session on a running sandbox, with a fault at Binance spot that begins when the strategy trades there.

    The strategy's first row may be the other venue's: without a book of Binance's it would ask for nothing there.
    """
    with Served(folder) as served:

        def await_fill() -> None:
            await_that(lambda: fills_kept(folder / "run", leg=0) > 0, "a fill at Binance spot")
            served.begin(**{"venue": "binance_spot", **fault})

        def begin(line: str) -> None:
            if "received its first row" in line:
                threading.Thread(target=await_fill, daemon=True).start()

        config = config_of(folder, SPOT, *settings)
        choice = SandboxChoice(7, served.port_base)
        result = run_live_orders(
            config, folder / "run", choice, duration_s=seconds, has_report=False, echo=begin
        )
    assert result.exit_code == ExitCode.DONE
    assert verify(result.folder).differences == []
    return result.folder


def test_nothing_is_opened_where_a_symbol_is_not_traded(tmp_path: Path) -> None:
    run = on_served(tmp_path, {"kind": "cancel_only", "duration_s": 60.0})
    facts = facts_of(run)["binance_spot"]
    assert facts["gate"]["the venue does not trade the symbol now"] > 5
    # One order that opens, and those that reduce, less and less often.
    assert 1 <= facts["refusals"]["-2010 Market is closed."] <= 12


def test_a_ban_is_obeyed_to_the_second(tmp_path: Path) -> None:
    fault = {"kind": "rest_418", "duration_s": 2.0, "retry_after_s": 3}
    run = on_served(tmp_path, fault, "live.reconcile_s=1", seconds=12.0)
    lines = list(read_private(run, "binance_spot"))
    banned = [one for one in lines if one.mark == "<" and one.text.split()[1:2] == ["418"]]
    bans = [one.ts + int(one.text.split()[2]) for one in banned]
    assert bans
    first = lines.index(banned[0])
    after = [one.ts for one in lines[first:] if one.mark == ">" and one.where.startswith("t")]
    assert after
    assert min(after) >= max(bans), "orders and cancellations on the socket wait, too"
    assert facts_of(run)["binance_spot"]["gate"]["the venue limits requests"] > 5


@pytest.mark.parametrize(("poll", "warm_ms"), [("wait", 0), ("busy", 1)])
def test_a_busy_session_looks_without_pause_and_keeps_its_code_warm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poll: str, warm_ms: int
) -> None:
    passes, call = Counter[str](), Host.poll
    errors: list[Exception | None] = []
    monkeypatch.setattr(Host, "poll", lambda host: (passes.update([poll]), call(host)))
    monkeypatch.setattr(PathWarming, "close", lambda one: errors.append(one.error))
    config = config_of(tmp_path, SPOT, f'live.poll="{poll}"', f"live.warm_ms={warm_ms}")
    assert verify(session(tmp_path, config, 2.0)).differences == []
    assert (passes[poll] > 1000, errors) == (poll == "busy", [None] * warm_ms)


def test_a_sandbox_that_shows_no_keys_is_refused(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text("[accounts.mine.binance_spot.balances]\nUSDT = '5'\n")
    with (
        Served(tmp_path, accounts=accounts) as served,
        pytest.raises(InputError, match="shows no keys: start one with arb sandbox serve without --accounts"),
    ):
        run_live_orders(config_of(tmp_path), tmp_path / "run", SandboxChoice(7, served.port_base))
    assert not (tmp_path / "run").exists()


def test_a_strategy_that_gives_up_before_its_venue_is_asked_is_noted(tmp_path: Path) -> None:
    config = config_of(tmp_path, SPOT, "live.in_doubt_max_s=1.5", "live.answer_timeout_ms=1500")
    (note,) = slow_strategy_notes(config)
    assert note.startswith("[live] in_doubt_max_s is 1.5, answer_timeout_ms 1500: the strategy halts before")


def test_a_full_disk_under_the_private_frames_ends_the_session_which_is_proven_up_to_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Counter[bytes]()

    def write(handle: int, content: bytes) -> None:
        seen.update(word for word in (b"kept ", b'"New"') if word in content)
        # An order rests, and the keeper, which writes once a second, has kept a part of the session.
        if seen[b'"New"'] and seen[b"kept "] > 2 and b"kept " in content:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        files.write_all(handle, content)

    with monkeypatch.context() as full:
        full.setattr("arb.runtime.private_log.write_all", write)
        with pytest.raises(InputError, match="cannot be written: No space left on device") as raised:
            session(tmp_path, config_of(tmp_path, function="resting"), 60.0)
    assert "the session is saved: make room, then arb verify" in str(raised.value)
    assert "\n" not in str(raised.value)
    with JournalReader(tmp_path / "run" / "state" / "sandbox" / "journal.db", "sandbox") as reader:
        assert reader.orders()
        assert reader.orders(open_only=True) == []

    found = verify(tmp_path / "run")
    assert found.differences == []
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["outcome"] == "killed"


def test_an_account_that_is_in_hedge_mode_after_the_start_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = AccountStart.run

    async def checked(self: AccountStart, *given: Any) -> Any:
        """The account is in one-way mode then."""
        found = await check(self, *given)
        served.begin(kind="mode_switched", venue="binance_usdm", field="position_mode", value="hedge")
        return found

    monkeypatch.setattr(AccountStart, "run", checked)
    config = config_of(tmp_path, PERPETUAL)
    with (
        Served(tmp_path, venues=PERPETUAL) as served,
        pytest.raises(InputError, match=r"^binance_usdm: the account is in hedge mode") as refused,
    ):
        run_live_orders(config, tmp_path / "run", SandboxChoice(7, served.port_base), duration_s=4.0)
    assert refused.value.exit_code == ExitCode.USER_INPUT
    assert not (tmp_path / "run").exists()


def test_the_orders_of_a_strategy_that_never_returns_stay_open_and_are_named(tmp_path: Path) -> None:
    process = live_process(tmp_path, "rests_and_hangs", "dry_run.hang_s=0.5", stderr=subprocess.PIPE)
    try:
        errors = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    assert process.returncode == 1
    assert (
        "; 1 open order may stay at the venues, where nothing cancels them: look there, the session is in "
        in errors
    )


def test_a_second_ctrl_c_ends_the_wait_for_orders_and_names_them(tmp_path: Path) -> None:
    def press(line: str) -> None:
        if "received its first row" in line:
            signal.setitimer(signal.ITIMER_REAL, 2.0)
        if "a second Ctrl+C ends the wait" in line:
            signal.setitimer(signal.ITIMER_REAL, 0.5)

    with alarms_interrupt(), Served(tmp_path) as served:
        end_left_guards()  # of earlier tests, which still act
        served.begin(kind="lost_request", request="cancel", count=100)
        with pytest.raises(
            InvariantError, match=r"^\d+ orders? may be open \(Ctrl.C ended the wait\): look at "
        ):
            run_live_orders(
                config_of(tmp_path, SPOT, f"live.state_directory={json.dumps(str(tmp_path / 'state'))}",
                          "live.answer_timeout_ms=5000"),
                tmp_path / "run", SandboxChoice(7, served.port_base), has_report=False, echo=press,
            )  # fmt: skip
        assert end_left_guards() == 1, "it goes on cancelling, and halts the environment"
    assert verify(tmp_path / "run").verdict == Verdict.NOT_PROVEN, "every difference has its cause"


def test_queries_that_nobody_answers_do_not_delay_the_end_for_long(tmp_path: Path) -> None:
    lines: list[tuple[float, str]] = []

    def on_line(line: str) -> None:
        lines.append((time.monotonic(), line))
        if "received its first row" in line:
            for venue in SPOT:
                served.begin(kind="lost_request", request="query", venue=venue, count=1000)
            os.kill(os.getpid(), signal.SIGINT)

    with Served(tmp_path) as served:
        config = config_of(tmp_path, SPOT, "live.answer_timeout_ms=500", function="idle")
        result = run_live_orders(
            config, tmp_path / "run", SandboxChoice(7, served.port_base), has_report=False, echo=on_line
        )
    assert result.exit_code == ExitCode.INTERRUPTED
    stopped = next(at for at, line in lines if "stopping the strategy" in line)
    said = [(at, line) for at, line in lines if "not known at the end" in line]
    assert [line.partition(" end ")[2].partition(":")[0] for _, line in said] == list(SPOT)
    assert all("executions, open orders" in line for _, line in said)
    assert said[0][0] - stopped < 20, "three answers long, not a minute"
    assert {"executions", "open orders"} <= set(facts_of(tmp_path / "run")["bybit_spot"]["missing"])
    assert verify(tmp_path / "run").is_proven, "the session has no execution"
