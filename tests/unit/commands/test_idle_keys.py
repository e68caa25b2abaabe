"""Keys that have no effect are named, once, with the reason; those that have one are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.configured import configured, trade
from support.fake_bot import Touch
from support.keys import KEYS
from support.recording_files import clean_imports

from arb.commands.idle_keys import RULES, World, idle_notes
from arb.commands.run_setup import setup_of
from arb.config import load, write_templates

MS = 1_000_000
OWN = """
PARAMS = {"min_spread_bps": 1.0, "taker_fee_0": 0.0}

def run(bot, params, recorder):
    return 0
"""
TUTORIAL = "def run(hbt, recorder, half_spread=1.0):\n    return 0\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_templates(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "tutorial.py").write_text(TUTORIAL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def notes(folder: Path, *settings: str, world: World = World.BACKTEST) -> list[str]:
    config = load(folder / "arbitrage.toml", settings)
    with clean_imports(folder):
        return idle_notes(config, setup_of(config), world)


def names_in(found: list[str]) -> set[str]:
    return {name for note in found for name in note.split(": ")[1].split(", ")}


def test_every_rule_is_about_a_key_or_a_section() -> None:
    assert set(RULES) <= KEYS | {name.partition(".")[0] for name in KEYS}


@pytest.mark.parametrize("world", World)
def test_what_arb_init_writes_is_no_choice(folder: Path, world: World) -> None:
    assert notes(folder, world=world) == []
    assert notes(folder, "strategy.mode='convergence'", world=world) == []
    assert notes(folder, "strategy.function='tutorial.py:run'", world=world) == []


def test_keys_of_the_other_mode_are_one_line(folder: Path) -> None:
    assert notes(folder, "strategy.exit_spread_bps=1.0", "strategy.max_holding_s=5.0") == [
        "no effect: strategy.exit_spread_bps, strategy.max_holding_s: the strategy is in inventory mode"
    ]
    convergence = ("strategy.mode='convergence'", "strategy.inventory_skew_bps=1.0")
    assert notes(folder, *convergence) == [
        "no effect: strategy.inventory_skew_bps: the strategy is in convergence mode"
    ]


def test_a_key_in_a_file_counts_where_it_is_not_the_default(folder: Path) -> None:
    main = folder / "arbitrage.toml"
    main.write_text(main.read_text().replace("exit_spread_bps = 0.0", "exit_spread_bps = 2.0"))
    assert names_in(notes(folder)) == {"strategy.exit_spread_bps"}


@pytest.mark.parametrize("world", World)
def test_what_was_set_for_this_run_counts_whatever_it_is(folder: Path, world: World) -> None:
    assert names_in(notes(folder, "strategy.exit_spread_bps=0.0", world=world)) == {
        "strategy.exit_spread_bps"
    }


def test_a_file_that_several_commands_share_may_hold_the_keys_of_all(folder: Path) -> None:
    main = folder / "arbitrage.toml"
    main.write_text(main.read_text().replace("segment_s = 300.0", "segment_s = 60.0"))
    assert notes(folder) == []
    reported = notes(folder, "record.segment_s=60.0", "archive.parallel=2")
    assert reported == [
        "no effect: record.segment_s: not read in a backtest",
        "no effect: archive.parallel: arb download reads it",
    ]


def test_keys_that_a_strategy_of_ones_own_does_not_read(folder: Path) -> None:
    own = ("strategy.function='own.py:run'", "strategy.min_spread_bps=3.0", "risk.max_drawdown=0.5")
    assert notes(folder, *own) == ["no effect: risk.max_drawdown: own.py:run does not read this (PARAMS)"]
    tutorial = ("strategy.function='tutorial.py:run'", "strategy.min_spread_bps=3.0")
    assert names_in(notes(folder, *tutorial)) == {"strategy.min_spread_bps"}


def test_a_parameter_takes_the_place_of_a_key(folder: Path) -> None:
    own = (
        "strategy.function='own.py:run'",
        "strategy.min_spread_bps=3.0",
        "strategy.params.min_spread_bps=4.0",
    )
    assert notes(folder, *own) == ["no effect: strategy.min_spread_bps: [strategy.params] has a value for it"]


PERPETUALS = "strategy.legs=['binance_usdm:SYMBOL', 'bybit_linear:SYMBOL']"


@pytest.mark.parametrize(
    ("settings", "world", "name"),
    [
        (["strategy.symbols=['BTCUSDT']", "strategy.symbol='ETHUSDT'"], World.BACKTEST, "strategy.symbol"),
        (["strategy.legs=['binance_spot:BTCUSDT', 'bybit_spot:BTCUSDT']", "strategy.symbol='ETHUSDT'"],
         World.BACKTEST, "strategy.symbol"),
        (["risk.max_failures=0", "risk.cooldown_s=5.0"], World.BACKTEST, "risk.cooldown_s"),
        (["execution.unhedged_max_ms=5000"], World.BACKTEST, "execution.unhedged_max_ms"),
        (["execution.max_chases=1", "execution.chase_interval_ms=20"], World.LIVE, "execution.chase_interval_ms"),
        (["live.in_doubt_max_s=5.0", "strategy.function='tutorial.py:run'"], World.ORDERS, "live.in_doubt_max_s"),
        (["risk.max_leverage=2.0"], World.BACKTEST, "risk.max_leverage"),
        (["symbols.BTCUSDT.position_limit=1.0", "risk.position_limit=2.0"], World.BACKTEST, "risk.position_limit"),
        (["symbols.ETHUSDT.position_limit=1.0"], World.BACKTEST, "symbols.ETHUSDT.position_limit"),
        (["capital.binance_usdm.quote=1.0"], World.BACKTEST, "capital.binance_usdm.quote"),
        (["capital.binance_spot.base_of.BTCUSDT=1.0", "capital.binance_spot.base=2.0"], World.BACKTEST,
         "capital.binance_spot.base"),
        (["capital.binance_spot.base_of.ETHUSDT=1.0"], World.BACKTEST, "capital.binance_spot.base_of.ETHUSDT"),
        (["dry_run.disorder_ms=100.0"], World.BACKTEST, "dry_run.disorder_ms"),
        (["dry_run.disorder_ms=100.0"], World.REPLAY, "dry_run.disorder_ms"),
        (["dry_run.hang_s=100.0"], World.BACKTEST, "dry_run.hang_s"),
        (["data.directory='x'"], World.LIVE, "data.directory"),
        (["data.note='x'"], World.LIVE, "data.note"),
        (["record.streams=['ticker']"], World.LIVE, "record.streams"),
        (["binance_spot.connection.transport='websockets'"], World.REPLAY, "binance_spot.connection.transport"),
        (["binance_spot.connection.rest_api_url='https://a.b'"], World.SANDBOX,
         "binance_spot.connection.rest_api_url"),
        (["binance_spot.auth.api_key='${X}'"], World.LIVE, "binance_spot.auth.api_key"),
        (["binance_spot.fees.maker=0.0"], World.BACKTEST, "binance_spot.fees.maker"),
        (["binance_spot.queue.model='log_prob'"], World.BACKTEST, "binance_spot.queue.model"),
        (["binance_spot.queue.power=2.0", "strategy.function='tutorial.py:run'"], World.BACKTEST,
         "binance_spot.queue.power"),
        (["binance_spot.symbols.ETHUSDT.min_qty=2.0"], World.BACKTEST, "binance_spot.symbols.ETHUSDT.min_qty"),
        (["strategy.allow_different_assets=true"], World.BACKTEST, "strategy.allow_different_assets"),
    ],
)  # fmt: skip
def test_keys_without_effect_are_named(folder: Path, settings: list[str], world: World, name: str) -> None:
    assert names_in(notes(folder, *settings, world=world)) == {name}


@pytest.mark.parametrize(
    ("settings", "world"),
    [
        (["dry_run.disorder_ms=100.0", "record.segment_s=9.0", "clock.offset_ms=1.0"], World.LIVE),
        (["binance_spot.connection.websocket_url='wss://a.b'"], World.LIVE),
        (["dry_run.hang_s=100.0", "data.note='x'", "data.directory='x'", "clock.offset_ms=1.0"], World.REPLAY),
        (["binance_spot.queue.model='power_prob'", "binance_spot.queue.power=2.0", "binance_spot.fees.maker=0.0",
          "strategy.function='tutorial.py:run'"], World.BACKTEST),
        ([PERPETUALS, "risk.max_leverage=2.0"], World.BACKTEST),
        # Live feeds and the report read them, whatever the strategy does.
        (["execution.stale_after_ms=100", "strategy.function='tutorial.py:run'"], World.LIVE),
        (["strategy.mode='convergence'", "strategy.basis_halflife_s=1.0", "strategy.function='tutorial.py:run'"],
         World.BACKTEST),
        (["strategy.symbols=['BTCUSDT', 'ETHUSDT']", "symbols.ETHUSDT.position_limit=1.0",
          "capital.binance_spot.base_of.ETHUSDT=1.0", "capital.binance_spot.base=2.0"], World.BACKTEST),
    ],
)  # fmt: skip
def test_keys_with_an_effect_are_not_named(folder: Path, settings: list[str], world: World) -> None:
    assert notes(folder, *settings, world=world) == []


def touches() -> list[Touch]:
    """Leg 1 is dear, then cheap, then as dear as leg 0, by small steps."""
    mids = [101.0, 101.3, 101.8, 101.2, 100.4, 99.0, 98.8, 100.0]
    found = []
    for n, mid in enumerate(mids):
        at = (1000 + 2000 * n) * MS
        found += [Touch(at, 0, 99.9, 100.1, 5.0 + n, 5.0), Touch(at, 1, mid - 0.1, mid + 0.1, 5.0, 5.0 + n)]
    return found


@pytest.mark.parametrize(
    "changed",
    [
        "strategy.exit_spread_bps=300.0",
        "strategy.max_holding_s=1.0",
        "strategy.mode='convergence' strategy.inventory_skew_bps=300.0",
        "strategy.mode='convergence' strategy.rebalance_threshold=0.0",
        "strategy.mode='convergence' strategy.rebalance_cost_bps=5000.0",
        "risk.cooldown_s=100000.0",
        "execution.unhedged_max_ms=6000",
        "risk.max_leverage=0.001",
        "binance_spot.fees.maker=0.0",
    ],
)
def test_what_is_said_to_have_no_effect_has_none(folder: Path, changed: str) -> None:
    *base, last = changed.split()
    found = [trade(configured(folder, words), touches()) for words in (base, [*base, last])]
    assert found[0].orders
    assert (found[0].orders, found[0].purposes) == (found[1].orders, found[1].purposes)
    assert names_in(notes(folder, "risk.max_failures=0", *base, last)) == {last.partition("=")[0]}


def test_the_range_of_arrays_that_the_built_in_strategy_does_not_read(folder: Path) -> None:
    given = tuple(f"binance_spot.symbols.BTCUSDT.{text}" for text in ("roi_lb=48000.0", "roi_ub=72000.0"))
    [note] = notes(folder, *given)
    assert note.endswith("the built-in strategy reads no bid_depth or ask_depth")
    assert notes(folder, *given, "strategy.function='tutorial.py:run'") == []
