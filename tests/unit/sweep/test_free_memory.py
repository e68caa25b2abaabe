"""Free memory goes back to the system."""

from __future__ import annotations

import numpy as np
import pytest

from arb.sweep import free_memory
from tests.soak.sweep_memory import private_bytes


def test_memory_that_small_arrays_have_left_goes_back() -> None:
    if free_memory._malloc_trim is None:
        pytest.skip("the C library has no malloc_trim")
    kept = [np.zeros(1_000) for _ in range(8_000)]
    last = [np.zeros(1_000)]  # above them on the heap, which therefore does not shrink by itself
    assert sum(map(len, kept)) > 0
    full = private_bytes()
    del kept
    free_memory.give_back()
    assert private_bytes() < full - 30_000_000
    assert len(last) == 1


def test_without_the_librarys_function_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_memory, "_malloc_trim", None)
    free_memory.give_back()
