"""A strategy that halts: what it holds is left, or traded back by the host, in every world and in the proof."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.paths import strategy_file

from arb.commands.backtest import run_backtest
from arb.commands.dryrun import run_recorded
from arb.commands.legs import known_venues
from arb.commands.sandbox import record_market
from arb.commands.verify import verify
from arb.config import Config, load, write_templates
from arb.errors import ExitCode
from arb.strategies.spread.decisions import Decision

pytestmark = pytest.mark.slow

DAY = date(2024, 1, 1)
VENUES = ["binance_spot", "binance_usdm"]

#: Buys on spot, sells the perpetual, leaves an order resting, and halts after twenty seconds.
HALTING = """
from hftbacktest.order import GTC, IOC, LIMIT


def run(bot, qty, other_qty, first_id):
    if bot.elapse(10_000_000_000) != 0:
        return 0
    order_id = first_id
    depth = bot.depth(0)
    bot.submit_buy_order(0, order_id, round(depth.best_ask * 1.01, 1), qty, IOC, LIMIT, False)
    bot.submit_buy_order(0, order_id + 1, round(depth.best_bid * 0.99, 1), 0.01, GTC, LIMIT, False)
    depth = bot.depth(1)
    bot.submit_sell_order(1, order_id, round(depth.best_bid * 0.99, 1), other_qty, IOC, LIMIT, False)
    bot.elapse(10_000_000_000)
    return 3
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flatten")
    write_templates(folder)
    venues = known_venues(folder / "arbitrage.toml")
    begin = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    record_market(folder / "recordings", 7, 90.0, begin, VENUES, ["BTCUSDT"], venues)
    return folder


def configured(place: Path, *settings: str) -> Config:
    fixed = [
        f"strategy.function='{strategy_file('halting.py', HALTING)}:run'",
        f"data.directory='{place}/recordings'",
        "strategy.params={qty=1.0, other_qty=0.5, first_id=1}",
        *(f"capital.{venue}.quote=1000000.0" for venue in VENUES),
    ]
    return load(place / "arbitrage.toml", [*fixed, *settings], legs=[f"{venue}:BTCUSDT" for venue in VENUES])


def positions(result: Any) -> list[float]:
    return [round(leg["position_base"], 9) for leg in result.summary["legs"]]


def decisions(result: Any) -> Any:
    with np.load(result.folder / "records.npz") as file:
        return file["decisions"]


def run(place: Path, out: Path, *settings: str) -> Any:
    return run_backtest(configured(place, *settings), DAY, None, out, has_report=False)


def test_what_a_halted_strategy_holds_is_left_unless_it_is_asked_for(place: Path, tmp_path: Path) -> None:
    left = run(place, tmp_path / "left")
    assert left.exit_code == ExitCode.HALTED_BY_RISK
    assert positions(left) == [1.0, -0.5]
    assert not (decisions(left)["code"] == Decision.FLATTEN).any()


def test_flatten_trades_it_back_in_every_world_and_verify_proves_it(place: Path, tmp_path: Path) -> None:
    flatten = "risk.on_halt='flatten'"
    done = run(place, tmp_path / "backtest", flatten)
    assert done.exit_code == ExitCode.HALTED_BY_RISK
    assert positions(done) == [0.0, 0.0]
    dry = run_recorded(configured(place, flatten), DAY, None, tmp_path / "dry", has_report=False)
    found = [verify(tmp_path / name) for name in ("backtest", "dry")]
    assert dry.trades == done.trades
    assert [each.differences for each in found] == [[], []]
    own, hosts = done.trades[:2], done.trades[2:]
    assert {trade.attempt for trade in own} == {""}
    assert {trade.attempt for trade in hosts} == {"flatten"}
    assert {(trade.leg, trade.side) for trade in hosts} == {
        ("binance_spot:BTCUSDT", "sell"),
        ("binance_usdm:BTCUSDT", "buy"),
    }
    with (done.folder / "trades.csv").open(newline="") as file:
        assert [row["attempt"] for row in csv.DictReader(file)] == ["", ""] + ["flatten"] * len(hosts)


def test_each_order_is_no_more_than_the_limits_of_one(place: Path, tmp_path: Path) -> None:
    done = run(
        place, tmp_path / "run", "risk.on_halt='flatten'", "risk.max_order_qty=0.1", "strategy.params.qty=0.1",
        "strategy.params.other_qty=0.1", "risk.max_order_notional=2000.0",
    )  # fmt: skip
    # The strategy's own orders are worth more than one may be: nothing is held, nothing is traded back.
    assert done.trades == []
    done = run(place, tmp_path / "other", "risk.on_halt='flatten'", "risk.max_order_qty=1.0")
    assert max(trade.quantity for trade in done.trades) == 1.0
    assert positions(done) == [0.0, 0.0]


def test_what_cannot_be_traded_back_is_named(place: Path, tmp_path: Path) -> None:
    # What is left is below the least value of an order.
    done = run(
        place, tmp_path / "run", "risk.on_halt='flatten'", "binance_usdm.symbols.BTCUSDT.min_notional=30000.0"
    )
    assert positions(done) == [0.0, -0.5]
    assert done.summary["notes"][-1] == (
        "binance_usdm:BTCUSDT: not flat after the halt: -0.5 is left; too small for an order, refused, or the run"
        " ended before ([risk] on_halt)"
    )


def test_an_id_that_the_strategy_has_used_is_passed_over(place: Path, tmp_path: Path) -> None:
    done = run(place, tmp_path / "run", "risk.on_halt='flatten'", f"strategy.params.first_id={1 << 62}")
    assert positions(done) == [0.0, 0.0]
    sent = decisions(done)[decisions(done)["code"] == Decision.FLATTEN]
    # Those of the first leg: its resting order has the second one.
    assert sent["order_id"].min() == (1 << 62) + 2
