"""Every key of the configuration changes a result: what is sent, filled, recorded or refused, not its echo.

Keys of the strategy go the whole way from the file to its plain functions on a scripted bot; keys of data, clock and
simulation through `run_backtest` on a small simulated recording. A key without an entry here fails.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.configured import MS, configured, trade
from support.fake_bot import Fate, Touch
from support.keys import KEYS
from support.paths import ROOT, strategy_file
from support.recording_files import clean_imports

from arb.commands.backtest import run_backtest
from arb.commands.idle_keys import Use, World, why_idle
from arb.commands.legs import known_venues
from arb.commands.run_setup import setup_of
from arb.commands.sandbox import record_market
from arb.commands.strategy_facts import facts_of
from arb.config import load, write_templates
from arb.config.adapters import load_adapter
from arb.config.live_keys import Supervisor
from arb.strategies.parameters import defaults_of
from arb.strategies.spread.parameters import PARAMS
from connectors.binance import BinanceSpot, BinanceUsdm
from connectors.errors import ConnectorError

pytestmark = pytest.mark.slow

EMPTY = Fate(share=0.0)


def touch(at_ms: float, leg: int, bid: float, ask: float, qty: float = 5.0) -> Touch:
    return Touch(round(at_ms * MS), leg, bid, ask, qty, qty)


def two(at_ms: float, mid_1: float, qty: float = 5.0) -> list[Touch]:
    """Leg 0 stands at 100, leg 1 at `mid_1`; the books are 0.2 wide."""
    return [touch(at_ms, 0, 99.9, 100.1, qty + at_ms / 1e6), touch(at_ms, 1, mid_1 - 0.1, mid_1 + 0.1, qty)]


#: Six times leg 1 is dear, and more so.
DEAR = [t for n in range(6) for t in two(1000 + 300 * n, 101.0 + n / 10)]
#: Then it is cheap, and then as dear as leg 0.
BACK = [*DEAR, *two(5000, 99.0), *two(7000, 100.0)]
#: A spread that opens, widens, and comes back by halves.
HELD = [*two(1000, 101.0), *two(3000, 101.8), *two(9000, 100.4), *two(12000, 100.0), *two(20000, 99.9)]
#: Another symbol at both venues, too.
FOUR = [*DEAR, *(t._replace(leg_no=t.leg_no + 2) for t in DEAR)]
FOUR.sort(key=lambda t: t.ts)

CONVERGENCE = ("strategy.mode='convergence'", "risk.stop_loss_bps=1000.0")
PERPETUALS = (
    "strategy.legs=['binance_usdm:SYMBOL', 'bybit_linear:SYMBOL']",
    *(f"capital.{venue}.quote=2000.0" for venue in ("binance_usdm", "bybit_linear")),
    *(f"{venue}.fees.taker=0.0" for venue in ("binance_usdm", "bybit_linear")),
)
BOTH = ("strategy.symbols=['BTCUSDT', 'ETHUSDT']",)
#: A third asset for fees, which pays for less than one.
NAMED = (
    "binance_spot.fees={maker=0.0, taker=0.003, asset='BNB', price=600.0}",
    "capital.binance_spot.assets.BNB=0.0005",
)
#: Leg 1 is sold and leg 0 does not follow: its offer is gone after the first answer.
ALONE = [*two(1000, 101.0), touch(1000.5, 0, 100.3, 100.6), *two(5000, 101.0), *two(9000, 101.1)]
ONE_FILL = [EMPTY, Fate()]
#: A loss that is no more than an attempt that was reversed at 0.5 dearer: of a capital of about 220,000.
LOST = [*two(1000, 101.0), touch(1000.5, 0, 100.3, 100.6), touch(1000.6, 1, 101.4, 101.6), *two(5000, 101.0)]


class Case(NamedTuple):
    """`changed` instead of `base` makes `differs` another one."""

    changed: str
    differs: Callable[[Any], Any]
    base: tuple[str, ...] = ()
    touches: list[Touch] = DEAR
    script: list[Fate] = []  # noqa: RUF012 - never written
    then: Fate | None = None
    last_feed: dict[int, int] = {}  # noqa: RUF012


def orders(result: Any) -> Any:
    return result.orders


def purposes(result: Any) -> Any:
    return result.purposes


def halts(result: Any) -> Any:
    return (result.outcome, result.halts)


def missed(result: Any) -> Any:
    return result.missed


def attempt_times(result: Any) -> Any:
    return [order[0] for order in result.orders[::2]]


STRATEGY = {
    "strategy.symbol": Case("strategy.symbol='ETHUSDT'", orders, ("strategy.max_position_size=0.123456",)),
    "strategy.legs": Case(
        "strategy.legs=['bybit_spot:SYMBOL', 'binance_spot:SYMBOL']", orders, ("capital.bybit_spot.base=0.5",)
    ),
    "strategy.symbols": Case(BOTH[0], orders, touches=FOUR),
    "strategy.pairs": Case(
        "strategy.pairs=[['bybit_spot:SYMBOL', 'binance_spot:SYMBOL']]", orders, ("capital.bybit_spot.base=0.5",)
    ),
    "strategy.function": Case("strategy.function='own.py:run'", orders),
    "strategy.mode": Case("strategy.mode='convergence'", purposes, touches=HELD),
    "strategy.min_spread_bps": Case("strategy.min_spread_bps=100.0", attempt_times),
    "strategy.max_edge_bps": Case("strategy.max_edge_bps=100.0", attempt_times),
    "strategy.max_position_size": Case("strategy.max_position_size=0.5", orders),
    "strategy.inventory_skew_bps": Case(
        "strategy.inventory_skew_bps=200.0", attempt_times, ("strategy.rebalance_threshold=0.001",)
    ),
    "strategy.rebalance_threshold": Case(
        "strategy.rebalance_threshold=0.001", purposes, ("strategy.rebalance_cost_bps=50.0",), BACK
    ),
    "strategy.rebalance_cost_bps": Case(
        "strategy.rebalance_cost_bps=50.0", purposes, ("strategy.rebalance_threshold=0.001",), BACK
    ),
    "strategy.exit_spread_bps": Case("strategy.exit_spread_bps=45.0", attempt_times, CONVERGENCE, HELD),
    "strategy.max_holding_s": Case("strategy.max_holding_s=3.0", purposes, CONVERGENCE, HELD),
    "strategy.basis_halflife_s": Case("strategy.basis_halflife_s=0.2", attempt_times),
    "strategy.params.<name>": Case("strategy.params.record_interval_ns=100000000", lambda r: r.records),
    "risk.max_drawdown": Case(
        "risk.max_drawdown=1e-6", halts, ("risk.max_attempt_loss=1.0",), LOST, ONE_FILL
    ),
    "risk.max_attempt_loss": Case("risk.max_attempt_loss=1e-6", halts, (), LOST, ONE_FILL),
    "risk.max_daily_loss": Case("risk.max_daily_loss=1e-6", attempt_times, (), LOST, ONE_FILL),
    "risk.max_failures": Case("risk.max_failures=1", attempt_times, (), ALONE, [], EMPTY),
    "risk.cooldown_s": Case(
        "risk.cooldown_s=5.0", attempt_times, ("risk.max_failures=1", "risk.cooldown_s=1.0"), DEAR, [], EMPTY
    ),
    "risk.max_attempts_per_day": Case("risk.max_attempts_per_day=2", attempt_times),
    "risk.stop_loss_bps": Case("risk.stop_loss_bps=50.0", purposes, CONVERGENCE, HELD),
    "risk.max_leverage": Case("risk.max_leverage=0.1", orders, PERPETUALS),
    "risk.capital_allocation": Case(
        "risk.capital_allocation=0.1", orders, ("capital.binance_spot.quote=400.0",)
    ),
    "risk.position_limit": Case("risk.position_limit=2.5", orders),
    "risk.max_order_qty": Case("risk.max_order_qty=0.3", orders),
    "risk.max_order_notional": Case("risk.max_order_notional=30.0", orders),
    "risk.max_orders_per_second": Case("risk.max_orders_per_second=4", attempt_times),
    "execution.order_timeout_ms": Case("execution.order_timeout_ms=300", attempt_times, (), ALONE, [*ONE_FILL, EMPTY]),
    "execution.unhedged_max_ms": Case("execution.unhedged_max_ms=30", orders, (), ALONE, [*ONE_FILL, EMPTY]),
    "execution.max_chases": Case("execution.max_chases=0", orders, script=[EMPTY, Fate(), EMPTY, EMPTY]),
    "execution.chase_interval_ms": Case("execution.chase_interval_ms=20", orders, script=[EMPTY, Fate(), EMPTY]),
    "live.in_doubt_max_s": Case("live.in_doubt_max_s=0.2", halts, script=[Fate(share=None)]),
    "execution.attempt_interval_ms": Case("execution.attempt_interval_ms=500", attempt_times),
    "execution.stale_after_ms": Case("execution.stale_after_ms=10", missed, last_feed={0: 980 * MS}),
    "execution.slippage_tolerance": Case("execution.slippage_tolerance=0.002", orders),
    "execution.touch_share": Case("execution.touch_share=0.1", orders),
    "capital.<venue>.base": Case("capital.bybit_spot.base=2.0", orders),
    "capital.<venue>.quote": Case("capital.binance_spot.quote=200.0", orders),
    "capital.<venue>.quote_of.<SYMBOL>": Case("capital.binance_spot.quote_of.BTCUSDT=200.0", orders),
    "capital.<venue>.base_of.<SYMBOL>": Case("capital.bybit_spot.base_of.BTCUSDT=2.0", orders),
    "symbols.<SYMBOL>.max_position_size": Case("symbols.ETHUSDT.max_position_size=0.5", orders, BOTH, FOUR),
    "symbols.<SYMBOL>.position_limit": Case("symbols.ETHUSDT.position_limit=0.5", orders, BOTH, FOUR),
    "kind": Case(
        "binance_spot.kind='linear'", orders, ("capital.binance_spot={base=0.0, quote=500.0}",),
        [*two(500, 99.0), *DEAR],
    ),
    "fees.asset": Case("binance_spot.fees.asset='received'", orders, ("binance_spot.fees.taker=0.003",)),
    "fees.price": Case("binance_spot.fees.price=300.0", orders, NAMED),
    "capital.<venue>.assets.<ASSET>": Case("capital.binance_spot.assets.BNB=0.0002", orders, NAMED),
    "fees.taker": Case("binance_spot.fees.taker=0.009", attempt_times),
    "symbols.<SYMBOL>.tick_size": Case(
        "bybit_spot.symbols.BTCUSDT.tick_size='0.5'", orders, ("execution.slippage_tolerance=0.01",)
    ),
    "symbols.<SYMBOL>.lot_size": Case(
        "bybit_spot.symbols.BTCUSDT.lot_size='0.01'", orders, ("strategy.max_position_size=0.1234",)
    ),
    "symbols.<SYMBOL>.min_qty": Case(
        "bybit_spot.symbols.BTCUSDT.min_qty=2.0",
        missed,
        ("strategy.max_position_size=3.0", "execution.touch_share=0.2"),
    ),
    "symbols.<SYMBOL>.min_notional": Case("bybit_spot.symbols.BTCUSDT.min_notional=200.0", missed),
    "symbols.<SYMBOL>.contract_size": Case(
        "binance_spot.symbols.BTCUSDT.contract_size=10.0", orders, ("capital.binance_spot.quote=1000.0",)
    ),
}  # fmt: skip


class Replay(NamedTuple):
    """`changed` instead of `base` makes `differs` of a backtest another one."""

    changed: str
    differs: Callable[[Any], Any]
    base: tuple[str, ...] = ()


def fills(result: Any) -> Any:
    return [(t.exch_ts, t.price, t.quantity) for t in result.trades]


def fees(result: Any) -> Any:
    return [t.fee for t in result.trades]


def seen_at(result: Any) -> Any:
    """Price and time of every record."""
    with np.load(result.folder / "records.npz") as file:
        return (file["0"]["price"].tobytes(), file["0"]["timestamp"].tobytes())


def known_at(result: Any) -> Any:
    """Position at every record."""
    with np.load(result.folder / "records.npz") as file:
        return file["0"]["position"].tobytes()


def reported_first(result: Any) -> Any:
    return result.summary["notes"][-1]


REPLAY = {
    "clock.offset_ms": Replay("clock.offset_ms=900.0", seen_at, ("clock.offset_ms=1600.0",)),
    "data.directory": Replay("data.directory='other'", seen_at),
    "data.note": Replay("data.note='written by a test'", reported_first),
    "fees.maker": Replay("binance_spot.fees.maker=0.004", fees),
    "latency.feed_ms": Replay("binance_spot.latency.feed_ms=400.0", seen_at),
    "latency.entry_ms": Replay("binance_spot.latency.entry_ms=700.0", fills),
    "latency.response_ms": Replay("binance_spot.latency.response_ms=900.0", known_at),
}  # fmt: skip

#: Tested on their own below: which class and which folder is used.
APART = {"name", "adapter"}

#: Read by live feeds and order entry, not by a backtest: what they change today is what the loader hands over.
LIVE_ONLY = {"connection.websocket_url", "connection.rest_api_url", "auth.api_key", "auth.secret_key"}


def _of(section: str, keys: str, file: str) -> dict[str, str]:
    return {f"{section}.{key}": file for key in keys.split()}


#: No matter of a backtest: the tests, below `tests`, that each of them changes a result of.
ELSEWHERE = {
    "strategy.allow_different_assets": "unit/commands/test_run_checks.py",
    "risk.on_halt": "integration/test_flatten.py",
    "backtest.engine": "integration/test_engine.py",
    "backtest.liquidity_consumption": "integration/test_sweep.py",
    "data.cache_gb": "integration/test_cache_command.py",
    "data.grid.<venue>.<SYMBOL>.tick_size": "integration/test_grid.py",
    "data.grid.<venue>.<SYMBOL>.lot_size": "integration/test_grid.py",
    "record.streams": "unit/commands/test_record.py",
    "record.segment_s": "unit/data/test_live_recorder.py",
    "record.reserve_gb": "unit/data/test_recorder_disk.py",
    "record.fsync_s": "unit/data/test_recorder_disk.py",
    **dict.fromkeys(("queue.model", "queue.power"), "integration/test_queue_models.py"),
    "latency.order_file": "integration/test_order_latencies.py",
    "symbols.<SYMBOL>.roi_lb": "unit/engine/test_price_range.py",
    "symbols.<SYMBOL>.roi_ub": "unit/engine/test_price_range.py",
    **dict.fromkeys(("dry_run.disorder_ms", "dry_run.hang_s"), "integration/test_dry_run.py"),
    **_of("live", "answer_timeout_ms recv_window_ms poll warm_ms", "integration/test_live_command.py"),
    **_of("live", "price_band_bps reconcile_s flush_ms sync", "unit/config/test_live_keys.py"),
    **_of("live", "trust_min closing_lead_s", "unit/runtime/test_venue_watch.py"),
    **_of("live", "max_notional max_daily_notional state_directory", "unit/config/test_live_keys.py"),
    **{f"supervisor.{key}": "unit/runtime/test_supervision.py" for key in Supervisor.__struct_fields__},
    "supervisor.account_s": "unit/config/test_live_keys.py",
    "guard.timeout_ms": "integration/test_guard.py",
    **_of("alerts", "webhook apprise every_s", "unit/commands/test_alerts.py"),
    **_of("alerts", "states doubt_s unhedged_s key_days", "unit/runtime/test_session_alerts.py"),
    **_of("alerts", "telegram_bot telegram_chats", "unit/alerts/test_telegram.py"),
    **_of("alerts.rules.<rule>", "when for_s level every_s to", "unit/config/test_alert_rules.py"),
    **_of("account.<venue>", "margin_mode leverage fee_asset", "unit/config/test_live_keys.py"),
    **_of("account.<venue>", "switch switch_s", "integration/test_venue_switches.py"),
    **_of("connection", "trade_url user_url wallet_url", "unit/config/test_environment.py"),
    **_of("connection", "websocket_fallback_urls transport", "unit/commands/test_feeds.py"),
    **{
        f"{table}.{key}": "unit/config/test_environment.py"
        for table in ("testnet", "demo")
        for key in ("websocket_url", "rest_api_url", "trade_url", "user_url")
    },
    **{
        f"auth.{key}": "unit/config/test_account_keys.py"
        for key in ("passphrase", "guard_api_key", "guard_secret_key", "guard_passphrase")
    },
    **_of(
        "archive", "binance_url bybit_trades_url bybit_books_url tardis_url", "integration/test_archives.py"
    ),
    **_of("archive", "tardis_key binance_touch_from bybit_spot_books_from", "integration/test_download.py"),
    **_of("archive", "ask_above_gb", "integration/test_download.py"),
    **_of("archive", "parallel", "unit/download/test_download.py"),
}

#: A strategy of a user: it quotes leg 0 on both sides and takes a little now and then.
PROBE = """
from hftbacktest.order import GTX, IOC, LIMIT

