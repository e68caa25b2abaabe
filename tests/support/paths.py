"""Where the test data lie, and what lies in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
#: On the path of a process, it keeps it on this machine.
GUARD = ROOT / "tests" / "support" / "guard"
#: Beside the checkout, and no part of it.
RECORDINGS = ROOT.parent / "shared" / "recordings"

needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the recordings (../shared/recordings beside the checkout) are absent"
)


def everything(folder: Path) -> list[str]:
    """The files and folders below one, by their paths from there."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
