"""The end of the `arb` process: its exit code, its output, and the results of a profiler."""

from __future__ import annotations

import pstats
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("words", "code"), [(("--version",), 0), (("nonsense",), 2)])
def test_what_was_printed_and_the_exit_code_arrive(words: tuple[str, ...], code: int) -> None:
    done = subprocess.run([sys.executable, "-m", "arb", *words], capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert (done.stdout + done.stderr).strip()


def test_a_profiler_writes_its_results(tmp_path: Path) -> None:
    words = ("-m", "cProfile", "-o", str(tmp_path / "profile"), "-m", "arb", "--version")
    subprocess.run([sys.executable, *words], capture_output=True, check=False)

    assert pstats.Stats(str(tmp_path / "profile")).total_calls > 1000  # type: ignore[attr-defined]
