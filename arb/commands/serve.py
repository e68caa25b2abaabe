"""`arb sandbox serve`: builds a sandbox from options. Other commands find it by `running_sandbox`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from numpy.random import default_rng

from arb.commands.replay_speed import SPEED_MAX, SPEED_MIN
from arb.commands.sandbox import listing_of, starting_price, unique
from arb.config import VenueConfig
from arb.config.accounts import load_accounts
from arb.config.scenario import Scenario, fault_of, load_scenario
from arb.errors import InputError
from arb.interrupts import ending_signals, interrupt_handled
from arb.runtime.garbage import short_collections
from arb.runtime.signals import signals_call, signals_wake
from arb.sandbox.accounts.keys import TestKey, test_keys
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import Listing
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.profiles import WIDE
from arb.sandbox.serve.recorded import RecordedMarket, recorded_symbols
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket, Source
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.serve.urls import VENUES, ports_from
from arb.sandbox.trading.setup import Matching, TradingSetup, usual_account


def sandbox_of(
    known: Mapping[str, VenueConfig],
    *,
    recording: Path | None,
    seed: int,
    speed: float,
    venues: Sequence[str],
    symbols: Sequence[str],
    keeps_times: bool,
    faults: Path | None,
    fault_log: Path | None,
    port_base: int,
    funding: Funding | None = None,
    accounts: Path | None = None,
    matching: Matching = "levels",
    ledger: Path | None = None,
) -> Sandbox:
    """The sandbox that the options describe. Ticks and lots are those of `known`. Raises InputError.

    venues, symbols: empty for all. keeps_times: market data only, orders are refused. port_base: 0 for free ports.
    funding: of perpetuals, if it is chosen. accounts: a file; None: one account, with the keys of `keys_of`.
    """
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise InputError(f"--speed {speed:g}: it must be from {SPEED_MIN} to {SPEED_MAX:g}")
    listings = _listings(known, recording, venues, symbols)
    if funding is not None and all(listing.is_spot for listing in listings):
        raise InputError(
            "--funding-interval and --funding-rate are for perpetuals: serve one as well, as --venues binance_usdm"
        )
    source: Source
    if recording is not None:
        source = RecordedMarket(recording, listings, is_moved=not keeps_times)
    else:
        prices = {listing.symbol: starting_price(listing.symbol, known) for listing in listings}
        source = SeededMarket(listings, prices, seed, WIDE)
    keys = keys_of(seed) if accounts is None and not keeps_times else []
    if accounts is None:
        setup = TradingSetup((usual_account(),), tuple(one.key for one in keys), matching)
    else:
        setup = load_accounts(accounts, matching)
    setup = replace(setup, queues={name: (one.queue.model, one.queue.power) for name, one in known.items()})
    scenario = load_scenario(faults) if faults is not None else Scenario((), {})
    if keeps_times and (late := next((one for one in scenario.faults if one.needs_accounts), None)):
        raise InputError(
            f"{faults}: [faults.{late.name}] kind {late.kind} needs accounts, which --times recorded does not have"
        )
    return Sandbox(
        source,
        facts_of(listings, known),
        speed=speed,
        faults=scenario.faults,
        limits=scenario.limits,
        fault_log=fault_log,
        fault_seed=seed,
        ports=ports_from(port_base) if port_base else {},
        funding=funding or USUAL_FUNDING,
        # The clock of orders is the sandbox's, so the frames must have its times.
        trading=None if keeps_times else trading_of(setup, seed, default_rng(seed), funding or USUAL_FUNDING),
        ledger=ledger,
        fault_of=fault_of,
        keys=keys,
    )


def keys_of(seed: int) -> list[TestKey]:
    """The keys of a sandbox without an accounts file, with what their owner signs with."""
    return test_keys(seed)


def seeded_sandbox(known: Mapping[str, VenueConfig], pairs: Sequence[tuple[str, str]], seed: int) -> Sandbox:
    """A simulated market of these (venue, symbol) pairs on free ports. Raises InputError."""
    listings = [listing_of(venue, symbol, known) for venue, symbol in pairs]
    prices = {listing.symbol: starting_price(listing.symbol, known) for listing in listings}
    return Sandbox(SeededMarket(listings, prices, seed, WIDE), facts_of(listings, known))


async def serve(
    sandbox: Sandbox, started: Callable[[Sandbox], None], duration_s: float | None = None
) -> None:
    """Serves until the recording ends, the duration has passed or SIGTERM or SIGHUP arrives.

    `started` is called once it listens; the duration begins then.
    """
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop(_: signal.Signals) -> None:
        interrupt_handled()
        loop.call_soon_threadsafe(stopped.set)

    with signals_call(stop, ending_signals()), signals_wake(loop):
        await _serve_until(stopped, sandbox, started, duration_s)


async def _serve_until(
    stopped: asyncio.Event, sandbox: Sandbox, started: Callable[[Sandbox], None], duration_s: float | None
) -> None:
    """Serves until `stopped` is set, the recording ends, the duration has passed or the sandbox fails."""
    async with sandbox:
        with short_collections():
            started(sandbox)
            tasks = [
                asyncio.create_task(sandbox.ended.wait()),
                asyncio.create_task(sandbox.failed()),
                asyncio.create_task(stopped.wait()),
            ]
            try:
                done, _ = await asyncio.wait(tasks, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()


def facts_of(listings: Sequence[Listing], known: Mapping[str, VenueConfig]) -> dict[tuple[str, str], Facts]:
    """The venue files' minima of instruments."""
    facts = {}
    for listing in listings:
        symbol = known[listing.venue].symbols[listing.symbol]
        min_qty = listing.lot_size if symbol.min_qty is None else f"{symbol.min_qty:.12f}".rstrip("0")
        facts[listing.venue, listing.symbol] = Facts(
            min_qty, f"{symbol.min_notional:.8f}".rstrip("0").rstrip(".")
        )
    return facts


def _listings(
    known: Mapping[str, VenueConfig], recording: Path | None, venues: Sequence[str], symbols: Sequence[str]
) -> list[Listing]:
    venues = unique(venues) or VENUES
    if recording is None:
        pairs = [(venue, symbol) for venue in venues for symbol in unique(symbols) or ["BTCUSDT"]]
    else:
        recorded = recorded_symbols(recording, venues)
        pairs = [pair for pair in recorded if not symbols or pair[1] in symbols]
        missing = [symbol for symbol in unique(symbols) if symbol not in {pair[1] for pair in recorded}]
        if missing or not pairs:
            what = missing[0] if missing else f"of {', '.join(venues)}"
            raise InputError(
                f"{recording}: no recording {what}; arb data list {recording} shows what there is"
            )
    return [listing_of(venue, symbol, known) for venue, symbol in pairs]
