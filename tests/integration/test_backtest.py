"""`arb backtest` on real recordings: both examples, both instruments, and strategies of the user's own."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hftbacktest import HashMapMarketDepthBacktest
from numba import njit
from support.command_line import arb
from support.paths import RECORDINGS, needs_recordings, strategy_file
from support.recording_files import example

from arb.backtest.assets import LegData, backtest_bot, make_asset
from arb.backtest.bot import hashmap_bot
from arb.bot.compilation import compile_strategy
from arb.bot.recorder import Recorder
from arb.commands.legs import legs_of
from arb.commands.strategy_facts import facts_of
from arb.config import load, on_data_grid
from arb.config.adapters import load_adapter
from arb.data.catalog.days import select_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.strategies.arguments import Arguments
from arb.strategies.loader import load_strategy
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision

pytestmark = [pytest.mark.slow, needs_recordings]

DAY = date(2024, 8, 8)
ETH = (
    "strategy.symbol=\"ETHUSDT\"",
    "strategy.max_position_size=1.0",
    "risk.position_limit=20.0",
)  # fmt: skip
RUNS = [(pair, symbol) for pair in ("spot_usdm", "usdm_bybit") for symbol in ("BTC", "ETH")]
FILES = ["manifest.json", "records.npz", "summary.json", "trades.csv"]


class Finished(NamedTuple):
    folder: Path
    summary: dict[str, Any]
    trades: list[dict[str, str]]


def settings(symbol: str) -> tuple[str, ...]:
    return ETH if symbol == "ETH" else ()


def backtest(out: Path, pair: str, *words: str) -> Finished:
    """The command in this process; what it wrote."""
    reported = arb("backtest", "-c", example(pair), "--data", RECORDINGS, "--out", out, *words, "--json")
    assert set(FILES) <= {path.name for path in out.iterdir()}
    with (out / "trades.csv").open(newline="") as file:
        trades = list(csv.DictReader(file))
    summary = json.loads((out / "summary.json").read_bytes())
    assert json.loads(reported.stdout) == summary
    return Finished(out, summary, trades)


def words_of(symbol: str) -> list[str]:
    return ["--start", str(DAY), *(word for text in settings(symbol) for word in ("--set", text))]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Finished]:
    """Both examples with both instruments, each run once."""
    made: dict[tuple[str, str], Finished] = {}

    def of(pair: str, symbol: str) -> Finished:
        if (pair, symbol) not in made:
            out = tmp_path_factory.mktemp("runs") / "run"
            made[pair, symbol] = backtest(out, pair, *words_of(symbol))
        return made[pair, symbol]

    return of


@pytest.mark.parametrize(("pair", "symbol"), RUNS)
def test_the_examples_walk_every_path(finished: Any, pair: str, symbol: str) -> None:
    summary = finished(pair, symbol).summary
    counts = summary["decisions"]
    assert counts["attempt"] >= 30
    assert all(counts[name] > 0 for name in ("expired", "chase", "reverse", "hedged", "reversed"))
    assert counts["hedged"] + counts["reversed"] + counts["missed"] >= counts["attempt"] - 1
    assert counts["halted"] == 0
    assert summary["outcome"] == "ended"
    # Sizing keeps what the limits would refuse; only the order rate, which it does not look at, may bind.
    refusals = [(rule, n) for rules in summary["refusals"].values() for rule, n in rules.items()]
    assert all(n == 0 for rule, n in refusals if rule != "rate")
    assert all(count == 0 for count in summary["gaps"].values())


#: Of the venues of the examples, in quote.
LEAST_NOTIONAL = 20.0


@pytest.mark.parametrize(("pair", "symbol"), RUNS)
def test_every_fill_belongs_to_an_attempt_and_attempts_are_flat(
    finished: Any, pair: str, symbol: str
) -> None:
    done = finished(pair, symbol)
    net: dict[str, float] = {}
    for trade in done.trades:
        assert trade["attempt"]
        sign = 1 if trade["side"] == "buy" else -1
        net[trade["attempt"]] = net.get(trade["attempt"], 0.0) + sign * float(trade["quantity"])
    last = str(done.summary["decisions"]["attempt"])  # may be under way when the data end
    # What is left of an attempt is too small for an order at a venue, and counts in the next.
    dust = LEAST_NOTIONAL / min(float(trade["price"]) for trade in done.trades)
    assert all(abs(left) < dust for attempt, left in net.items() if attempt != last)
    assert abs(math.fsum(left for attempt, left in net.items() if attempt != last)) < dust
    times = [int(trade["exch_ts"]) for trade in done.trades]
    assert times == sorted(times)


#: Orders of the examples, and digests of their times, legs, ids and prices, from before chases were bounded.
UNBOUNDED = {
    ("spot_usdm", "BTC"): (389, "65335cefc9ea6a1a"),
    ("spot_usdm", "ETH"): (745, "b575365a5ccd5e48"),
    ("usdm_bybit", "BTC"): (229, "b31f60155b966b73"),
    ("usdm_bybit", "ETH"): (325, "6184941c0b089ac0"),
}


def sent_by(folder: Path) -> Any:
    """The decisions of a run about orders of its attempts."""
    with np.load(folder / "records.npz") as file:
        decisions = file["decisions"]
    return decisions[np.isin(decisions["code"], (Decision.OPEN, Decision.CHASE, Decision.REVERSE))]


@pytest.mark.parametrize(("pair", "symbol"), RUNS)
def test_without_bounds_on_chases_the_orders_are_those_from_before(
    finished: Any, pair: str, symbol: str, tmp_path: Path
) -> None:
    off = ("--no-report", "--set", "execution.max_chases=1000", "--set", "execution.chase_interval_ms=0")
    done = backtest(tmp_path / "run", pair, *words_of(symbol), *off)
    sent, bounded = sent_by(done.folder), sent_by(finished(pair, symbol).folder)
    assert (len(sent), sha256(sent.tobytes()).hexdigest()[:16]) == UNBOUNDED[pair, symbol]
    # With them chases are fewer and later, and what follows from these differs.
    names = ["timestamp", "code", "leg", "value"]
    same = set(sent[names].tolist()) & set(bounded[names].tolist())
    assert len(same) > 0.98 * len(sent)


def test_the_same_inputs_give_the_same_bytes(finished: Any, tmp_path: Path) -> None:
    first = finished("usdm_bybit", "ETH").folder
    second = backtest(tmp_path / "again", "usdm_bybit", *words_of("ETH")).folder
    manifests = []
    names = [str(path.relative_to(first)) for path in first.rglob("*") if path.is_file()]
    assert {"report.html", "charts/equity.png"} < set(names)
    for name in names:
        a, b = (first / name).read_bytes(), (second / name).read_bytes()
        if name == "manifest.json":
            manifests = [json.loads(a), json.loads(b)]
        else:
            assert a == b, name
    created = [manifest.pop("created") for manifest in manifests]
    # The manifest's own hashes cover the time, too.
    hashes = [
        (manifest.pop("manifest_sha256"), manifest["manifest_parts"].pop("created")) for manifest in manifests
    ]
    assert hashes[0] != hashes[1] or created[0] == created[1]
    assert manifests[0] == manifests[1]
    assert all(created)


def test_the_manifest_says_what_was_run(finished: Any) -> None:
    manifest = json.loads((finished("spot_usdm", "BTC").folder / "manifest.json").read_bytes())
    assert manifest["clock_offset_ns"] > 1_000_000_000  # the recorder's clock was 1.27 s slow
    assert [entry["leg"] for entry in manifest["inputs"]] == ["binance_spot:BTCUSDT", "binance_usdm:BTCUSDT"]
    assert all(len(entry["raw_sha256"]) == 64 and entry["rows"] > 0 for entry in manifest["inputs"])
    assert manifest["config"]["strategy"]["min_spread_bps"] == 0.6
    assert manifest["strategy"]["params"]["order_timeout_ns"] == 300_000_000
    assert "${BINANCE_API_KEY}" in json.dumps(manifest["config"])


LOOK = """
def run(hbt, recorder):
    n = 0
    while hbt.elapse(1_000_000_000) == 0:
        recorder.record(hbt)
        n += 1
    return n
