"""Order-level limits, enforced for every strategy inside the bot's submit and modify methods, in every world.

Pure: arithmetic on a block of numbers, no bot, no clock. `arb.bot.requests` collects the inputs of a check and applies
its result. A refused order returns code 20 (`arb.bot.codes.LIMIT_EXCEEDED`), nothing is sent, and the refusal is
counted under the first rule that it broke. `Limits` owns the block in Python; only the strategy's thread writes it.

A strategy's own rules (attempts, losses, staleness) are separate: this is the last check before an order is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hftbacktest.order import BUY, LIMIT, MARKET

from arb.leg import Leg
from arb.risk.funds import CHANGE, CHANGES_MAX, FUNDS_ROW, AssetFunds, funds_rows
from connectors.jit.compilation import compiled

# Rules, in the order in which they are checked.
#: Quantity not finite or not positive; LIMIT price likewise; MARKET without a touch; unknown order type; no
#: clock yet.
INVALID = 0
#: Above the maximum order quantity.
QTY = 1
#: Above the maximum order notional.
NOTIONAL = 2
#: Could take the position beyond its maximum absolute size.
POSITION = 3
#: More than the account holds, can pay or has margin for (`arb.risk.funds`).
FUNDS = 4
#: More orders in the rolling window than allowed.
RATE = 5
RULES = ("invalid", "qty", "notional", "position", "funds", "rate")
RULES_COUNT = len(RULES)

#: Result of `broken_rule` if no rule is broken.
NO_RULE = -1

# Columns of the per-asset limits.
_QTY_MAX = 0
_NOTIONAL_MAX = 1
_POSITION_MAX = 2
_CONTRACT_SIZE = 3
COLUMNS = 4

# Cells of the header, whose address the bot's table holds.
HEADER_ASSETS = 0
HEADER_LIMITS = 1
HEADER_REFUSALS = 2
HEADER_RING = 3
HEADER_RATE_MAX = 4
HEADER_WINDOW = 5
HEADER_NEXT = 6
#: Addresses of the assets' `FUNDS_ROW` records (empty if the rule is off) and of the modifies in flight; the number of
#: the latter.
HEADER_FUNDS = 7
HEADER_CHANGES = 8
HEADER_CHANGES_COUNT = 9
#: Orders that may rest in the book: neither fill-or-kill nor immediate-or-cancel.
HEADER_RESTING = 10
HEADER_SIZE = 11

#: Relative tolerance of the limits: 0.1 + 0.2 is not above 0.3.
_ROOM = 1.0 + 1e-9

#: An unused slot of the ring; hftbacktest's clock before its first event is the maximum of int64.
_NEVER = np.iinfo(np.int64).min
_NO_CLOCK = np.iinfo(np.int64).max


@dataclass(frozen=True)
class AssetLimits:
    """Largest order and position of one asset. 0 or infinity turns a limit off.

    qty_max, position_max: base units (contracts where the venue trades contracts). notional_max: quote units, price
    times quantity times `contract_size`.
    """

    qty_max: float = np.inf
    notional_max: float = np.inf
    position_max: float = np.inf
    contract_size: float = 1.0

    def __post_init__(self) -> None:
        for name in ("qty_max", "notional_max", "position_max"):
            value = getattr(self, name)
            if not value >= 0.0:
                raise ValueError(f"{name} must be a number of at least 0 (0 = off), not {value}")
        if not (0.0 < self.contract_size < np.inf):
            raise ValueError(f"contract_size must be positive and finite, not {self.contract_size}")


class Limits:
    """The block that a bot checks its orders against. One per run: it counts refusals and stores times of sent orders.

    assets: one entry per asset number of the bot. funds: one entry per asset with its account's holdings; without it
    the rule is off. orders_max: requests (submits and modifies) allowed in any `window_ns`, over all assets together; 0
    is off. Pass it to a bot's constructor, which keeps it alive.
    """

    def __init__(
        self,
        assets: Sequence[AssetLimits],
        *,
        funds: Sequence[AssetFunds] = (),
        orders_max: int = 0,
        window_ns: int = 1_000_000_000,
    ) -> None:
        if orders_max < 0 or window_ns <= 0:
            raise ValueError(
                f"orders_max >= 0 and window_ns > 0 are needed, not {orders_max} and {window_ns}"
            )
        if not assets:
            raise ValueError("limits need at least one asset")
        if funds and len(funds) != len(assets):
            raise ValueError(f"funds of {len(funds)} assets, but limits of {len(assets)}")
        self._limits = np.array(
            [
                (_on(asset.qty_max), _on(asset.notional_max), _on(asset.position_max), asset.contract_size)
                for asset in assets
            ]
        )
        self._refusals = np.zeros((len(assets), len(RULES)), np.int64)
        self._ring = np.full(max(orders_max, 1), _NEVER)
        self._header = np.zeros(HEADER_SIZE, np.int64)
        self._header[HEADER_ASSETS] = len(assets)
        self._header[HEADER_LIMITS] = self._limits.ctypes.data
        self._header[HEADER_REFUSALS] = self._refusals.ctypes.data
        self._header[HEADER_RING] = self._ring.ctypes.data
        self._header[HEADER_RATE_MAX] = orders_max
        self._header[HEADER_WINDOW] = window_ns
        self._funds = funds_rows(funds) if funds else np.zeros(len(assets), FUNDS_ROW)
        self._changes = np.zeros(CHANGES_MAX, CHANGE)
        self._header[HEADER_FUNDS] = self._funds.ctypes.data
        self._header[HEADER_CHANGES] = self._changes.ctypes.data

    @property
    def num_assets(self) -> int:
        """Number of assets with limits; an order of a further asset number is refused."""
        return len(self._limits)

    @property
    def address(self) -> int:
        """Address of the header, for the bot's table; valid while this object lives."""
        return int(self._header.ctypes.data)

    @property
    def refusals(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Refused orders so far, (asset, rule), rules in the order of `RULES`. A copy."""
        return self._refusals.copy()

    @property
    def resting(self) -> int:
        """Orders sent so far that may rest in the book."""
        return int(self._header[HEADER_RESTING])

    def refusals_by_rule(self, asset_no: int) -> dict[str, int]:
        """Refused orders of one asset by rule."""
        return {rule: int(count) for rule, count in zip(RULES, self._refusals[asset_no], strict=True)}

    def refusals_of(self, legs: Sequence[Leg]) -> dict[str, dict[str, int]]:
        """Refused orders by leg and rule; `legs` are the assets in order."""
        return {leg.name: self.refusals_by_rule(n) for n, leg in enumerate(legs)}


def _on(limit: float) -> float:
    return limit if limit > 0.0 else np.inf


@compiled
def broken_rule(limits, side, price, qty, order_type, touch, position, working):
    """First rule that an order would break, or `NO_RULE`.

    limits: one asset's row. touch: price at which a taker of this side would trade now, NaN if unknown. position:
    signed, base. working: leaves of this side's working orders, without this order.

    A sale below the bid is valued at the bid. The position rule only limits growth on the order's side: it never
    refuses an order that only reduces the position.
    """
    if not (0.0 < qty < np.inf):
        return INVALID
    if order_type == MARKET:
        price = touch
    elif order_type != LIMIT:
        return INVALID
    if not (0.0 < price < np.inf):
        return INVALID
    if not qty <= limits[_QTY_MAX] * _ROOM:
        return QTY
    if side != BUY and touch > price:
        price = touch
    if not price * qty * limits[_CONTRACT_SIZE] <= limits[_NOTIONAL_MAX] * _ROOM:
        return NOTIONAL
    toward = position if side == BUY else -position
    if not toward + working + qty <= limits[_POSITION_MAX] * _ROOM:
        return POSITION
    return NO_RULE


@compiled
def has_position_limit(limits):
    """Whether the rule needs the sum of the working orders, which takes a pass over them."""
    return limits[_POSITION_MAX] < np.inf


@compiled
def is_rate_free(ring, next_place, window_ns, now):
    """Whether one more order at `now` keeps every window of `window_ns` at `len(ring)` orders or fewer.

    The slot to be overwritten holds the time of the order `len(ring)` orders ago. If the clock went backwards, the
    result is False until it has caught up.
    """
    oldest = ring[next_place]
    return oldest == _NEVER or now - oldest >= window_ns


@compiled
def check_order(
    header,
    limits,
    refusals,
    ring,
    asset_no,
    side,
    price,
    qty,
    order_type,
    touch,
    position,
    working,
    is_paid,
    now,
):
    """Whether the order may be sent; counts the refusal, or the order as sent.

    header, limits (asset, column), refusals (asset, rule), ring: the parts of a `Limits`. is_paid: whether the account
    has the money for it. An unknown asset number is refused and not counted. Modifies count as orders, as at the
    venues.
    """
    if not 0 <= asset_no < len(limits):
        return False
    if now == _NO_CLOCK:
        rule = INVALID
    else:
        rule = broken_rule(limits[asset_no], side, price, qty, order_type, touch, position, working)
    if rule == NO_RULE and not is_paid:
        rule = FUNDS
    if rule == NO_RULE and header[HEADER_RATE_MAX] > 0:
        place = header[HEADER_NEXT]
        # A position must always be closable: an order that only reduces it counts, but is never refused for its rate.
        toward = position if side == BUY else -position
        if toward + working + qty <= 0.0 or is_rate_free(ring, place, header[HEADER_WINDOW], now):
            ring[place] = now
            header[HEADER_NEXT] = (place + 1) % len(ring)
        else:
            rule = RATE
    if rule == NO_RULE:
        return True
    refusals[asset_no, rule] += 1
    return False
