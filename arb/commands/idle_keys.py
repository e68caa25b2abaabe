"""Notes keys that a user has set but that have no effect in the run, one note per reason.

`EFFECTS` maps every key of the files to the rules by which it may have no effect; an empty tuple means that it always
has one. A key that only another command or world reads may be in a shared file, so it is noted only if it was set for
this run (`--set`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from arb.commands.run_checks import fit_notes, has_different_assets, is_built_in
from arb.commands.run_setup import Setup
from arb.config import Config
from arb.config.given import Given
from arb.config.schema import SYMBOL_PLACEHOLDER
from arb.leg import Leg
from arb.results.notes import NO_EFFECT
from arb.strategies.loader import PAIRS
from arb.strategies.parameters import CONFIGURED

_POWER_MODELS = ("power_prob", "power_prob2", "power_prob3")
_MODES = {"inventory": "is in inventory mode", "convergence": "is in convergence mode"}


class World(Enum):
    """The environment a strategy runs in."""

    BACKTEST = "a backtest"
    REPLAY = "a dry-run over recorded days"
    LIVE = "a dry-run on live data"
    SANDBOX = "a dry-run on a sandbox"


_ON_LIVE_DATA = (World.LIVE, World.SANDBOX)
_ALL = tuple(World)


class Use(NamedTuple):
    """The run that a key may affect."""

    world: World
    config: Config
    setup: Setup

    @property
    def is_built_in(self) -> bool:
        return is_built_in(self.config)

    def legs_at(self, venue: str) -> list[Leg]:
        return [leg for leg in self.config.legs if leg.venue == venue]


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
    return next((reason for rule in EFFECTS[given.known] if (reason := rule(use, given)) is not None), None)


# The rules.


def _fact(*names: str) -> Rule:
    """Read only by the strategy, as parameters of these names (`strategy_facts`), per leg or for all."""

    def rule(use: Use, given: Given) -> Reason | None:
        taken = [one for one in use.setup.arguments.params if one in names or one.rpartition("_")[0] in names]
        if not taken:
            return Reason(f"{use.config.strategy.function} does not read this (PARAMS)")
        if all(one in use.config.strategy.params for one in taken):
            return Reason("[strategy.params] has a value for it")
        return None

    return rule


def _fact_or_flatten(*names: str) -> Rule:
    """Read by the strategy, and by the host when it closes a halted strategy's positions."""
    by_strategy = _fact(*names)
    return lambda use, given: None if use.config.risk.on_halt == "flatten" else by_strategy(use, given)


def _mode(mode: str) -> Rule:
    """Read by the built-in strategy in one mode only."""

    def rule(use: Use, given: Given) -> Reason | None:
        chosen = use.config.value("strategy.mode")
        is_other = use.is_built_in and chosen != mode
        return Reason(f"the strategy {_MODES[chosen]}") if is_other else None

    return rule


def _worlds(*worlds: World, is_shared: bool = True) -> Rule:
    """Read in these worlds only."""

    def rule(use: Use, given: Given) -> Reason | None:
        return None if use.world in worlds else Reason(f"not read in {use.world.value}", is_shared)

    return rule


def _for_command(command: str) -> Rule:
    """Read by another command only."""
    return lambda use, given: Reason(f"{command} reads it", is_shared=True)


def _symbol(use: Use, given: Given) -> Reason | None:
    if use.config.strategy.symbols is not None:
        return Reason("strategy.symbols names the instruments")
    legs = next(
        (one.value for one in use.config.given if one.known == "strategy.legs"), (SYMBOL_PLACEHOLDER,)
    )
    pairs = [one.value for one in use.config.given if one.known == "strategy.pairs"]
    if pairs:
        legs = [leg for pair in pairs[-1] for leg in pair]
    is_named = any(leg.rpartition(":")[2] == SYMBOL_PLACEHOLDER for leg in legs)
    return None if is_named else Reason("strategy.legs names the symbols of all legs")


def _legs(use: Use, given: Given) -> Reason | None:
    return None if use.config.strategy.pairs is None else Reason("strategy.pairs names the legs")


def _different_assets(use: Use, given: Given) -> Reason | None:
    if use.setup.strategy.legs != PAIRS:
        return Reason("it is about strategies that take pairs")
    return None if has_different_assets(use.config) else Reason("the legs are of the same assets")


def _arrays(use: Use, given: Given) -> Reason | None:
    return Reason("the built-in strategy reads no bid_depth or ask_depth") if use.is_built_in else None