"""


def test_two_days_of_spot_are_one_book(tmp_path: Path) -> None:
    # The second day of spot has no snapshot of its own; the other leg is the same recordings under another name.
    data = tmp_path / "data"
    (data / "binance_spot").mkdir(parents=True)
    for day in ("20240808", "20240809"):
        name = f"btcusdt_{day}.gz"
        (data / "binance_spot" / name).symlink_to((RECORDINGS / "binance_spot" / name).resolve())
    (data / "spot_twin").symlink_to(data / "binance_spot")
    config = tmp_path / "config"
    config.mkdir()
    for path in Path(example("spot_usdm")).parent.glob("*.toml"):
        (config / path.name).write_text(path.read_text())
    twin = (config / "binance.toml").read_text().replace('name = "binance_spot"', 'name = "spot_twin"')
    (config / "twin.toml").write_text(twin)
    words = [
        "backtest", "-c", str(config / "arbitrage.toml"), "--data", str(data), "--start", "2024-08-08",
        "--legs", "binance_spot:BTCUSDT,spot_twin:BTCUSDT", "--strategy", f"{strategy_file('look.py', LOOK)}:run",
        "--out", str(tmp_path / "run"),
        "--set", "capital.spot_twin={quote=1.0}", "--set", "capital.binance_spot.base=1.0",
    ]  # fmt: skip
    arb(*words)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert [entry["is_carried"] for entry in manifest["inputs"]] == [False, True, False, True]
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert (summary["first_day"], summary["last_day"]) == ("2024-08-08", "2024-08-09")
    with np.load(tmp_path / "run" / "records.npz") as file:
        mids, times = file["0"]["price"], file["0"]["timestamp"]
        np.testing.assert_array_equal(mids, file["1"]["price"])
    assert len(times) > 600  # about eleven minutes, a look a second
    known = np.flatnonzero(~np.isnan(mids))
    # Known from its first snapshot to the end, over midnight.
    assert not np.isnan(mids[known[0] :]).any()
    assert np.abs(np.diff(mids[known[0] :])).max() < 100.0


class World(NamedTuple):
    """A configured run up to its bot."""

    legs: list[LegData]
    params: Any


def world(pair: str, symbol: str) -> World:
    config = load(example(pair), [*settings(symbol), f"data.directory={json.dumps(str(RECORDINGS))}"])
    config = on_data_grid(config)
    legs = legs_of(config)
    days = select_days(RECORDINGS, [(leg.venue, leg.symbol) for leg in legs], DAY, DAY)
    feeds = [
        Feed(load_adapter(config.venues[configured.venue]), recordings, leg.feed_latency_ns)
        for configured, leg, recordings in zip(config.legs, legs, days, strict=True)
    ]
    files = convert(feeds, RowCache()).files
    data = [LegData(leg, file[0].load(is_first=True)) for leg, file in zip(legs, files, strict=True)]
    arguments = Arguments(load_strategy(config.strategy.function), facts_of(config), config.strategy.params)
    bound: Any = dict(zip(("bot", "params", "recorder"), arguments.bind(None, None), strict=True))  # type: ignore[arg-type]
    return World(data, bound["params"])


#: The strategy's Python function under plain `njit`, as hftbacktest's own bots take it.
_theirs = njit(spread.run.py_func)


@pytest.mark.parametrize(("pair", "symbol"), RUNS)
def test_both_books_and_hftbacktests_own_bot_give_the_same_to_the_last_bit(pair: str, symbol: str) -> None:
    legs, params = world(pair, symbol)
    arrays = [array for data in legs for array in data.arrays]
    strategy, found = compile_strategy(spread.run), []
    # hftbacktest's range-of-interest bot answers prices where quantities are asked for; its hash map bot does not.
    for make in (
        lambda: backtest_bot(legs, None, keep_trades=False),
        lambda: hashmap_bot([make_asset(data, keep_trades=False) for data in legs], arrays),
    ):
        recorder = Recorder(2)
        with make() as bot:
            strategy(bot, params, recorder)
            found.append((recorder, sorted(bot.collect_fills().tolist())))
    theirs = Recorder(2)
    their_bot = HashMapMarketDepthBacktest([make_asset(data, keep_trades=False) for data in legs])
    _theirs(their_bot, params, theirs)
    their_bot.close()
    (vector, vector_fills), (hashed, hashed_fills) = found
    assert vector_fills == hashed_fills
    assert len(vector_fills) > 60
    assert len(vector.records) > 300
    for other in (hashed, theirs):
        assert vector.records.tobytes() == other.records.tobytes()
        assert vector.decisions.tobytes() == other.decisions.tobytes()
