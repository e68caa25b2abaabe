"""Bybit v5 spot and linear: market data (`market`, compiled), orders and accounts (`order_frames`). Pure.

The venue classes are loaded when they are first named: order entry alone needs no compiled code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.bybit.market import BybitLinear, BybitSpot

__all__ = ["BybitLinear", "BybitSpot"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from connectors.bybit import market

    return getattr(market, name)
