"""A dry-run tells what a backtest tells, to the last bit, on simulated rows and on the recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from parity.strategies import quote_touches, random_orders
from parity.worlds import compare, dry_run, hashmap_backtest, run_backtest, run_dry, vector_backtest
from support.dry_market import MS, dry_legs
from support.paths import ROOT

from arb.backtest.assets import LegData
from arb.bot.compilation import compile_strategy
from arb.commands.strategy_facts import facts_of
from arb.config import load
from arb.risk.funds import AssetFunds
from arb.risk.limits import FUNDS, AssetLimits, Limits
from arb.simulation.queue import QUEUE_MODELS
from arb.strategies.arguments import Arguments
from arb.strategies.loader import load_strategy

pytestmark = pytest.mark.slow

MODELS = list(QUEUE_MODELS)


@pytest.fixture(scope="module")
def legs() -> list[LegData]:
    return dry_legs(seed=3)


def changed(legs: list[LegData], **changes: Any) -> list[LegData]:
    return [LegData(replace(data.leg, **changes), data.arrays) for data in legs]


def random_arguments(seed: int, orders: int = 150, crowd: int = 1) -> Any:
    return lambda bot, _, journal: (bot, journal, seed, orders, crowd, 0.001, 0.003)


@pytest.mark.parametrize("seed", range(6))
def test_random_orders_of_all_kinds(seed: int, legs: list[LegData]) -> None:
    given = changed(legs, queue_model=MODELS[seed], entry_latency_ns=[10, 0, 3][seed % 3] * MS)

    compared = compare(
        random_orders,
        given,
        random_arguments(seed),
        backtest=[vector_backtest, hashmap_backtest][seed % 2],
        piece_rows=[1 << 16, 5, 997][seed % 3],
        book_width=[1 << 15, 64, 512][seed % 3],
    )

    assert compared.differing == []
    assert compared.compiled == 0
    assert compared.orders == 150
    assert compared.fills > 40


@pytest.mark.parametrize("is_spot", [True, False])
def test_the_same_orders_are_refused_for_lack_of_funds(is_spot: bool, legs: list[LegData]) -> None:
    made: list[Limits] = []

    def limits() -> Limits:
        funds = [
            AssetFunds(
                data.leg.venue if is_spot else "one", is_spot, 0.01, 500.0, data.leg.tick_size, data.leg.lot_size,
                data.leg.contract_size, data.leg.taker_fee, 2.0,
            )
            for data in legs
        ]  # fmt: skip
        made.append(Limits([AssetLimits()] * 2, funds=funds))
        return made[-1]

    compared = compare(random_orders, legs, random_arguments(4, 300), limits=limits)

    assert compared.differing == []
    assert compared.fills > 20
    theirs, ours = (each.refusals[:, FUNDS] for each in made)
    assert list(theirs) == list(ours)
    assert min(theirs) > 20


def test_many_orders_side_by_side(legs: list[LegData]) -> None:
    compared = compare(random_orders, legs, random_arguments(5, 300, crowd=8), is_exact=False)

    assert compared.differing == []
    assert compared.fills > 80


@pytest.mark.parametrize("model", MODELS)
def test_quotes_at_the_touches(model: str, legs: list[LegData]) -> None:
    given = changed(legs, queue_model=model, queue_power=2.0)

    compared = compare(
        quote_touches, given, lambda bot, _, journal: (bot, journal, 0.01, 25 * MS), backtest=hashmap_backtest
    )

    assert compared.differing == []
    assert compared.fills > 100


def _spread(legs: list[LegData], *overrides: str) -> Any:
    config = load(ROOT / "examples" / "usdm_bybit" / "arbitrage.toml", overrides)
    strategy = load_strategy(config.strategy.function)
    bound = Arguments(strategy, facts_of(config), config.strategy.params)
    return compare(strategy.function, legs, lambda bot, recorder, _: bound.bind(bot, recorder))


def test_the_spread_strategy(legs: list[LegData]) -> None:
    compared = _spread(legs, "strategy.min_spread_bps=0.0", "strategy.inventory_skew_bps=0.0")

    assert compared.differing == []
    assert compared.compiled == 0
    assert compared.fills > 20


@pytest.fixture
def quoting() -> Iterator[Any]:
    path = str(ROOT / "examples")
    sys.path.insert(0, path)
    import quoting

    yield quoting.quote.py_func
    sys.path.remove(path)


def test_the_quoting_example(quoting: Any, legs: list[LegData]) -> None:
    compared = compare(quoting, legs, lambda bot, recorder, _: (bot, recorder, 2.0, 0.01))

    assert compared.differing == []
    assert compared.fills > 20


def test_the_comparison_sees_a_nanosecond(legs: list[LegData]) -> None:
    strategy = compile_strategy(random_orders)
    late = changed(legs, entry_latency_ns=10 * MS + 1)
    theirs = run_backtest(strategy, vector_backtest(legs), random_arguments(1))
    ours = run_dry(strategy, dry_run(late), late, random_arguments(1))

    assert theirs.journal.tobytes() != ours.journal.tobytes()
    assert len(ours.journal) > 1000
