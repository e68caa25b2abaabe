"""The money of an account bounds every strategy: it sells what it holds and buys what it can pay for."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from support.paths import strategy_file

from arb.commands.backtest import run_backtest
from arb.commands.dryrun import run_recorded
from arb.commands.legs import known_venues
from arb.commands.sandbox import record_market
from arb.commands.verify import verify
from arb.config import Config, load, write_templates

pytestmark = pytest.mark.slow

DAY = date(2024, 1, 1)
VENUES = ["binance_spot", "binance_usdm"]

#: Sells and buys a BTC at a time at either leg, far more than any account of the test has.
GREEDY = """
from hftbacktest.order import GTC, IOC, LIMIT

PARAMS = {"asset": 0, "is_buy": False, "is_resting": False}


def run(bot, params, recorder):
    order_id = 1
    while order_id < 10 and bot.elapse(1_000_000_000) == 0:
        depth = bot.depth(params.asset)
        if not (depth.best_bid > 0 and depth.best_ask > 0):
            continue
        distance = -0.01 if params.is_resting else 0.01
        force = GTC if params.is_resting else IOC
        if params.is_buy:
            price = round(depth.best_ask * (1 + distance), 1)
            bot.submit_buy_order(params.asset, order_id, price, 1.0, force, LIMIT, False)
        else:
            price = round(depth.best_bid * (1 - distance), 1)
            bot.submit_sell_order(params.asset, order_id, price, 1.0, force, LIMIT, False)
        order_id += 1
        recorder.record(bot)
    while bot.elapse(1_000_000_000) == 0:
        recorder.record(bot)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("funds")
    write_templates(folder)
    venues = known_venues(folder / "arbitrage.toml")
    begin = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    record_market(folder / "recordings", 7, 60.0, begin, VENUES, ["BTCUSDT"], venues)
    return folder


def configured(place: Path, *settings: str) -> Config:
    with_strategy = f"strategy.function='{strategy_file('greedy.py', GREEDY)}:run'"
    where = f"data.directory='{place}/recordings'"
    legs = [f"{venue}:BTCUSDT" for venue in VENUES]
    return load(place / "arbitrage.toml", [with_strategy, where, *settings], legs=legs)


def sold(result: Any) -> float:
    return sum(t.quantity for t in result.trades if t.side == "sell")


def test_a_strategy_of_ones_own_sells_no_more_than_is_held(place: Path, tmp_path: Path) -> None:
    config = configured(place, "capital.binance_spot={base=2.0, quote=0.0}")
    done = run_backtest(config, DAY, None, tmp_path / "run", has_report=False)
    assert sold(done) == 2.0
    assert done.summary["refusals"]["binance_spot:BTCUSDT"]["funds"] == 7


def bought(result: Any) -> float:
    return sum(t.quantity for t in result.trades if t.side == "buy")


@pytest.mark.parametrize(
    ("settings", "traded", "note"),
    [
        (
            ("strategy.params.is_buy=true", "capital.binance_spot={base=0.0, quote=100000.0}"),
            2.0,
            "binance_spot:BTCUSDT: 7 orders were refused for lack of funds: the account began with base 0 and quote "
            "100000 ([capital.binance_spot] base and quote)",
        ),
        (
            ("strategy.params.asset=1", "capital.binance_usdm={quote=70000.0}", "risk.max_leverage=2.5"),
            4.0,
            "binance_usdm:BTCUSDT: 5 orders were refused for lack of funds: the account began with quote 70000 at "
            "leverage 2.5 ([capital.binance_usdm] quote, [risk] max_leverage)",
        ),
    ],
)
def test_every_world_refuses_the_same_and_says_which_key(
    place: Path, tmp_path: Path, settings: tuple[str, ...], traded: float, note: str
) -> None:
    config = configured(place, *settings)
    done = run_backtest(config, DAY, None, tmp_path / "backtest", has_report=False)
    dry = run_recorded(config, DAY, None, tmp_path / "dry", has_report=False)
    found = verify(tmp_path / "backtest"), verify(tmp_path / "dry")
    assert bought(done) + sold(done) == traded
    assert done.trades == dry.trades
    for result in (done, dry):
        written = json.loads((result.folder / "summary.json").read_bytes())
        assert written["notes"][-1] == note
        assert written["refusals"] == done.summary["refusals"]
    assert [each.differences for each in found] == [[], []]


def test_orders_that_rest_count_as_filled(place: Path, tmp_path: Path) -> None:
    resting = ("strategy.params.is_resting=true", "strategy.params.is_buy=true")
    config = configured(place, *resting, "capital.binance_spot={base=0.0, quote=100000.0}")
    done = run_backtest(config, DAY, None, tmp_path / "run", has_report=False)
    assert done.trades == []
    assert done.summary["refusals"]["binance_spot:BTCUSDT"]["funds"] == 7


def test_without_capital_a_spot_leg_trades_nothing(place: Path, tmp_path: Path) -> None:
    empty = "capital.binance_spot={base=0.0, quote=0.0}"
    for is_buy in ("true", "false"):
        config = configured(place, f"strategy.params.is_buy={is_buy}", empty)
        done = run_backtest(config, DAY, None, tmp_path / is_buy, has_report=False)
        assert done.trades == []
        assert "began with base 0 and quote 0 ([capital.binance_spot]" in done.summary["notes"][-1]
