"""The `arb init` command: options and output."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arb.cli.examples import examples
from arb.cli.options import SYMBOLS, echo
from arb.cli.symbols import (
    echo_origin,
    echo_symbols,
    find_symbols,
    refuse_source_conflicts,
    source_options,
)

if TYPE_CHECKING:
    from arb.config.symbol_texts import Traded


@click.command(
    epilog=examples(
        "arb init my",
        "arb init my --symbols SOLUSDT,XRPUSDT",
        "arb init my --recordings recordings",
        "arb init my --strategy my_strategy.py:run",
    ),
)
@click.argument("directory", type=click.Path(path_type=Path), default=Path("config"))
@click.option("--symbols", type=SYMBOLS, help="Trade these, by the venues' listings (public requests).")
@source_options
@click.option("--strategy", "spec", help="FILE.py:FUNCTION: the file names it and its parameters.")
def init(
    directory: Path,
    symbols: list[str] | None,
    venues: list[str] | None,
    recordings: Path | None,
    is_simulated: bool,
    spec: str | None,
) -> None:
    """Write a configuration to start from into DIRECTORY [config]; never overwrites.

    With --symbols it has tick, lot and minima of each at every venue that lists it, legs, and limits that suit the
    price; with --recordings alone, of all that was recorded.
    """
    from arb.config import write_templates
    from arb.config.templates import refuse_present, template_texts

    refuse_source_conflicts(symbols, venues, recordings, is_simulated=is_simulated)
    refuse_present(directory)
    parameters = []
    if spec is not None:
        from arb.strategies.loader import load_strategy

        parameters = list(load_strategy(spec).parameters)
    texts = template_texts(spec or "", parameters)
    if symbols is None and recordings is None:
        for path in write_templates(directory, texts):
            echo(str(path))
        return

    from arb.commands.symbols import template_venues, write_configuration

    found = find_symbols(
        template_venues(venues), symbols, recordings, is_simulated=is_simulated, is_chosen=venues is not None
    )
    written = write_configuration(directory, texts, found, recordings)
    echo_symbols(found)
    echo_origin(recordings, is_simulated=is_simulated)
    for path in written.files:
        echo(str(path))
    for symbol in found.venues_of.keys() - set(written.legs.symbols):
        echo(f"warning: {symbol}: at one venue only, so it is in no leg", err=True)
    if len(written.legs.legs) == 1 and spec is None:
        echo("warning: one venue alone: the built-in strategy takes pairs of legs; give --strategy", err=True)
    echo(f"legs: {', '.join(written.legs.legs)}; symbols: {', '.join(written.legs.symbols)}")
    for line in _next_commands(written.files[0], written.legs, recordings):
        echo(f"next: {line}")


def _next_commands(main: Path, legs: Traded, recordings: Path | None) -> list[str]:
    """The commands that a new configuration is tried with."""
    config = f"--config {shlex.quote(str(main))}"
    if recordings is None:
        return [f"arb dry-run --sandbox --duration 1m {config}"]
    from arb.commands.recorded_symbols import first_day
    from arb.data.catalog.days import find_recordings

    # It does not read archives.
    lines = [f"arb data check {shlex.quote(str(recordings))} {config}"] if find_recordings(recordings) else []
    day = first_day(recordings, legs)
    return lines if day is None else [*lines, f"arb backtest {config} --start {day}"]
