"""Configuration values that a strategy may request by name in its PARAMS."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache

from arb.config import Config
from arb.errors import ConfigError
from arb.leg import IN_RECEIVED, Leg
from arb.strategies.arguments import Value
from arb.strategies.lists import Number
from arb.strategies.parameters import CONFIGURED, Parameter
from connectors.units import MILLISECOND, SECOND

#: Both legs, and one hedge order for each.
_ORDERS_PER_ATTEMPT = 4


def facts_of(config: Config) -> dict[str, Value]:
    """Names and values: limits, thresholds and times of the run, and per leg its instrument and capital.

    Per-leg values appear as a tuple by name, and one leg at a time with the suffix `_0`, `_1` and so on. Times are in
    ns, quantities in base, money in quote units, fees and shares as fractions of one.
    """
    facts: dict[str, Value] = {
        one.name: one.compiled(config.value(f"{one.section}.{one.key}"))
        for one in CONFIGURED
        if not one.is_per_leg
    }
    facts |= {
        "attempt_interval_ns": _attempt_interval_ns(config),
        "max_leverage": config.risk.max_leverage,
        "max_order_qty": config.risk.max_order_qty or 0.0,
        "max_order_notional": config.risk.max_order_notional or 0.0,
        "stale_after_ns": config.execution.stale_after_ms * MILLISECOND,
        "slippage_tolerance": config.execution.slippage_tolerance,
        "price_band": config.live.price_band_bps / 10_000.0,
        "in_doubt_max_ns": round(config.live.in_doubt_max_s * SECOND),
    }
    by_leg = [_facts_of_leg(leg, config) for leg in config.legs]
    for name in by_leg[0]:
        facts[name] = tuple(leg[name] for leg in by_leg)
    for number, leg in enumerate(by_leg):
        facts |= {f"{name}_{number}": value for name, value in leg.items()}
    return facts


def value_of_leg(leg: Leg, config: Config, parameter: Parameter) -> Number:
    """The value of a parameter that legs have each: that of the symbol, or of its section. In the record's unit."""
    own = getattr(config.symbols.get(leg.symbol), parameter.key, None)
    return parameter.compiled(config.value(f"{parameter.section}.{parameter.key}") if own is None else own)


def _facts_of_leg(leg: Leg, config: Config) -> dict[str, Number]:
    accounts = list(dict.fromkeys(other.funds for other in config.legs))
    return {
        **{one.name: value_of_leg(leg, config, one) for one in CONFIGURED if one.is_per_leg},
        "is_spot": leg.is_spot,
        "base": leg.base,
        "quote": leg.quote,
        "funds": accounts.index(leg.funds),
        "maker_fee": leg.maker_fee,
        "taker_fee": leg.taker_fee,
        **_fee_facts(leg, config),
        "tick_size": leg.tick_size,
        "lot_size": leg.lot_size,
        "min_qty": leg.min_qty,
        "min_notional": leg.min_notional,
        "contract_size": leg.contract_size,
        "position_limit": leg.position_limit,
        "common_lot": common_lot(
            [other.lot_size_text for other in config.legs if other.symbol == leg.symbol]
        ),
    }


def _fee_facts(leg: Leg, config: Config) -> dict[str, Number]:
    """What the fees of a leg are taken from, if not from the quote.

    base_fee: share of a purchase that a taker's fee takes from the base. fee_account: number of the venue whose
    `fee_units` of a further asset pay the fees, -1 for none. fee_price: its price; 0 if it is that of `fee_price_leg`.
    """
    is_received = leg.fee_asset == IN_RECEIVED and leg.is_spot
    venues = list(dict.fromkeys(other.venue for other in config.legs))
    return {
        "base_fee": leg.taker_fee if is_received else 0.0,
        "fee_account": venues.index(leg.venue) if leg.has_named_fee_asset else -1,
        "fee_units": leg.fee_units,
        "fee_price": 0.0 if math.isnan(leg.fee_price) else leg.fee_price,
        "fee_price_leg": leg.fee_price_leg,
    }


def _attempt_interval_ns(config: Config) -> int:
    """The interval between attempts, long enough for the order rate to allow both legs and a hedge of each.

    The rate is shared by all pairs, which may all start at once.
    """
    interval = config.value("execution.attempt_interval_ms") * MILLISECOND
    rate = config.risk.max_orders_per_second
    if rate == 0:
        return interval
    orders = _ORDERS_PER_ATTEMPT * len(config.pairs)
    if rate < orders:
        raise ConfigError(
            f"{config.file}: [risk] max_orders_per_second is {rate}; an attempt of each pair may need {orders} "
            f"orders at once: it must be 0 (no limit) or at least {orders}"
        )
    return max(interval, orders * SECOND // rate)


def common_lot(lots: list[str]) -> float:
    """The smallest quantity that is a multiple of each lot; lots are decimal strings.

    >>> common_lot(["0.00001", "0.001"])
    0.001
    """
    return _common_lot(tuple(lots))


@cache
def _common_lot(lots: tuple[str, ...]) -> float:
    decimals = [Decimal(lot) for lot in lots]
    exponent = min(int(lot.as_tuple().exponent) for lot in decimals)
    whole = [int(lot.scaleb(-exponent)) for lot in decimals]
    return float(Decimal(math.lcm(*whole)).scaleb(exponent))
