"""The page of tests names, for each case of live trading, tests and rounds of chaos that exist."""

from __future__ import annotations

from soak import process_chaos
from support.chaos_cases import CASES
from support.paths import ROOT

#: Drawn by the chaos of money beside the cases.
FULL_DISK = 32


def test_each_case_names_a_test_and_a_round_that_exist() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    part = page.partition("## Cases of live trading\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("| ") and line[2].isdigit()
    ]
    assert [int(row[0]) for row in rows] == list(range(1, 35))
    drawn = set()
    for number, _, tests, chaos in rows:
        for test in tests.split(", "):
            path, _, name = test.strip("`").partition("::")
            text = (ROOT / "tests" / path).read_text()
            assert f"def {name}(" in text if name else "def test_" in text, test
        for one in chaos.split("; "):
            assert one == number or one in process_chaos.CASES, one
            drawn |= {int(one)} if one.isdigit() else set()
    assert drawn == {*CASES, FULL_DISK}
