"""The facts of a configuration that a strategy may ask for by name in its PARAMS."""

from __future__ import annotations

import math
from decimal import Decimal

from arb.config import Config
from arb.errors import ConfigError

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
#: Both legs, and one order to even out each.
_ORDERS_PER_ATTEMPT = 4


def facts_of(config: Config) -> dict[str, bool | int | float]:
    """Names and values: limits, thresholds and times of the run, and per leg (`_0`, `_1`) what it trades with.

    Times are in ns, quantities in base, money in quote units, fees and shares as shares of one.
    """
    facts: dict[str, bool | int | float] = {
        "min_spread_bps": config.strategy.min_spread_bps,
        "max_edge_bps": config.strategy.max_edge_bps,
        "max_position_size": config.strategy.max_position_size,
        "rebalance_threshold": config.strategy.rebalance_threshold,
        "basis_halflife_ns": round(config.strategy.basis_halflife_s * _NS_PER_S),
        "max_drawdown": config.risk.max_drawdown,
        "max_attempt_loss": config.risk.max_attempt_loss,
        "max_daily_loss": config.risk.max_daily_loss,
        "max_failures": config.risk.max_failures,
        "cooldown_ns": round(config.risk.cooldown_s * _NS_PER_S),
        "max_attempts_per_day": config.risk.max_attempts_per_day,
        "stop_loss_bps": config.risk.stop_loss_bps,
        "position_limit": config.risk.position_limit,
        "order_timeout_ns": config.execution.order_timeout_ms * _NS_PER_MS,
        "attempt_interval_ns": _attempt_interval_ns(config),
        "max_order_qty": config.risk.max_order_qty or 0.0,
        "max_order_notional": config.risk.max_order_notional or 0.0,
        "stale_after_ns": config.execution.stale_after_ms * _NS_PER_MS,
        "slippage_tolerance": config.execution.slippage_tolerance,
        "common_lot": common_lot([leg.lot_size_text for leg in config.legs]),
    }
    for number, leg in enumerate(config.legs):
        facts |= {
            f"is_spot_{number}": leg.is_spot,
            f"base_{number}": leg.base,
            f"quote_{number}": leg.quote,
            f"maker_fee_{number}": leg.fees.maker,
            f"taker_fee_{number}": leg.fees.taker,
            f"tick_size_{number}": leg.tick_size,
            f"lot_size_{number}": leg.lot_size,
            f"min_qty_{number}": leg.min_qty,
            f"min_notional_{number}": leg.min_notional,
            f"contract_size_{number}": leg.contract_size,
        }
    return facts


def _attempt_interval_ns(config: Config) -> int:
    """The distance between attempts, wide enough that the order rate has room for both legs and a hedge of each."""
    interval = config.execution.attempt_interval_ms * _NS_PER_MS
    rate = config.risk.max_orders_per_second
    if rate == 0:
        return interval
    if rate < _ORDERS_PER_ATTEMPT:
        raise ConfigError(
            f"{config.file}: [risk] max_orders_per_second is {rate}; an attempt may need {_ORDERS_PER_ATTEMPT} orders "
            f"at once: it must be 0 (no limit) or at least {_ORDERS_PER_ATTEMPT}"
        )
    return max(interval, _ORDERS_PER_ATTEMPT * _NS_PER_S // rate)


def common_lot(lots: list[str]) -> float:
    """The smallest quantity that is a whole number of each lot; lots are decimal texts.

    >>> common_lot(["0.00001", "0.001"])
    0.001
    """
    decimals = [Decimal(lot) for lot in lots]
    exponent = min(int(lot.as_tuple().exponent) for lot in decimals)
    whole = [int(lot.scaleb(-exponent)) for lot in decimals]
    return float(Decimal(math.lcm(*whole)).scaleb(exponent))
