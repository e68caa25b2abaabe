"""`--vary`: lists, ranges, and the sets that they give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import InputError
from arb.sweep.sets import drawn, grid, grid_size, key_of, random_sets, settings_of, sobol_sets
from arb.sweep.table import Key


def test_a_range_has_the_values_that_a_person_would_write() -> None:
    assert key_of("a.b=0.5:1.1:0.1", is_drawn=False).values == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
    assert key_of("a.b=1:10:4", is_drawn=False).values == [1, 5, 9]
    assert [type(one) for one in key_of("a.b=1:2:1", is_drawn=False).values] == [int, int]


def test_a_list_may_have_words_texts_and_lists() -> None:
    values = key_of('a.b=inventory,"x,y",[1, 2],true,2.5', is_drawn=False).values
    assert values == ["inventory", "x,y", [1, 2], True, 2.5]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a.b=5:1:1", "reversed"),
        ("a.b=1:5:0", "not above 0"),
        ("a.b=1:1", "empty"),
        ("a.b=1:5", "no step"),
        ("a.b=", "must be KEY="),
        ("a.b", "must be KEY="),
        ("a.b=1,,2", "empty value"),
        ("a.b=1,1", "twice"),
        ("a.b=0:1:1e-9", "more than"),
        ("a.b=0:nan:1", "finite"),
        ("a.b=x:y:z", "no range"),
        ("a.b=1 2", "not a TOML value"),
    ],
)
def test_what_is_no_range_and_no_list_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as raised:
        key_of(text, is_drawn=False)
    assert "\n" not in str(raised.value)


def test_a_grid_has_every_combination_the_last_key_changing_fastest() -> None:
    keys = [Key("a", [1, 2]), Key("b", [3, 4])]
    assert list(grid(keys)) == [{"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 4}]
    assert grid_size(keys) == 4


def test_a_longer_random_sweep_begins_with_the_sets_of_a_shorter_one() -> None:
    keys = [key_of("a=0:5", is_drawn=True), key_of("b=0.0:1", is_drawn=True), Key("c", ["x", "y"])]
    few, many = list(random_sets(keys, 5, 3)), list(random_sets(keys, 50, 3))
    assert many[:5] == few
    assert {one["a"] for one in many} == {0, 1, 2, 3, 4, 5}
    assert all(isinstance(one["b"], float) and 0.0 <= one["b"] < 1.0 for one in many)
    assert list(random_sets(keys, 5, 4)) != few


def test_sobol_sets_cover_every_eighth_of_each_range_once_in_eight_sets() -> None:
    pytest.importorskip("scipy", reason="the extra of sweeps is not installed")
    keys = [key_of("a=0.0:8", is_drawn=True), key_of("b=1:8", is_drawn=True), Key("c", list("stuvwxyz"))]
    sets = list(sobol_sets(keys, 16, 3))
    for eight in (sets[:8], sets[8:]):
        assert sorted(int(one["a"]) for one in eight) == list(range(8))  # type: ignore[arg-type]
        assert sorted(one["b"] for one in eight) == list(range(1, 9))  # type: ignore[type-var]
        assert sorted(one["c"] for one in eight) == list("stuvwxyz")  # type: ignore[type-var]
    assert list(sobol_sets(keys, 5, 3)) == sets[:5]
    assert list(sobol_sets(keys, 5, 4)) != sets[:5]


@given(st.floats(0.0, 1.0, exclude_max=True), st.integers(-5, 5), st.integers(0, 9))
def test_a_drawn_whole_number_is_within_its_range(share: float, low: int, width: int) -> None:
    assert low <= drawn(Key("a", low=low, high=low + width), share) <= low + width  # type: ignore[operator]


def test_settings_are_those_of_set() -> None:
    assert settings_of({"strategy.mode": "inventory", "a.b": 0.5}) == ['strategy.mode="inventory"', "a.b=0.5"]
