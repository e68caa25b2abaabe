"""`arb status`, `positions`, `orders`, `trades`, `halt` and `resume` beside a session on a sandbox, and after it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.command_line import arb
from support.journals import begun, journal_at, write_orders
from support.live_sandbox import LiveSandbox, await_that, demo_settings, free_ports
from support.paths import GUARD, ROOT

from arb.commands.legs import known_venues
from arb.commands.serve import sandbox_of
from arb.commands.verify import verify
from arb.config import write_templates
from arb.errors import ExitCode
from arb.journal.schema import Paid
from arb.runtime import orders_start
from arb.runtime.live_files import read_order_files
from connectors.units import SECOND

VENUES = ("binance_usdm", "bybit_spot")
#: What a command takes beside the start of Python, on a machine that does something else too.
_SECONDS = 0.3
_STATUS = {"FILLED": "filled", "CANCELED": "canceled", "EXPIRED": "expired", "REJECTED": "expired"}


def rows(directory: Path, *words: str) -> list[dict[str, Any]]:
    """The rows that a command prints as JSON."""
    found = arb(*words, "--json", "--state-directory", directory).output
    return [json.loads(line) for line in found.splitlines()]


class Traded:
    """A running sandbox, and a session on it in a process of its own."""

    def __init__(self, folder: Path, sandbox: LiveSandbox, port_base: int) -> None:
        self.state = folder / "state"
        self._sandbox = sandbox
        write_templates(folder)
        settings = demo_settings(
            folder, "busy", f"strategy.legs={json.dumps([f'{venue}:SYMBOL' for venue in VENUES])}",
            f"live.state_directory={json.dumps(str(self.state))}",
            "supervisor.files_pct=0.001",
            *(f"capital.{venue}={{{'base=10.0, ' if 'spot' in venue else ''}quote=500000.0}}" for venue in VENUES),
        )  # fmt: skip
        self._words = [
            sys.executable, "-m", "arb", "live", "--sandbox", "--port-base", str(port_base), "-c",
            str(folder / "arbitrage.toml"), "--no-report", *(word for one in settings for word in ("--set", one)),
        ]  # fmt: skip
        self._folder = folder
        self.runs = 0

    def begin(self) -> subprocess.Popen[str]:
        self.runs += 1
        return subprocess.Popen(
            [*self._words, "--out", str(self._folder / f"run-{self.runs}")],
            env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def await_trades(self, process: subprocess.Popen[str], count: int) -> None:
        """Until the session has traded so often."""

        def has_traded() -> bool:
            assert process.poll() is None, process.stderr and process.stderr.read()
            return self.trades >= count

        await_that(has_traded, f"{count} trades")

    @property
    def trades(self) -> int:
        """How many the journal has."""
        done = arb("status", "--json", "--state-directory", self.state, code=None)
        return int(json.loads(done.output)["trades"]) if done.exit_code == 0 else 0

    def ledger(self) -> dict[str, Any]:
        """The sandbox's account, by house."""
        url = next(iter(self._sandbox.urls.values())).rest
        with urllib.request.urlopen(f"{url}/sandbox/ledger") as answer:
            found = json.loads(answer.read())
        return {house: next(iter(accounts.values())) for house, accounts in found.items()}

    def of_ledger(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Its executions, or closed orders, with their venue."""
        for account in self.ledger().values():
            for venue, own in account[kind].items():
                yield from ((venue, one) for one in own)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a sandbox beside the session shakes hands late."""
    monkeypatch.setattr(orders_start, "_OPEN_S", 240.0)


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traded]:
    folder = tmp_path_factory.mktemp("journal")
    port_base = free_ports()
    sandbox = LiveSandbox(
        sandbox_of(
            known_venues(folder / "none.toml"), recording=None, seed=7, speed=1.0, venues=VENUES,
            symbols=("BTCUSDT",), keeps_times=False, faults=None, fault_log=None, port_base=port_base,
        )
    )  # fmt: skip
    with sandbox:
        yield Traded(folder, sandbox, port_base)


