"""House rules that no linter knows: a file holds one idea, a decision has its own number. Others are rules of ruff."""

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


def test_each_decision_has_its_own_number() -> None:
    paths = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in paths]
    assert numbers == sorted(set(numbers))
    assert [path.read_text()[2:6] for path in paths] == numbers
