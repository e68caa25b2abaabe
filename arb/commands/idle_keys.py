"""Notes keys that a user has set but that have no effect in the run, one note per reason.

`RULES` names the keys that may have no effect; any other key always has one. A key that only another command or world
reads may be in a shared file, so it is noted only if it was set for this run (`--set`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from arb.commands.run_checks import fit_notes, has_different_assets, is_built_in
from arb.commands.run_setup import Setup
from arb.config import Config
from arb.config.alert_keys import AlertRuleKeys, AlertState
from arb.config.given import Given
from arb.config.schema import SYMBOL_PLACEHOLDER
from arb.results.notes import NO_EFFECT
from arb.strategies.loader import PAIRS
from arb.strategies.parameters import CONFIGURED


class World(Enum):
    """The environment a strategy runs in."""

    BACKTEST = "a backtest"
    REPLAY = "a dry-run over recorded days"
    LIVE = "a dry-run on live data"
    SANDBOX = "a dry-run on a sandbox"
    ORDERS = "a live session on a sandbox"
    TESTNET = "a live session on testnets"
    DEMO = "a live session on demo accounts"
    ACCOUNTS = "a live session"


class Use(NamedTuple):
    """The run that a key may affect."""

    world: World
    config: Config
    setup: Setup

    @property
    def is_built_in(self) -> bool:
        return is_built_in(self.config)


class Reason(NamedTuple):
    """Why a key has no effect. `is_shared`: another command or world, which may share the file, uses it."""

    text: str
    is_shared: bool = False


Rule = Callable[[Use, Given], Reason | None]


def configuration_notes(config: Config, setup: Setup, world: World) -> list[str]:
    """A run's notes on its configuration; they follow those on its data."""
    return fit_notes(config) + idle_notes(config, setup, world)


def idle_notes(config: Config, setup: Setup, world: World) -> list[str]:
    """A line per reason with all keys it applies to, in the order of the files."""
    use = Use(world, config, setup)
    by_reason: dict[str, list[str]] = {}
    for given in config.given:
        reason = why_idle(use, given)
        if reason is not None and (given.is_override or not reason.is_shared):
            by_reason.setdefault(reason.text, []).append(given.name)
    return [f"{NO_EFFECT}{', '.join(names)}: {text}" for text, names in by_reason.items()]


def why_idle(use: Use, given: Given) -> Reason | None:
    """The first reason why a key has no effect; None if it has one."""
    return next((reason for rule in _rules_of(given.known) if (reason := rule(use, given))), None)


def _rules_of(known: str) -> Iterator[Rule]:
    yield _untraded
    if known in _PARAMETERS:
        yield _unread(_PARAMETERS[known])
    yield from RULES.get(known) or RULES.get(known.partition(".")[0], ())


# The rules.


def _untraded(use: Use, given: Given) -> Reason | None:
    """About a venue or a symbol without a leg in this run."""
    names = dict(zip(given.known.split("."), given.path, strict=True))
    venue, symbol = names.get("<venue>", given.venue), names.get("<SYMBOL>", "")
    if any(venue in ("", leg.venue) and symbol in ("", leg.symbol) for leg in use.config.legs):
        return None
    at = f" at {venue}" if venue else ""
    text = f"{symbol} is not traded{at} in this run" if symbol else f"no leg is{at}"
    return Reason(text, is_shared=True)


def _unread(name: str) -> Rule:
    """Read only by the strategy, as a parameter of this name (`strategy_facts`), per leg or for all."""

    def rule(use: Use, given: Given) -> Reason | None:
        taken = [one for one in use.setup.arguments.params if name in (one, one.rpartition("_")[0])]
        if not taken:
            return Reason(f"{use.config.strategy.function} does not read this (PARAMS)")
        if all(one in use.config.strategy.params for one in taken):
            return Reason("[strategy.params] has a value for it")
        return None

    return rule


def _unread_in_flattening(name: str) -> Rule:
    """Read by the strategy, and by the host when it closes a halted strategy's positions."""
    by_strategy = _unread(name)
    return lambda use, given: None if use.config.risk.on_halt == "flatten" else by_strategy(use, given)


