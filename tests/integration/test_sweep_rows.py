"""Which rows the sets of `arb sweep` run over: thinned ones unless the strategy, or a checked set, needs all."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import arb

from arb.bot.uses import Uses
from arb.cli.period import Time, period_of
from arb.commands.sweep import run_sweep
from arb.commands.sweep_plan import Choice, Span, varied
from arb.commands.sweep_rows import CHECKED, RowChoice, checked_places
from arb.config import load
from arb.sweep.needs import why_all_rows
from arb.sweep.table import read_results

LEGS = ["binance_usdm:BTCUSDT", "bybit_spot:BTCUSDT"]
START, END = "2024-01-01T23:59", "2024-01-01T23:59:30"

#: kind 0: acts at its own times; 1: at every row; 2: at its own times, with orders that may rest.
STRATEGY = """
import numpy as np
from hftbacktest.order import GTC, IOC, LIMIT


def run(bot, recorder, kind=0, level=0.0):
    order_id = 0
    while True:
        result = bot.wait_next_feed(True, 1_000_000_000) if kind == 1 else bot.elapse(1_000_000_000)
        if result == 1:
            return level
        order_id += 1
        depth = bot.depth(0)
        if kind == 2:
            bot.submit_buy_order(0, order_id, depth.best_bid, 0.001, GTC, LIMIT, False)
        elif order_id % 5 == 0 and not np.isnan(depth.best_ask):
            bot.submit_buy_order(0, order_id, depth.best_ask, 0.001, IOC, LIMIT, False)
        recorder.record(bot)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration, half a minute of data, and the strategy."""
    folder = tmp_path_factory.mktemp("rows")
    arb("init", folder / "my")
    (folder / "own.py").write_text(STRATEGY)
    words = ["--duration", "30s", "--start", "2024-01-01T23:59", "--venues", "binance_usdm,bybit_spot"]
    arb("sandbox", "record", "--out", folder / "data", *words)
    return folder


def swept(place: Path, out: Path, kind: int, **options: Any) -> tuple[RowChoice, bytes]:
    """The choice of rows, and the results."""

    def loaded(further: Any) -> Any:
        own = (f'data.directory="{place / "data"}"', f'strategy.function="{place / "own.py"}:run"')
        # Resting orders that fill at one time do so in a random order in hftbacktest's engine.
        settings = (*own, f"strategy.params.kind={kind}", 'backtest.engine="arb"', *further)
        return load(place / "my" / "arbitrage.toml", settings, LEGS)

    time, chosen = Time(), []
    start, end = (time.convert(text, None, None) for text in (START, END))
    span = Span(*period_of(start, end), START, END)
    vary = partial(varied, ["strategy.params.level=1.0:5.0:1.0"], Choice())
    run_sweep(loaded, lambda _: vary(), lambda _: [span], out, threads=2, chosen=chosen.append, **options)
    assert len(list(read_results(out))) == 5
    return chosen[0], (out / "results.jsonl").read_bytes()


@pytest.mark.slow
def test_a_strategy_of_its_own_times_runs_over_thinned_rows_with_the_same_results(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice, thin = swept(place, tmp_path / "thin", 0)
    assert choice == RowChoice(
        is_thin=True, line="5 sets on thinned rows; 1 of them checked on all rows: nothing differs"
    )
    monkeypatch.setattr("arb.commands.sweep_rows.WORTH_SETS", 6)
    choice, whole = swept(place, tmp_path / "all", 0)
    assert not choice.is_thin
    assert thin == whole


@pytest.mark.slow
def test_a_checked_set_that_differs_puts_every_set_on_all_rows(place: Path, tmp_path: Path) -> None:
    choice, whole = swept(place, tmp_path / "s", 1)
    assert not choice.is_thin
    assert choice.differs
    assert "differs on thinned rows in its fills, records" in choice.line
    unchecked, thin = swept(place, tmp_path / "t", 1, checks=0)
    assert unchecked.is_thin
    assert "none of them checked" in unchecked.line
    assert thin != whole  # so the check found what matters
    words = ["-c", place / "my" / "arbitrage.toml", "--data", place / "data", "--legs", ",".join(LEGS)]
    own = [
        "--strategy",
        f"{place / 'own.py'}:run",
        "--set",
        "strategy.params.kind=1",
        "--start",
        "2024-01-01",
    ]
    vary = ["--vary", "strategy.params.level=1.0:5.0:1.0", "--strict", "--check", 2]
    done = arb("sweep", *words, *own, *vary, "--out", tmp_path / "u", code=4)
    assert "every set runs over all rows: set " in done.output
    assert not list(read_results(tmp_path / "u"))


@pytest.mark.slow
def test_orders_that_may_rest_put_every_set_on_all_rows_and_unchecked_ones_alone(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice, whole = swept(place, tmp_path / "s", 2)
    assert not choice.is_thin
    assert not choice.differs
    assert "may rest" in choice.line
    unchecked, each = swept(place, tmp_path / "t", 2, checks=0)
    assert unchecked.is_thin
    assert each == whole
    monkeypatch.setattr("arb.risk.limits.Limits.resting", 0)
    _, thin = swept(place, tmp_path / "u", 2, checks=0)
    assert thin != whole  # so it matters


@pytest.mark.parametrize(
    ("uses", "params", "why"),
    [
        (Uses(), {}, ""),
        (Uses(trades=True), {}, ""),
        (Uses(arrays=True), {}, "levels"),
        (Uses(levels=True), {}, "levels"),
        (Uses(latency=True), {"stale_after_ns": 5}, ""),
        (Uses(latency=True), {"stale_after_ns": 6}, "feed_latency"),
        (Uses(latency=True), {}, "feed_latency"),
    ],
)
def test_what_a_strategy_reads_decides(uses: Uses, params: dict[str, int], why: str) -> None:
    found = why_all_rows(uses, params, 5)
    assert (why in found) if why else found == ""


def test_the_checked_sets_are_always_the_same_and_at_most_a_tenth_of_a_small_sweep() -> None:
    assert [len(checked_places(count, None)) for count in (1, 10, 11, 200, 10_000)] == [
        1,
        1,
        2,
        CHECKED,
        CHECKED,
    ]
    assert checked_places(10_000, None) == checked_places(10_000, None)
    assert checked_places(3, 20) == [0, 1, 2]
    assert checked_places(100, 0) == []
    assert bool((np.diff(checked_places(1_000, 50)) > 0).all())
