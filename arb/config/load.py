"""Finds and reads the files of a run, applies `--set` and `--legs`, and builds a `Config`.

Reads only files; environment variables are read later, by `arb.config.secrets`. Runs once, at the start, in the
composition root.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import tomli

from arb.config.adapters import feed_latency_ns
from arb.config.alert_keys import Alerts
from arb.config.alert_rules import alert_rules
from arb.config.fee_asset import check_fee_asset, check_holdings, fee_facts
from arb.config.files import Document, KeptFiles, VenueFiles, hint, venue_of
from arb.config.given import Given, given_in_main, given_in_venue
from arb.config.live_keys import Account, Live
from arb.config.model import MAIN_SECTIONS, Config, VenueConfig
from arb.config.pairs import pairs_of
from arb.config.schema import LEGS_MAX, SYMBOL_PLACEHOLDER, Capital, Grid, MainFile, Strategy, SymbolLimits
from arb.config.strict import Source, build, section_text
from arb.config.venue_schema import Symbol, VenueFile
from arb.errors import ConfigError
from arb.leg import Leg

_NS_PER_MS = 1_000_000
#: What `arb watch` reads beside `[alerts]`.
_OF_STATE = ("state_directory",)
#: Keys that are set in venues' files, by the key of their document.
_given: dict[tuple[str, ...], tuple[Given, ...]] = {}
_GIVEN_MAX = 64
_OVERRIDE_PART = re.compile(r"[A-Za-z0-9_-]+\Z")


def load(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    legs: Sequence[str] | None = None,
    symbols: Sequence[str] | None = None,
    *,
    kept: KeptFiles | None = None,
) -> Config:
    """Loads the main file at `path` and the venue files that its legs name.

    overrides: `section.key=TOML_VALUE`, for the main file, or for a venue's if the first part is the venue's name; a
    later one takes precedence. legs, symbols: replace `strategy.legs` and `strategy.symbols`. Venue files are all
    `*.toml` beside the main file that have a `name` or the address of a known venue; only those that the legs name are
    checked. kept: the files, read before.
    Raises ConfigError, one line, for anything missing, unknown, of the wrong type or out of range.
    """
    main = Document.read(Path(path), kept=kept)
    files = VenueFiles.find(Path(path), kept)
    for text in overrides:
        _apply_override(text, main, files)
    if legs is not None:
        main.put(("strategy", "legs"), list(legs), "--legs")
        main.tree["strategy"].pop("pairs", None)
    if symbols is not None:
        main.put(("strategy", "symbols"), list(symbols), "--symbols")
    checked = build(MainFile, main.tree, main.source)
    strategy = checked.strategy
    if not {"legs", "pairs"} & main.tree.get("strategy", {}).keys():
        strategy = msgspec.structs.replace(strategy, legs=files.default_legs(strategy.legs))
    checked = msgspec.structs.replace(checked, strategy=_with_legs(strategy, main.source))
    names = checked.strategy.legs
    venues = {name.partition(":")[0]: files.venue(name.partition(":")[0], main.source) for name in names}
    files.refuse_idle_overrides(venues)
    files.check_names(("capital",), checked.capital, main.source)
    files.check_names(("account",), checked.account, main.source)
    files.check_names(("data", "grid"), checked.data.grid, main.source)
    _check_symbols(checked, venues, files, main.source)
    for name, venue in venues.items():
        check_fee_asset(venue, files.documents[name][0].source, names)
    check_holdings(checked.capital, venues, main.source)
    given = [*given_in_main(main.tree, main.source)]
    for name in venues:
        given += _given_of(name, files.documents[name][0])
    return replace(_config(checked, venues, main.source), given=tuple(given))


def _given_of(name: str, document: Document) -> tuple[Given, ...]:
    """The keys that are set in a venue's file; found once for all loads of the same content."""
    key = name, *document.key
    if key not in _given:
        if len(_given) >= _GIVEN_MAX:
            _given.clear()
        _given[key] = tuple(given_in_venue(name, document.tree, document.source))
    return _given[key]


def config_of(parts: Mapping[str, Any], file: str) -> Config:
    """The configuration from a result of `Config.as_dict`, as in a run's manifest. Raises ConfigError if it is invalid.

    file: the name used in errors.
    """
    source = Source(file)
    tree = _without_none(parts)
    main = {name: tree[name] for name in MAIN_SECTIONS if name in tree}
    checked = build(MainFile, main, source)
    venues = {name: venue_of(build(VenueFile, part, source), file) for name, part in tree["venues"].items()}
    return _config(checked, venues, source)