def _idle_if(is_idle: Callable[[Use, Given], bool], text: str) -> Rule:
    return lambda use, given: Reason(text) if is_idle(use, given) else None


def _only_in(*worlds: World, is_shared: bool = True) -> Rule:
    """Read in these worlds only."""
    return lambda use, given: (
        None if use.world in worlds else Reason(f"not read in {use.world.value}", is_shared)
    )


def _only_by(command: str) -> Rule:
    """Read by another command only."""
    return lambda use, given: Reason(f"{command} reads it", is_shared=True)


def _by_the_guard(use: Use, given: Given) -> Reason | None:
    """Read by the guard of a session, if it has one."""
    return None if use.world in _WITH_ORDERS else _only_by("arb watch")(use, given)


def _not_in_mode(mode: str) -> Rule:
    """Read by the built-in strategy in its other mode only."""
    return _idle_if(
        lambda use, given: use.is_built_in and use.config.value("strategy.mode") == mode,
        f"the strategy is in {mode} mode",
    )


def _overruled(use: Use, given: Given) -> Reason | None:
    """Every symbol that is traded has a value of its own."""
    section, name = given.path[0], given.path[-1]
    if section == "capital":
        venue = given.path[1]
        legs = [leg for leg in use.config.legs if leg.venue == venue]
        owned = set(getattr(use.config.capital[venue], f"{name}_of"))
        text = f"[capital.{venue}.{name}_of] has every symbol"
    else:
        legs = list(use.config.legs)
        owned = {symbol for symbol, own in use.config.symbols.items() if getattr(own, name) is not None}
        text = f"every symbol has a {name} of its own in [symbols]"
    return Reason(text) if {leg.symbol for leg in legs} <= owned else None


def _unnamed_symbol(use: Use, given: Given) -> Reason | None:
    if use.config.strategy.symbols is not None:
        return Reason("strategy.symbols names the instruments")
    written = {one.known: one.value for one in use.config.given}
    pairs = written.get("strategy.pairs", ())
    legs = [leg for pair in pairs for leg in pair] or written.get("strategy.legs", (SYMBOL_PLACEHOLDER,))
    is_named = any(leg.rpartition(":")[2] == SYMBOL_PLACEHOLDER for leg in legs)
    return None if is_named else Reason("strategy.legs names the symbols of all legs")


def _same_assets(use: Use, given: Given) -> Reason | None:
    if use.setup.strategy.legs != PAIRS:
        return Reason("it is about strategies that take pairs")
    return None if has_different_assets(use.config) else Reason("the legs are of the same assets")


def _resting(use: Use, given: Given) -> Reason | None:
    """About resting orders: the built-in strategy's orders take liquidity or expire."""
    is_fee = given.known == "fees.maker"
    fees = use.config.venues[given.venue].fees
    # Funds are reserved at the larger of both fees.
    if not use.is_built_in or (is_fee and fees.maker > fees.taker):
        return None
    # A user copies both fees of an account into its file.
    return Reason("the built-in strategy sends no resting orders", is_fee)


def _no_exponent(use: Use, given: Given) -> Reason | None:
    model = use.config.venues[given.venue].queue.model
    return None if model.startswith("power_") else Reason(f'queue.model is "{model}", which has no exponent')


def _order_file(use: Use, given: Given) -> str | None:
    return use.config.venues[given.venue].latency.order_file


def _addresses(use: Use, given: Given) -> Reason | None:
    if use.world in (World.SANDBOX, World.ORDERS):
        return Reason("the sandbox has addresses of its own", is_shared=True)
    if use.world in (World.TESTNET, World.DEMO):
        return Reason(f"[{use.world.name.lower()}] has the addresses", is_shared=True)
    return _ON_LIVE_DATA(use, given)


_SPOT_ALONE = _idle_if(
    lambda use, given: all(leg.is_spot for leg in use.config.legs), "no leg is a perpetual"
)


def _pairless(use: Use, _: Given) -> Reason | None:
    return None if use.setup.strategy.legs == PAIRS else Reason("it is about strategies that take pairs")


