"""What a strategy is called with: arguments by name, parameters by default, fact and setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arb.errors import ArbError, ConfigError, InputError
from arb.strategies.arguments import Arguments, params_record
from arb.strategies.loader import LoadedStrategy
from arb.strategies.parameters import parameters_of
from arb.strategies.source_code import Code

BOT: Any = object()
SIZES, ZEROS = np.array([1, 2, 3]), np.zeros(2)
RECORDER: Any = object()


def strategy(function: Callable[..., Any], **defaults: Any) -> LoadedStrategy:
    code = Code(Path("mine.py"), {}, {})
    parameters = parameters_of(defaults, "mine.py")
    return LoadedStrategy("mine.py:run", function, parameters, code.main, "0" * 64, code)


def bound(function: Callable[..., Any], given: dict[str, Any], **defaults: Any) -> tuple[Any, ...]:
    return Arguments(strategy(function, **defaults), {}, given).bind(BOT, RECORDER)


def refusal(
    function: Callable[..., Any], given: dict[str, Any], kind: type[ArbError], **defaults: Any
) -> str:
    with pytest.raises(kind) as caught:
        Arguments(strategy(function, **defaults), {}, given)
    return str(caught.value)


@pytest.mark.parametrize(
    "function",
    [
        lambda bot, recorder: 0,
        lambda hbt, recorder: 0,
        lambda hbt, stat: 0,
        lambda hbt, rec: 0,
    ],
)
def test_bot_and_recorder_go_by_several_names(function: Callable[..., Any]) -> None:
    assert bound(function, {}) == (BOT, RECORDER)


def test_the_order_is_the_functions_own() -> None:
    assert bound(lambda recorder, skew, hbt: 0, {"skew": 0.1}) == (RECORDER, 0.1, BOT)


def test_the_bot_alone_is_enough() -> None:
    assert bound(lambda hbt: 0, {}) == (BOT,)


def test_numbers_without_a_value_are_asked_for() -> None:
    assert refusal(lambda hbt, recorder, skew: 0, {}, InputError) == (
        "mine.py:run: its argument 'skew' has no value; give one: --set strategy.params.skew=NUMBER "
        "(or a list: [1.0, 2.0])"
    )


def test_numbers_with_a_default_need_none() -> None:
    def run(hbt: Any, skew: float = 0.5, levels: int = 3, is_on: bool = True) -> None: ...

    assert bound(run, {}) == (BOT, 0.5, 3, True)
    assert bound(run, {"skew": 0.7, "is_on": False}) == (BOT, 0.7, 3, False)


def test_a_default_that_is_no_number_counts_for_none() -> None:
    def run(hbt: Any, name: str = "x") -> None: ...

    assert "'name' has no value" in refusal(run, {}, InputError)


def test_a_whole_number_for_a_float_becomes_one() -> None:
    def run(hbt: Any, params: Any, skew: float = 0.5) -> None: ...

    arguments = Arguments(strategy(run, edge=1.5), {}, {"skew": 1, "edge": 2})
    assert repr(dict(arguments.numbers)) == "{'skew': 1.0}"
    assert repr(arguments.params) == "{'edge': 2.0}"


def test_a_whole_float_for_an_int_becomes_one() -> None:
    arguments = Arguments(strategy(lambda hbt, params: 0, levels=1), {}, {"levels": 3.0})
    assert repr(arguments.params) == "{'levels': 3}"


@pytest.mark.parametrize(
    ("default", "given", "takes"),
    [
        (1, 2.5, "a whole number"),
        (1, True, "a whole number"),
        (1, float("inf"), "a whole number"),
        (1, float("nan"), "a whole number"),
        (1, 1e30, "a whole number"),
        (1.5, False, "a number"),
        (True, 1, "true or false"),
        (True, 0.0, "true or false"),
    ],
)
def test_a_value_of_a_wrong_kind_is_refused(default: Any, given: Any, takes: str) -> None:
    reported = f"[strategy.params] a: {given!r} given; mine.py:run takes {takes}"
    assert refusal(lambda hbt, params: 0, {"a": given}, ConfigError, a=default) == reported

    def run(hbt: Any, a: Any = default) -> None: ...

    assert refusal(run, {"a": given}, ConfigError) == reported


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    message = refusal(lambda hbt, skew, params: 0, {"skew": 1, "min_egde": 2}, ConfigError, min_edge=1.0)
    assert message == "[strategy.params] min_egde: not a parameter of mine.py:run; did you mean min_edge?"


def test_an_unknown_parameter_is_refused_with_those_there_are() -> None:
    assert refusal(lambda hbt, params: 0, {"zzz": 2}, ConfigError, a=1.0, b=2).endswith("it takes a, b")
    assert refusal(lambda hbt: 0, {"zzz": 2}, ConfigError).endswith("it takes none")


def test_parameters_of_the_module_that_the_function_does_not_take_are_refused() -> None:
    assert "not a parameter" in refusal(lambda hbt: 0, {"a": 2.0}, ConfigError, a=1.0)


def test_a_setting_beats_a_fact_beats_a_default() -> None:
    loaded = strategy(lambda bot, params: 0, a=1.0, b=1.0, c=1.0)
    arguments = Arguments(loaded, {"a": 2.0, "b": 2.0, "unasked": 9.0}, {"a": 3.0})
    assert arguments.params == {"a": 3.0, "b": 2.0, "c": 1.0}


def test_params_without_defaults_are_refused() -> None:
    assert "has no PARAMS dict" in refusal(lambda bot, params: 0, {}, InputError)


@pytest.mark.parametrize("function", [lambda recorder: 0, lambda: 0, lambda bot, hbt: 0])
def test_exactly_one_bot_is_needed(function: Callable[..., Any]) -> None:
    assert refusal(function, {}, InputError) == (
        "mine.py:run: a strategy takes the bot as an argument named bot or hbt"
    )


@pytest.mark.parametrize("function", [lambda bot, *rest: 0, lambda bot, **rest: 0, lambda bot, *, a=1: 0])
def test_plain_arguments_only(function: Callable[..., Any]) -> None:
    assert "plain arguments only" in refusal(function, {}, InputError)


def test_the_record_has_fields_of_their_kinds_in_order() -> None:
    record = params_record({"edge": 1.5, "levels": 3, "is_on": True, "big": 2**63 - 1})
    assert record.dtype.names == ("edge", "levels", "is_on", "big")
    assert [record.dtype[n].str for n in record.dtype.names] == ["<f8", "<i8", "|b1", "<i8"]
    assert record.tolist() == (1.5, 3, True, 2**63 - 1)
    assert record.dtype.isalignedstruct
    assert isinstance(record, np.void)


def test_the_record_is_bound() -> None:
    assert bound(lambda hbt, params: 0, {"a": 4.0}, a=1.0)[1]["a"] == 4.0


def test_a_parameter_for_each_leg_is_an_array() -> None:
    facts = {"fee": (0.1, 0.2, 0.3, 0.4), "lot": (0.5, 0.6, 0.7, 0.8)}
    loaded = strategy(lambda hbt, params: 0, fee=(0.0,), least=(2,), is_on=(True,), lot=0.001)
    arguments = Arguments(loaded, facts, {"least": 3}, legs=4)

    assert arguments.params == {
        "fee": (0.1, 0.2, 0.3, 0.4), "least": (3, 3, 3, 3), "is_on": (True,) * 4, "lot": 0.5,
    }  # fmt: skip
    record = arguments.bind(BOT, RECORDER)[1]
    assert record["fee"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert record["least"].tolist() == [3, 3, 3, 3]
    assert record["is_on"].tolist() == [1, 1, 1, 1]


def test_a_list_is_an_array_made_anew_for_every_run() -> None:
    """A tutorial writes what it finds into one: the second replay of `arb verify` begins with the list again."""
    arguments = Arguments(strategy(lambda hbt, out: 0), {}, {"out": (0.0, 1)})
    first, second = (arguments.bind(BOT, RECORDER)[1] for _ in range(2))
    assert (first.dtype, first.tolist()) == (np.float64, [0.0, 1.0])
    first[0] = 5.0
    assert second.tolist() == [0.0, 1.0]
    assert dict(arguments.numbers) == {"out": (0.0, 1)}


@pytest.mark.parametrize(
    ("items", "dtype", "shape"),
    [
        ((1, 2, 3), np.float64, (3,)),
        ((), np.float64, (0,)),
        ((True, False), np.bool_, (2,)),
        (((1.0, 2.0), (3, 4), (5, 6)), np.float64, (3, 2)),
    ],
)
def test_what_a_list_becomes(items: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    _, array = bound(lambda hbt, a: 0, {"a": items})
    assert (array.dtype, array.shape, array.flags.c_contiguous) == (dtype, shape, True)
    assert array.tolist() == [list(one) if isinstance(one, tuple) else one for one in items]


def test_a_list_takes_the_form_of_the_default() -> None:
    def run(hbt: Any, levels: Any = (1, 2), sizes: Any = SIZES, out: Any = ZEROS) -> None: ...

    _, levels, sizes, out = bound(run, {"levels": (3.0, 4, 5), "sizes": (7.0,)})
    assert (levels, [type(one) for one in levels]) == ((3, 4, 5), [int] * 3)
    assert (sizes.dtype, sizes.tolist()) == (np.int64, [7])
    out[0] = 9.0
    assert bound(run, {})[3].tolist() == [0.0, 0.0]
    assert bound(run, {})[1] == (1, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"out": (1.0, (2.0,))}, "out: the list mixes numbers and lists, or lists of several lengths"),
        ({"out": ((1.0,), (2.0, 3.0))}, "out: the list mixes numbers and lists, or lists of several lengths"),
        ({"out": (1.0, True)}, "out: the list mixes booleans and numbers"),
        ({"out": (1.0,), "skew": (1.0,)}, "skew: a list given; mine.py:run takes a number"),
        ({"out": (1.0,), "levels": 1.0}, "levels: 1.0 given; mine.py:run takes a list"),
        ({"out": (1.0,), "levels": (1.5,)}, "levels: 1.5 given; mine.py:run takes a whole number"),
        ({"out": (1.0,), "sizes": ((1.0,),)}, "sizes: mine.py:run takes a list of numbers"),
        ({"out": (1.0,), "sizes": (0.5,)}, "sizes: 0.5 given; mine.py:run takes a whole number"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(given: dict[str, Any], said: str) -> None:
    def run(hbt: Any, out: Any, skew: float = 0.5, levels: Any = (1,), sizes: Any = SIZES) -> None: ...

    assert refusal(run, given, ConfigError) == f"[strategy.params] {said}"


def test_a_parameter_of_params_takes_a_list_for_its_legs_only() -> None:
    each = Arguments(strategy(lambda bot, params: 0, fee=(0.0,)), {}, {"fee": (0.1, 0.2)})
    assert each.params == {"fee": (0.1, 0.2)}
    assert refusal(lambda bot, params: 0, {"fee": (0.1, 0.2, 0.3)}, ConfigError, fee=(0.0,)) == (
        "[strategy.params] fee: a list of 3 given; mine.py:run takes a number, or a list of 2, one a leg"
    )
    assert refusal(lambda bot, params: 0, {"edge": (0.1, 0.2)}, ConfigError, edge=1.0) == (
        "[strategy.params] edge: a list of 2 given; mine.py:run takes a number"
    )