def _config(checked: MainFile, venues: Mapping[str, VenueConfig], source: Source) -> Config:
    sections: dict[str, Any] = {name: getattr(checked, name) for name in MAIN_SECTIONS}
    sections["account"] = {name: checked.account.get(name, Account()) for name in venues}
    legs = [_leg(name, venues, checked, source) for name in checked.strategy.legs]
    for pair_no, pair in enumerate(pairs_of(checked.strategy)):
        for number in pair:
            legs[number] = replace(legs[number], pair=pair_no)
    alert_rules(checked.alerts, source)  # to refuse unknown names
    return Config(file=source.file, legs=tuple(legs), venues=venues, **sections)


def _without_none(part: Any) -> Any:
    """Removes keys whose value is None."""
    if isinstance(part, Mapping):
        return {key: _without_none(value) for key, value in part.items() if value is not None}
    return part


def load_grids(
    path: str | os.PathLike[str], overrides: Sequence[str] = ()
) -> Mapping[str, Mapping[str, Grid]]:
    """`[data.grid]` of the main file at `path`, by venue and symbol; ignores the rest of the file.

    overrides: as in `load`. Raises ConfigError.
    """
    main, files = Document.read(Path(path)), VenueFiles.find(Path(path))
    for text in overrides:
        _apply_override(text, main, files)
    return build(MainFile, {"data": main.tree.get("data", {})}, main.source).data.grid


class AlertsConfig(NamedTuple):
    """What `arb watch` reads. file: the name used in errors."""

    file: str
    alerts: Alerts
    live: Live


def load_alerts(path: Path | None, overrides: Sequence[str] = ()) -> AlertsConfig:
    """`[alerts]`, and where the state is, of the main file at `path`; ignores the rest of the file. None: no file.

    overrides: as in `load`, of these keys only. Raises ConfigError.
    """
    main = Document({}, Source("--set")) if path is None else Document.read(path)
    files = VenueFiles({})
    for text in overrides:
        if not is_of_alerts(text):
            raise ConfigError(
                f"--set {text.partition('=')[0]}: has no effect: this command reads [alerts] only"
            )
        _apply_override(text, main, files)
    live = main.tree.get("live", {})
    # Of another type it is refused as a whole.
    own = {key: live[key] for key in _OF_STATE if key in live} if isinstance(live, dict) else live
    part = {"alerts": main.tree.get("alerts", {}), "live": own}
    checked = build(MainFile, part, main.source)
    alert_rules(checked.alerts, main.source)  # to refuse unknown names
    return AlertsConfig(main.source.file, checked.alerts, checked.live)


def is_of_alerts(override: str) -> bool:
    """Whether `load_alerts` reads the key of an override."""
    key = "".join(override.partition("=")[0].split())
    return key.startswith("alerts.") or key in {f"live.{name}" for name in _OF_STATE}


def load_venues(
    directory: str | os.PathLike[str], overrides: Sequence[str] = (), *, has_grids: bool = False
) -> dict[str, VenueConfig]:
    """Every venue described by a `*.toml` in `directory`, by name.

    overrides: as in `load`, for venues; has_grids: also for `[data.grid]`, which `load_grids` reads.
    Raises ConfigError for an invalid file that has a `name`, and for an override of anything else.
    """
    files, main = VenueFiles.find(Path(directory) / "no main file"), Document({}, Source(str(directory)))
    for text in overrides:
        _apply_override(text, main, files)
    for path, origin in main.source.origins.items():
        if not has_grids or path[:2] != ("data", "grid"):
            what = "the venues' files and [data.grid]" if has_grids else "the venues' files"
            raise ConfigError(f"{origin}: has no effect: this command reads {what} only")
    return {name: files.venue(name, Source(str(directory))) for name in files.documents}


