"""Paths of the tests' data, the files of a folder, and files of strategies."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from arb.files import write_atomically

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
#: Of `strategy_file`.
STRATEGIES = ROOT / ".pytest_cache" / "strategies"
#: On the path of a process, it keeps it on this machine.
GUARD = ROOT / "tests" / "support" / "guard"
#: No part of the checkout.
RECORDINGS = Path(os.environ.get("ARB_TEST_RECORDINGS") or ROOT.parent / "shared" / "recordings")

needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(),
    reason=f"the recordings are absent (ARB_TEST_RECORDINGS names their folder; {RECORDINGS})",
)


def everything(folder: Path) -> list[str]:
    """The files and folders below one, by their paths from there."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def strategy_file(name: str, text: str, **beside: str) -> Path:
    """A file of a user's strategy, with modules `beside` it, at a place that depends on the texts alone.

    Compiled code is found by the path of its source: every test and every run of the tests finds it again.
    """
    files = {name: text, **{f"{module}.py": source for module, source in beside.items()}}
    folder = STRATEGIES / hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for file, source in files.items():
        if not (folder / file).exists():
            write_atomically(folder / file, source.encode())
    return folder / name
