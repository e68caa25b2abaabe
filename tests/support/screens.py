"""The golden screens: what `tests/golden/screens` holds for each table at each width.

`python -m tests.support.write_screens` writes them again; look at the difference before you commit it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich.console import Console, RenderableType

from arb.report.screen import Fitted
from arb.report.simulated import simulated_view
from arb.report.terminal import summary_view
from arb.results.result import ResultLeg, RunResult
from arb.results.setup import RunSetup
from arb.strategies.spread.decisions import Decision
from support.cli_tables import TABLES
from support.finished_runs import (
    LEGS,
    TERMS,
    decision,
    decisions,
    fill,
    fills,
    records,
    run_of,
    simulated_run,
    small_run,
)
from support.paths import GOLDEN
from support.untraded import untraded_run

WIDTHS = (60, 80, 100, 160)


def large_run() -> RunResult:
    """The small run with figures of up to 15 characters, long names of legs, and more notes and reasons than fit."""
    small = small_run()
    rows, log, filled = small.records.copy(), small.decisions.copy(), small.fills.copy()
    rows["price"] *= 612.345
    for name in ("balance", "fee"):
        rows[name] *= 612_345.0
    rows["position"] *= 1_000.0
    filled["price"] *= 612.345
    filled["base"] *= 1_000.0
    for name in ("cash", "fee"):
        filled[name] *= 612_345.0
    reasons = [
        line
        for n in range(1, 10)
        for line in (
            decision(5.0 + n / 100.0, Decision.OPPORTUNITY, leg=0),
            decision(5.0 + n / 100.0, Decision.OPPORTUNITY_END, 0, 0, n),
        )
    ]
    legs = [
        leg._replace(name=name, quote=800_000_000.0)
        for leg, name in zip(LEGS, ("binance_usdm:1000PEPEUSDT", "bybit_linear:1000PEPEUSDT"), strict=True)
    ]
    notes = [f"binance_usdm:1000PEPEUSDT: simulated, note {n} of nine that this run has" for n in range(9)]
    return run_of(
        rows, decisions(*log.tolist(), *reasons), filled, legs=legs, notes=notes,
        refusals={leg.name: {"rate": 0} for leg in legs},
    )  # fmt: skip


def run_with_legs(count: int) -> RunResult:
    """A run of that many legs without pairs; each buys once and sells once."""
    terms = TERMS._replace(kind="linear", queue_model="power_prob3, power 3")
    legs = [ResultLeg(f"venue_of_leg:S{n}USDT", 0.0, 1_000.0, 1.0, terms=terms) for n in range(count)]
    setup = RunSetup("arb", ["recording"], {"half_spread": 5.0, "levels": 3, "is_shy": "true"})
    filled = fills(*(fill(n, 0, n % count, (-1.0) ** (n // count), 100.0) for n in range(2 * count)))
    return run_of(records([[100.0] * count] * 9), None, filled, legs=legs, pairs=[], setup=setup)


SCREENS: Mapping[str, Callable[[], RenderableType]] = {
    "run": lambda: summary_view(small_run().summary),
    "run-large": lambda: summary_view(large_run().summary),
    "run-legs": lambda: summary_view(run_with_legs(5).summary),
    "run-untraded": lambda: summary_view(untraded_run().summary),
    "verify-orders": lambda: Fitted(
        lambda width: simulated_view(simulated_run().summary["simulated"], width)
    ),
    **TABLES,
}


def drawn(thing: RenderableType, width: int, height: int | None = None) -> str:
    """What a terminal of this size without colours shows; no spaces at the end of lines. height: None for any."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(thing, height=height)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def golden_screens() -> Iterator[tuple[Path, str]]:
    """The file of each screen, and what it is to hold."""
    for name, made in SCREENS.items():
        thing = made()
        for width in WIDTHS:
            yield GOLDEN / "screens" / f"{name}-{width}.txt", drawn(thing, width)