def _apply_override(text: str, main: Document, files: VenueFiles) -> None:
    name, equals, value_text = text.partition("=")
    parts = tuple(part.strip() for part in name.split("."))
    origin = f"--set {' '.join(name.split())}"
    if not equals or len(parts) < 2 or not all(_OVERRIDE_PART.match(part) for part in parts):
        # Not shown beyond the "=": the value may be a secret.
        raise ConfigError(f"{origin}: must be section.key=TOML_VALUE, such as strategy.min_spread_bps=12.5")
    value = _override_value(value_text.strip(), origin, is_secret="auth" in parts)
    if parts[0] in MAIN_SECTIONS:
        main.put(parts, value, origin)
    elif parts[0] in files.documents:
        if parts[1] == "name":
            raise ConfigError(f"{origin}: a venue is known by its name, which only its file can change")
        for document in files.documents[parts[0]]:
            document.put(parts[1:], value, origin)
    else:
        known = [*MAIN_SECTIONS, *files.documents]
        raise ConfigError(f"{origin}: {parts[0]} is neither a section nor a venue{hint(parts[0], known)}")


def _override_value(text: str, origin: str, *, is_secret: bool) -> Any:
    try:
        tree = tomli.loads(f"value = {text}")
    except (ValueError, RecursionError):
        tree = {}
    # More than one key: the text contained a line break and further TOML.
    if tree.keys() != {"value"}:
        shown = "..." if is_secret else text
        key = origin.removeprefix("--set ")
        if re.fullmatch(r"[^\s\"'=\[\]{}#]+", text):
            raise ConfigError(
                f"{origin}: not a TOML value; text needs its own quotes: --set '{key}=\"{shown}\"'"
            )
        raise ConfigError(f'{origin}: not a TOML value (12.5, true, "text", [1, 2])')
    return tree["value"]


