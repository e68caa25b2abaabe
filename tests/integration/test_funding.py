"""Funding through whole commands: a recording, a backtest, a dry-run of the same days, and what verify reports."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.command_line import arb
from support.run_mutations import reseal

pytestmark = pytest.mark.slow

SETS = ("--set", "strategy.min_spread_bps=0.2", "--set", "strategy.basis_halflife_s=0.0")
CONFIG = "examples/spot_usdm/arbitrage.toml"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording of 40 s that has a funding time every 5 s, and a backtest of it."""
    folder = tmp_path_factory.mktemp("funding")
    arb(
        *("sandbox", "record", "--config", CONFIG, "--out", folder / "data", "--duration", "40s"),
        *("--venues", "binance_spot,binance_usdm", "--streams", "markPrice", "--dislocations", "wide"),
        *("--funding-interval", "5s", "--funding-rate", "0.0003,-0.0001"),
    )
    run(folder, "backtest", "backtest")
    return folder


def run(folder: Path, command: str, name: str, *words: str) -> Path:
    out = folder / name
    arb(
        *(command, "--config", CONFIG, "--data", folder / "data", "--start", "2024-01-01", "--out", out),
        *("--no-report", *SETS, *words),
    )
    return out


def lines(folder: Path, kind: str) -> list[dict[str, str]]:
    with (folder / "trades.csv").open() as file:
        return [line for line in csv.DictReader(file) if line["kind"] == kind]


def test_a_backtest_with_funding_pays_it_and_says_where_it_ran(place: Path) -> None:
    out = place / "backtest"
    summary = json.loads((out / "summary.json").read_bytes())
    payments = lines(out, "funding")

    assert len(payments) >= 5
    assert {line["leg"] for line in payments} == {"binance_usdm:BTCUSDT"}
    assert {float(line["rate"]) for line in payments} == {0.0003, -0.0001}
    for line in payments:
        cash = -float(line["quantity"]) * float(line["price"]) * float(line["rate"])
        assert float(line["cash"]) == pytest.approx(cash, rel=1e-12)
    total = sum(float(line["cash"]) for line in payments)
    assert summary["funding_quote"] == pytest.approx(total, rel=1e-12)
    assert summary["legs"][1]["funding_quote"] == summary["funding_quote"]
    assert summary["legs"][0]["funding_quote"] is None
    cash = sum(float(line["cash"]) for line in lines(out, "fill")) + total
    with np.load(out / "records.npz") as file:
        final = file["final"]
    assert cash == pytest.approx(float(final["balance"].sum()), rel=1e-9)
    assert summary["pnl_quote"] == pytest.approx(summary["equity"]["return_quote"], rel=1e-9)
    assert summary["setup"]["engine"] == "arb"
    assert any(note.startswith("run in the engine arb: ") for note in summary["notes"])


def test_a_dry_run_of_the_same_days_is_equal(place: Path) -> None:
    out = run(place, "dry-run", "dry-run")

    assert (out / "trades.csv").read_bytes() == (place / "backtest" / "trades.csv").read_bytes()


def changed_rate(data: Path, out: Path) -> None:
    """Changes the rate of a funding time with a position, in all frames that announce it."""
    paid = int(lines(out, "funding")[2]["exch_ts"]) // 1_000_000
    (path,) = (data / "binance_usdm").glob("*.gz")
    text = gzip.decompress(path.read_bytes()).decode()
    rate = re.compile(rf'"r":"([^"]*)"(,"ap":"[^"]*","T":{paid})')
    assert rate.search(text)
    path.write_bytes(gzip.compress(rate.sub(r'"r":"0.00030001"\2', text).encode()))


def changed_payment(field: str) -> Callable[[Path, Path], None]:
    def change(_: Path, out: Path) -> None:
        path = out / "trades.csv"
        with path.open() as file:
            reader = csv.DictReader(file)
            rows, names = list(reader), reader.fieldnames or []
        line = next(one for one in rows if one["kind"] == "funding")
        line[field] = repr(float(np.nextafter(float(line[field]), np.inf)))
        with path.open("w") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        reseal(out)

    return change


def changed_funding(_: Path, out: Path) -> None:
    with np.load(out / "records.npz") as file:
        arrays = {name: file[name].copy() for name in file.files}
    arrays["1"]["funding"][-1] += 1e-9
    np.savez_compressed(out / "records.npz", **arrays)
    reseal(out)


@pytest.mark.parametrize(
    "change",
    [
        changed_rate,
        changed_funding,
        *(changed_payment(name) for name in ("rate", "cash", "quantity", "price")),
    ],
)
def test_a_changed_rate_or_payment_is_reported(
    place: Path, tmp_path: Path, change: Callable[[Path, Path], None]
) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    shutil.copytree(place / "backtest", tmp_path / "run")

    assert arb("verify", tmp_path / "run", "--data", tmp_path / "data").exit_code == 0
    change(tmp_path / "data", tmp_path / "run")
    assert arb("verify", tmp_path / "run", "--data", tmp_path / "data", code=None).exit_code == 4
