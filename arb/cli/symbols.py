"""The `arb symbols` commands, and where symbols are looked up, for `arb init` too: options and output."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arb.cli.compilation_bar import show_compilation
from arb.cli.examples import examples
from arb.cli.options import SYMBOLS, VENUES, ReadingProgress, config_option, echo, given, set_option
from arb.errors import InputError

if TYPE_CHECKING:
    from arb.commands.new_symbols import FoundSymbols
    from arb.config import VenueConfig

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]*")
_SOURCES = (
    click.option("--venues", type=VENUES, help="At which venues; at all that are described without it."),
    click.option(
        "--recordings",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Derive tick and lot from recordings or archives there; ask no venue.",
    ),
    click.option(
        "--simulated",
        "is_simulated",
        is_flag=True,
        help="Make tick and lot up, for the sandbox alone; ask no venue.",
    ),
)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of `find_symbols`."""
    for option in reversed(_SOURCES):
        command = option(command)
    return command


def refuse_source_conflicts(
    symbols: Sequence[str] | None,
    venues: Sequence[str] | None,
    recordings: Path | None,
    *,
    is_simulated: bool,
) -> None:
    """Raises InputError for options that do not go together, and for names that no venue writes like that."""
    if recordings is not None and is_simulated:
        raise InputError("--recordings and --simulated exclude each other: values are recorded or made up")
    if symbols is None and recordings is None:
        names = given({"--venues": venues, "--simulated": is_simulated or None})
        if names:
            raise InputError(f"{' and '.join(names)}: only for symbols; give --symbols as well")
    for symbol in symbols or ():
        if not _SYMBOL.fullmatch(symbol):
            raise InputError(f"{symbol!r} is no symbol; write it as the venues do, such as SOLUSDT")


def find_symbols(
    venues: Mapping[str, VenueConfig],
    symbols: Sequence[str] | None,
    recordings: Path | None,
    *,
    is_simulated: bool,
    is_chosen: bool,
) -> FoundSymbols:
    """The symbols at these venues: from recordings, made up, or from the venues' listings.

    symbols: None for all. is_chosen: the venues are those of --venues; recordings of others are left out in silence.
    """
    from arb.commands.new_symbols import listed_symbols, simulated_symbols

    names = list(dict.fromkeys(symbols or ()))
    if is_simulated:
        return simulated_symbols(list(venues.values()), names)
    if recordings is None:
        return listed_symbols(list(venues.values()), names)
    show_compilation()
    from arb.commands.recorded_symbols import recorded_symbols

    with ReadingProgress("reading recordings") as progress:
        return recorded_symbols(recordings, venues, names or None, progress, is_chosen=is_chosen)


def echo_symbols(found: FoundSymbols, written: Sequence[tuple[str, str]] | None = None) -> None:
    """Prints a line for each symbol at each venue, or for those that were written, then what was not found."""
    from arb.config.assets import assets_of

    for new in found.symbols:
        if written is not None and (new.venue, new.symbol) not in written:
            continue
        assets = assets_of(new.symbol)
        base, quote = (f" {name}" for name in assets) if assets else ("", "")
        minima = f"minima {new.min_qty or new.lot_size}{base}, {new.min_notional or 0}{quote}"
        echo(f"{new.venue}:{new.symbol}: tick {new.tick_size}, lot {new.lot_size}, {minima}")
    for note in found.notes:
        echo(f"warning: {note}", err=True)
    for symbol, price in found.prices.items():
        if not price > 0.0:
            echo(
                f"warning: {symbol}: no price was found: set its max_position_size and position_limit",
                err=True,
            )


def echo_origin(recordings: Path | None, *, is_simulated: bool) -> None:
    """Prints what a user has to know about values that no venue gave."""
    if recordings is not None:
        echo("derived from recordings; the minima are estimates: enter the venues'")
    if is_simulated:
        echo("made up: for the sandbox alone")


@click.group(
    epilog=examples(
        "arb symbols add SOLUSDT --config my/arbitrage.toml",
        "arb symbols add SOLUSDT,XRPUSDT --venues binance_spot,binance_usdm",
    ),
)
def symbols() -> None:
    """Instruments in the configuration."""


@symbols.command(
    "add",
    epilog=examples(
        "arb symbols add SOLUSDT,XRPUSDT --config my/arbitrage.toml",
        "arb symbols add SOLUSDT --recordings recordings --venues binance_spot",
    ),
)
@click.argument("names", type=SYMBOLS, metavar="SYMBOL,...")
@config_option
@source_options
@click.option("--replace", "is_replacing", is_flag=True, help="Replace the values of described symbols too.")
@set_option
def add(
    names: list[str],
    config_path: Path,
    venues: list[str] | None,
    recordings: Path | None,
    is_simulated: bool,
    is_replacing: bool,
    overrides: tuple[str, ...],
) -> None:
    """Add instruments to an existing configuration.

    Tick, lot and minima from the venues' listings, by public requests, go into the venues' files, and limits that suit
    the price into the main file. Comments and formatting stay, and so does what is traded.
    """
    from arb.commands.symbols import add_symbols, described_venues

    refuse_source_conflicts(names, venues, recordings, is_simulated=is_simulated)
    described = described_venues(config_path, venues, overrides)
    found = find_symbols(
        described, names, recordings, is_simulated=is_simulated, is_chosen=venues is not None
    )
    added = add_symbols(config_path, described, found, is_replacing=is_replacing)
    echo_symbols(found, added.written)
    for note in added.notes:
        echo(note)
    echo_origin(recordings, is_simulated=is_simulated)
    for path in added.files:
        echo(str(path))
    shown = ",".join(dict.fromkeys(symbol for _, symbol in added.written))
    echo(f"to trade them: --symbols {shown}, or symbols in [strategy] of {config_path}")
