"""The walks of docs/architecture.md: each names files that exist, and no more of them than were agreed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text().split("## Four walks\n")[1].split("\n## ")[0]
#: Title and steps of every walk.
WALKS = [walk.split("**", 1) for walk in ("\n" + TEXT).split("\n**")[1:]]
#: A word of the title, and the most files that the walk may cross.
FILES_MAX = {"frame": 14, "trades.csv": 12, "line to": 13, "--set": 5}


@pytest.mark.parametrize(("title", "steps"), WALKS, ids=[title for title, _ in WALKS])
def test_a_walk_crosses_few_files_that_exist(title: str, steps: str) -> None:
    named = re.findall(r"^\d+\. `([^`]+)`", steps, re.MULTILINE)
    assert named
    assert [path for path in named if not (ROOT / path).is_file()] == []
    limit = next(most for word, most in FILES_MAX.items() if word in title)
    assert len(set(named)) <= limit