def _unsent(use: Use, _: Given) -> Reason | None:
    return None if use.config.alerts.has_channel else Reason("[alerts] has no channel")


def _unreported(rule: AlertState) -> Rule:
    return _idle_if(lambda use, given: rule not in use.config.alerts.states, f"alerts.states has no {rule}")


def _perpetual(use: Use, given: Given) -> Reason | None:
    venue = given.path[1]
    if all(leg.is_spot for leg in use.config.legs if leg.venue == venue):
        return Reason(f"{venue} is a spot venue")
    return None


_INVENTORY, _CONVERGENCE = _not_in_mode("convergence"), _not_in_mode("inventory")
_ON_RECORDED_DAYS = _only_in(World.BACKTEST, World.REPLAY)
_WITH_ACCOUNTS = (World.TESTNET, World.DEMO, World.ACCOUNTS)
_WITH_ORDERS = (World.ORDERS, *_WITH_ACCOUNTS)
_ON_LIVE_DATA = _only_in(World.LIVE, World.SANDBOX, *_WITH_ORDERS)
_SIMULATED = _only_in(World.BACKTEST, World.REPLAY, World.LIVE, World.SANDBOX)
_DRAWN = _idle_if(
    lambda use, given: use.world in (World.LIVE, World.SANDBOX) and _order_file(use, given) is not None,
    "on live data latencies are drawn from latency.order_file",
)
_ARRAYS = _idle_if(
    lambda use, given: use.is_built_in, "the built-in strategy reads no bid_depth or ask_depth"
)

#: Parameters by their keys, without those that reports use, whatever the strategy reads.
_PARAMETERS = {
    known: one.name
    for one in CONFIGURED
    if one.key not in ("mode", "basis_halflife_s")
    for known in (f"{one.section}.{one.key}", *([f"symbols.<SYMBOL>.{one.key}"] if one.is_per_leg else []))
}

