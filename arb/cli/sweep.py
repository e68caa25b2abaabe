"""The `arb sweep` commands: options and output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from arb.cli.examples import examples
from arb.cli.options import echo, echo_json, escape, given, output
from arb.cli.sweep_curves import capacity, latency
from arb.cli.sweep_run import Walk, run, sweep_options
from arb.errors import InputError

if TYPE_CHECKING:
    from arb.commands.sweep_plan import Choice, Sets
    from arb.commands.sweep_sets import SetMaker
    from arb.sweep.columns import Columns

#: Rows of a table without `--all`.
_SHOWN = 10
#: Figures in it.
_FIGURES = ("pnl_quote", "fills", "round_trips.closed", "equity.drawdown_quote_max")


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "arb sweep --start 2024-08-08 --vary strategy.min_spread_bps=1:5:0.5",
        "arb sweep --start 2024-08-08 --vary risk.stop_loss_bps=5:60 --random 9",
    ),
)
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=VALUES",
    help="A key and its values: FROM:TO:STEP, or VALUE,VALUE,...; FROM:TO where sets are drawn; repeatable.",
)
@click.option("--random", "random", type=click.IntRange(min=1), metavar="N", help="Draw N sets at random.")
@click.option("--sobol", type=click.IntRange(min=1), metavar="N", help="Draw N sets of a Sobol sequence.")
@click.option(
    "--optuna",
    type=click.IntRange(min=1),
    metavar="N",
    help="Search N sets with Optuna: each is chosen by the results of earlier ones.",
)
@click.option("--by", metavar="FIGURE", help="A figure of summary.json: what --optuna improves [pnl_quote].")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Of drawn sets [0].")
@click.option("--max", "sets_max", type=click.IntRange(min=1), help="Most sets [100000].")
@click.option(
    "--walk",
    type=Walk(),
    help="Run every set over periods: one to choose on and the next to judge on, step after step, such as 7d/1d.",
)
@sweep_options
@click.option("--json", "as_json", is_flag=True, help="Print the judgement as JSON instead of the table.")
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    vary: tuple[str, ...],
    random: int | None,
    sobol: int | None,
    optuna: int | None,
    by: str | None,
    seed: int | None,
    sets_max: int | None,
    walk: tuple[float, float] | None,
    as_json: bool,
    **given_options: Any,
) -> None:
    """Run many sets of parameters over recorded days, each as arb backtest does."""
    if ctx.invoked_subcommand is not None:
        return
    choice = _choice_of({"--random": random, "--sobol": sobol, "--optuna": optuna}, by, seed, sets_max)
    if walk is not None and optuna is not None:
        raise InputError(
            "--walk and --optuna exclude each other: the search would use the periods that judge its choice"
        )

    def choose(_: SetMaker) -> Sets:
        from arb.commands.sweep_plan import varied

        return varied(vary, choice)

    _show(run(choose, walk, **given_options), by, as_json=as_json)


sweep.add_command(latency)
sweep.add_command(capacity)


def _choice_of(
    options: dict[str, int | None], by: str | None, seed: int | None, sets_max: int | None
) -> Choice:
    from arb.commands.sweep_plan import GRID, OPTUNA, RANDOM, SETS_MAX, SOBOL, Choice
    from arb.sweep.ranking import DEFAULT

    drawn = given(options)
    if len(drawn) > 1:
        raise InputError(f"{' and '.join(drawn)} exclude each other: sets are drawn in one way")
    if seed is not None and not drawn:
        raise InputError("--seed: only for drawn sets; give --random N, --sobol N or --optuna N as well")
    sources = {"--random": RANDOM, "--sobol": SOBOL, "--optuna": OPTUNA}
    source = sources[drawn[0]] if drawn else GRID
    return Choice(
        source, sum(options[name] or 0 for name in drawn), seed or 0, sets_max or SETS_MAX, by or DEFAULT
    )


@sweep.command(
    "show",
    epilog=examples("arb sweep show sweeps/first", "arb sweep show sweeps/first --by fills --all --json"),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--by", metavar="FIGURE", help="A figure of summary.json; the best first [pnl_quote].")
@click.option("--all", "is_all", is_flag=True, help="All sets, not the ten best.")
@click.option("--json", "as_json", is_flag=True, help="Print the judgement as JSON; with --all a line a set.")
def show(folder: Path, by: str | None, is_all: bool, as_json: bool) -> None:
    """The best sets of a sweep in FOLDER, also of one that goes on or was interrupted."""
    _show(folder, by, is_all=is_all, as_json=as_json)


@sweep.command(
    "best",
    epilog=examples(
        "arb sweep best sweeps/first --out best",
        "arb sweep best sweeps/first --by equity.sharpe --min round_trips.closed=50",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--by", metavar="FIGURE", help="A figure of summary.json that decides [pnl_quote].")
@click.option(
    "--min", "least", multiple=True, metavar="FIGURE=NUMBER", help="Leave out sets below; repeatable."
)
@click.option(
    "--max", "most", multiple=True, metavar="FIGURE=NUMBER", help="Leave out sets above; repeatable."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write its whole configuration, with the venues' files, to this new folder.",
)
def best(
    folder: Path, by: str | None, least: tuple[str, ...], most: tuple[str, ...], out: Path | None
) -> None:
    """The best set of a sweep as TOML, for arb backtest --config or --set."""
    from arb.commands.sweep_best import best_toml, write_best

    if out is not None:
        path = write_best(folder, by, least, most, out)
        echo(f"written to {out}; arb backtest --config {path} runs it")
        return
    for line in best_toml(folder, by, least, most):
        echo(line)


def _show(folder: Path, by: str | None, *, is_all: bool = False, as_json: bool) -> None:
    from arb.commands.sweep import judged
    from arb.sweep.judgement import best_first
    from arb.sweep.ranking import DEFAULT, ranked
    from arb.sweep.summary import further_lines, luck_lines, sweep_summary
    from arb.sweep.table import read_head

    by = by or read_head(folder).by or DEFAULT
    figures = list(dict.fromkeys((by, *_FIGURES)))
    columns, judgement = judged(folder, by, *figures)
    summary = sweep_summary(columns, judgement)
    if as_json and not is_all:
        echo_json(summary)
        return
    if as_json:
        for one in ranked(folder, by, is_high=judgement.is_high).best:
            echo_json(msgspec.to_builtins(one))
        return
    for line in luck_lines(summary):
        echo(line)
    order = best_first(judgement.results, is_high=judgement.is_high)
    if not order:
        echo(f"no set has a known {by}")
    _print_sets(columns, order if is_all else order[:_SHOWN], figures)
    for line in further_lines(summary):
        echo(line)
    _print_end(folder, columns, by)


def _print_sets(columns: Columns, places: Sequence[int], figures: Sequence[str]) -> None:
    from arb.report.screen import rows_view
    from arb.report.wording import shown
    from arb.sweep.figure_kinds import kind_of

    if not places:
        return
    names = [key.name for key in columns.head.keys]
    rows = [
        (
            str(columns.set_nos[place]),
            *(escape(_short(columns.values[name][place])) for name in names),
            *(shown(*kind_of(name, float(columns.figure(name)[place]))) for name in figures),
        )
        for place in places
    ]
    output().print(rows_view(("set", *_headings([*names, *figures])), rows, words=frozenset()))


def _print_end(folder: Path, columns: Columns, by: str) -> None:
    from arb.sweep.columns import judged_periods
    from arb.sweep.table import FAILED, read_results

    failed = f", {columns.failed:,} {FAILED}" if columns.failed else ""
    done = len(columns.set_nos) + columns.failed
    periods = len(judged_periods(columns.head.periods))
    means = f", means of {periods} test periods" if periods > 1 else ""
    echo(
        f"{done:,} of {columns.head.sets:,} sets{failed}; the best by {by}{means}; all of them, and a page: {folder}"
    )
    if columns.failed:
        first = next(one for one in read_results(folder) if one.outcome == FAILED)
        echo(f"the first that failed is set {first.set_no}: {first.error}")


def _headings(names: Sequence[str]) -> list[str]:
    """The last part of each name, where no other has the same."""
    last = [name.rpartition(".")[2] for name in names]
    return [part if last.count(part) == 1 else name for name, part in zip(names, last, strict=True)]


def _short(value: Any) -> str:
    """A value of a key in few digits; sweep.csv has all of them."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
