"""One account of a run: per attempt, per leg and in sum, trades, attempts, records, summary and hftbacktest agree.

On a simulated market of two days (it begins two minutes before midnight), in both modes, one with two symbols; and the
compiled strategy decides there as its plain functions do.
"""

from __future__ import annotations

import csv
import json
import math
import warnings
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hftbacktest import HashMapMarketDepthBacktest
from hftbacktest.stats import LinearAssetRecord
from support.fake_bot import FakeRecorder, plain
from support.paths import ROOT

from arb.backtest.assets import LegData, backtest_bot, make_asset
from arb.bot.compilation import compile_strategy
from arb.bot.recorder import Recorder
from arb.commands.backtest import run_backtest
from arb.commands.legs import instrument_of, known_venues, legs_of
from arb.commands.sandbox import record_market
from arb.commands.strategy_facts import facts_of
from arb.config import Config, load
from arb.config.adapters import load_adapter
from arb.data.catalog.days import select_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.strategies.arguments import Arguments, params_record
from arb.strategies.loader import load_strategy
from arb.strategies.spread import strategy as spread

pytestmark = pytest.mark.slow

DEMO = ROOT / "examples" / "demo" / "arbitrage.toml"
VENUES = ["binance_spot", "bybit_spot"]
SYMBOLS = ["BTCUSDT", "ETHUSDT"]
#: Fees are low at both simulated venues; a spread is held until it has come back by two thirds.
SETTINGS = {
    "inventory": ["strategy.min_spread_bps=0.5"],
    "convergence": [
        "strategy.mode='convergence'", "strategy.min_spread_bps=0.0", "strategy.basis_halflife_s=20.0",
        "strategy.exit_spread_bps=1.0", "risk.stop_loss_bps=8.0", "strategy.max_holding_s=15.0",
        *(f"{venue}.fees.taker=0.00001" for venue in VENUES),
    ],
}  # fmt: skip
WORLDS = [("inventory", 1), ("convergence", 2)]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes of two symbols at two venues, over midnight."""
    out = tmp_path_factory.mktemp("recordings")
    start = datetime(2024, 8, 8, 23, 58, tzinfo=UTC)
    record_market(out, 7, 240.0, start, VENUES, SYMBOLS, known_venues(DEMO))
    assert len(list(out.rglob("*.gz"))) == 8
    return out


def config_of(recordings: Path, mode: str, symbols: int) -> Config:
    return load(DEMO, [*SETTINGS[mode], f"data.directory='{recordings}'"], None, SYMBOLS[:symbols])


class Account(NamedTuple):
    """The files of a run."""

    summary: dict[str, Any]
    trades: list[dict[str, str]]
    attempts: list[dict[str, str]]
    records: list[Any]


@pytest.fixture(scope="module", params=WORLDS, ids=str)
def account(request: Any, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Account:
    config = config_of(recordings, *request.param)
    folder = tmp_path_factory.mktemp("runs") / "run"
    run_backtest(config, date(2024, 8, 8), date(2024, 8, 9), folder, has_report=False)

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / name).open(newline="") as file:
            return list(csv.DictReader(file))

    with np.load(folder / "records.npz") as file:
        records = [file[str(n)] for n in range(len(config.legs))]
    summary = json.loads((folder / "summary.json").read_bytes())
    return Account(summary, rows("trades.csv"), rows("attempts.csv"), records)


def close(value: float) -> Any:
    return pytest.approx(value, abs=1e-9, rel=0)


def total(rows: list[dict[str, str]], column: str) -> float:
    return math.fsum(float(row[column]) for row in rows)


def bought(rows: list[dict[str, str]]) -> float:
    return math.fsum(float(row["quantity"]) * (1 if row["side"] == "buy" else -1) for row in rows)


def test_the_market_is_traded_on_both_days(account: Account) -> None:
    days = {trade["time"][:10] for trade in account.trades}
    assert days == {"2024-08-08", "2024-08-09"}
    assert {leg["leg"] for leg in account.summary["legs"]} == {trade["leg"] for trade in account.trades}
    assert account.summary["outcome"] == "ended"


def test_each_attempt_is_the_sum_of_its_fills(account: Account) -> None:
    by_attempt: dict[str, list[dict[str, str]]] = {}
    for trade in account.trades:
        by_attempt.setdefault(trade["attempt"], []).append(trade)
    filled = [attempt for attempt in account.attempts if attempt["fills"] != "0"]
    assert {attempt["attempt"] for attempt in filled} == set(by_attempt)
    for attempt in filled:
        own = by_attempt[attempt["attempt"]]
        assert len(own) == int(attempt["fills"])
        assert float(attempt["cash_quote"]) == close(total(own, "cash"))
        assert float(attempt["fee_quote"]) == close(total(own, "fee"))
        residual = float(attempt["residual_quote"])
        assert float(attempt["pnl_quote"]) == close(total(own, "cash") - total(own, "fee") + residual)
        assert float(attempt["residual_base"]) == pytest.approx(bought(own), abs=1e-9)
        assert {trade["leg"].partition(":")[2] for trade in own} == {
            account.summary["legs"][2 * int(attempt["pair"])]["leg"].partition(":")[2]
        }


def test_each_leg_is_the_sum_of_its_fills(account: Account) -> None:
    for leg, records in zip(account.summary["legs"], account.records, strict=True):
        own = [trade for trade in account.trades if trade["leg"] == leg["leg"]]
        assert total(own, "cash") == close(leg["cash_quote"]) == close(float(records["balance"][-1]))
        assert total(own, "fee") == close(leg["fee_quote"]) == close(float(records["fee"][-1]))
        assert bought(own) == close(leg["position_base"]) == close(float(records["position"][-1]))
        assert len(own) == leg["fills"] == int(records["num_trades"][-1])


def test_the_sums_are_one_account(account: Account) -> None:
    summary = account.summary
    cash, fees = total(account.trades, "cash"), total(account.trades, "fee")
    assert (cash, fees) == (close(summary["cash_quote"]), close(summary["fee_quote"]))
    assert summary["equity"]["realised_quote"] == close(cash - fees)
    of_attempts = total(account.attempts, "pnl_quote") - total(account.attempts, "residual_quote")
    assert of_attempts == close(cash - fees - summary["attempts"]["unassigned_quote"])
    assert summary["attempts"]["unassigned_quote"] == close(0.0)
    assert summary["attempts"]["count"] == len(account.attempts) == summary["decisions"]["attempt"]
    ends = [
        float(r["balance"][-1] - r["fee"][-1] + r["position"][-1] * r["price"][-1]) for r in account.records
    ]
    assert summary["equity"]["return_quote"] == close(math.fsum(ends)) == close(summary["pnl_quote"])


def test_hftbacktest_counts_the_same_equity(account: Account) -> None:
    theirs = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for records in account.records:
            known = records[~np.isnan(records["price"])]
            theirs += LinearAssetRecord(known).resample("1s").stats().splits[0]["Return"]
    assert account.summary["equity"]["return_quote"] == close(theirs)


#: Plain Python takes its time over the engine's books.
PLAIN_NS = 12_000_000_000


def legs_with_rows(config: Config, recordings: Path) -> list[LegData]:
    legs = legs_of(config)
    days = select_days(
        recordings, [(leg.venue, leg.symbol) for leg in legs], date(2024, 8, 8), date(2024, 8, 8)
    )
    feeds = [
        Feed(load_adapter(config.venues[own.venue]), files, leg.feed_latency_ns, instrument_of(leg))
        for own, leg, files in zip(config.legs, legs, days, strict=True)
    ]
    files = convert(feeds, RowCache()).files
    return [
        LegData(leg, [np.concatenate(own[0].load(is_first=True))])
        for leg, own in zip(legs, files, strict=True)
    ]


@pytest.mark.parametrize(("mode", "symbols"), WORLDS)
def test_compiled_and_plain_decide_alike(mode: str, symbols: int, recordings: Path) -> None:
    config = config_of(recordings, mode, symbols)
    arguments = Arguments(
        load_strategy(config.strategy.function),
        facts_of(config),
        {"basis_halflife_ns": 500_000_000},
        legs=2 * symbols,
    )
    whole = legs_with_rows(config, recordings)
    until = min(data.arrays[0]["local_ts"][0] for data in whole) + PLAIN_NS
    data = [LegData(d.leg, [d.arrays[0][d.arrays[0]["local_ts"] < until].copy()]) for d in whole]
    compiled = Recorder(2 * symbols)
    with backtest_bot(data, None, keep_trades=False) as bot:
        outcome = compile_strategy(spread.run)(bot, params_record(arguments.params), compiled)
    theirs, recorder = (
        HashMapMarketDepthBacktest([make_asset(d, keep_trades=False) for d in data]),
        FakeRecorder(),
    )
    plainly = plain(spread.run)(theirs, SimpleNamespace(**arguments.params), recorder)
    theirs.close()
    assert plainly == outcome
    lines = [tuple(line) for line in compiled.decisions.tolist()]
    assert [(d.ts, d.code, d.attempt, d.leg, d.order_id, d.value) for d in recorder.decisions] == lines
    assert sum(d.code == 1 for d in recorder.decisions) > 0
    assert recorder.records == len(compiled.records)
