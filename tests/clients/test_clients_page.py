"""The programs of docs/sandbox-clients.md trade in a sandbox, with the keys of its default seed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from clients.harness import RunningSandbox, ahead

from arb.commands.sandbox_choice import SANDBOX_SEED
from arb.commands.serve import keys_of
from arb.sandbox.trading.setup import TradingSetup, usual_account

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox-clients.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^## (.+?)$|```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
PORTS = {"binance_spot": 8900, "binance_usdm": 8901, "bybit_spot": 8902, "bybit_linear": 8903}


def programs() -> list[tuple[str, str]]:
    """(heading, code) of every program of the page."""
    found, heading = [], ""
    for title, code in BLOCKS:
        heading = title or heading
        if code:
            found.append((heading, code))
    return found


@ahead([(code,) for _, code in programs()])
def trades(code: str) -> tuple[str, int]:
    """The error of a program, and how many orders it placed that ended."""
    setup = TradingSetup((usual_account(),), tuple(one.key for one in keys_of(SANDBOX_SEED)))
    with RunningSandbox(setup) as sandbox:
        for venue, port in PORTS.items():
            code = code.replace(f"127.0.0.1:{port}", sandbox.addresses[venue].rpartition("/")[2])
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False
            )
            # Binance's connectors wait for a second by default, in which a busy machine may not have answered.
            if "Read timed out" not in done.stderr:
                break
        orders = sandbox.ask(
            lambda trading: sum(len(desk.closed_orders("main")) for desk in trading.desks.values())
        )
        return done.stderr[-3000:] if done.returncode else "", orders


@pytest.mark.parametrize(
    "code", [pytest.param(code, id=f"{no} {heading}") for no, (heading, code) in enumerate(programs())]
)
def test_a_program_of_the_page_trades(code: str) -> None:
    error, orders = trades(code)
    assert error == ""
    assert orders
