"""Puts a session on live data together: capital, folder, log, host, notes. What trades in it is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypedDict

from arb.commands.compilation_beside import CompilationBeside
from arb.commands.first_prices import live_mids
from arb.commands.idle_keys import World, configuration_notes
from arb.commands.legs import instrument_of, legs_of
from arb.commands.live_run import LiveParts, LiveRun
from arb.commands.run_files import common_manifest
from arb.commands.run_setup import Setup, WrittenRun, default_capital_note, run_folder_path, setup_of
from arb.commands.sandbox_choice import source_at
from arb.config import Config
from arb.config.adapters import load_adapter
from arb.config.environment import Environment
from arb.config.log_levels import levels_set, log_levels
from arb.config.starting_capital import with_starting_capital
from arb.results.folder import RunFolder
from arb.runtime.host import Host
from arb.runtime.output import SessionOutput, Viewer
from arb.runtime.warm import warm_session
from arb.sandbox.profiles import WIDE
from arb.sandbox.serve.urls import SIMULATED, VenueUrls

if TYPE_CHECKING:
    from arb.sandbox.serve.sandbox import Sandbox

#: What replaces the venues: a sandbox of the session, not yet entered, or the addresses of a running one; or the
#: environment in which the session trades.
Market: TypeAlias = "Sandbox | Mapping[str, VenueUrls] | Environment | None"
#: The note of a session on the seeded market.
_SIMULATED = f"market data of a sandbox, {SIMULATED}"


class SessionKind(NamedTuple):
    """What distinguishes the sessions on live data. name: of the command, in the manifest and the folder's name."""

    name: str
    world: World
    #: The market of the session, by the configuration with its capital.
    market: Callable[[Config], Market]
    #: The strategy and what answers its orders, in this folder. Compiles all of it.
    parts: Callable[[Config, Setup, Path], LiveParts]
    #: Lines for the log.
    warnings: Callable[[Config], Sequence[str]]
    #: Where orders go, in the folder's name; "" for simulated ones and the venues themselves.
    environment: str = ""
    #: What is done before the strategy is compiled, in this folder: the configuration with what the legs begin with.
    #: Further arguments: the market, and what writes a line of a kind to the log.
    prepare: Callable[[Config, Market, Path, Callable[[str, str], None]], Config] = lambda config, *_: config


class SessionOptions(TypedDict, total=False):
    """The named arguments of `run_session`, for functions that pass them on."""

    duration_s: float | None
    has_report: bool
    log_json: bool
    viewer: Viewer | None
    echo: Callable[[str], None] | None
    notice: Callable[[str], None]


def run_session(
    config: Config,
    out: Path | None,
    kind: SessionKind,
    first: Market,
    *,
    duration_s: float | None = None,
    has_report: bool = True,
    log_json: bool = False,
    viewer: Viewer | None = None,
    echo: Callable[[str], None] | None = None,
    notice: Callable[[str], None] = lambda text: None,
) -> WrittenRun:
    """Runs a session on live data to its end; its folder has a backtest's files, the recording and the log.

    first: the market that has the prices by which a run without `[capital]` begins. viewer, echo: receive the session's
    views and every log line on a thread of their own; if they fail or block, the session is not affected. notice:
    receives a line for each wait before the session begins.
    Raises InputError and ConfigError before anything is written if it cannot begin; after everything is written,
    StrategyError if the strategy raised, and InputError if recording failed.
    """
    levels = log_levels()
    setup = setup_of(config)
    capital_notes = []
    if not config.capital:
        config = with_starting_capital(config, live_mids(config, first, notice))
        capital_notes, setup = [default_capital_note(config)], setup_of(config)
    world = f"{kind.name}-{kind.environment}" if kind.environment else kind.name
    path = run_folder_path(out, datetime.now(UTC), world)
    with (
        CompilationBeside(kind.name, partial(warm_legs, config)) as beside,
        RunFolder(path, is_open=True) as folder,
        SessionOutput(path / "log.txt", as_json=log_json, viewer=viewer, echo=echo) as log,
        levels_set(levels),
    ):
        market = kind.market(config)
        config = kind.prepare(config, market, path, log.event)
        setup = setup_of(config)
        host = Host(dict(config.venues), market)
        notes = capital_notes + configuration_notes(config, setup, kind.world)
        head = common_manifest(kind.name, config, *setup, datetime.now(UTC)) | {
            "notes": _origin_notes(config, market)
        }
        parts = kind.parts(config, setup, path)
        beside.end()
        session = LiveRun(
            config,
            setup,
            parts,
            head=head,
            host=host,
            folder=folder,
            log=log,
            notes=notes,
            warnings=kind.warnings(config),
            has_report=has_report,
        )
        return session.run(duration_s)


def warm_legs(config: Config) -> None:
    """Compiles what the legs of a session need, or loads it: see `warm_session`."""
    legs = legs_of(config)
    adapters = [load_adapter(config.venues[leg.venue]) for leg in legs]
    warm_session(legs[0], list(zip(adapters, map(instrument_of, legs), strict=True)))


def _origin_notes(config: Config, market: Market) -> list[str]:
    """What the data are if they are not a venue's, and how the market of the session differs from a real one."""
    if market is None:
        return []
    if isinstance(market, Environment):
        hosts = sorted(market.hosts.names)
        return (
            [] if market.name == "live" else [f"orders and market data of {', '.join(hosts)} ({market.name})"]
        )
    if not isinstance(market, Mapping):
        return [
            _SIMULATED,
            f"a market for first sessions: every {WIDE.interval_s:g} s on average the price at a venue leaves the "
            f"others' by {WIDE.size_bps:g} bps on average, more than fees and the default threshold; real ones do not",
        ]
    source = source_at(market[config.legs[0].venue].rest)
    if source == SIMULATED:
        return [_SIMULATED]
    return [f"market data of a sandbox{f', which replays {source}' if source else ''}"]
