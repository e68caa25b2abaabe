"""Positions of one account in perpetuals: quantity, cost and realized profit, exact to the last decimal."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import Enum, auto

from arb.errors import InvariantError
from arb.sandbox.accounts.amounts import PLACES, ZERO, divided, plain, rounded
from arb.sandbox.accounts.modes import Modes


class PositionSide(Enum):
    """The position that an order changes: BOTH in one-way mode, LONG or SHORT in hedge mode."""

    BOTH = auto()
    LONG = auto()
    SHORT = auto()
    #: Enum's own is a call in Python, and keys of positions contain a side.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class PositionView:
    """A position after the change. `quantity` is signed; prices are 0 without a position."""

    symbol: str
    side: PositionSide
    quantity: Decimal
    entry: Decimal
    #: Realized profit since it was opened, without fees.
    realized: Decimal
    #: All realized profit, without fees.
    cumulative: Decimal
    is_isolated: bool
    isolated_margin: Decimal
    leverage: int
    mark: Decimal
    #: Profit at the mark price, 8 decimals.
    unrealized: Decimal = ZERO
    #: Sum of price times quantity of what is open; `entry` is its rounded average.
    cost: Decimal = ZERO


@dataclass(slots=True, eq=False)
class Position:
    """One position. Changed by `Positions` only."""

    symbol: str
    side: PositionSide
    #: Signed: negative if short.
    quantity: Decimal = ZERO
    #: Sum of price times quantity of what is open; never negative.
    cost: Decimal = ZERO
    #: Realized profit since it was opened, and all of it; both without fees.
    realized: Decimal = ZERO
    cumulative: Decimal = ZERO
    #: Margin of its own, in isolated mode.
    isolated_margin: Decimal = ZERO
    opened_ns: int = 0
    updated_ns: int = 0

    @property
    def entry(self) -> Decimal:
        """Average price of what is open, 8 decimals; 0 without a position."""
        return divided(self.cost, abs(self.quantity)) if self.quantity else ZERO

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit if it were closed at `mark`."""
        return mark * self.quantity - self.cost.copy_sign(self.quantity) if self.quantity else ZERO


class Positions:
    """All positions of one account in the perpetuals of one venue."""

    def __init__(self, modes: Modes) -> None:
        self._modes = modes
        self._positions: dict[tuple[str, PositionSide], Position] = {}

    def get(self, symbol: str, side: PositionSide) -> Position:
        """The position, which may be empty."""
        position = self._positions.get((symbol, side))
        if position is None:
            position = self._positions[symbol, side] = Position(symbol, side)
        return position

    def all(self) -> list[Position]:
        """Every position that was ever asked for or changed, empty ones included."""
        return list(self._positions.values())

    def open_positions(self) -> list[Position]:
        return [position for position in self._positions.values() if position.quantity]

    def isolated_margin(self) -> Decimal:
        """Sum of the margins of isolated positions."""
        return sum((position.isolated_margin for position in self._positions.values()), ZERO)

    def apply(
        self, symbol: str, side: PositionSide, signed_quantity: Decimal, price: Decimal, at_ns: int
    ) -> Decimal:
        """Adds a fill: positive quantities are bought. Returns the realized profit in the settlement asset.

        A closed part releases its share of the cost, rounded to 8 decimals, and the last one all that is left: the
        profits of a position that is closed completely are exact. A fill beyond the position closes it and opens one
        in the other direction. Raises InvariantError if a long position would be short, or the other way around.
        """
        position = self.get(symbol, side)
        after = position.quantity + signed_quantity
        if (side is PositionSide.LONG and after < 0) or (side is PositionSide.SHORT and after > 0):
            raise InvariantError(f"the {side.name} position of {symbol} would be {plain(after)}")
        position.updated_ns = at_ns
        realized, opened = ZERO, signed_quantity
        if position.quantity * signed_quantity < 0:
            closed = min(abs(signed_quantity), abs(position.quantity)).copy_sign(signed_quantity)
            realized = _close(position, closed, price)
            opened -= closed
        if opened:
            self._open(position, opened, price, at_ns)
        return realized

    def view(self, symbol: str, side: PositionSide, mark: Decimal) -> PositionView:
        """A copy for events and answers."""
        one = self.get(symbol, side)
        return PositionView(
            symbol,
            side,
            one.quantity,
            one.entry,
            one.realized,
            one.cumulative,
            self._modes.is_isolated(symbol),
            one.isolated_margin,
            self._modes.leverage(symbol),
            mark,
            rounded(one.unrealized(mark), PLACES, ROUND_DOWN),
            one.cost,
        )

    def _open(self, position: Position, quantity: Decimal, price: Decimal, at_ns: int) -> None:
        if not position.quantity:
            position.realized, position.opened_ns = ZERO, at_ns
        value = price * abs(quantity)
        position.quantity += quantity
        position.cost += value
        if self._modes.is_isolated(position.symbol):
            position.isolated_margin += divided(value, Decimal(self._modes.leverage(position.symbol)))


def _close(position: Position, quantity: Decimal, price: Decimal) -> Decimal:
    """Closes a part, or all; `quantity` has the opposite sign of the position's. Returns the realized profit."""
    is_all = position.quantity == -quantity
    share = abs(quantity)
    held = abs(position.quantity)
    cost = position.cost if is_all else divided(position.cost * share, held)
    margin = position.isolated_margin if is_all else divided(position.isolated_margin * share, held)
    profit = price * share - cost
    realized = profit if position.quantity > 0 else -profit
    position.quantity += quantity
    position.cost -= cost
    position.isolated_margin -= margin
    position.realized += realized
    position.cumulative += realized
    return realized
