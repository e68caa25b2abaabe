"""Derives the computed files of a run folder again from its other files, and compares them.

`arb report` rewrites these files, so they are correct if they are what the run wrote, or what is computed from the
other files now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arb.commands.report import derived_files
from arb.errors import InputError
from arb.results.evidence import Changed
from arb.results.result import RunResult
from arb.results.simulated_orders import SIMULATED, SimulatedOrder, simulated_csv
from arb.verify.reconcile import Difference

SUMMARY, ATTEMPTS, PAGE, CHARTS = "summary.json", "attempts.csv", "report.html", "charts/"


def figure_differences(
    folder: Path, result: RunResult, changed: list[Changed]
) -> tuple[list[Difference], list[Changed]]:
    """Differences of summary and attempts, and the changed files that also differ from what is computed now."""
    is_page_changed = any(one.name == PAGE or one.name.startswith(CHARTS) for one in changed)
    computed = dict(derived_files(result, has_page=is_page_changed))
    found = _summary_differences(folder / SUMMARY, result.summary)
    found += _line_difference("attempts", folder / ATTEMPTS, computed[ATTEMPTS].decode())
    return found, [one for one in changed if not _is_computed(folder / one.name, computed.get(one.name))]


def _is_computed(path: Path, content: bytes | None) -> bool:
    return content is not None and path.is_file() and path.read_bytes() == content


def _summary_differences(path: Path, summary: Mapping[str, Any]) -> list[Difference]:
    try:
        written = json.loads(path.read_bytes())
        if not isinstance(written, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    ours = json.loads(json.dumps(summary))
    return [
        Difference("summary", key, 0, str(written.get(key)), str(ours.get(key)))
        for key in sorted({*written, *ours})
        if written.get(key) != ours.get(key)
    ]


def simulated_differences(
    folder: Path, recorded: Sequence[SimulatedOrder] | None, orders: Sequence[SimulatedOrder] | Exception
) -> list[Difference]:
    """The first line of `simulated.csv` that differs; nothing if the session wrote none. orders: as derived now."""
    if isinstance(orders, Exception):
        return [Difference("simulated", SIMULATED, 0, "orders", f"{type(orders).__name__}: {orders}")]
    if recorded is None:
        return []
    return _line_difference("simulated", folder / SIMULATED, simulated_csv(orders))


def _line_difference(what: str, path: Path, derived: str) -> list[Difference]:
    """The first line that differs."""
    try:
        written = path.read_bytes().decode()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if written == derived:
        return []
    then, now = written.split("\n"), derived.split("\n")
    line = next(
        (n for n, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now))
    )
    left, right = (lines[line] if line < len(lines) else "none" for lines in (then, now))
    return [Difference(what, f"{path.name}, line {line + 1}", 0, left, right)]
