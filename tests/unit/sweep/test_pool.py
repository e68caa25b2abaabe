"""Jobs in threads, results in order."""

from __future__ import annotations

import threading

import pytest

from arb.sweep.pool import in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_are_in_the_order_of_the_jobs_however_they_end(threads: int) -> None:
    gates = [threading.Event() for _ in range(threads)]

    def work(job: int) -> int:
        """The first jobs, one a thread, end last to first."""
        if job < threads:
            if job < threads - 1:
                assert gates[job + 1].wait(30)
            gates[job].set()
        return job * job

    assert list(in_order(iter(range(40)), work, threads)) == [job * job for job in range(40)]


def test_an_error_is_raised_in_its_place() -> None:
    def work(job: int) -> int:
        if job == 3:
            raise KeyError(job)
        return job

    results = in_order(iter(range(9)), work, 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)


def test_jobs_are_taken_as_they_are_needed() -> None:
    taken = []

    def jobs() -> object:
        for job in range(1000):
            taken.append(job)
            yield job

    results = in_order(jobs(), lambda job: job, 2)  # type: ignore[arg-type]
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 50