def _all_have_own(name: str) -> Rule:
    """Overridden by values of the symbols."""

    def rule(use: Use, given: Given) -> Reason | None:
        owned = {symbol for symbol, own in use.config.symbols.items() if getattr(own, name) is not None}
        is_overruled = {leg.symbol for leg in use.config.legs} <= owned
        return Reason(f"every symbol has a {name} of its own in [symbols]") if is_overruled else None

    return rule


def _main_symbol(use: Use, given: Given) -> Reason | None:
    symbol = given.path[1]
    is_traded = any(leg.symbol == symbol for leg in use.config.legs)
    return None if is_traded else Reason(f"{symbol} is not traded in this run", is_shared=True)


def _venue_symbol(use: Use, given: Given) -> Reason | None:
    symbol = given.path[1]
    is_traded = any(leg.symbol == symbol for leg in use.legs_at(given.venue))
    return None if is_traded else Reason(f"{symbol} is not traded in this run", is_shared=True)


def _capital(use: Use, given: Given) -> Reason | None:
    venue = given.path[1]
    return None if use.legs_at(venue) else Reason(f"no leg is at {venue}", is_shared=True)


def _capital_base(use: Use, given: Given) -> Reason | None:
    venue = given.path[1]
    owned = use.config.capital[venue].base_of.keys()
    is_overruled = {leg.symbol for leg in use.legs_at(venue)} <= owned
    return Reason(f"[capital.{venue}.base_of] has every symbol") if is_overruled else None


def _capital_quote(use: Use, given: Given) -> Reason | None:
    venue = given.path[1]
    is_overruled = {leg.symbol for leg in use.legs_at(venue)} <= use.config.capital[venue].quote_of.keys()
    return Reason(f"[capital.{venue}.quote_of] has every symbol") if is_overruled else None


def _capital_symbol(use: Use, given: Given) -> Reason | None:
    venue, symbol = given.path[1], given.path[3]
    is_traded = any(leg.symbol == symbol for leg in use.legs_at(venue))
    return None if is_traded else Reason(f"{symbol} is not traded at {venue} in this run", is_shared=True)


def _data_grid(use: Use, given: Given) -> Reason | None:
    venue, symbol = given.path[2], given.path[3]
    is_traded = any(leg.symbol == symbol for leg in use.legs_at(venue))
    return None if is_traded else Reason(f"{symbol} is not traded at {venue} in this run", is_shared=True)


def _cooldown(use: Use, given: Given) -> Reason | None:
    return (
        Reason("risk.max_failures is 0")
        if use.is_built_in and use.config.value("risk.max_failures") == 0
        else None
    )


def _perpetuals(use: Use, given: Given) -> Reason | None:
    return Reason("no leg is a perpetual") if all(leg.is_spot for leg in use.config.legs) else None


def _resting(use: Use, given: Given) -> Reason | None:
    """About resting orders: the built-in strategy's orders take liquidity or expire."""
    is_fee = given.known == "fees.maker"
    fees = use.config.venues[given.venue].fees
    # Funds are reserved at the larger of both fees.
    if not use.is_built_in or (is_fee and fees.maker > fees.taker):
        return None
    # A user copies both fees of an account into its file.
    return Reason("the built-in strategy sends no resting orders", is_fee)


def _power(use: Use, given: Given) -> Reason | None:
    model = use.config.venues[given.venue].queue.model
    return None if model in _POWER_MODELS else Reason(f'queue.model is "{model}", which has no exponent')


def _order_file(use: Use, given: Given) -> Reason | None:
    is_replaced = use.config.venues[given.venue].latency.order_file != given.value
    return Reason("--latency takes its place") if is_replaced else None


def _drawn(use: Use, given: Given) -> Reason | None:
    """On live data, latencies are drawn from the latency file if there is one."""
    is_drawn = use.world in _ON_LIVE_DATA and use.config.venues[given.venue].latency.order_file is not None
    return Reason("on live data latencies are drawn from latency.order_file") if is_drawn else None


def _addresses(use: Use, given: Given) -> Reason | None:
    if use.world == World.SANDBOX:
        return Reason("the sandbox has addresses of its own", is_shared=True)
    return _worlds(World.LIVE)(use, given)


_INVENTORY, _CONVERGENCE = _mode("inventory"), _mode("convergence")
_RECORDED = _worlds(World.BACKTEST, World.REPLAY)
_ON_LIVE = _worlds(*_ON_LIVE_DATA)
_DOWNLOAD = (_for_command("arb download"),)

#: Further rules of declared parameters.
_FURTHER: dict[str, tuple[Rule, ...]] = {
    "inventory_skew_bps": (_INVENTORY,),
    "rebalance_threshold": (_INVENTORY,),
    "rebalance_cost_bps": (_INVENTORY,),
    "exit_spread_bps": (_CONVERGENCE,),
    "max_holding_s": (_CONVERGENCE,),
    "cooldown_s": (_cooldown,),
}
#: Parameters that reports use, whatever the strategy reads.
_REPORTED = ("mode", "basis_halflife_s")


