"""`arb live`: the strategy on live data, with orders that venues answer, or those of a sandbox."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Unpack

from arb.alerts.message import ChannelAddress
from arb.backtest.runner import compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.account_start import AccountStart
from arb.commands.account_state import AccountState, Write, own_run, prepare_accounts
from arb.commands.alert_channels import alert_channels
from arb.commands.alerts import expiries_of
from arb.commands.gate_setup import add_traded, gate_of, halts_of, losses_of
from arb.commands.guard_setup import guard_of
from arb.commands.idle_keys import World
from arb.commands.legs import legs_of
from arb.commands.live_run import LiveParts
from arb.commands.live_session import Market, SessionKind, SessionOptions, run_session, warm_legs
from arb.commands.order_setup import order_setup, switches_of
from arb.commands.run_files import limits_of
from arb.commands.run_setup import Setup, WrittenRun, with_end, with_halt
from arb.commands.sandbox_account import Key, running_keys, trading_sandbox
from arb.commands.sandbox_choice import SandboxChoice
from arb.config import Config
from arb.config.account_keys import account_signers, guard_signers, house_of
from arb.config.environment import Environment, EnvironmentName, LiveOptions, environment_of, state_directory
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.price_range import RangeFinder
from arb.errors import ConfigError, InputError
from arb.execution.ids import SessionIds
from arb.journal.journal import Journal
from arb.runtime.live_orders import LiveOrders
from arb.runtime.live_rows import LiveDriver
from arb.runtime.path_warming import PathWarming
from arb.runtime.process_guard import no_core_files, refuse_unresolved
from arb.runtime.sandbox_venues import sandbox_urls
from arb.runtime.session_alerts import SessionAlerts
from arb.runtime.session_stop import balance_before_end
from arb.runtime.strategy_task import StrategyTask
from arb.runtime.supervision import Supervision, rules_of
from arb.runtime.trade_protocols import signer_of
from arb.runtime.venue_watch import VenueWatch, WatchTerms
from arb.strategies.loader import PAIRS
from connectors.orders.signing import Signer
from connectors.units import MILLISECOND, SECOND


def run_live_orders(
    config: Config,
    out: Path | None,
    sandbox: SandboxChoice,
    chosen: LiveOptions | None = None,
    **options: Unpack[SessionOptions],
) -> WrittenRun:
    """Runs a session whose orders the sandbox answers. See `run_session`."""
    switches_of(config)
    rehearsal = _Rehearsal(sandbox, chosen or LiveOptions("sandbox"), alert_channels(config))
    kind = SessionKind(
        "live",
        World.ORDERS,
        rehearsal.market,
        rehearsal.parts,
        slow_strategy_notes,
        environment="sandbox",
        prepare=rehearsal.prepare,
    )
    pairs = [(leg.venue, leg.symbol) for leg in config.legs]
    with contextlib.closing(rehearsal):
        return run_session(config, out, kind, sandbox.market_of(config.venues, pairs), **options)


def run_account_orders(
    config: Config, out: Path | None, chosen: LiveOptions, **options: Unpack[SessionOptions]
) -> WrittenRun:
    """Runs a session on the venues' accounts: real ones, or those of testnets or demos. See `run_session`.

    Raises InputError and ConfigError, one line, for a configuration without limits, addresses or keys, and for hosts
    that cannot be resolved.
    """
    environment = environment_of(chosen.environment, config.venues)
    refuse_unlimited(config)
    switches_of(config)
    no_core_files()
    guards = guard_signers(config.venues)
    signers = account_signers(config.venues)
    refuse_unresolved(environment)
    account = _Trading(chosen, signers, guards, alert_channels(config))
    kind = SessionKind(
        "live",
        _WORLDS[environment.name],
        lambda _: environment,
        account.parts,
        slow_strategy_notes,
        environment="" if environment.name == "live" else environment.name,
        prepare=account.prepare,
    )
    with contextlib.closing(account):
        return run_session(config, out, kind, environment, **options)


_WORLDS = {"live": World.ACCOUNTS, "testnet": World.TESTNET, "demo": World.DEMO}


def refuse_unlimited(config: Config) -> None:
    """Raises ConfigError unless the value of orders, and the part of the accounts that is used, are limited."""
    for key, what in (("max_notional", "one order"), ("max_daily_notional", "all orders of a day")):
        if getattr(config.live, key) is None:
            raise ConfigError(
                f"{config.file}: [live] {key} is missing, the largest value of {what}: without it no session trades at "
                f"a venue; write it, or --set live.{key}=..."
            )
    if not config.capital:
        venue = config.legs[0].venue
        raise ConfigError(
            f"{config.file}: [capital] is missing, which says how much of each account may be used: without it no "
            f"session trades at a venue; write [capital.{venue}] with {'base and ' if config.legs[0].is_spot else ''}"
            "quote, and so for the other venues"
        )


def configuration_line(config: Config, environment: EnvironmentName) -> str:
    """Where the session trades, and its limits."""
    venues = ", ".join(dict.fromkeys(leg.venue for leg in config.legs))
    live = config.live
    limits = [
        f"{what} up to {most:,.10g}"
        for what, most in (("one order", live.max_notional), ("a day's orders", live.max_daily_notional))
        if most is not None
    ]
    place = "real money" if environment == "live" else environment
    state = state_directory(live) / environment
    return f"{place} at {venues}; {', '.join(limits) or 'no limits of [live]'}; state in {state}"


class _Trading:
    """What trades in a session, with the keys of its accounts."""

    def __init__(
        self,
        options: LiveOptions,
        signers: Mapping[str, Signer],
        guards: Mapping[str, Signer] = MappingProxyType({}),
        channels: Sequence[ChannelAddress] = (),
    ) -> None:
        """signers: by house; guards: of keys that the guard alone uses; channels: of alerts."""
        self._options = options
        self._channels = channels
        self._signers = signers
        self._guards = guards
        self._state: AccountState | None = None
        #: Of accounts that end with the session.
        self._journal: Journal | None = None
        self._warming: PathWarming | None = None

    def prepare(self, config: Config, market: Market, folder: Path, write: Write) -> Config:
        """See `prepare_accounts`. The accounts of a sandbox inside the command are checked once it has started."""
        if not isinstance(market, Environment | Mapping):
            return config
        signers = {leg.venue: self._signer(leg.venue) for leg in config.legs}
        write("start", f"configuration: {configuration_line(config, self._options.environment)}")
        self._state = prepare_accounts(config, market, signers, self._options, folder, write, self._guards)
        return self._state.config

    def close(self) -> None:
        """Releases the accounts."""
        if self._warming is not None:
            self._warming.close()
        if self._state is not None:
            self._state.close()
        if self._journal is not None:
            self._journal.close()

    def parts(self, config: Config, setup: Setup, folder: Path) -> LiveParts:
        """The compiled strategy on a live bot, with a gateway at its port. Compiles all of it."""
        legs = legs_of(config)
        recorder, limits = Recorder(len(legs)), limits_of(config)
        strategy = compile_ahead(*setup, recorder)
        world = LiveWorld(legs, keep_trades=strategy.uses.trades, is_live=True)
        signers = {leg.venue: self._signer(leg.venue) for leg in legs}
        gate, state = gate_of(config, legs), self._state
        if state is None:
            start = AccountStart(config, legs, signers, self._options.environment, folder)
            kept = own_run(config, folder, start)
            self._journal = kept.journal
            ids = SessionIds(kept.journal.tag, kept.run, time.time_ns() // MILLISECOND)
            own = order_setup(config, legs, signers, ids, self._options)
            shared = kept.journal.path.parent
            halts = halts_of(shared, own.venues)
            guard = guard_of(config, own, shared, folder, None, self._channels)
            kept_by: dict[str, Any] = {"kept": kept, "preflight": start}
        else:
            own = order_setup(config, legs, signers, state.ids, self._options)
            shared = state_directory(config.live) / self._options.environment
            add_traded(gate, shared, self._options.environment, time.time_ns())
            halts = halts_of(shared, own.venues)
            guard = guard_of(config, own, shared, folder, self._guards, self._channels)
            kept_by = {"kept": state.kept}
        rules = rules_of(config.supervisor)
        has_pairs = setup.strategy.legs == PAIRS
        losses = losses_of(gate, legs, shared, self._options.environment, time.time_ns(), has_pairs=has_pairs)
        supervision = Supervision(rules, legs, shared, losses, has_pairs=has_pairs)
        if self._channels and guard is not None:
            expiries_ns = {} if state is None else expiries_of(state.rights)
            supervision.alerts = SessionAlerts(config.alerts, halts, expiries_ns, guard.alert, rules)
        lead_ns = round(config.live.closing_lead_s * SECOND)
        is_demo = self._options.environment == "demo"
        terms = WatchTerms(config.live.trust_min, lead_ns, is_demo)
        kept_by |= {"supervision": supervision, "watch": VenueWatch(legs, terms), "guard": guard}
        orders = LiveOrders(world, own, folder, gate, halts=halts, **kept_by)
        orders.gateway.attempts.decisions = lambda: recorder.decisions
        bot = LiveBot(world, keep=orders.gateway, limits=limits)
        warm_legs(config)
        closes = self._options.is_closing_first
        function = with_end(config, strategy.function, legs, bot, recorder, is_closing_first=closes)
        function = with_halt(config, function, legs, bot, recorder, has_pairs=has_pairs)
        task = StrategyTask(bot, function, setup.arguments.bind(bot, recorder))
        ranges = [RangeFinder(leg) for leg in legs] if strategy.uses.arrays else []
        driver = LiveDriver(bot, task, orders.gateway, ranges)
        last = None
        if has_pairs:

            def is_unbalanced() -> bool:
                is_open = bool(orders.gateway.open_orders)
                return driver.has_begun and (is_open or bool(supervision.left(gate.exposure)))

            last = partial(balance_before_end, orders, is_unbalanced)
        made = LiveParts(driver, recorder, limits, orders, last)
        if not config.live.warm_ms:
            return made
        self._warming = PathWarming(own)
        return made._replace(warm=partial(self._warming.run, interval_s=config.live.warm_ms / 1e3))

    def _signer(self, venue: str) -> Signer:
        return self._signers[house_of(venue)]


class _Rehearsal(_Trading):
    """A session on a sandbox: its market with an account, then what trades there."""

    def __init__(
        self, choice: SandboxChoice, options: LiveOptions, channels: Sequence[ChannelAddress]
    ) -> None:
        super().__init__(options, {}, channels=channels)
        self._choice = choice

    def market(self, config: Config) -> Market:
        """A sandbox with an account of the run's capital, or the running one, of which the keys are needed."""
        if self._choice.port_base is None:
            sandbox, keys = trading_sandbox(config, self._choice.seed)
            self._signers = _best_signers(keys)
            return sandbox
        urls = sandbox_urls(self._choice.port_base)
        self._signers = _best_signers(running_keys(urls, config.legs))
        return urls

    def _signer(self, venue: str) -> Signer:
        if house_of(venue) not in self._signers:
            raise InputError(f"the sandbox has no key for {venue}: start it without --accounts")
        return super()._signer(venue)


def _best_signers(keys: Sequence[Key]) -> dict[str, Signer]:
    """By house: Ed25519 before HMAC, since a websocket can log on with it."""
    ordered = sorted(keys, key=lambda key: key.kind, reverse=True)
    return {key.house: signer_of(key) for key in ordered}


def slow_strategy_notes(config: Config) -> list[str]:
    """A line if the strategy halts before the outcome of its orders can be asked for."""
    live = config.live
    if live.in_doubt_max_s * 1_000 > live.answer_timeout_ms:
        return []
    return [
        f"[live] in_doubt_max_s is {live.in_doubt_max_s:g}, answer_timeout_ms {live.answer_timeout_ms}: the strategy "
        "halts before a venue is asked about an order that it has not answered"
    ]
