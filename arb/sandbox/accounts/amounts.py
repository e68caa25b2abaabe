"""Decimal arithmetic of the sandbox's accounts: exact sums and products, and rounding in one place."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)

ZERO = Decimal(0)
#: Decimals of balances at all venues.
PLACES = 8

#: Refuses every result that would have to be rounded.
_EXACT = Context(prec=60, traps=[DivisionByZero, Inexact, InvalidOperation, Overflow])
_ROUNDING = Context(prec=60, traps=[DivisionByZero, InvalidOperation, Overflow])
#: The last decimal, by number of decimals.
_UNITS = [Decimal(1).scaleb(-places) for places in range(25)]
_ZEROS = [format(ZERO, f".{places}f") for places in range(25)]

#: Rounding modes by the names that configuration uses.
MODES = {
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "down": ROUND_DOWN,
    "floor": ROUND_FLOOR,
    "ceiling": ROUND_CEILING,
}


def exact() -> AbstractContextManager[Context]:
    """Within it, decimal operations that cannot be exact raise `decimal.Inexact`. All money is computed within it."""
    return localcontext(_EXACT)


def rounded(value: Decimal, places: int = PLACES, mode: str = ROUND_HALF_UP) -> Decimal:
    """The value with `places` decimals."""
    return value.quantize(_UNITS[places], mode, _ROUNDING)


def divided(a: Decimal, b: Decimal, places: int = PLACES, mode: str = ROUND_HALF_UP) -> Decimal:
    """a / b with `places` decimals.

    The quotient has 60 digits before it is rounded: it is correct for amounts below 10**40.
    """
    return rounded(_ROUNDING.divide(a, b), places, mode)


def plain(value: Decimal) -> str:
    """The value without exponent and without trailing zeros: "0.001", "0", "100"."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def padded(value: Decimal, places: int = PLACES) -> str:
    """The value with exactly `places` decimals; it must not have more."""
    if not value:
        return _ZEROS[places]
    text = at_least(value, places)
    if len(text.partition(".")[2]) <= places:
        return text  # nothing to round: three times as fast as what follows
    with exact():
        return format(value.quantize(Decimal(1).scaleb(-places)), "f")


def at_least(value: Decimal, places: int) -> str:
    """The value with `places` decimals, or with more if it has more."""
    text = format(value, "f")
    missing = places - len(text.partition(".")[2])
    if missing <= 0:
        return text
    return text + "0" * missing if missing < places else f"{text}.{'0' * places}"
