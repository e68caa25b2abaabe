"""The names of hftbacktest's bot and its parts, with their parameters, as its own classes have them."""

from __future__ import annotations

import inspect

from hftbacktest import binding, order, state

#: Section titles, and the classes of hftbacktest that one of our types replaces.
GROUPS: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    ("Bot", "bot", (binding.HashMapMarketDepthBacktest, binding.ROIVectorMarketDepthBacktest)),
    (
        "Depth, from `bot.depth(asset_no)`",
        "depth",
        (binding.HashMapMarketDepth, binding.ROIVectorMarketDepth),
    ),
    ("Order dictionary, from `bot.orders(asset_no)`", "orders", (binding.OrderDict,)),
    ("Iterator, from `orders.values()`", "values", (binding.Values,)),
    ("Order", "order", (order.Order,)),
    ("State values, from `bot.state_values(asset_no)`", "state", (state.StateValues,)),
)

#: Names with a leading underscore that are part of the interface.
_SPECIAL = ("_goto_end", "__contains__", "__len__")

#: Ours only.
EXTRA: dict[str, tuple[str, ...]] = {"order": ("maker",)}


def members(group: str, classes: tuple[type, ...]) -> dict[str, str]:
    """Public names of hftbacktest's classes, and ours on top, with their parameters; "" for an attribute."""
    names: dict[str, str] = {}
    for owner in classes:
        for name, member in vars(owner).items():
            if name.startswith("_") and name not in _SPECIAL:
                continue
            if isinstance(member, property):
                names.setdefault(name, "")
            elif inspect.isfunction(member):
                parameters = list(inspect.signature(member).parameters)[1:]
                names.setdefault(name, f"({', '.join(parameters)})")
    for name in EXTRA.get(group, ()):
        names.setdefault(name, "")
    return names
