"""`arb download`, and its part in `arb backtest --download`."""

from __future__ import annotations

import sys
from collections.abc import Collection
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.text import Text

from arb.cli.examples import examples
from arb.cli.options import (
    CountProgress,
    Names,
    ReadingProgress,
    config_option,
    echo,
    echo_json,
    legs_option,
    load_config,
    output,
    set_option,
    symbols_option,
)
from arb.cli.period import Moment, Time, period_of
from arb.errors import InputError
from arb.report.screen import rows_view

if TYPE_CHECKING:
    from arb.commands.download import Downloader
    from arb.config import Config
    from arb.data.download.plan import Plan

#: Words of `--kinds`; the others are kinds of funding history.
_MARKET = "market"
_KINDS = (_MARKET, "funding", "mark")
#: A plan of more days than this shows runs of equal days of a leg as one line.
_DAYS_SHOWN = 40


@click.command(
    epilog=examples(
        "arb download --start 2024-08-08 --dry-run",
        "arb download --start 2024-08-08 --end 2024-08-10 --symbols BTCUSDT,ETHUSDT",
        "arb download --config perps.toml --start 2024-08-08 --kinds funding,mark",
    ),
)
@config_option
@click.option("--start", type=Time(), required=True, help="First UTC day; of a time, its day.")
@click.option("--end", type=Time(), help="Last UTC day, inclusive; of a time, its day; without it the first.")
@legs_option
@symbols_option
@click.option(
    "--source",
    type=click.Choice(["auto", "binance", "bybit", "tardis"]),
    default="auto",
    show_default=True,
    help="Which archive; auto: the best that has a book of the leg.",
)
@click.option(
    "--kinds",
    type=Names("KIND"),
    default=_MARKET,
    show_default=True,
    help="market: book or touch, and trades; funding, mark: funding rates and mark prices of perpetuals.",
)
@click.option(
    "--data", "data_dir", type=click.Path(path_type=Path), help="Folder of the recordings; archive/ in it."
)
@set_option
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask, however much it is.")
@click.option("--dry-run", is_flag=True, help="Show the plan and fetch nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of the table.")
def download(
    config_path: Path,
    start: Moment,
    end: Moment | None,
    legs: list[str] | None,
    symbols: list[str] | None,
    source: str,
    kinds: list[str],
    data_dir: Path | None,
    overrides: tuple[str, ...],
    is_agreed: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Fetch history of the legs from public archives.

    What is fetched: an order book or, where there is none, the touch, and the trades. A download that ended early goes
    on where it was; a file that is whole is not fetched again.
    """
    if is_agreed and dry_run:
        raise InputError("--dry-run and --yes exclude each other: nothing is fetched, so nothing is asked")
    first, last, _ = period_of(start, end)
    _refuse_kinds(kinds, source)
    config = load_config(config_path, overrides, legs, symbols, data_dir)

    from arb.commands.download import Downloader

    downloader = Downloader(config)
    plan = _planned(downloader, (first, last or first), None if source == "auto" else source, kinds)
    if as_json:
        for line in plan_lines(plan):
            echo_json(line)
    else:
        output().print(plan_view(plan))
    warn_of(plan)
    if not dry_run:
        fetch_plan(downloader, plan, config, is_agreed=is_agreed)


def _refuse_kinds(kinds: Collection[str], source: str) -> None:
    if unknown := [kind for kind in kinds if kind not in _KINDS]:
        raise InputError(f"--kinds: {unknown[0]!r} is none of {', '.join(_KINDS)}")
    if _MARKET not in kinds and source not in ("auto", "binance"):
        raise InputError(f"--source {source} has no funding rates and mark prices; only binance has")


def _planned(
    downloader: Downloader, days: tuple[date, date], source: str | None, kinds: Collection[str]
) -> Plan:
    """The plan of all kinds; prints a line for each leg that has no funding history to download."""
    from arb.data.catalog.archived import ArchiveKind
    from arb.data.download.plan import joined

    plans: list[Plan] = []
    left_out: list[str] = []
    with CountProgress("asking for sizes") as progress:
        if _MARKET in kinds:
            plans.append(downloader.plan(*days, source, progress))
        if history := [ArchiveKind(kind) for kind in kinds if kind != _MARKET]:
            plan, left_out = downloader.plan_funding(*days, history, progress)
            plans.append(plan)
    for line in left_out:
        echo(f"left out: {line}", err=True)
    return joined(plans)


def download_missing(config: Config, start: date, end: date, *, is_agreed: bool) -> None:
    """Fetches days that were neither recorded nor downloaded; prints nothing if there are none."""
    from arb.commands.download import Downloader

    downloader = Downloader(config)
    with CountProgress("asking for sizes") as progress:
        plan = downloader.plan_missing(start, end, progress)
    if plan.missing:
        Console(stderr=True, width=None if sys.stderr.isatty() else 160).print(plan_view(plan))
        warn_of(plan)
        fetch_plan(downloader, plan, config, is_agreed=is_agreed)


def fetch_plan(downloader: Downloader, plan: Plan, config: Config, *, is_agreed: bool) -> None:
    """Fetches what a plan lacks; asks before a large download. Raises InputError if there is no terminal to ask on."""
    from arb.data.download.plan import size_text

    if not is_agreed and plan.needs_consent(config.archive.ask_above_gb * 1e9):
        what = f"{size_text(plan.bytes_to_come)}{' or more' if plan.unknown_sizes else ''} to fetch"
        if not sys.stdin.isatty():
            raise InputError(f"{what}; say --yes to fetch it, or --dry-run to see the plan only")
        if not click.confirm(f"{what}; go on?", err=True):
            raise InputError("nothing was fetched")
    with ReadingProgress("fetching") as progress:
        count = downloader.carry_out(plan, progress)
    folder = downloader.directory / "archive"
    files = "file" if count == 1 else "files"
    echo(f"{count} {files} fetched into {folder}" if count else f"all files are in {folder}", err=True)


def warn_of(plan: Plan) -> None:
    """Prints what a backtest of the plan will lack."""
    for warning in plan.warnings():
        echo(f"warning: {warning}", err=True)


def plan_view(plan: Plan) -> Group:
    """One line per leg and day, runs of equal days together in a long plan, and the total."""
    from arb.data.download.plan import size_text

    rows = []
    is_long = len(plan.choices) > _DAYS_SHOWN
    groups = groupby(plan.choices, key=lambda c: (c.leg, c.source, c.holds, None if is_long else c.day))
    for (leg, source, holds, _), group in groups:
        choices = list(group)
        states = [plan.states[file] for choice in choices for file in choice.files]
        first, last = choices[0].day, choices[-1].day
        sizes = [state.size for state in states]
        rows.append(
            (
                leg.name,
                str(first) if first == last else f"{first} to {last}",
                source,
                holds,
                str(len(states)),
                size_text(None if None in sizes else sum(size or 0 for size in sizes)),
                size_text(sum(state.to_come for state in states)),
            )
        )
    words = ("leg", "day", "source", "contents")
    table = rows_view((*words, "files", "size", "to fetch"), rows, words=words, keys=2)
    more = f", and {plan.unknown_sizes} files of unknown size" if plan.unknown_sizes else ""
    total = f"to fetch: {size_text(plan.bytes_to_come)} at most{more}; the disk has {size_text(plan.free_bytes)} left"
    return Group(table, "", Text(total))


def plan_lines(plan: Plan) -> list[dict[str, object]]:
    """One line per file; sizes in bytes, null if unknown."""
    return [
        {
            "leg": file.leg.name,
            "day": str(file.day),
            "source": file.source,
            "contents": str(file.kind),
            "bytes": plan.states[file].size,
            "bytes_to_fetch": plan.states[file].to_come,
            "file": str(plan.states[file].path),
        }
        for choice in plan.choices
        for file in choice.files
    ]