def run(bot, recorder):
    order_id, step = 1, 0
    while bot.elapse(100_000_000) == 0:
        recorder.record(bot)
        bot.clear_inactive_orders(0)
        depth = bot.depth(0)
        if step % 50 == 0 and depth.best_bid > 0.0 and depth.best_ask > 0.0:
            bot.submit_buy_order(0, order_id, depth.best_bid, 0.001, GTX, LIMIT, False)
            bot.submit_sell_order(0, order_id + 1, depth.best_ask, 0.001, GTX, LIMIT, False)
            bot.submit_buy_order(0, order_id + 2, depth.best_ask, 0.001, IOC, LIMIT, False)
            order_id += 3
        elif step % 50 == 49 and order_id > 1:
            if (order_id - 3) in bot.orders(0):
                bot.cancel(0, order_id - 3, False)
            if (order_id - 2) in bot.orders(0):
                bot.cancel(0, order_id - 2, False)
        step += 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("keys")
    write_templates(made)
    return made


def test_every_key_has_an_entry() -> None:
    entries = [*STRATEGY, *REPLAY, *APART, *LIVE_ONLY, *ELSEWHERE]
    assert set(entries) == KEYS
    assert len(set(entries)) == len(entries)


@pytest.mark.parametrize("key", ELSEWHERE)
def test_what_is_tested_elsewhere_is_named_there(key: str) -> None:
    word = key.rpartition(".")[2]
    assert ("_url" if word.endswith("_url") else word) in (ROOT / "tests" / ELSEWHERE[key]).read_text()


