"""Creates a finished run's report: the summary, `report.html` and the charts, from a run or its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from arb.errors import InputError
from arb.files import write_atomically
from arb.results.reader import FinishedRun, read_run
from arb.results.summary import Figures, figures_of
from arb.results.summary_fields import Summary


def figures_of_run(finished: FinishedRun) -> Figures:
    """All figures of a run."""
    return figures_of(finished.facts, finished.run, finished.final)


def report_files(figures: Figures) -> Iterator[tuple[str, bytes]]:
    """Names in the run folder and contents: page and charts. The same figures give the same bytes."""
    # Imported here: a run without a report need not load the drawing code.
    from arb.report.charts import charts_of
    from arb.report.html import page
    from arb.report.png import draw_png

    charts = charts_of(figures)
    yield "report.html", page(figures, charts).encode()
    for chart in charts:
        yield f"charts/{chart.name}.png", draw_png(chart)


def report_run(folder: Path) -> Summary:
    """Writes summary, attempts, page and charts of a run folder again, from its other files.

    Raises InputError for a folder that is not a run, is incomplete, has an unsupported format or cannot be written.
    """
    from arb.results.attempts_table import attempts_csv

    figures = figures_of_run(read_run(folder))
    summary = json.dumps(figures.summary.as_dict(), indent=2, allow_nan=False) + "\n"
    _replace(folder, "summary.json", summary.encode())
    _replace(folder, "attempts.csv", attempts_csv(figures.attempts).encode())
    for name, content in report_files(figures):
        _replace(folder, name, content)
    return figures.summary


def _replace(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
