"""Parameters of strategies: what a line of a module's `PARAMS` declares, and its value in the compiled record.

A line is `"name": default` or `"name": (default, unit, allowed, meaning)`. allowed: a range such as `"[0, 100]"` (a
round bracket excludes the end), or two words, `"inventory | convergence"`. A default in a tuple of one is a value for
each leg. Spans of time in `s` or `ms` are whole nanoseconds in the record, under a name that ends in `_ns`; a choice of
two words is a boolean, `is_` and the second word. Pure; imports no strategy's compiled code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from arb.errors import InputError
from arb.strategies.spread.parameters import PARAMS as SPREAD

Number = bool | int | float
#: Range of integer parameters: int64 in compiled code.
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
#: A parameter's default: a number, or a tuple of one number for a value per leg.
Default = Number | tuple[Number]

#: Sections of the main file in which a built-in family may have keys; keys without a section are of the first.
SECTIONS = ("strategy", "risk", "execution")
_DECLARED = 4
_NS_OF = {"s": 1_000_000_000, "ms": 1_000_000}
_RANGE = re.compile(r"([\[(])([^,\]]+), *([^,\]]+)\]")


class Parameter(NamedTuple):
    """A declared parameter, or the name and default of one that is not declared further."""

    #: Section and name of its key, in the unit of the key; the section is "" for a parameter without declaration.
    section: str
    key: str
    default: Default | str
    unit: str = ""
    #: Lowest and highest value; none if it is a choice. is_open: the lowest is excluded.
    low: float = 0.0
    high: float = 0.0
    is_open: bool = False
    choices: tuple[str, ...] = ()
    text: str = ""

    @property
    def name(self) -> str:
        """Its name in the record."""
        if self.choices:
            return f"is_{self.choices[1]}"
        if self.unit in _NS_OF:
            return f"{self.key.removesuffix(f'_{self.unit}')}_ns"
        return self.key

    @property
    def is_per_leg(self) -> bool:
        return isinstance(self.default, tuple)

    @property
    def allowed(self) -> str:
        """The range of its key in words; "" without one."""
        if not self.section or self.choices:
            return ""
        return (
            f"{'above' if self.is_open else 'from'} {self.low:g} to {self.high:g}" + f" {self.unit}".rstrip()
        )

    def compiled(self, value: object) -> Number:
        """The value in the record of a key's value."""
        if isinstance(value, str):
            return value == self.choices[1]
        if not isinstance(value, bool | int | float):
            raise TypeError(f"{self.key}: {value!r} is no number")
        return round(value * _NS_OF[self.unit]) if self.unit in _NS_OF else value

    def compiled_default(self) -> Default:
        """The default in the record."""
        if isinstance(self.default, tuple):
            return (self.compiled(self.default[0]),)
        return self.compiled(self.default)

    def is_within(self, value: Number) -> bool:
        """Whether a value in the unit of the record is allowed; True without a declared range."""
        if not self.section or self.choices:
            return True
        scale = _NS_OF.get(self.unit, 1)
        low, high = self.low * scale, self.high * scale
        return (low < value if self.is_open else low <= value) and value <= high


def parameters_of(params: object, place: str) -> list[Parameter]:
    """The parameters of a module's PARAMS. place: the module, for errors. Raises InputError."""
    if not isinstance(params, Mapping):
        raise InputError(f"{place}: PARAMS must be a dict of names to numbers or booleans")
    return [_parameter(key, value, place) for key, value in params.items()]


def defaults_of(params: object) -> dict[str, Default]:
    """Names and defaults of the record."""
    return {one.name: one.compiled_default() for one in parameters_of(params, "PARAMS")}


def _parameter(key: object, value: object, place: str) -> Parameter:
    section, _, name = key.rpartition(".") if isinstance(key, str) else ("", "", "")
    if not name.isidentifier() or section not in ("", *SECTIONS):
        raise InputError(f"{place}: PARAMS: {key!r} is not a name")
    if not isinstance(value, tuple) or len(value) != _DECLARED:
        return Parameter("", name, _default(name, value, place))
    default, unit, allowed, text = value
    if not all(isinstance(word, str) for word in (unit, allowed, text)):
        raise InputError(f"{place}: PARAMS: {name}: unit, allowed values and meaning are texts")
    section = section or SECTIONS[0]
    choices = tuple(word.strip() for word in allowed.split("|"))
    if len(choices) == 2:
        if default not in choices:
            raise InputError(f"{place}: PARAMS: {name} = {default!r} is none of {allowed}")
        return Parameter(section, name, default, unit, choices=choices, text=text)
    found = _RANGE.fullmatch(allowed)
    try:
        low, high = (float(found[2]), float(found[3])) if found else (1.0, 0.0)
    except ValueError:
        low, high = 1.0, 0.0
    if found is None or low > high:
        raise InputError(
            f'{place}: PARAMS: {name}: {allowed!r} is no range; write one such as "[0, 100]" or "(0, 1]"'
        )
    checked = _default(name, default, place)
    declared = Parameter(section, name, checked, unit, low, high, found[1] == "(", text=text)
    if unit in _NS_OF and not name.endswith(f"_{unit}"):
        raise InputError(f"{place}: PARAMS: {name} is in {unit}: its name must end in _{unit}")
    one = declared.compiled_default()
    if not declared.is_within(one[0] if isinstance(one, tuple) else one):
        raise InputError(f"{place}: PARAMS: {name} = {default!r} is not {declared.allowed}")
    return declared


def _default(key: str, value: object, place: str) -> Default:
    """Checks a default and converts it to a plain type; a tuple of one is a value for each leg."""
    if isinstance(value, tuple):
        if len(value) != 1:
            raise InputError(
                f"{place}: PARAMS: {key} = {value!r}; a value for each leg is a tuple of one: (1.0,)"
            )
        return (_number(key, value[0], place),)
    return _number(key, value, place)


def _number(key: str, value: object, place: str) -> Number:
    for kind in (bool, int, float):
        if isinstance(value, kind):
            if kind is int and not INT_MIN <= value <= INT_MAX:
                raise InputError(f"{place}: PARAMS: {key} = {value} does not fit in 64 bits")
            return kind(value)
    raise InputError(f"{place}: PARAMS: {key} = {value!r} is neither a number nor a boolean")


#: The parameters of the built-in families that are keys of the main file.
CONFIGURED = tuple(one for one in parameters_of(SPREAD, "arb.strategies.spread.parameters") if one.section)