@pytest.mark.slow
def test_beside_a_session_and_after_it_they_say_what_the_sandbox_says(traded: Traded) -> None:
    process = traded.begin()
    try:
        traded.await_trades(process, 40)
        times = {}
        for words in (("status",), ("positions",), ("orders",), ("orders", "--open"), ("trades",)):
            began = time.perf_counter()
            rows(traded.state, *words)
            times[words] = time.perf_counter() - began
        assert max(times.values()) < _SECONDS, times
        beside = {trade_key(one) for one in rows(traded.state, "trades")}
        (status,) = rows(traded.state, "status")
        assert status["is_running"]
        assert status["environment"] == "sandbox"
        assert [one["is_agreed"] for one in status["reconciled"]] == [True, True]
        ((rule, text),) = [(one["rule"], one["text"]) for one in status["rules"] if one["rule"] == "files"]
        assert text.endswith("files are open, limit 0.001 %"), rule
        at_venues = {execution_key(*one) for one in traded.of_ledger("executions")}
        missing = beside - at_venues
        assert missing == set(), sorted(one for one in at_venues if one[1] in {key[1] for key in missing})
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    (status,) = rows(traded.state, "status")
    assert (status["is_running"], status["open_orders"], status["rules"]) == (False, 0, [])
    assert status["run"]["outcome"] == "ended"

    trades = [trade_key(one) for one in rows(traded.state, "trades")]
    # Bybit's ids are not those of the sandbox's own numbers.
    assert Counter(trades) == Counter(execution_key(*one) for one in traded.of_ledger("executions"))
    ids = [(one["venue"], one["execution_id"]) for one in rows(traded.state, "trades")]
    assert len(set(ids)) == len(ids)
    orders = {
        one["client_id"]: (one["venue"], one["side"], Decimal(one["filled_qty"]), one["status"])
        for one in rows(traded.state, "orders")
    }
    at_venue = {
        one["client_id"]: (venue, one["side"], Decimal(one["filled"]), _STATUS[one["status"]])
        for venue, one in traded.of_ledger("closed_orders")
    }
    assert at_venue.keys() <= orders.keys()
    assert {key: orders[key] for key in at_venue} == at_venue
    assert {one[2] for key, one in orders.items() if key not in at_venue} <= {Decimal(0)}
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for venue, one in traded.of_ledger("executions"):
        sums[venue] += Decimal(one["quantity"]) * (1 if one["side"] == "buy" else -1)
    assert {one["venue"]: Decimal(one["qty"]) for one in rows(traded.state, "positions")} == dict(sums)


@pytest.mark.slow
def test_a_halt_ends_a_session_and_refuses_the_next_until_it_is_cleared(traded: Traded) -> None:
    before, process = traded.trades, traded.begin()
    try:
        traded.await_trades(process, before + 5)
        assert "halted; arb resume clears it" in arb("halt", "--state-directory", traded.state).output
        (status,) = rows(traded.state, "status")
        assert [(one["account"], one["flatten"]) for one in status["halts"]] == [("all", False)]
        (flag,) = status["halts"]
        process.communicate(timeout=60)
        assert process.returncode == ExitCode.HALTED_BY_RISK
    finally:
        process.kill()
    orders = rows(traded.state, "orders")
    assert max(one["made_ns"] for one in orders) < flag["since_ns"] + SECOND // 2
    assert [one for one in orders if one["status"] == "open"] == []
    refused = traded.begin()
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode == ExitCode.USER_INPUT
    assert "then arb resume" in errors.splitlines()[-1]
    assert (
        f"removed {traded.state}/sandbox/halt.json" in arb("resume", "--state-directory", traded.state).output
    )
    assert "nothing is halted" in arb("resume", "--state-directory", traded.state).output


@pytest.mark.slow
def test_a_sandbox_that_ends_with_its_session_has_the_journal_in_the_folder(tmp_path: Path) -> None:
    write_templates(tmp_path)
    legs = f"strategy.legs={json.dumps([f'{venue}:SYMBOL' for venue in VENUES])}"
    settings = demo_settings(tmp_path, "busy", legs)
    run = tmp_path / "run"
    sets = (word for one in settings for word in ("--set", one))
    arb(
        "live", "--sandbox", "-c", tmp_path / "arbitrage.toml", "--duration", "3s", "--no-report", "--out", run, *sets
    )  # fmt: skip
    (status,) = rows(run / "state", "status")
    assert (status["is_running"], status["open_orders"]) == (False, 0)
    assert status["run"]["folder"] == str(run)
    kept = {(one["venue"], one["execution_id"]) for one in rows(run / "state", "trades")}
    executions = read_order_files(run).executions
    assert kept == {(VENUES[int(one["leg"])], one["id"].decode()) for one in executions}
    assert len(kept) > 10
    assert verify(run).is_proven  # reading the journal has changed nothing that is proven


