"""Writes symbols of the user's own into configuration files: new ones (`arb init`), or existing ones."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from arb.commands.legs import known_venues
from arb.commands.new_symbols import FoundSymbols
from arb.config import VenueConfig, load_venues
from arb.config.files import Document
from arb.config.symbol_texts import (
    AttemptLimits,
    Traded,
    base_text,
    limits_of,
    main_text,
    traded,
    with_limits,
    with_symbol,
)
from arb.config.templates import TEMPLATE_NAMES, template_tree, write_templates
from arb.config.text_edits import with_keys
from arb.errors import InputError
from arb.files import staged


class NewConfiguration(NamedTuple):
    """The files that were written, and the legs of the main one."""

    files: tuple[Path, ...]
    legs: Traded


def template_venues(names: Sequence[str] | None) -> dict[str, VenueConfig]:
    """The venues of the files that `arb init` writes, or those of them with these names. Raises InputError."""
    return _chosen(known_venues(Path("no main file")), names)


def described_venues(
    config_path: Path, names: Sequence[str] | None, overrides: Sequence[str] = ()
) -> dict[str, VenueConfig]:
    """The venues described beside an existing main file, or those of them with these names.

    overrides: see `load_venues`. Raises ConfigError for a missing or broken file, InputError for an unknown name.
    """
    Document.read(config_path)
    return _chosen(load_venues(config_path.parent, overrides), names)


def _chosen(venues: Mapping[str, VenueConfig], names: Sequence[str] | None) -> dict[str, VenueConfig]:
    for name in names or ():
        if name not in venues:
            raise InputError(f"--venues {name}: no file describes it; there are {', '.join(venues)}")
    return {name: venue for name, venue in venues.items() if names is None or name in names}


def write_configuration(
    directory: Path, texts: Mapping[str, str], found: FoundSymbols, recordings: Path | None
) -> NewConfiguration:
    """Writes the files of `arb init` for the found symbols. texts: of the templates, by file name.

    recordings: the folder for `[data] directory`; None leaves the default. Raises InputError as `write_templates` does.
    """
    own, main = dict(texts), TEMPLATE_NAMES[0]
    files = {template_tree(name)["name"]: name for name in TEMPLATE_NAMES[1:]}
    for new in found.symbols:
        name = files[new.venue]
        own[name] = with_symbol(own[name], new, str(directory / name))
    legs = traded(found.venues_of)
    folder = None if recordings is None else str(recordings)
    own[main] = main_text(own[main], str(directory / main), legs, _limits(found), folder)
    return NewConfiguration(write_templates(directory, own), legs)


class AddedSymbols(NamedTuple):
    """The files that were changed, and the symbols that were written, by venue and name."""

    files: list[Path]
    written: list[tuple[str, str]]
    notes: list[str]


def add_symbols(
    config_path: Path, venues: Mapping[str, VenueConfig], found: FoundSymbols, *, is_replacing: bool
) -> AddedSymbols:
    """Adds the found symbols to the files of their venues, and their limits and inventory to the main file.

    is_replacing: also replaces the values of those that are described already. Comments and formatting stay. Raises
    InputError if there is nothing to add, ConfigError for a file in another form; no file has changed then.
    """
    present = {(new.venue, new.symbol) for new in found.symbols if new.symbol in venues[new.venue].symbols}
    notes = [] if is_replacing else [
        f"{venue}:{symbol}: not changed, {venues[venue].file} describes it; --replace takes the new values"
        for venue, symbol in sorted(present)
    ]  # fmt: skip
    news = [new for new in found.symbols if is_replacing or (new.venue, new.symbol) not in present]
    if not news:
        raise InputError("; ".join(notes) or "nothing to add")
    texts: dict[Path, str] = {}
    for new in news:
        path = Path(venues[new.venue].file)
        texts[path] = with_symbol(texts.get(path) or _read(path), new, str(path))
    text = _read(config_path)
    changed = _with_main(config_path, text, venues, found._replace(symbols=news), is_replacing=is_replacing)
    if changed != text:
        texts[config_path] = changed
    _write_all(texts)
    return AddedSymbols(list(texts), [(new.venue, new.symbol) for new in news], notes)


def _write_all(texts: Mapping[Path, str]) -> None:
    """Writes the files, all or none. A link stays one; permissions stay. Raises InputError."""
    path = Path()
    try:
        with contextlib.ExitStack() as stack:
            for path, text in texts.items():
                file = stack.enter_context(staged(path.resolve()))
                os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
                file.write(text.encode())
                file.flush()
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _with_main(
    path: Path, text: str, venues: Mapping[str, VenueConfig], found: FoundSymbols, *, is_replacing: bool
) -> str:
    """The main file with limits of the symbols, and with their inventory at spot venues that have a `[capital]`."""
    tree = Document.read(path).tree
    known = tree.get("symbols", {})
    limits = {symbol: own for symbol, own in _limits(found).items() if is_replacing or not known.get(symbol)}
    text = with_limits(text, str(path), limits)
    for venue, funds in tree.get("capital", {}).items():
        own = funds.get("base_of", {})
        for symbol, at in found.venues_of.items():
            if venue in at and venues[venue].is_spot and symbol not in own and found.prices[symbol] > 0.0:
                of_symbol = [new for new in found.symbols if new.symbol == symbol]
                base = base_text(of_symbol, found.prices[symbol])
                text = with_keys(text, ("capital", venue, "base_of"), {symbol: base}, str(path))
    return text


def _limits(found: FoundSymbols) -> dict[str, AttemptLimits]:
    """The limits of each symbol whose price is known."""
    limits = {
        symbol: limits_of([new for new in found.symbols if new.symbol == symbol], found.prices[symbol])
        for symbol in found.venues_of
    }
    return {symbol: own for symbol, own in limits.items() if own is not None}


def _read(path: Path) -> str:
    # Not `read_text`, which would turn the file's line ends into its own.
    return path.read_bytes().decode("utf-8")
