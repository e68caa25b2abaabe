"""The orders of a dry-run, as `arb orders`, `trades` and `positions` show them."""

from __future__ import annotations

import csv
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.command_line import arb
from support.live_sandbox import LiveSandbox, await_fills, dry_run_process, free_ports

from arb.commands.verify import verify

pytestmark = pytest.mark.slow


def shown(run: Path, *words: str) -> list[dict[str, Any]]:
    """What a command prints about the orders of a run."""
    return [json.loads(line) for line in arb(*words, "--run", run, "--json").output.splitlines()]


def test_its_orders_are_shown_while_it_runs_and_after(tmp_path: Path) -> None:
    base, run = free_ports(), tmp_path / "run"
    with LiveSandbox(port_base=base):
        process = dry_run_process(tmp_path, base, "busy")
        await_fills(run, 20)
        beside = shown(run, "trades")
        assert {one["status"] for one in shown(run, "orders")} >= {"filled"}
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors

    after = shown(run, "trades")
    assert len(beside) >= 20
    assert [one for one in beside if one not in after] == []
    with (run / "trades.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert Counter(
        (
            one["venue"], one["side"], round(float(one["price"]), 6), float(one["qty"]), one["is_maker"],
            float(one["fee"]),
        )
        for one in after
    ) == Counter(
        (
            line["leg"].partition(":")[0], line["side"], round(float(line["price"]), 6), float(line["quantity"]),
            line["liquidity"] == "maker", float(line["fee_amount"]),
        )
        for line in lines
    )  # fmt: skip
    filled = [one for one in shown(run, "orders") if one["status"] == "filled"]
    assert {one["client_id"] for one in filled} == {one["client_id"] for one in after}
    assert shown(run, "orders", "--open") == []
    legs = json.loads((run / "summary.json").read_bytes())["legs"]
    positions = {f"{one['venue']}:{one['symbol']}": float(one["qty"]) for one in shown(run, "positions")}
    assert positions == pytest.approx({one["leg"]: one["position_base"] for one in legs if one["fills"]})
    assert "filled" in arb("orders", "--run", run).output
    assert verify(run).differences == []


def test_a_folder_without_orders_is_one_line(tmp_path: Path) -> None:
    for words in (("orders",), ("trades",), ("positions",)):
        reported = arb(*words, "--run", tmp_path, code=2)
        assert reported.stderr.startswith(f"error: {tmp_path}: no orders.db in it: ")
        assert reported.stderr.count("\n") == 1
    reported = arb("orders", "--run", tmp_path, "--live", code=2)
    assert reported.stderr.startswith("error: --run and --live exclude each other")
    (tmp_path / "orders.db").write_bytes(b"no database " * 1000)
    assert "orders.db: cannot be read" in arb("trades", "--run", tmp_path, code=2).stderr
