"""Sets that are chosen by results: the same ones with any number of threads and after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arb.errors import InputError
from arb.sweep.pool import in_order
from arb.sweep.search import AHEAD, STUDY, STUDY_NAME, Search
from arb.sweep.sets import Values, key_of
from arb.sweep.table import FAILED, RESULTS, SetResult

optuna = pytest.importorskip("optuna", reason="the extra of sweeps is not installed")

KEYS = [
    key_of(text, is_drawn=True) for text in ("a=0.0:10", "b=0:20", "c=0.0:1:0.1", "d=x,y,true", "e=1,10,100")
]


def result_of(number: int, values: Values) -> SetResult:
    """Best at a = 7, b = 5, c = 0.3, d = "y"; some sets fail, some have no figure."""
    a, b, c = (float(values[name]) for name in "abc")  # type: ignore[arg-type]
    if a < 0.5:
        return SetResult(number, 0, values, FAILED)
    profit = -((a - 7.0) ** 2) - (b - 5.0) ** 2 / 4 - 10 * (c - 0.3) ** 2 - 5.0 * (values["d"] != "y")
    return SetResult(number, 0, values, "ended", figures={"pnl": None if b > 19 else profit})


def searched(
    count: int, *, threads: int = 1, begun: list[SetResult] | None = None, seed: int = 3
) -> list[SetResult]:
    search = Search(KEYS, "pnl", seed, is_high=True)
    found = list(begun or ())
    for one in found:
        search.observe(one)
    jobs = ((number, search.values(number)) for number in range(len(found), count))
    for one in in_order(jobs, lambda job: result_of(*job), threads, AHEAD):
        search.observe(one)
        found.append(one)
    return found


@pytest.fixture(scope="module")
def whole() -> list[SetResult]:
    return searched(60)


def test_the_sets_do_not_depend_on_threads(whole: list[SetResult]) -> None:
    assert searched(60, threads=5) == whole
    assert searched(20, seed=4) != whole[:20]


@pytest.mark.parametrize("begun", [1, AHEAD - 1, AHEAD, 23, 59])
def test_an_interrupted_search_goes_on_with_the_same_sets(whole: list[SetResult], begun: int) -> None:
    assert searched(60, begun=whole[:begun]) == whole


def test_values_are_those_of_the_keys_and_later_sets_are_better(whole: list[SetResult]) -> None:
    for one in whole:
        assert 0.0 <= float(one.values["a"]) <= 10.0  # type: ignore[arg-type]
        assert type(one.values["b"]) is int
        assert one.values["c"] in KEYS[2].values
        assert one.values["d"] in ("x", "y", True)
        assert one.values["e"] in (1, 10, 100)

    def mean(part: list[SetResult]) -> float:
        known = [one.figures["pnl"] for one in part if one.figures.get("pnl") is not None]
        return sum(float(one or 0.0) for one in known) / len(known)

    assert mean(whole[-20:]) > mean(whole[:15]) + 5.0


def test_the_study_is_a_file_that_optuna_reads(whole: list[SetResult], tmp_path: Path) -> None:
    import msgspec

    (tmp_path / RESULTS).write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in whole))
    Search(KEYS, "pnl", 3, is_high=True).write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {RESULTS, STUDY}
    storage: Any = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / STUDY))
    )
    study = optuna.load_study(storage=storage, study_name=STUDY_NAME)
    best = max(
        (one for one in whole if one.figures.get("pnl") is not None), key=lambda one: one.figures["pnl"]
    )
    assert study.best_trial.number == best.set_no
    assert study.best_params["a"] == best.values["a"]
    assert len(study.trials) == len(whole)


def test_a_figure_that_results_do_not_have_is_refused() -> None:
    search = Search(KEYS, "pln", 3, is_high=True)
    with pytest.raises(InputError, match="--by pln: results have no such figure; did you mean pnl"):
        search.observe(result_of(0, search.values(0)))
