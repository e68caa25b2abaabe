"""A session on perpetuals receives mark prices and funding, records them, and replays the same rows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from support.live_sandbox import LiveSandbox, demo_settings
from support.recorded_runs import lines_of
from support.simulated import LISTINGS, PRICES
from support.venues import VENUES

from arb.commands.dryrun_live import run_live
from arb.commands.verify import verify
from arb.config import load
from arb.config.templates import write_templates
from arb.sandbox.funding import Funding
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from connectors.model import Kind

pytestmark = pytest.mark.slow

PERPETUALS = ("binance_usdm", "bybit_linear")
LEGS = ", ".join(f'"{venue}:BTCUSDT"' for venue in PERPETUALS)
#: Four payments within the session, at some of which a leg holds nothing.
FUNDING = Funding(1_000, ("0.0001", "-0.0002"))
S = 1_000_000_000


def test_a_session_on_perpetuals_records_funding_and_replays(tmp_path: Path) -> None:
    write_templates(tmp_path / "config")
    settings = demo_settings(tmp_path, "busy", f"strategy.legs=[{LEGS}]")
    config = load(tmp_path / "config" / "arbitrage.toml", settings)
    market = SeededMarket([LISTINGS[venue] for venue in PERPETUALS], PRICES, 7)
    with LiveSandbox(Sandbox(market, funding=FUNDING)) as sandbox:
        result = run_live(config, tmp_path / "run", duration_s=5.0, sandbox=sandbox.urls, has_report=False)

    assert len(result.trades) > 10
    with (result.folder / "trades.csv").open() as file:
        paid = [line for line in csv.DictReader(file) if line["kind"] == "funding"]
    assert {line["leg"].partition(":")[0] for line in paid} == set(PERPETUALS)
    for line in paid:
        cash, position, price, rate = (float(line[name]) for name in ("cash", "quantity", "price", "rate"))
        assert cash == pytest.approx(-position * price * rate, abs=1e-6)
        assert rate in (0.0001, -0.0002)
    for venue in PERPETUALS:
        frames = [VENUES[venue].decode(frame) for _, frame in lines_of(result.folder / "recording", venue)]
        rows = np.concatenate([message.rows for message in frames if message.kind == Kind.FUNDING])
        nexts = np.unique(rows["ival"][rows["ival"] > 0])
        assert len(nexts) >= 3
        assert set(np.diff(nexts)) == {S}
        assert (abs(rows["px"][~np.isnan(rows["px"])] / PRICES["BTCUSDT"] - 1.0) < 0.05).all()
    assert verify(result.folder).differences == []