@pytest.mark.parametrize("key", STRATEGY)
def test_a_key_of_the_strategy_changes_what_is_traded(
    key: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("PARAMS = {'x': 1}\n\n\ndef run(bot, params, recorder):\n    return 0\n")
    case = STRATEGY[key]
    with clean_imports(tmp_path):
        found = []
        for settings in (case.base, (*case.base, case.changed)):
            config = configured(folder, settings)
            found.append(trade(config, case.touches, case.script, case.then, case.last_feed))
        use = Use(World.BACKTEST, config, setup_of(config))
    assert found[0].orders, "nothing is traded: the case shows nothing"
    assert case.differs(found[0]) != case.differs(found[1])
    (given,) = (one for one in config.given if one.known == key and f"{one.name}=" in f"{case.changed}=")
    assert why_idle(use, given) is None, "a key that changes what is traded has an effect"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs the probe over a simulated recording with settings; the result."""
    root = tmp_path_factory.mktemp("world")
    write_templates(root / "config")
    main = root / "config" / "arbitrage.toml"
    venues = ("binance_spot", "bybit_spot")
    for name, seed in (("data", 7), ("other", 8)):
        start = datetime(2024, 8, 8, 12, tzinfo=UTC)
        record_market(root / name, seed, 30.0, start, venues, ["BTCUSDT"], known_venues(main))
    runs = iter(range(1000))

    def run(*settings: str) -> Any:
        words = [
            f"strategy.function='{strategy_file('probe.py', PROBE)}:run'",
            "data.directory='data'",
            *settings,
        ]
        words = [text.replace("data.directory='", f"data.directory='{root}/") for text in words]
        return run_backtest(
            load(main, words), date(2024, 8, 8), None, root / f"run{next(runs)}", has_report=False
        )

    with clean_imports(root):
        run.root = root  # type: ignore[attr-defined]
        yield run


@pytest.mark.parametrize("key", REPLAY)
def test_a_key_of_data_and_simulation_changes_what_is_replayed(key: str, world: Any) -> None:
    case = REPLAY[key]
    before, after = world(*case.base), world(*case.base, case.changed)
    assert before.trades
    assert case.differs(before) != case.differs(after)


def test_the_name_of_a_venue_says_which_recordings_are_its_own(world: Any) -> None:
    (world.root / "data" / "elsewhere").symlink_to(world.root / "other" / "binance_spot")
    path = world.root / "config" / "binance.toml"
    twin = path.read_text().replace('name = "binance_spot"', 'name = "elsewhere"')
    (path.parent / "twin.toml").write_text(twin)
    legs = "strategy.legs=['elsewhere:SYMBOL', 'bybit_spot:SYMBOL']"
    renamed = world(legs, "capital.elsewhere={base=1.0, quote=60000.0}")
    (path.parent / "twin.toml").unlink()
    assert seen_at(renamed) != seen_at(world())


def test_the_adapter_says_how_a_recording_is_read(folder: Path, world: Any) -> None:
    def adapter_of(*settings: str) -> Any:
        return load_adapter(load(folder / "arbitrage.toml", settings).venues["binance_spot"])

    wrong = "binance_spot.adapter='connectors.binance:BinanceUsdm'"
    assert isinstance(adapter_of(), BinanceSpot)
    assert isinstance(adapter_of(wrong), BinanceUsdm)
    with pytest.raises(ConnectorError, match="no known kind of frame"):
        world("binance_spot.adapter='connectors.bybit:BybitSpot'")


def test_keys_of_live_runs_reach_who_connects(folder: Path) -> None:
    def venue_of(*settings: str) -> Any:
        return load(folder / "arbitrage.toml", settings).venues["binance_spot"]

    local = venue_of(
        "binance_spot.connection.websocket_url='ws://127.0.0.1:1/ws'",
        "binance_spot.connection.rest_api_url='http://127.0.0.1:1'",
        "binance_spot.auth={api_key='${KEY_B}', secret_key='${SECRET_B}'}",
    )
    usual = venue_of()
    assert (local.connection.websocket_url, local.connection.rest_api_url) == (
        "ws://127.0.0.1:1/ws",
        "http://127.0.0.1:1",
    )
    assert local.connection != usual.connection
    environment = {"KEY_B": "b", "SECRET_B": "s", "BINANCE_API_KEY": "a", "BINANCE_SECRET_KEY": "t"}
    keys = [venue.auth.resolve(environment) for venue in (usual, local)]
    assert [(key.api_key, key.secret_key) for key in keys] == [("a", "t"), ("b", "s")]


def test_every_parameter_is_a_fact_of_the_configuration(folder: Path) -> None:
    # But for the time between two records, which is the strategy's own.
    facts = facts_of(load(folder / "arbitrage.toml"))
    assert set(defaults_of(PARAMS)) - set(facts) == {"record_interval_ns"}
