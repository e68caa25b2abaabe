"""The tables of clients in the docs say what the tests of the clients show, cell by cell."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import pytest
from clients import test_bybit_clients, test_spot_clients, test_usdm_clients

DOCS = Path(__file__).parents[2] / "docs"
#: Labels of rows that are not the cell's name with spaces.
LABELS = {
    "limit_gtc": "place: limit GTC",
    "limit_ioc": "place: limit IOC",
    "post_only": "place: post-only",
    "market": "place: market",
    "reduce_only": "place: reduce-only",
    "fees": "fee rates",
    "stream": "stream of own orders",
}
USDM_PROGRAMS = list(dict.fromkeys(program for program, _ in test_usdm_clients.CLIENTS.values()))
SPOT_PROGRAMS = [program for program, _ in test_spot_clients.CLIENTS.values()]


@pytest.mark.parametrize(
    ("page", "programs", "cells", "missing"),
    [
        ("bybit", test_bybit_clients.CLIENTS, test_bybit_clients.CELLS, test_bybit_clients.MISSING),
        ("binance-spot", SPOT_PROGRAMS, test_spot_clients.CELLS, test_spot_clients.MISSING),
        ("binance-usdm", USDM_PROGRAMS, test_usdm_clients.CELLS, test_usdm_clients.MISSING),
    ],
)
def test_a_table_of_clients_is_that_of_the_tests(
    page: str, programs: list[str], cells: tuple[str, ...], missing: Set[tuple[str, str]]
) -> None:
    text = (DOCS / f"sandbox-{page}.md").read_text(encoding="utf-8")
    lines = text.partition("## What the clients were shown to do")[2].partition("\n## ")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]
    shown = {row[0]: row[1:] for row in rows}
    assert shown == {
        LABELS.get(cell, cell.replace("_", " ")): [
            "none" if (program, cell) in missing else "yes" for program in programs
        ]
        for cell in cells
    }
