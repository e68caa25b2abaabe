"""Where the test data lie, and what lies in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
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