def _of_parameters() -> Iterator[tuple[str, tuple[Rule, ...]]]:
    for one in CONFIGURED:
        further = _FURTHER.get(one.key, ())
        if one.is_per_leg:
            further = (*further, _all_have_own(one.key))
            yield f"symbols.<SYMBOL>.{one.key}", (_main_symbol, _fact(one.name))
        yield f"{one.section}.{one.key}", () if one.key in _REPORTED else (_fact(one.name), *further)


#: Every key of the main file and of a venue's, and the rules by which it may have no effect.
EFFECTS: dict[str, tuple[Rule, ...]] = {
    **dict(_of_parameters()),
    "strategy.symbol": (_symbol,),
    "strategy.legs": (_legs,),
    "strategy.pairs": (),
    "strategy.symbols": (),
    "strategy.function": (),
    "strategy.allow_different_assets": (_different_assets,),
    "strategy.params.<name>": (),
    "risk.on_halt": (),
    "risk.max_leverage": (_perpetuals,),
    "risk.position_limit": (_all_have_own("position_limit"),),
    "risk.max_order_qty": (),
    "risk.max_order_notional": (),
    "risk.max_orders_per_second": (),
    "execution.stale_after_ms": (),
    "execution.slippage_tolerance": (_fact_or_flatten("slippage_tolerance"),),
    "capital.<venue>.base": (_capital, _capital_base),
    "capital.<venue>.quote": (_capital, _capital_quote),
    "capital.<venue>.base_of.<SYMBOL>": (_capital_symbol,),
    "capital.<venue>.quote_of.<SYMBOL>": (_capital_symbol,),
    "symbols.<SYMBOL>.position_limit": (_main_symbol,),
    "clock.offset_ms": (),
    "data.directory": (_RECORDED,),
    "data.cache_gb": (_RECORDED,),
    "data.note": (_worlds(World.BACKTEST, World.REPLAY, is_shared=False),),
    "data.grid.<venue>.<SYMBOL>.tick_size": (_data_grid, _RECORDED),
    "data.grid.<venue>.<SYMBOL>.lot_size": (_data_grid, _RECORDED),
    "record.streams": (_for_command("arb record"),),
    "record.segment_s": (_ON_LIVE,),
    "record.reserve_gb": (_ON_LIVE,),
    "record.fsync_s": (_ON_LIVE,),
    "backtest.engine": (_RECORDED,),
    "dry_run.disorder_ms": (_ON_LIVE,),
    "dry_run.hang_s": (_worlds(World.REPLAY, *_ON_LIVE_DATA),),
    "archive.binance_url": _DOWNLOAD,
    "archive.bybit_trades_url": _DOWNLOAD,
    "archive.bybit_books_url": _DOWNLOAD,
    "archive.tardis_url": _DOWNLOAD,
    "archive.tardis_key": _DOWNLOAD,
    "archive.binance_touch_from": _DOWNLOAD,
    "archive.bybit_spot_books_from": _DOWNLOAD,
    "archive.parallel": _DOWNLOAD,
    "archive.ask_above_gb": _DOWNLOAD,
    "name": (),
    "adapter": (),
    "kind": (),
    "connection.websocket_url": (_addresses,),
    "connection.websocket_fallback_urls": (_addresses,),
    "connection.transport": (_ON_LIVE,),
    "connection.rest_api_url": (_addresses,),
    "auth.api_key": (_for_command("no command yet"),),
    "auth.secret_key": (_for_command("no command yet"),),
    "fees.maker": (_resting,),
    "fees.taker": (),
    "latency.feed_ms": (),
    "latency.entry_ms": (_drawn,),
    "latency.response_ms": (_drawn,),
    "latency.order_file": (_order_file,),
    "queue.model": (_resting,),
    "queue.power": (_resting, _power),
    "symbols.<SYMBOL>.tick_size": (_venue_symbol,),
    "symbols.<SYMBOL>.lot_size": (_venue_symbol,),
    "symbols.<SYMBOL>.min_qty": (_venue_symbol, _fact_or_flatten("min_qty")),
    "symbols.<SYMBOL>.min_notional": (_venue_symbol, _fact_or_flatten("min_notional")),
    "symbols.<SYMBOL>.contract_size": (_venue_symbol,),
    "symbols.<SYMBOL>.roi_lb": (_venue_symbol, _arrays),
    "symbols.<SYMBOL>.roi_ub": (_venue_symbol, _arrays),
}
