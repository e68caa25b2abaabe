"""Selects venues, symbols and streams of a command: the configured legs, or those named in its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from arb.commands.legs import known_venues
from arb.commands.sandbox import unique
from arb.config import Config, VenueConfig
from arb.config.adapters import load_adapter
from arb.errors import InputError
from arb.runtime.feeds import BOT_STREAMS, bot_streams, has_stream
from connectors.model import Stream, Venue

#: Streams that a recording may hold besides those a bot needs.
EXTRA_STREAMS = (Stream.AGG_TRADE, Stream.KLINE_1M, Stream.MARK_PRICE, Stream.TICKER)


class Wanted(NamedTuple):
    """Selected symbols and streams of a venue."""

    venue: VenueConfig
    symbols: tuple[str, ...]
    streams: tuple[Stream, ...] = BOT_STREAMS


def wanted_of(
    config: Config,
    config_path: Path,
    venues: Sequence[str] | None,
    symbols: Sequence[str] | None,
    streams: Sequence[str] | None,
) -> list[Wanted]:
    """The selection of a command: the legs of the configuration, or every one of `symbols` at every one of `venues`.

    streams: names of extra streams, None for `[record] streams`; each venue is asked for those that it has. Raises
    InputError and ConfigError for an unknown venue, symbol or stream.
    """
    known = known_venues(config_path) | dict(config.venues)
    pairs = [(leg.venue, leg.symbol) for leg in config.legs]
    if venues is not None or symbols is not None:
        at = unique(venues if venues is not None else [venue for venue, _ in pairs])
        what = unique(symbols if symbols is not None else [symbol for _, symbol in pairs])
        pairs = [(venue, symbol) for venue in at for symbol in what]
    for venue, symbol in pairs:
        _check_known(config, known, venue, symbol)
    names = unique([venue for venue, _ in pairs])
    adapters = {name: load_adapter(known[name]) for name in names}
    extra = extra_streams(config.record.streams if streams is None else streams, list(adapters.values()))
    return [
        Wanted(
            known[name],
            tuple(unique([symbol for venue, symbol in pairs if venue == name])),
            (
                *bot_streams(adapters[name]),
                *(stream for stream in extra if has_stream(adapters[name], stream)),
            ),
        )
        for name in names
    ]


def extra_streams(names: Sequence[str], adapters: Sequence[Venue]) -> list[Stream]:
    """The streams with these names. Raises InputError for an unknown name, or a stream that no venue has."""
    known = {stream.value: stream for stream in EXTRA_STREAMS}
    for name in names:
        if name not in known:
            raise InputError(f"--streams {name}: no such stream; there are {', '.join(known)}")
        if not any(has_stream(adapter, known[name]) for adapter in adapters):
            raise InputError(
                f"--streams {name}: none of the venues has it: {', '.join(a.name for a in adapters)}"
            )
    return [known[name] for name in unique(names)]


def _check_known(config: Config, known: Mapping[str, VenueConfig], venue: str, symbol: str) -> None:
    if venue not in known:
        raise InputError(
            f"--venues {venue}: no file beside {config.file} describes it; known: {', '.join(sorted(known))}"
        )
    if symbol not in known[venue].symbols:
        raise InputError(
            f"--symbols {symbol}: {known[venue].file} does not describe it; add [symbols.{symbol}] there, with "
            f"tick_size and lot_size; known: {', '.join(known[venue].symbols) or 'none'}"
        )