#: Keys and sections that may have no effect, and the rules by which; those of a key replace those of its section.
RULES: dict[str, tuple[Rule, ...]] = {
    **{f"{one.section}.{one.key}": (_overruled,) for one in CONFIGURED if one.is_per_leg},
    "strategy.symbol": (_unnamed_symbol,),
    "strategy.legs": (
        _idle_if(lambda use, given: use.config.strategy.pairs is not None, "strategy.pairs names the legs"),
    ),
    "strategy.allow_different_assets": (_same_assets,),
    "strategy.inventory_skew_bps": (_INVENTORY,),
    "strategy.rebalance_threshold": (_INVENTORY,),
    "strategy.rebalance_cost_bps": (_INVENTORY,),
    "strategy.exit_spread_bps": (_CONVERGENCE,),
    "strategy.max_holding_s": (_CONVERGENCE,),
    "risk.cooldown_s": (
        _idle_if(
            lambda use, given: use.is_built_in and use.config.value("risk.max_failures") == 0,
            "risk.max_failures is 0",
        ),
    ),
    "risk.max_leverage": (_SPOT_ALONE,),
    "risk.position_limit": (_overruled,),
    "execution.slippage_tolerance": (_unread_in_flattening("slippage_tolerance"),),
    "execution.unhedged_max_ms": (
        _idle_if(
            lambda use, given: (
                use.is_built_in and given.value >= use.config.value("execution.order_timeout_ms")
            ),
            "execution.order_timeout_ms is not longer",
        ),
    ),
    "execution.chase_interval_ms": (
        _idle_if(
            lambda use, given: use.is_built_in and use.config.value("execution.max_chases") < 2,
            "execution.max_chases is below 2",
        ),
    ),
    "capital.<venue>.base": (_overruled,),
    "capital.<venue>.quote": (_overruled,),
    "data": (_ON_RECORDED_DAYS,),
    "data.note": (_only_in(World.BACKTEST, World.REPLAY, is_shared=False),),
    "record": (_ON_LIVE_DATA,),
    "record.streams": (_only_by("arb record"),),
    "backtest": (_ON_RECORDED_DAYS,),
    "dry_run.disorder_ms": (_only_in(World.LIVE, World.SANDBOX),),
    "dry_run.hang_s": (_only_in(World.REPLAY, World.LIVE, World.SANDBOX, *_WITH_ORDERS),),
    "live": (_only_in(*_WITH_ORDERS),),
    "supervisor": (_only_in(*_WITH_ORDERS),),
    "supervisor.unhedged": (_only_in(*_WITH_ORDERS), _pairless),
    "supervisor.unhedged_s": (_only_in(*_WITH_ORDERS), _pairless),
    "supervisor.attempt_loss": (_only_in(*_WITH_ORDERS), _pairless),
    "supervisor.attempt_loss_pct": (_only_in(*_WITH_ORDERS), _pairless),
    "supervisor.margin": (_only_in(*_WITH_ORDERS), _SPOT_ALONE),
    "supervisor.margin_pct": (_only_in(*_WITH_ORDERS), _SPOT_ALONE),
    "supervisor.liquidation": (_only_in(*_WITH_ORDERS), _SPOT_ALONE),
    "supervisor.liquidation_pct": (_only_in(*_WITH_ORDERS), _SPOT_ALONE),
    "guard": (_only_in(*_WITH_ORDERS),),
    "alerts": (_only_in(*_WITH_ORDERS), _unsent),
    # Elsewhere `arb watch` reads them, beside the session or alone.
    **dict.fromkeys(("alerts.webhook", "alerts.apprise", "alerts.every_s"), (_by_the_guard, _unsent)),
    **dict.fromkeys(("alerts.telegram_bot", "alerts.telegram_chats"), (_only_by("arb watch"),)),
    **{f"alerts.rules.<rule>.{key}": (_only_by("arb watch"),) for key in AlertRuleKeys.__struct_fields__},
    "alerts.doubt_s": (_only_in(*_WITH_ORDERS), _unsent, _unreported("doubt")),
    "alerts.unhedged_s": (_only_in(*_WITH_ORDERS), _unsent, _unreported("unhedged"), _pairless),
    "alerts.key_days": (_only_in(*_WITH_ORDERS), _unsent, _unreported("key")),
    "live.in_doubt_max_s": (_unread("in_doubt_max_ns"),),
    "live.price_band_bps": (
        lambda use, given: None if use.world in _WITH_ORDERS else _unread("price_band")(use, given),
    ),
    "account": (_only_in(*_WITH_ORDERS),),
    "account.<venue>.margin_mode": (_only_in(*_WITH_ORDERS), _perpetual),
    "account.<venue>.leverage": (_only_in(*_WITH_ORDERS), _perpetual),
    "account.<venue>.switch_s": (
        _only_in(*_WITH_ORDERS),
        _idle_if(
            lambda use, given: use.config.account[given.path[1]].switch == "off",
            "account.<venue>.switch is off",
        ),
    ),
    "archive": (_only_by("arb download"),),
    "connection": (_addresses,),
    "connection.transport": (_ON_LIVE_DATA,),
    "connection.trade_url": (_addresses, _only_in(World.ACCOUNTS)),
    "connection.user_url": (_addresses, _only_in(World.ACCOUNTS)),
    "connection.wallet_url": (_addresses, _only_in(World.ACCOUNTS)),
    "testnet": (_only_in(World.TESTNET),),
    "demo": (_only_in(World.DEMO),),
    "auth": (_only_in(*_WITH_ACCOUNTS),),
    "fees.maker": (_resting,),
    "latency.entry_ms": (_SIMULATED, _DRAWN),
    "latency.response_ms": (_SIMULATED, _DRAWN),
    "latency.order_file": (
        _SIMULATED,
        _idle_if(lambda use, given: _order_file(use, given) != given.value, "--latency takes its place"),
    ),
    "queue.model": (_SIMULATED, _resting),
    "queue.power": (_SIMULATED, _resting, _no_exponent),
    "symbols.<SYMBOL>.min_qty": (_unread_in_flattening("min_qty"),),
    "symbols.<SYMBOL>.min_notional": (_unread_in_flattening("min_notional"),),
    "symbols.<SYMBOL>.roi_lb": (_ARRAYS,),
    "symbols.<SYMBOL>.roi_ub": (_ARRAYS,),
}
