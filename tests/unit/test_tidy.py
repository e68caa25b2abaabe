"""The one house rule that no linter knows: a file holds one idea. The others are rules of ruff, in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("arb", "connectors", "tests", "benchmarks", "examples")
LINES_MAX = 450


def test_files_are_short() -> None:
    lines = {
        str(path.relative_to(ROOT)): path.read_text().count("\n")
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(lines) > 500
    assert {name: count for name, count in lines.items() if count > LINES_MAX} == {}
