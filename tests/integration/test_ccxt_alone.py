"""ccxt is imported where accounts are asked, and there without the modules of its other exchanges."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.paths import ROOT

pytestmark = pytest.mark.slow


def modules(program: str) -> set[str]:
    """The modules of ccxt that a program has imported."""
    shown = "import sys; print(*(name for name in sys.modules if name.partition('.')[0] == 'ccxt'))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{shown}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_no_command_imports_it_before_it_has_accounts() -> None:
    commands = (
        "live",
        "account_start",
        "account_doctor",
        "doctor",
        "dryrun_live",
        "backtest",
        "record",
        "verify",
    )
    assert modules("\n".join(f"import arb.commands.{name}" for name in commands)) == set()


LOAD = "from arb.accounts.ccxt_client import load_ccxt\nload_ccxt('binance')\nload_ccxt('bybit')"


def test_one_house_costs_no_other() -> None:
    found = modules(LOAD)
    assert {"ccxt.async_support.binance", "ccxt.async_support.bybit"} <= found
    assert not {"ccxt.binance", "ccxt.async_support.kraken", "ccxt.async_support.okx"} & found


def test_the_whole_of_it_can_be_imported_afterwards_and_before() -> None:
    whole = "import ccxt, ccxt.pro, ccxt.async_support\nassert ccxt.kraken and ccxt.async_support.okx().id == 'okx'"
    same = (
        "import sys\nassert sys.modules['ccxt.async_support.binance'].binance is ccxt.async_support.binance"
    )
    for program in (f"{LOAD}\n{whole}\n{same}", f"{whole}\n{LOAD}\n{same}"):
        assert "ccxt.async_support.kraken" in modules(program)
