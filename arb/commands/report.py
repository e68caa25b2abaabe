"""Creates a finished run's report: the summary, `report.html` and the charts, from a run or its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from arb.errors import InputError
from arb.files import write_atomically
from arb.results.attempts_table import attempts_csv
from arb.results.reader import read_run
from arb.results.result import RunResult


def derived_files(result: RunResult, *, has_page: bool = True) -> Iterator[tuple[str, bytes]]:
    """Names in the run folder and contents of all files that follow from its result; the same result, the same bytes.

    has_page: whether the page and the charts are among them.
    """
    yield "summary.json", (json.dumps(result.summary, indent=2, allow_nan=False) + "\n").encode()
    yield "attempts.csv", attempts_csv(result.attempts).encode()
    if not has_page:
        return
    # Imported here: a run without a report need not load the drawing code.
    from arb.report.charts import charts_of
    from arb.report.html import page
    from arb.report.png import draw_png

    charts = charts_of(result)
    yield "report.html", page(result, charts).encode()
    for chart in charts:
        yield f"charts/{chart.name}.png", draw_png(chart)


def report_run(folder: Path) -> RunResult:
    """Writes summary, attempts, page and charts of a run folder again, from its other files.

    Raises InputError for a folder that is not a run, is incomplete, has an unsupported format or cannot be written.
    """
    _, result = read_run(folder)
    for name, content in derived_files(result):
        _replace(folder, name, content)
    return result


def _replace(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
