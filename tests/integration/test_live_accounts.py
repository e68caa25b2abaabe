"""`arb live` with keys of an account: `--testnet` and `--demo` at a sandbox's addresses, from files to ledger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hftbacktest.order import NEW
from support.command_line import arb
from support.guard.markers import MARK, marked
from support.keyed_sandbox import GUARD_KEYS, KEYS, LIMITS, KeyedSandbox
from support.live_sandbox import PATIENT_GUARD, demo_settings

from arb.commands import live
from arb.commands.verify import verify
from arb.errors import ExitCode
from arb.runtime import orders_start
from arb.runtime.live_files import read_order_files
from arb.runtime.private_log import read_private

pytestmark = pytest.mark.slow

PAIRS = {
    "spot": ("binance_spot", "bybit_spot"),
    "perpetual": ("binance_usdm", "bybit_linear"),
}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[KeyedSandbox]:
    with KeyedSandbox(tmp_path) as served:
        yield served


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in variables; journals in a folder of the test; and patience with a busy machine."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(orders_start, "_OPEN_S", 240.0)
    # It is for good, and of the whole process.
    monkeypatch.setattr(live, "no_core_files", lambda: None)


def words(
    folder: Path, main: Path, venues: tuple[str, ...], *settings: str, function: str = "busy"
) -> list[str]:
    """What follows `arb live`: a strategy that buys, sells, rests and cancels at both legs."""
    capital = [
        f"capital.{venue}={{{'' if venue.endswith(('usdm', 'linear')) else 'base=1.0, '}quote=100000.0}}"
        for venue in venues
    ]
    received = [f"{venue}.fees.asset='received'" for venue in venues if venue.endswith("spot")]
    own = demo_settings(folder, function, PATIENT_GUARD, *capital, *received, *LIMITS, *settings)
    return [
        "--config", str(main), "--legs", ",".join(f"{venue}:BTCUSDT" for venue in venues), "--duration", "3s",
        "--no-report", "--out", str(folder / "run"), *(word for one in own for word in ("--set", one)),
    ]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_a_session_on_a_testnet_is_that_of_the_keys(tmp_path: Path, sandbox: KeyedSandbox, pair: str) -> None:
    venues = PAIRS[pair]
    main = sandbox.write_config(tmp_path / "config")
    arb("live", "--testnet", *words(tmp_path, main, venues))
    run = tmp_path / "run"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["environment"] == "testnet"
    assert manifest["order_tag"][0] == "t"
    steps = [
        line.split(" start ", 1)[1]
        for line in (run / "log.txt").read_text().splitlines()
        if " start " in line
    ]
    assert steps[0] == (
        f"configuration: testnet at {', '.join(venues)}; one order up to 100,000, a day's orders up to 10,000,000; "
        f"state in {tmp_path / 'data' / 'arb' / 'testnet'}"
    )
    assert [step.partition(":")[0] for step in steps[1:4]] == ["halts", "clock", "key"]
    orders = read_order_files(run)
    assert len(orders.executions) > 10
    asked = (orders.requests["row"]["req"][orders.requests["taken_ns"] > 0] == NEW).sum()
    facts = json.loads((run / "facts.json").read_text())
    refused_here = sum(count for venue in venues for count in facts[venue].get("gate", {}).values())
    # On a machine with other work a request may arrive after its receive window, or not at all: it is no order.
    doubts = [one for venue in venues for one in facts[venue]["doubts"]]
    lost = sum(one["act"] == "place" and one["outcome"] == "never" for one in doubts)
    refused = [item for venue in venues for item in facts[venue]["refusals"].items()]
    expired = sum(count for text, count in refused if re.match(r"(-1021|10002)\b", text))
    assert asked - refused_here - expired - lost <= sandbox.order_count() <= asked - refused_here
    found = verify(run)
    assert (found.is_proven, found.differences) == (True, [])


def test_a_demo_without_a_websocket_for_orders_takes_them_by_rest(
    tmp_path: Path, sandbox: KeyedSandbox
) -> None:
    venues = PAIRS["perpetual"]
    main = sandbox.write_config(tmp_path / "config", "demo", has_trade=False)
    arb("live", "--demo", *words(tmp_path, main, venues))
    run = tmp_path / "run"
    assert json.loads((run / "manifest.json").read_text())["environment"] == "demo"
    log = (run / "log.txt").read_text()
    for venue in venues:
        assert f"{venue}: there is no socket for orders: they go by REST" in log
        sent = [line for line in read_private(run, venue) if line.mark == ">"]
        assert sent
        assert {line.where[0] for line in sent} == {"r"}
    assert len(read_order_files(run).executions) > 10
    assert verify(run).is_proven


def test_a_key_of_the_guard_s_own_must_be_of_the_same_account(
    tmp_path: Path, sandbox: KeyedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = sandbox.write_config(tmp_path / "config")
    own = [f"bybit_spot.auth.guard_{one}='${{SECOND_{one.upper()}}}'" for one in ("api_key", "secret_key")]
    for name, value in GUARD_KEYS.items():
        monkeypatch.setenv(name, value)
    arb("live", "--testnet", *words(tmp_path, main, PAIRS["spot"], *own))
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "guard's key: bybit: the key trades" in log
    assert "the guard is up after" in log
    (tmp_path / "run").rename(tmp_path / "first")
    other = [one.replace("SECOND", "OTHER") for one in own]
    for name, value in {**KEYS, **GUARD_KEYS}.items():  # each session removes them
        monkeypatch.setenv(name, value)
    done = arb("live", "--testnet", *words(tmp_path, main, PAIRS["spot"], *other), code=ExitCode.USER_INPUT)
    assert "bybit: guard_api_key is a key of another account: make one of this account" in done.output


def test_wrong_keys_end_it_in_one_line_without_an_order(
    tmp_path: Path, sandbox: KeyedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYBIT_SECRET_KEY", marked("3AnotherSecret5Tz8Wp3"))
    monkeypatch.setattr(orders_start, "_OPEN_S", 5.0)
    main = sandbox.write_config(tmp_path / "config")
    done = arb("live", "--testnet", *words(tmp_path, main, PAIRS["spot"]), code=ExitCode.USER_INPUT)
    (line,) = (line for line in done.output.splitlines() if line.startswith("error: "))
    assert line.startswith("error: bybit: ")
    assert "must belong together" in line
    assert MARK not in done.output
    assert sandbox.order_count() == 0
