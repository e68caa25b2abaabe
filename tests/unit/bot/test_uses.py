"""What a strategy uses is read from its machine code: in helpers of any module, compiled now or loaded from a cache."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import BUY_EVENT, EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT, event_dtype
from support.recording_files import clean_imports, make_leg

from arb.backtest.assets import LegData, backtest_bot
from arb.backtest.runner import compile_ahead, run
from arb.bot.compilation import compile_strategy
from arb.bot.numba_types import bot_type
from arb.bot.recorder import Recorder
from arb.bot.uses import Uses, uses_of
from arb.runtime.replay import replay
from arb.simulation.bot import DryRunBot
from arb.strategies.arguments import Arguments
from arb.strategies.loader import LoadedStrategy, load_strategy

pytestmark = pytest.mark.slow

Loader = Callable[..., LoadedStrategy]

HELPER = """
from numba import njit

@njit
def trades(bot):
    return len(bot.last_trades(0))

@njit(cache=True)
def trades_of_a_cached_helper(bot):
    return len(bot.last_trades(0))
"""
CALLS = """
from numba import njit
from uses_helper import {name} as helper

@njit
def between(bot):
    return helper(bot)

def run(bot):
    seen = 0
    while bot.wait_next_feed(False, 10**9) in (0, 2):
        seen = max(seen, between(bot))
    return seen
"""


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loader]:
    """Writes a strategy beside its helper and loads it."""
    (tmp_path / "uses_helper.py").write_text(HELPER)

    def made(text: str, name: str = "mine.py") -> LoadedStrategy:
        path = tmp_path / name
        path.write_text(text)
        return load_strategy(f"{path}:run")

    with clean_imports(tmp_path):
        yield made


def uses_anew(function: Any) -> tuple[Uses, int]:
    """What a dispatcher made now says of the function, and how much of it came from the disk."""
    dispatcher = compile_strategy(function)
    dispatcher.compile((bot_type,))
    return uses_of(dispatcher), sum(dispatcher.stats.cache_hits.values())


@pytest.mark.parametrize("name", ["trades", "trades_of_a_cached_helper"])
def test_trades_reach_a_helper_of_another_module(load: Loader, name: str) -> None:
    """In both worlds; the main file does not mention them. The end of the data shows no more of them."""
    strategy = load(CALLS.format(name=name))
    rows = np.zeros(5, event_dtype)
    rows["ev"] = TRADE_EVENT | EXCH_EVENT | LOCAL_EVENT | BUY_EVENT
    rows["exch_ts"] = rows["local_ts"] = np.arange(1, 6) * 1_000
    rows["px"], rows["qty"] = 100.0, 1.0
    leg, arguments, recorder = make_leg("a"), Arguments(strategy, {}, {}, legs=1), Recorder(1)
    compiled = compile_ahead(strategy, arguments, recorder)
    with backtest_bot([LegData(leg, [rows])], None, keep_trades=compiled.uses.trades) as bot:
        assert run(compiled.function, (bot,), bot, strategy.code).value == 4
    bot = DryRunBot([leg], keep_trades=compiled.uses.trades)
    task = replay(bot, [[rows]], compiled.function, (bot,))
    assert (task.error, task.value) == (None, 4)


def test_a_cached_strategy_and_a_cached_helper_keep_the_fact(load: Loader) -> None:
    function = load(CALLS.format(name="trades_of_a_cached_helper")).function
    assert uses_anew(function) == (Uses(trades=True), 0)
    assert uses_anew(function) == (Uses(trades=True), 1)
    # Another strategy. Numba's own cache of the helper holds code without checks of bounds, which is not used.
    del sys.modules["uses_helper"]
    text = "import uses_helper\ndef run(bot): return uses_helper.trades_of_a_cached_helper(bot)"
    assert uses_anew(load(text, "other.py").function)[0] == Uses(trades=True)
    assert not sys.modules["uses_helper"].trades_of_a_cached_helper.stats.cache_hits


@pytest.mark.parametrize(
    ("line", "uses"),
    [
        ("bot.last_trades(0)", Uses(trades=True)),
        ("bot.depth(0).bid_depth", Uses(arrays=True)),
        ("bot.depth(0).ask_depth", Uses(arrays=True)),
        ("bot.depth(0).roi_lb_tick", Uses(arrays=True)),
        ("bot.depth(0).roi_ub_tick", Uses(arrays=True)),
        ("bot.depth(0).bid_qty_at_tick(5)", Uses(levels=True)),
        ("bot.depth(0).ask_qty_at_tick(5)", Uses(levels=True)),
        ("bot.depth(0).snapshot()", Uses(levels=True)),
        ("bot.feed_latency(0)", Uses(latency=True)),
        ("bot.clear_last_trades(0)", Uses()),
        ("bot.depth(0).best_bid_qty", Uses()),
        ("bot.position(0)  # last_trades, bid_depth", Uses()),
    ],
)
def test_what_counts_as_use(load: Loader, line: str, uses: Uses) -> None:
    unused = "from numba import njit\n@njit\ndef unused(bot): return bot.last_trades(0)\n"
    assert uses_anew(load(f"{unused}def run(bot): {line}").function)[0] == uses


def test_a_field_of_that_name_in_something_else_is_no_use(load: Loader) -> None:
    text = "import numpy as np\nP = np.zeros(1, [('bid_depth', 'f8')])[0]\ndef run(bot): return P.bid_depth"
    assert uses_anew(load(text).function)[0] == Uses()


def test_the_built_in_strategy_asks_for_the_age_of_a_book_alone() -> None:
    strategy = load_strategy("arb.strategies.spread.strategy:run")
    assert compile_ahead(strategy, Arguments(strategy, {}, {}), Recorder(2)).uses == Uses(latency=True)
