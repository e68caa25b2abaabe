"""The tables of docs/run-folder.md that follow from the code. `python tests/support/figure_tables.py` prints them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from arb.results.attempts_table import COLUMNS
from arb.results.figures.declared import UNITS, Figure, Group
from arb.results.figures.summary import GROUPS
from arb.results.simulated_orders import SIMULATED, SimulatedOrder
from arb.results.trades import HEADER

DOCUMENT = Path(__file__).parents[2] / "docs" / "run-folder.md"


def tables() -> str:
    """The figures of `summary.json`, group by group."""
    return "\n".join(line for group in GROUPS for line in _table(group))


def documented(heading: str) -> set[str]:
    """The names in code style of the paragraph below a heading of docs/run-folder.md."""
    _, _, behind = DOCUMENT.read_text().partition(f"\n### {heading}\n\n")
    assert behind, f"docs/run-folder.md has no heading {heading!r}"
    return set(re.findall(r"`([^`]+)`", behind.partition("\n\n")[0]))


def _table(group: Group) -> list[str]:
    name = f"`{group.key}`: " if group.key else "At the top level: "
    lines = [f"{name}{group.text}.", "", "| key | unit | shown as | what |", "|---|---|---|---|"]
    return [*lines, *(_line(figure) for figure in group.figures), ""]


def _line(figure: Figure) -> str:
    place = f"{figure.table}: {figure.label}" if figure.table else "-"
    return f"| `{figure.name}` | {UNITS[figure.kind]} | {place} | {figure.text} |"


def csv_columns() -> dict[str, set[str]]:
    """The columns of the CSV files."""
    return {
        "trades.csv": set(HEADER),
        "attempts.csv": {column.name for column in COLUMNS},
        SIMULATED: set(SimulatedOrder._fields),
    }


if __name__ == "__main__":
    sys.stdout.write(f"{tables()}\n")