def trade_key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        row["venue"], row["client_id"], row["side"], Decimal(row["price"]), Decimal(row["qty"]),
        row["is_maker"], Decimal(row["fee"]), row["fee_asset"] if Decimal(row["fee"]) else "",
    )  # fmt: skip


def execution_key(venue: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        venue, row["client_id"], row["side"], Decimal(row["price"]), Decimal(row["quantity"]),
        row["is_maker"], Decimal(row["fee"]), row["fee_asset"] if Decimal(row["fee"]) else "",
    )  # fmt: skip


def test_tables_are_for_people(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    write_orders(journal, begun(journal), [1])
    journal.close()
    shown = arb("status", "--state-directory", tmp_path).output
    assert shown.splitlines()[0] == "sandbox: no session runs"
    assert "run 1: since 1970-01-01 00:00:00, killed, /runs/one" in shown
    assert "position: binance_usdm:BTCUSDT +0.005 (binance-7)" in shown
    trades = arb("trades", "--state-directory", tmp_path).output
    assert trades.count("100.00") == 2
    assert trades.count("maker") == 4
    assert "filled" in arb("orders", "--state-directory", tmp_path).output
    assert arb("orders", "--open", "--state-directory", tmp_path).output == "none\n"
    assert "bybit-8" in arb("positions", "--state-directory", tmp_path).output


def test_without_a_journal_they_say_what_to_do(tmp_path: Path) -> None:
    for words in (("status",), ("positions",), ("orders",), ("trades", "--live")):
        found = arb(*words, "--state-directory", tmp_path, code=ExitCode.USER_INPUT).output
        assert found.startswith(f"error: {tmp_path}: there is no journal of live")
        assert found.count("\n") == 1


def test_the_folder_is_that_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = tmp_path / "arbitrage.toml"
    main.write_text('[live]\nstate_directory = "own"\n[other]\nmistake = 1\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    arb("halt", "--config", main)
    assert (tmp_path / "own" / "live" / "halt.json").exists()
    arb("halt", "--config", tmp_path / "none.toml")
    assert (tmp_path / "data" / "arb" / "live" / "halt.json").exists()
    for text in ("[live", "live = 1", "[live]\nstate_directory = 1"):
        main.write_text(text)
        done = arb("halt", "--config", main, code=ExitCode.USER_INPUT)
        assert "name the folder with --state-directory" in done.output
        assert done.output.count("\n") == 1


def test_one_account_is_halted_by_its_name(tmp_path: Path) -> None:
    arb("halt", "--account", "bybit-8", "--flatten", "--state-directory", tmp_path)
    flag = json.loads((tmp_path / "live" / "halt-bybit.json").read_text())
    assert (flag["flatten"], flag["reason"]) == (True, "arb halt")
    done = arb("halt", "--account", "kraken", "--state-directory", tmp_path, code=ExitCode.USER_INPUT)
    assert "there are accounts of binance and bybit" in done.output
    assert "removed" in arb("resume", "--account", "bybit", "--state-directory", tmp_path).output
    assert not (tmp_path / "live" / "halt-bybit.json").exists()


def test_the_documentation_has_every_key(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    write_orders(journal, begun(journal), [1])
    journal.note(Paid(1, 5, "binance-7", "funding", "BTCUSDT-3", 3, "BTCUSDT", "-1.5", "USDT"))
    journal.write_notes()
    journal.close()
    text = (ROOT / "docs" / "journal.md").read_text()
    listed = dict(re.findall(r"^\| `?([a-z ]+)`? \| (`.+) \|$", text.partition("## Halts")[0], re.MULTILINE))
    shared = set(re.findall(r"`([a-z_]+)`", listed["all rows"]))
    for command in ("status", "positions", "orders", "trades"):
        keys = set(rows(tmp_path, command)[0])
        assert keys <= shared | set(re.findall(r"`([a-z_]+)`", listed[command])), command
        assert set(re.findall(r"`([a-z_]+)`", listed[command])) <= keys, command
    own = set(re.findall(r"`([a-z_]+)`", listed["payments among them"].partition(";")[0]))
    assert set(rows(tmp_path, "trades")[-1]) == own | shared - {"venue", "status"}
