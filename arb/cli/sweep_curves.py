"""`arb sweep latency` and `arb sweep capacity`: sweeps whose sets are ready-made, and whose result is a curve."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arb.cli.examples import examples
from arb.cli.options import Span, echo, echo_json, escape, output
from arb.cli.sweep_run import run, sweep_options
from arb.errors import InputError

if TYPE_CHECKING:
    from arb.commands.sweep_plan import Sets
    from arb.commands.sweep_sets import SetMaker
    from arb.sweep.curves import CurvePoint


@click.command(
    "latency",
    epilog=examples(
        "arb sweep latency --start 2024-08-08", "arb sweep latency --start 2024-08-08 --points 5 --to 4"
    ),
)
@click.option(
    "--points", type=click.IntRange(2, 1000), default=21, show_default=True, help="Times of each venue."
)
@click.option(
    "--to",
    "added_ms",
    type=Span(0.001, 10_000.0),
    default=20.0,
    show_default=True,
    help="The longest, in ms above the configured time.",
)
@sweep_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each time.")
def latency(points: int, added_ms: float, as_json: bool, **given_options: Any) -> None:
    """The profit by how long orders take to each venue, from the configured time on."""

    def choose(maker: SetMaker) -> Sets:
        from arb.commands.sweep_latency import latency_sets

        return latency_sets(maker, points, added_ms)

    folder = run(choose, None, **given_options)
    found = [(one.key.partition(".")[0], *one[1:]) for one in _curves(folder)]
    names = ("venue", "entry_ms", "added_ms", "pnl_quote", "marginal")
    headings = ("venue", "entry_ms", "added", "profit (quote)", "for each further ms")
    _print(folder, found, names, headings, as_json=as_json)


@click.command(
    "capacity",
    epilog=examples(
        "arb sweep capacity --start 2024-08-08", "arb sweep capacity --start 2024-08-08 --points 5 --to 20"
    ),
)
@click.option("--points", type=click.IntRange(2, 1000), default=13, show_default=True, help="Sizes.")
@click.option(
    "--to",
    "factor",
    type=Span(1.001, 1e6),
    default=64.0,
    show_default=True,
    help="The largest, as a multiple of the configured size.",
)
@sweep_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each size.")
def capacity(points: int, factor: float, as_json: bool, **given_options: Any) -> None:
    """The profit by max_position_size, where quantity that is taken is not shown again until the venue changes it."""

    def choose(maker: SetMaker) -> Sets:
        from arb.commands.sweep_capacity import capacity_sets

        return capacity_sets(maker, points, factor)

    folder = run(choose, None, settings=("backtest.liquidity_consumption=true",), **given_options)
    names = ("key", "size", "added", "pnl_quote", "marginal")
    headings = ("key", "size", "added", "profit (quote)", "for each further unit")
    _print(folder, [tuple(one) for one in _curves(folder)], names, headings, as_json=as_json)


def _curves(folder: Path) -> list[CurvePoint]:
    from arb.sweep.columns import read_columns
    from arb.sweep.curves import curves_of
    from arb.sweep.ranking import DEFAULT

    found = curves_of(read_columns(folder, [DEFAULT]))
    if not found:
        raise InputError(
            f"{folder}: the first set, which is the configuration, failed: results.jsonl has why"
        )
    return found


def _print(
    folder: Path,
    points: list[tuple[Any, ...]],
    names: tuple[str, ...],
    headings: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Prints points: what is varied, its value, what that is above the first one, profit and marginal profit."""
    from arb.report.screen import rows_view
    from arb.report.wording import shown

    if as_json:
        for point in points:
            echo_json({name: _known(value) for name, value in zip(names, point, strict=True)})
        return
    rows = [
        (escape(key), f"{value:g}", f"{added:g}", shown(profit, "gain"), shown(marginal, "gain"))
        for key, value, added, profit, marginal in points
    ]
    output().print(rows_view(headings, rows, words=frozenset(headings[:1])))
    echo(f"written to {folder}; as a chart: {folder / 'sweep.html'}")


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
