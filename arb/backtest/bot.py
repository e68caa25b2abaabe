"""Bots over hftbacktest's engine: its exported functions in the slots of the table.

Every symbol is looked up at import, so that an error names a missing one; a missing one would crash at its first call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import hftbacktest
import numpy as np
from hftbacktest import BacktestAsset, _hftbacktest  # noqa: PLC2701 (its functions in C)

from arb.bot.bot import Bot
from arb.bot.function_table import SLOTS, Owner
from arb.risk.limits import Limits

#: Slots that each of the engine's two bots does not implement; they get the empty function.
_HASHMAP_LACKS = frozenset({"account_values", "bid_depth", "ask_depth", "roi_lb_tick", "roi_ub_tick"})
_ROIVEC_LACKS = frozenset({"account_values", "goto_end", "snapshot", "snapshot_free"})


class MissingSymbolError(ImportError):
    """The installed hftbacktest does not export a function that the bot calls."""


def hashmap_bot(
    assets: Sequence[BacktestAsset],
    arrays: Sequence[Any] = (),
    *,
    limits: Limits | None = None,
) -> Bot:
    """Bot over `HashMapMarketDepthBacktest`: any price, any depth.

    arrays: the arrays that the assets read; the engine does not keep them alive, the bot does until `close`. The assets
    cannot be used again: the engine takes their contents. limits: must cover every asset.
    """
    _check(assets, arrays, limits)
    ptr = _hftbacktest.build_hashmap_backtest(list(assets))
    return Bot(ptr, HASHMAP, keep=(assets, arrays), limits=limits)


def roivec_bot(
    assets: Sequence[BacktestAsset],
    arrays: Sequence[Any] = (),
    *,
    limits: Limits | None = None,
) -> Bot:
    """Bot over `ROIVectorMarketDepthBacktest`: fast, for prices between the assets' `roi_lb` and `roi_ub`.

    Arguments as in `hashmap_bot`.
    """
    _check(assets, arrays, limits)
    ptr = _hftbacktest.build_roivec_backtest(list(assets))
    return Bot(ptr, ROIVEC, keep=(assets, arrays), limits=limits)


def _check(assets: Sequence[BacktestAsset], arrays: Sequence[Any], limits: Limits | None) -> None:
    if not assets:
        raise ValueError("a bot needs at least one asset")
    if limits is not None and limits.num_assets != len(assets):
        raise ValueError(f"limits for {limits.num_assets} assets, but the bot has {len(assets)}")
    for array in arrays:
        if isinstance(array, np.ndarray) and not array.flags.c_contiguous:
            raise ValueError("the engine reads arrays as they lie in memory: pass contiguous ones")


def engine_addresses(
    library: Any, bot: str, depth: str, lacks: frozenset[str], version: str
) -> Mapping[str, int]:
    """Addresses of one world's functions in hftbacktest's library, by slot.

    bot, depth: prefixes of its function names. Raises `MissingSymbolError` with the names of all missing functions.
    """
    prefixes = {Owner.BOT: f"{bot}_", Owner.DEPTH: f"{depth}_", Owner.ORDERS: ""}
    addresses: dict[str, int] = {}
    missing = []
    for slot in SLOTS:
        if slot.name in lacks:
            continue
        symbol = prefixes[slot.owner] + slot.name
        try:
            addresses[slot.name] = ctypes.cast(getattr(library, symbol), ctypes.c_void_p).value or 0
        except AttributeError:
            missing.append(symbol)
    if missing:
        raise MissingSymbolError(
            f"hftbacktest {version} does not export {', '.join(missing)}: "
            "install a version that arb was tested with"
        )
    return MappingProxyType(addresses)


_library = ctypes.CDLL(_hftbacktest.__file__)

#: Function tables of the two bots.
HASHMAP = engine_addresses(_library, "hashmapbt", "hashmapdepth", _HASHMAP_LACKS, hftbacktest.__version__)
ROIVEC = engine_addresses(_library, "roivecbt", "roivecdepth", _ROIVEC_LACKS, hftbacktest.__version__)