def _with_legs(strategy: Strategy, source: Source) -> Strategy:
    """The strategy with the names of all legs, for each symbol in turn; those of pairs are neighbours."""
    symbols = (strategy.symbol,) if strategy.symbols is None else strategy.symbols
    if len(set(symbols)) < len(symbols):
        source.refuse(("strategy", "symbols"), "names a symbol twice")
    where = ("strategy", "legs" if strategy.pairs is None else "pairs")
    written = strategy.legs if strategy.pairs is None else tuple(itertools.chain(*strategy.pairs))
    if len(symbols) > 1 and not all(name.endswith(f":{SYMBOL_PLACEHOLDER}") for name in written):
        source.refuse(
            where,
            f"names symbols of its own, but there are several; write them as venue:{SYMBOL_PLACEHOLDER}",
        )
    names = tuple(_named(name, symbol) for symbol in symbols for name in written)
    if len(names) > LEGS_MAX:
        source.refuse(where, f"makes {len(names)} legs with `symbols`; a run has at most {LEGS_MAX}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        source.refuse(where, f"names {twice} twice")
    pairs = None if strategy.pairs is None else tuple(zip(names[::2], names[1::2], strict=True))
    return msgspec.structs.replace(strategy, legs=names, pairs=pairs)


def _named(name: str, symbol: str) -> str:
    venue, _, own = name.partition(":")
    return f"{venue}:{symbol if own == SYMBOL_PLACEHOLDER else own}"


def _check_symbols(
    main: MainFile, venues: Mapping[str, VenueConfig], files: VenueFiles, source: Source
) -> None:
    """Raises ConfigError for misspelt symbols, whose values would have no effect."""
    known = sorted({symbol for venue in venues.values() for symbol in venue.symbols} | files.symbols)
    paths: list[tuple[str, ...]] = [("symbols", symbol) for symbol in main.symbols]
    for venue, funds in main.capital.items():
        paths += [("capital", venue, "base_of", symbol) for symbol in funds.base_of]
        paths += [("capital", venue, "quote_of", symbol) for symbol in funds.quote_of]
    # The files of venues without a leg in this run were not read.
    paths += [("data", "grid", venue, s) for venue in venues for s in main.data.grid.get(venue, ())]
    for path in paths:
        if path[-1] not in known:
            source.refuse(path, f"is a symbol that no file of the venues describes{hint(path[-1], known)}")


def _sizes_of(symbol: Symbol) -> dict[str, Any]:
    """A leg's tick, lot and minimum quantity from its symbol."""
    return {
        "tick_size_text": symbol.tick_size,
        "lot_size_text": symbol.lot_size,
        "tick_size": float(symbol.tick_size),
        "lot_size": float(symbol.lot_size),
        "min_qty": float(symbol.lot_size) if symbol.min_qty is None else symbol.min_qty,
    }


def on_grids(
    venues: Mapping[str, VenueConfig], grids: Mapping[str, Mapping[str, Grid]]
) -> dict[str, VenueConfig]:
    """The venues with the stated ticks and lots of recorded data."""
    return {name: _on_grid(venue, grids.get(name, {})) for name, venue in venues.items()}


def _on_grid(venue: VenueConfig, grids: Mapping[str, Grid]) -> VenueConfig:
    symbols = dict(venue.symbols)
    for name, grid in grids.items():
        if name in symbols:
            own = symbols[name]
            symbols[name] = msgspec.structs.replace(
                own, tick_size=grid.tick_size or own.tick_size, lot_size=grid.lot_size or own.lot_size
            )
    return replace(venue, symbols=symbols)


def on_data_grid(config: Config) -> Config:
    """The configuration for recorded data: the legs' ticks and lots are those of `[data.grid]`, if stated.

    Applying it twice changes nothing.
    """
    venues = on_grids(config.venues, config.data.grid)
    legs = tuple(replace(leg, **_sizes_of(venues[leg.venue].symbols[leg.symbol])) for leg in config.legs)
    return replace(config, venues=venues, legs=legs)


def _leg(name: str, venues: Mapping[str, VenueConfig], checked: MainFile, main: Source) -> Leg:
    venue_name, _, symbol_name = name.partition(":")
    venue = venues[venue_name]
    symbol = venue.symbols.get(symbol_name)
    if symbol is None:
        raise ConfigError(
            f"{venue.file}: {section_text(('symbols', symbol_name))} is missing, which leg {name} needs"
            f"; known: {', '.join(venue.symbols) or 'none'}; to add it, write that section"
            ' with tick_size = "0.01", lot_size = "0.001", as the venue gives them'
        )
    # Without any [capital] a run begins with the default one: arb.config.starting_capital.
    funds = checked.capital.get(venue_name) if checked.capital else Capital(quote=0.0)
    section = section_text(("capital", venue_name))
    if funds is None:
        raise ConfigError(
            f"{main.file}: {section} is missing; it says what {venue_name} starts with (base, quote)"
        )
    own = checked.symbols.get(symbol_name, SymbolLimits())
    base = funds.base_of.get(symbol_name, funds.base)
    if base > 0 and not venue.is_spot:
        last = ("base_of", symbol_name) if symbol_name in funds.base_of else ("base",)
        main.refuse(
            ("capital", venue_name, *last),
            f"is {base!r}; a perpetual venue holds margin in quote only",
        )
    _check_range(symbol, f"{venue.file}: {section_text(('symbols', symbol_name))}")
    file = venue.latency.order_file
    return Leg(
        venue=venue_name,
        symbol=symbol_name,
        is_spot=venue.is_spot,
        **_sizes_of(symbol),
        min_notional=symbol.min_notional,
        contract_size=symbol.contract_size,
        maker_fee=venue.fees.maker,
        taker_fee=venue.fees.taker,
        feed_latency_ns=feed_latency_ns(venue),
        entry_latency_ns=round(venue.latency.entry_ms * _NS_PER_MS),
        response_latency_ns=round(venue.latency.response_ms * _NS_PER_MS),
        queue_model=venue.queue.model,
        queue_power=venue.queue.power,
        base=base,
        quote=funds.quote_of.get(symbol_name, funds.quote),
        order_latency_file=None if file is None else file.replace("{symbol}", symbol_name.lower()),
        roi_lb=symbol.roi_lb,
        roi_ub=symbol.roi_ub,
        position_limit=own.position_limit or checked.risk.position_limit,
        funds=(venue_name, symbol_name if symbol_name in funds.quote_of else ""),
        **fee_facts(venue, funds, checked.strategy.legs),
    )


def _check_range(symbol: Symbol, where: str) -> None:
    low, high = symbol.roi_lb, symbol.roi_ub
    if (low is None) != (high is None):
        given, missing = ("roi_lb", "roi_ub") if high is None else ("roi_ub", "roi_lb")
        raise ConfigError(f"{where}: has {given} without {missing}; write both or none")
    if low is not None and high is not None and low >= high:
        raise ConfigError(f"{where}: roi_lb is {low!r}, which is not below roi_ub, {high!r}")
