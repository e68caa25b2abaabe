"""Neighbours of a set, the front of two figures, and sets that are chosen on one period and judged on the next."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from arb.sweep.pareto import pareto_front
from arb.sweep.plateau import NEAREST, plateau
from arb.sweep.unknown import Unknown
from arb.sweep.walk_forward import WalkForward, walk_forward


def columns(sets: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {f"key{n}": list(column) for n, column in enumerate(zip(*sets, strict=True))}


def test_neighbours_on_a_grid_are_a_step_away_in_any_key() -> None:
    generator = np.random.default_rng(1)
    sets = list(itertools.product((0.5, 1.0, 4.0), (1, 2, 3, 4), (7, 9)))
    generator.shuffle(sets)
    results = generator.normal(size=len(sets))
    results[5] = np.nan
    found = plateau(columns(sets), results)
    levels = [{value: n for n, value in enumerate(sorted(set(column)))} for column in zip(*sets, strict=True)]
    for n, own in enumerate(sets):
        near = [
            results[k]
            for k, other in enumerate(sets)
            if all(abs(level[a] - level[b]) <= 1 for level, a, b in zip(levels, own, other, strict=True))
            and np.isfinite(results[k])
        ]
        assert found.counts[n] == len(near)
        assert np.isnan(found.medians[n]) if n == 5 else found.medians[n] == np.median(near)


def test_a_lone_peak_is_above_its_plateau() -> None:
    sets = list(itertools.product(range(9), range(9)))
    results = np.array([-((a - 5.0) ** 2) - (b - 6.0) ** 2 for a, b in sets])
    results[sets.index((1, 1))] = 10.0
    found = plateau(columns(sets), results)
    assert sets[int(np.argmax(results))] == (1, 1)
    assert sets[int(np.argmax(found.medians))] == (5, 6)


def test_texts_and_switches_have_no_neighbours() -> None:
    sets = list(itertools.product(("fast", "slow"), (True, False), (1, 2, 3)))
    results = np.arange(12.0)
    found = plateau(columns(sets), results)
    assert found.medians.tolist() == [0.5, 1.0, 1.5, 3.5, 4.0, 4.5, 6.5, 7.0, 7.5, 9.5, 10.0, 10.5]
    only_texts = plateau({"key": ["a", "b"]}, np.array([1.0, np.nan]))
    assert (only_texts.medians[0], only_texts.counts.tolist()) == (1.0, [1, 0])


def test_drawn_sets_have_their_nearest() -> None:
    generator = np.random.default_rng(2)
    sets = [tuple(point) for point in generator.random((40, 2)).tolist()]
    results = generator.normal(size=40)
    found = plateau(columns(sets), results)
    ranks = np.argsort(np.argsort(np.array(sets), axis=0), axis=0) / 39
    for n in range(40):
        distances = np.abs(ranks - ranks[n]).max(axis=1)
        is_near = distances <= np.sort(distances)[NEAREST - 1]
        assert found.counts[n] == is_near.sum() >= NEAREST
        assert found.medians[n] == np.median(results[is_near])


def test_many_keys_have_steps_in_one_key_at_a_time() -> None:
    sets = list(itertools.product(range(2), repeat=8))
    found = plateau(columns(sets), np.arange(256.0))
    assert set(found.counts.tolist()) == {9}


def test_one_set_is_its_own_plateau() -> None:
    found = plateau({"key": [1.0]}, np.array([3.0]))
    assert (found.medians.tolist(), found.counts.tolist()) == ([3.0], [1])


@pytest.mark.parametrize("seed", range(20))
def test_the_front_has_the_sets_that_no_other_beats(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (generator.integers(0, 6, 25).astype(float) for _ in range(2))
    first[3], second[4] = np.nan, np.nan
    signs = [1 if generator.random() < 0.5 else -1 for _ in range(2)]
    found = pareto_front(first, second, is_first_high=signs[0] > 0, is_second_high=signs[1] > 0)
    points = [(signs[0] * a, signs[1] * b) for a, b in zip(first, second, strict=True)]
    front = [
        n
        for n, (a, b) in enumerate(points)
        if np.isfinite(a + b) and not any(c >= a and d >= b and (c, d) != (a, b) for c, d in points)
    ]
    assert sorted(found.tolist()) == front
    assert (np.diff(signs[0] * first[found]) <= 0.0).all()


def test_an_empty_front() -> None:
    none = np.full(3, np.nan)
    assert pareto_front(none, none, is_first_high=True, is_second_high=True).tolist() == []


def test_each_step_is_judged_after_its_choice() -> None:
    before = np.array([[1.0, 3.0, 2.0], [5.0, 5.0, np.nan], [np.nan] * 3, [0.0, 1.0, 2.0]])
    after = np.array([[4.0, 2.0, 0.0], [1.0, 3.0, 9.0], [1.0] * 3, [0.0, 1.0, np.nan]])
    found = walk_forward(before, after)
    assert isinstance(found, WalkForward)
    assert found.places == [0, 1, 3]
    assert [step.chosen for step in found.steps] == [1, 0, 2]
    assert [step.after for step in found.steps[:2]] == [2.0, 1.0]
    assert [step.below_share for step in found.steps[:2]] == [0.5, 0.0]
    assert [step.median for step in found.steps] == [2.0, 3.0, 0.5]
    assert [step.best for step in found.steps] == [4.0, 9.0, 1.0]
    assert (found.left_out, found.before_mean, found.after_mean, found.median_mean) == (2, 4.0, 1.5, 2.5)
    assert found.above_share == 0.25


def test_low_results_may_be_the_good_ones() -> None:
    found = walk_forward(np.array([[1.0, 2.0]]), np.array([[5.0, 4.0]]), is_high=False)
    assert isinstance(found, WalkForward)
    step = found.steps[0]
    assert (step.chosen, step.after, step.best, step.below_share, found.above_share) == (
        0,
        5.0,
        4.0,
        0.0,
        0.0,
    )


def test_a_walk_without_a_result_is_unknown() -> None:
    assert isinstance(walk_forward(np.ones((2, 2)), np.full((2, 2), np.nan)), Unknown)
    assert isinstance(walk_forward(np.ones((2, 1)), np.ones((2, 1))), Unknown)
    assert isinstance(walk_forward(np.zeros((0, 3)), np.zeros((0, 3))), Unknown)
