"""Fees in base and in another asset through whole commands, and changes of them that verify reports."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.command_line import arb
from support.run_mutations import reseal

pytestmark = pytest.mark.slow

CONFIG = "examples/spot_usdm/arbitrage.toml"
SETS = (
    "strategy.min_spread_bps=0.2",
    "strategy.basis_halflife_s=0.0",
    "binance_spot.fees.taker=0.00002",
    "binance_usdm.fees.taker=0.00002",
)
BNB = ('{0}.fees.asset="BNB"', "{0}.fees.price=612.5", "capital.{0}.assets.BNB=10.0")
ASSETS = {
    "base": ('binance_spot.fees.asset="received"',),
    "BNB": tuple(text.format(venue) for venue in ("binance_spot", "binance_usdm") for text in BNB),
}
#: What a run's account has instead of a fee in quote.
FIELDS = {"base": ("base_fee",), "BNB": ("other_fee", "other_value")}


class Run:
    """A backtest of a recorded minute with one fee asset."""

    def __init__(self, folder: Path, asset: str) -> None:
        self.folder, self.asset = folder, asset
        self.out = self.run("backtest")
        self.summary = json.loads((self.out / "summary.json").read_bytes())

    def run(self, command: str) -> Path:
        out = self.folder / f"{command}-{self.asset}"
        sets = [word for one in (*SETS, *ASSETS[self.asset]) for word in ("--set", one)]
        data = ("--data", self.folder / "data", "--start", "2024-01-01")
        arb(command, "--config", CONFIG, *data, "--out", out, "--no-report", *sets)
        return out


def lines(out: Path) -> list[dict[str, str]]:
    with (out / "trades.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=ASSETS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("fees")
    words = ("--duration", "60s", "--venues", "binance_spot,binance_usdm", "--dislocations", "wide")
    arb("sandbox", "record", "--config", CONFIG, "--out", folder / "data", *words)
    return Run(folder, request.param)


def test_fees_are_charged_in_their_asset(run: Run) -> None:
    with np.load(run.out / "records.npz") as file:
        final = file["final"]
    fills = lines(run.out)
    bought = [one for one in fills if one["leg"].startswith("binance_spot") and one["side"] == "buy"]
    charged = bought if run.asset == "base" else fills

    assert len(bought) > 5
    assert {one["fee_asset"] for one in charged} == {run.asset}
    for one in charged:
        rate = 0.00002
        expected = rate * float(one["quantity"])
        if run.asset == "BNB":
            expected *= float(one["price"]) / 612.5
        assert float(one["fee_amount"]) == pytest.approx(expected, rel=1e-12)
    total = sum(float(one["fee_amount"]) for one in charged)
    assert float(final[FIELDS[run.asset][0]].sum()) == pytest.approx(total, rel=1e-9)
    key = "fee_base" if run.asset == "base" else "fee_other"
    assert sum(leg[key] or 0.0 for leg in run.summary["legs"]) == pytest.approx(total, rel=1e-9)
    assert run.summary["pnl_quote"] == pytest.approx(
        run.summary["equity"]["return_quote"], rel=1e-6, abs=1e-6
    )
    assert run.summary["setup"]["engine"] == "arb"


def test_a_dry_run_is_equal_and_both_are_proven(run: Run) -> None:
    out = run.run("dry-run")

    assert (out / "trades.csv").read_bytes() == (run.out / "trades.csv").read_bytes()
    for one in (run.out, out):
        assert "proven" in arb("verify", one, "--data", run.folder / "data").output


def changed_cell(name: str) -> Callable[[Path, str], None]:
    def change(out: Path, asset: str) -> None:
        rows = lines(out)
        line = next(one for one in rows if one["fee_asset"] == asset)
        line[name] = "quote" if name == "fee_asset" else repr(float(np.nextafter(float(line[name]), np.inf)))
        with (out / "trades.csv").open("w") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    return change


def changed_record(out: Path, asset: str) -> None:
    with np.load(out / "records.npz") as file:
        arrays = {name: file[name].copy() for name in file.files}
    arrays["0"][FIELDS[asset][-1]][-1] += 1e-9
    np.savez_compressed(out / "records.npz", **arrays)


def changed_fee(out: Path, asset: str) -> None:
    path = out / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["config"]["venues"]["binance_spot"]["fees"]["taker"] = 0.0000200001
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [*(changed_cell(name) for name in ("fee", "fee_amount", "fee_asset")), changed_record, changed_fee],
)
def test_a_changed_fee_is_reported(run: Run, tmp_path: Path, change: Callable[[Path, str], None]) -> None:
    shutil.copytree(run.out, tmp_path / "run")

    change(tmp_path / "run", run.asset)
    reseal(tmp_path / "run")

    done = arb("verify", tmp_path / "run", "--data", run.folder / "data", code=None)
    assert done.exit_code == 4
