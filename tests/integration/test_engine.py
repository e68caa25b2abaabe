"""`[backtest] engine = "arb"`: a backtest in the simulated exchange of dry-runs, the same to the byte in every run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import arb
from support.paths import strategy_file

from arb.commands.backtest import run_backtest
from arb.commands.legs import known_venues
from arb.commands.sandbox import record_market
from arb.commands.verify import verify
from arb.config import Config, load, write_templates

pytestmark = pytest.mark.slow

DAY = date(2024, 1, 1)
VENUES = ["binance_spot", "binance_usdm"]

#: Four orders rest at one price and fill together; what follows depends on the last digit of their sum.
TIED = """
from hftbacktest.order import GTC, LIMIT


def run(bot, recorder):
    if bot.elapse(5_000_000_000) != 0:
        return 0
    bid = bot.depth(0).best_bid
    order_id = 1
    for qty in (0.1, 0.2, 0.3, 0.4):
        bot.submit_buy_order(0, order_id, bid, qty, GTC, LIMIT, False)
        order_id += 1
    while bot.elapse(1_000_000_000) == 0:
        recorder.record(bot)
        if 0.9 < bot.position(0) < 1.0:
            bot.submit_sell_order(0, order_id, bot.depth(0).best_ask, 0.1, GTC, LIMIT, False)
            order_id += 1
            bot.elapse(10_000_000_000)
    return 0
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    write_templates(folder)
    venues = known_venues(folder / "arbitrage.toml")
    begin = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    record_market(folder / "recordings", 7, 120.0, begin, VENUES, ["BTCUSDT"], venues)
    return folder


def settings(place: Path, engine: str, *more: str) -> list[str]:
    return [
        f"strategy.function='{strategy_file('tied.py', TIED)}:run'",
        f"data.directory='{place}/recordings'",
        f"backtest.engine='{engine}'",
        "capital.binance_spot={base=10.0, quote=1000000.0}",
        *more,
    ]


def configured(place: Path, engine: str, *more: str) -> Config:
    legs = [f"{venue}:BTCUSDT" for venue in VENUES]
    return load(place / "arbitrage.toml", settings(place, engine, *more), legs=legs)


def run(place: Path, out: Path, engine: str, *more: str) -> Any:
    return run_backtest(configured(place, engine, *more), DAY, None, out, has_report=False)


def test_ties_are_counted_and_named_where_their_order_is_random(place: Path, tmp_path: Path) -> None:
    done = run(place, tmp_path / "run", "hftbacktest")
    first = [trade.exch_ts for trade in done.trades[:4]]
    assert len(set(first)) == 1
    assert done.summary["notes"][-1].startswith(
        "binance_spot:BTCUSDT: 4 resting orders filled in the same nanosecond as others (once); hftbacktest adds"
    )
    assert done.summary["notes"][-1].endswith('[backtest] engine = "arb" is exact')


def test_arbs_engine_gives_the_same_bytes_and_is_proven(place: Path, tmp_path: Path) -> None:
    runs = [run(place, tmp_path / str(n), "arb") for n in range(3)]
    for name in ("trades.csv", "summary.json", "records.npz"):
        assert len({(done.folder / name).read_bytes() for done in runs}) == 1
    assert len(runs[0].trades) >= 4
    assert not any("random order" in note for note in runs[0].summary["notes"])
    found = verify(runs[0].folder)
    assert [each.engine for each in found.replays] == ["dry-run"]
    assert found.differences == []


def test_where_nothing_is_tied_both_engines_tell_the_same(place: Path, tmp_path: Path) -> None:
    spread = "strategy.function='arb.strategies.spread.strategy:run'"
    cheap = [spread, "strategy.min_spread_bps=0.0", *(f"{venue}.fees.taker=0.0" for venue in VENUES)]
    theirs = run(place, tmp_path / "theirs", "hftbacktest", *cheap)
    ours = run(place, tmp_path / "ours", "arb", *cheap)
    assert len(ours.trades) > 4
    assert ours.trades == theirs.trades
    with np.load(ours.folder / "records.npz") as one, np.load(theirs.folder / "records.npz") as other:
        assert all(one[name].tobytes() == other[name].tobytes() for name in ("0", "1", "final", "decisions"))


def test_the_command_takes_the_engine(place: Path, tmp_path: Path) -> None:
    words = ["backtest", "--config", str(place / "arbitrage.toml"), "--start", str(DAY), "--no-report"]
    words += ["--legs", ",".join(f"{venue}:BTCUSDT" for venue in VENUES), "--out", str(tmp_path / "run")]
    for setting in settings(place, "arb"):
        words += ["--set", setting]
    arb(*words)
    arb("verify", "--trust", tmp_path / "run")
