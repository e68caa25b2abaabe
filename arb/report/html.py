"""`report.html`: one self-contained page of a run: no script, no network, charts as SVG.

Every number is in a `<data>` or `<time>` element, or in a row of the attempts. `data-key` is its key in
`summary.json`, or its column in `attempts.csv`; `value` is the number in that file, the text its formatted form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from arb.report.chart_layout import Chart
from arb.report.layout import HEADLINES, LEG_LINES, Section, sections_of, title_of, value_at
from arb.report.page_style import STYLE
from arb.report.svg import draw_svg
from arb.report.wording import UNKNOWN, escape, shown
from arb.results.attempts_table import columns_of
from arb.results.notes import heading_of
from arb.results.summary import Figures

#: Number of attempts in the table: those with the largest profit or loss.
ATTEMPTS_MAX = 200
#: Outages of a book in the table, per leg.
SPELLS_MAX = 20

_ATTEMPT_COLUMNS = (
    ("attempt", "No.", "count"),
    ("time", "Time (UTC)", "time"),
    ("purpose", "For", "text"),
    ("outcome", "Ended", "text"),
    ("fills", "Fills", "count"),
    ("bought_base", "Bought (base)", "quantity"),
    ("spread_bps", "Filled at", "bps"),
    ("expected_bps", "Expected", "bps"),
    ("over_basis_bps", "Captured", "bps"),
    ("fee", "Fees", "money"),
    ("residual_base", "Residual (base)", "base"),
    ("pnl_quote", "Profit", "gain"),
)


def page(figures: Figures, charts: Sequence[Chart]) -> str:
    """The HTML of the page. The same figures give the same text."""
    summary = figures.summary.as_dict()
    title = escape(title_of(summary))
    body = [
        *_notes(summary),
        f"<header><h1>{title}</h1><p>{_period(summary)}</p></header>",
        f'<section class="tiles">{"".join(_tiles(summary))}</section>',
        _short_span(summary),
        _legs(summary),
        _lost_books(summary),
        *(f'<figure class="card">{draw_svg(chart)}</figure>' for chart in charts),
        f'<section class="columns">{"".join(_table(s, summary) for s in sections_of(summary))}</section>',
        _attempts(figures),
        _footer(),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main></body></html>\n"
    )


def _number(value: Any, key: str, kind: str) -> str:
    """A value with its key; unknown values are shown as a dash."""
    text = escape(shown(value, kind))
    if value is None or text == UNKNOWN:
        return f'<span class="unknown" data-key="{escape(key)}">{UNKNOWN}</span>'
    if kind == "time":
        return f'<time data-key="{escape(key)}" datetime="{escape(value)}">{text}</time>'
    if isinstance(value, str):
        return f'<span data-key="{escape(key)}">{text}</span>'
    sign = " class=loss" if kind in ("gain", "return") and value < 0 else ""
    return f'<data{sign} data-key="{escape(key)}" data-kind="{kind}" value="{value!r}">{text}</data>'


def _at(summary: Mapping[str, Any], key: str, kind: str) -> str:
    return _number(value_at(summary, key), key, kind)


def _notes(summary: Mapping[str, Any]) -> Iterator[str]:
    for n, note in enumerate(summary["notes"]):
        yield (
            f'<p class="note" role="note"><strong>{heading_of(note)}.</strong> '
            f'<span data-key="notes.{n}">{escape(note)}</span></p>'
        )


def _period(summary: Mapping[str, Any]) -> str:
    first, last = (_at(summary, key, "time") for key in ("first_time", "last_time"))
    span, rows = _at(summary, "span_s", "duration"), _at(summary, "rows", "count")
    strategy = f'<code data-key="strategy">{escape(summary["strategy"])}</code>'
    return f"{first} to {last} UTC, {span}. {rows} rows of data through {strategy}."


def _tiles(summary: Mapping[str, Any]) -> Iterator[str]:
    for label, key, kind in HEADLINES:
        yield f'<div class="card tile"><span>{label}</span><b>{_at(summary, key, kind)}</b></div>'


def _short_span(summary: Mapping[str, Any]) -> str:
    if summary["equity"]["return_annual_share"] is not None:
        return ""
    return (
        '<p class="hint">Shorter than a day: no return a year is given, and Sharpe and Sortino are scaled up from '
        f"{_at(summary, 'equity.samples', 'count')} returns; they tell little.</p>"
    )


def _legs(summary: Mapping[str, Any]) -> str:
    return "".join(_pair(summary, n) for n in range(len(summary["pairs"])))


def _pair(summary: Mapping[str, Any], pair_no: int) -> str:
    places = (2 * pair_no, 2 * pair_no + 1)
    heads = "".join(f'<th data-key="legs.{n}.leg">{escape(summary["legs"][n]["leg"])}</th>' for n in places)
    rows = []
    for label, keys, kind in LEG_LINES:
        of_leg, _, of_both = keys.partition("/")
        cells = [_at(summary, f"legs.{n}.{of_leg}", kind) for n in places]
        cells.append(_at(summary, f"pairs.{pair_no}.{of_both}", kind) if of_both else "")
        rows.append(f"<tr><th>{escape(label)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return (
        f'<section class="card wide"><table><thead><tr><th></th>{heads}<th>both</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></section>"
    )


def _lost_books(summary: Mapping[str, Any]) -> str:
    """The first outages of each leg's book."""
    rows = []
    for n, leg in enumerate(summary["legs"]):
        book = f"legs.{n}.book"
        for k in range(min(len(leg["book"]["first_spells"]), SPELLS_MAX)):
            keys = (("from_time", "time"), ("to_time", "time"), ("span_s", "duration"))
            cells = "".join(
                f"<td>{_at(summary, f'{book}.first_spells.{k}.{key}', kind)}</td>" for key, kind in keys
            )
            rows.append(f"<tr><th>{escape(leg['leg'])}</th>{cells}</tr>")
    if not rows:
        return ""
    left_out = sum(leg["book"]["spells"] for leg in summary["legs"]) - len(rows)
    told = f"the first {len(rows)}; {left_out} left out" if left_out else "all"
    return (
        f'<details class="card wide"><summary>Times without a book <small>{told}</small></summary>'
        "<table><thead><tr><th>Leg</th><th>From (UTC)</th><th>To</th><th>For</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )


def _table(section: Section, summary: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{_at(summary, key, kind)}</td></tr>"
        for label, key, kind in section.lines
    )
    return f'<div class="card"><h2>{escape(section.title)}</h2><table>{rows}</table></div>'


def _attempts(figures: Figures) -> str:
    attempts = figures.attempts
    if not len(attempts):
        return ""
    listed = _listed(attempts)
    heads = "".join(f"<th>{escape(head)}</th>" for _, head, _ in _ATTEMPT_COLUMNS)
    columns = columns_of(listed)
    rows = "".join(_attempt_row(columns, n) for n in range(len(listed)))
    left_out = len(attempts) - len(listed)
    told = "all" if not left_out else f"the {len(listed)} of the largest profit or loss; {left_out} left out"
    return (
        f'<details class="card wide"><summary>Attempts <small>{told}; every one is in attempts.csv</small></summary>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _listed(attempts: Any) -> Any:
    """The attempts with the largest profit or loss, by time; the first of equal ones."""
    if len(attempts) <= ATTEMPTS_MAX:
        return attempts
    order = np.argsort(-np.abs(np.nan_to_num(attempts["pnl"])), kind="stable")
    return attempts[np.sort(order[:ATTEMPTS_MAX])]


def _attempt_row(columns: Mapping[str, list[Any]], n: int) -> str:
    cells = "".join(f"<td>{_number(columns[key][n], key, kind)}</td>" for key, _, kind in _ATTEMPT_COLUMNS)
    return f'<tr data-attempt="{columns["attempt"][n]}">{cells}</tr>'


def _footer() -> str:
    links = ("summary.json", "attempts.csv", "trades.csv", "records.npz", "manifest.json")
    return (
        "<footer>Money in quote units, quantities in base units, times in UTC. Beside this page: "
        + ", ".join(f'<a href="{name}">{name}</a>' for name in links)
        + ". Simulated results are not a promise.</footer>"
    )
