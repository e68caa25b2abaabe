"""Builds the arguments of a strategy function, matched by their names.

`bot` or `hbt` is the bot, `recorder` (or `stat`, `rec`, as in hftbacktest's tutorials) the recorder, `params` a NumPy
record of the module's PARAMS; any other name is a number or a list (`lists`) from `[strategy.params]`. A parameter's
value is, in rising priority, its default, the configuration's value of the same name (`strategy_facts`), or that of
`[strategy.params]` or `--set`. A parameter whose default is a tuple of one number has a value for each leg.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from arb.bot.bot import Bot
from arb.bot.numba_types import BotType
from arb.bot.recorder import Recorder
from arb.errors import ConfigError, InputError
from arb.strategies.lists import Items, Number, array_of, fault_of, flat_of, is_array, is_tuple, items_of
from arb.strategies.loader import LoadedStrategy
from arb.strategies.parameters import INT_MAX, INT_MIN, Parameter

#: A number, or one for each leg.
Value = Number | tuple[Number, ...]
#: Values in `[strategy.params]`.
Given = Number | Items

_BOT_NAMES = ("bot", "hbt")
_RECORDER_NAMES = ("recorder", "stat", "rec")
#: Names that hftbacktest uses for a leg's number.
_ASSET_NAME = re.compile(r"([a-z0-9_]+_)?(asset|leg)_(no|index)(_[a-z0-9_]+)?")
_KINDS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Arguments:
    """The arguments of a strategy, checked before anything runs; `bind` adds the bot and the recorder."""

    def __init__(
        self,
        strategy: LoadedStrategy,
        facts: Mapping[str, Value],
        given: Mapping[str, Given],
        *,
        legs: int = 2,
    ) -> None:
        """`legs`: their number. Raises InputError for an argument without a value, ConfigError for an unknown one."""
        self._names = _argument_names(strategy)
        #: Dtypes of the arguments that are arrays; None: determined by the list.
        self._arrays: dict[str, np.dtype[Any] | None] = {}
        self._numbers = self._find_numbers(strategy, given)
        #: The parameters in effect, for the manifest.
        self.params: dict[str, Value] = {}
        if "params" in self._names:
            self.params = _effective(strategy, facts, given, legs)
        self._reject_unused(strategy, given)
        _refuse_strange_assets(strategy, {**self._numbers, **self.params}, legs)

    @property
    def numbers(self) -> Mapping[str, Given]:
        """The other arguments by name; arrays as tuples."""
        return self._numbers

    def bind(self, bot: Bot | BotType, recorder: Recorder) -> tuple[Any, ...]:
        """The arguments in order. bot: its type if the strategy is only to be compiled."""
        bound: list[Any] = []
        for name in self._names:
            if name in _BOT_NAMES:
                bound.append(bot)
            elif name in _RECORDER_NAMES:
                bound.append(recorder)
            elif name == "params":
                bound.append(params_record(self.params))
            elif name in self._arrays:
                value = self._numbers[name]
                bound.append(array_of(value if isinstance(value, tuple) else (value,), self._arrays[name]))
            else:
                bound.append(self._numbers[name])
        return tuple(bound)

    def _find_numbers(self, strategy: LoadedStrategy, given: Mapping[str, Given]) -> dict[str, Given]:
        numbers: dict[str, Given] = {}
        parameters = inspect.signature(strategy.function).parameters
        for name in self._names:
            if name in (*_BOT_NAMES, *_RECORDER_NAMES, "params"):
                continue
            default = parameters[name].default
            if name in given:
                numbers[name] = self._value(strategy, name, given[name], default)
            elif is_array(default):
                numbers[name] = items_of(default)
                self._arrays[name] = default.dtype
            elif isinstance(default, bool | int | float) or is_tuple(default):
                numbers[name] = default
            else:
                raise InputError(
                    f"{strategy.spec}: its argument {name!r} has no value; give one: "
                    f"--set strategy.params.{name}=NUMBER (or a list: [1.0, 2.0])"
                )
        return numbers

    def _value(self, strategy: LoadedStrategy, name: str, value: Given, default: Any) -> Given:
        """Converts a given value to the form of the default, and registers arrays."""
        if isinstance(default, bool | int | float):
            return _as_kind(strategy, name, value, default)
        if not isinstance(value, tuple):
            if is_array(default) or is_tuple(default):
                raise ConfigError(f"[strategy.params] {name}: {value!r} given; {strategy.spec} takes a list")
            return value
        if fault := fault_of(value):
            raise ConfigError(f"[strategy.params] {name}: the list {fault}")
        if is_tuple(default):
            return tuple(_as_kind(strategy, name, one, default[0]) for one in value)
        self._arrays[name] = default.dtype if is_array(default) else None
        if is_array(default):
            _check_array(strategy, name, value, default)
        return value

    def _reject_unused(self, strategy: LoadedStrategy, given: Mapping[str, Given]) -> None:
        keys = [one.key for one in strategy.parameters if not one.choices] if self.params else []
        known = list(dict.fromkeys([*self._numbers, *self.params, *keys]))
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'none'}"
                raise ConfigError(f"[strategy.params] {name}: not a parameter of {strategy.spec}; {hint}")


def _check_array(strategy: LoadedStrategy, name: str, items: Items, default: Any) -> None:
    """Checks a list that replaces an array default: its dimensions, and that its numbers fit the dtype."""
    zero = {"b": False, "i": 0, "f": 0.0}[default.dtype.kind]
    for one in flat_of(items):
        _as_kind(strategy, name, one, zero)
    if array_of(items).ndim != default.ndim:
        form = "a list of numbers" if default.ndim == 1 else "a list of lists"
        raise ConfigError(f"[strategy.params] {name}: {strategy.spec} takes {form}")


def _refuse_strange_assets(strategy: LoadedStrategy, numbers: Mapping[str, Given], legs: int) -> None:
    """Raises ConfigError for an unknown asset number: the compiled strategy would read out of bounds without an
    error."""
    for name, value in numbers.items():
        if _ASSET_NAME.fullmatch(name) and not all(
            0 <= one < legs for one in flat_of(value if isinstance(value, tuple) else (value,))
        ):
            raise ConfigError(
                f"[strategy.params] {name} is {value}; {strategy.spec} runs on {legs} legs, whose numbers are 0 to "
                f"{legs - 1}"
            )


def params_record(params: Mapping[str, Value]) -> np.void:
    """Parameters as a NumPy record: float64, int64 and bool fields, or arrays of them, in the order of the names."""
    dtype = np.dtype([(name, *_form_of(value)) for name, value in params.items()], align=True)
    return np.array([tuple(params.values())], dtype)[0]


def _form_of(value: Value) -> tuple[str] | tuple[str, tuple[int]]:
    if isinstance(value, tuple):
        # Numba does not support boolean arrays in a record: they become 0 and 1.
        kind = "i8" if isinstance(value[0], bool) else _kind_of(value[0])
        return kind, (len(value),)
    return (_kind_of(value),)


def _kind_of(value: Number) -> str:
    if isinstance(value, bool):
        return "?"
    return "i8" if isinstance(value, int) else "f8"


def _argument_names(strategy: LoadedStrategy) -> list[str]:
    parameters = inspect.signature(strategy.function).parameters
    names = list(parameters)
    if any(parameter.kind not in _KINDS for parameter in parameters.values()):
        raise InputError(
            f"{strategy.spec}: a strategy takes plain arguments only, no *, ** or keyword-only ones"
        )
    if sum(name in _BOT_NAMES for name in names) != 1:
        raise InputError(f"{strategy.spec}: a strategy takes the bot as an argument named bot or hbt")
    if "params" in names and not strategy.parameters:
        raise InputError(f"{strategy.spec}: it takes params, but its module has no PARAMS dict of defaults")
    return names


def _effective(
    strategy: LoadedStrategy, facts: Mapping[str, Value], given: Mapping[str, Given], legs: int
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for parameter in strategy.parameters:
        name, default = parameter.name, parameter.compiled_default()
        value: Given = facts.get(name, default)
        if name in given or parameter.key in given:
            value = _given_value(strategy, parameter, given, legs)
        if isinstance(default, tuple):
            each = value if isinstance(value, tuple) else (value,)
            each = each if len(each) == legs else each[:1] * legs
            values[name] = tuple(_as_kind(strategy, name, one, default[0]) for one in each)
        else:
            # If the legs differ and the parameter is one number, it is that of the first leg.
            values[name] = _as_kind(strategy, name, value[0] if isinstance(value, tuple) else value, default)
    return values


def _given_value(
    strategy: LoadedStrategy, parameter: Parameter, given: Mapping[str, Given], legs: int
) -> Given:
    """The value in `[strategy.params]`, by the name of the record or of the key, in the unit of the record."""
    used = parameter.name if parameter.name in given else parameter.key
    value = given[used]
    if isinstance(value, tuple) and (not parameter.is_per_leg or len(value) != legs):
        takes = f"a number, or a list of {legs}, one a leg" if parameter.is_per_leg else "a number"
        raise ConfigError(
            f"[strategy.params] {used}: a list of {len(value)} given; {strategy.spec} takes {takes}"
        )
    each = tuple(_number_of(parameter, one, is_key=used != parameter.name) for one in _each(value))
    if not all(isinstance(one, bool | tuple) or parameter.is_within(one) for one in each):
        raise ConfigError(f"[strategy.params] {used} is {value!r}; {strategy.spec} takes {parameter.allowed}")
    return each if isinstance(value, tuple) else each[0]


def _number_of(parameter: Parameter, value: Any, *, is_key: bool) -> Any:
    return parameter.compiled(value) if is_key and not isinstance(value, tuple) else value


def _each(value: Given) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _as_kind(strategy: LoadedStrategy, name: str, value: Given, default: Number) -> Number:
    """Converts `value` to the type of the default, for which the strategy is compiled."""
    kind = bool if isinstance(default, bool) else int if isinstance(default, int) else float
    if not isinstance(value, tuple) and isinstance(value, bool) == (kind is bool):
        # A whole number may be written with a decimal point; a record holds at most 64 bits.
        if kind is not int or (float(value).is_integer() and INT_MIN <= value <= INT_MAX):
            return kind(value)
    article = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
    given = "a list" if isinstance(value, tuple) else repr(value)
    raise ConfigError(f"[strategy.params] {name}: {given} given; {strategy.spec} takes {article}")
