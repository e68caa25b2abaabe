"""`sweep.html`: one self-contained page of a sweep, with its charts' library inside; it loads nothing.

Every number is in an element with `data-key`, its path in what `arb sweep show --json` prints; in the rows of the table
of sets it is the key or figure itself, and `data-set` is the set's number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arb.report.bokeh_files import CHART_FILES, chart_files
from arb.report.page_style import STYLE
from arb.report.signs import sign_class
from arb.report.wording import UNKNOWN, escape, plain, shown
from arb.sweep.columns import Columns
from arb.sweep.figure_kinds import kind
from arb.sweep.judgement import Judgement, best_first
from arb.sweep.page_data import SETS_MAX, page_data
from arb.sweep.page_parts import BODY, SWEEP_STYLE
from arb.sweep.summary import set_summary, sweep_summary

#: Figures of a page, beside those by which sets are compared; a figure that no set has is left out.
PAGE_FIGURES = (
    *("equity.return_share", "equity.sharpe", "equity.return_over_drawdown", "round_trips.closed"),
    *("round_trips.win_rate_share", "fills"),
)
#: Sets in the tables.
_LISTED_MAX = 20
_STEPS_MAX = 60
_NUMBERS = (int, float)


def sweep_page(columns: Columns, judgement: Judgement) -> bytes:
    """The page. The same results give the same bytes. Raises InputError where the charts' library is not installed."""
    columns = _with_known_figures(columns, judgement)
    summary = sweep_summary(columns, judgement)
    title = f"Sweep of {summary['sets']:,} {_sets_word(summary['sets'])}"
    parts = BODY.format(
        header=_header(columns, summary),
        notes="".join(f'<div class="note" role="note">{note}</div>' for note in _notes(columns, summary)),
        luck=_luck(summary["luck"]),
        best=_best(summary),
        curves=_curves(summary["curves"]),
        walk=_walk(summary["walk"], judgement.by),
        sets=_sets(columns, judgement),
        front=_front(columns, judgement, summary["front"]),
    )
    drawn = page_data(columns, judgement) | {"walk": (summary["walk"] or {"steps": None})["steps"]}
    drawn |= {"curves": summary["curves"]}
    data = json.dumps(drawn, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    folder, _ = chart_files()
    scripts = [(folder / name).read_text() for name in CHART_FILES]
    scripts.append((Path(__file__).parent / "static" / "sweep.js").read_text())
    inline = "".join(f"<script>{_inside(script)}</script>\n" for script in scripts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{STYLE}{SWEEP_STYLE}</style></head>\n<body><main>\n{parts}\n</main>\n"
        f'<script type="application/json" id="data">{data}</script>\n{inline}</body></html>\n'
    ).encode()


def _with_known_figures(columns: Columns, judgement: Judgement) -> Columns:
    needed = (judgement.by, *judgement.front_by)
    known = {
        name: values
        for name, values in columns.figures.items()
        if name in needed or np.isfinite(values).any()
    }
    return columns._replace(figures=known)


def _inside(script: str) -> str:
    """A script as the content of its element, which ends at the first `</script`, even within a text."""
    return script.replace("</script", "<\\/script")


def _number(value: Any, key: str, kind: str) -> str:
    """A value with its key; "-" if it is unknown."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return f'<span class="unknown" data-key="{escape(key)}">{UNKNOWN}</span>'
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f'<span data-key="{escape(key)}">{escape(text)}</span>'
    if kind == "count" and not isinstance(value, int):
        value, kind = (int(value), kind) if value.is_integer() else (value, "units")
    sign = sign_class(value, kind)
    name = f' class="{sign}"' if sign else ""
    return f'<data{name} data-key="{escape(key)}" value="{value!r}">{escape(shown(value, kind))}</data>'


def _set_no(number: int, key: str) -> str:
    """The number of a set, which is a name: without separators."""
    return f'<data data-key="{key}" value="{number}">{number}</data>'


def _figure(value: Any, key: str, figure: str) -> str:
    return _number(value, key, kind(figure))


def _header(columns: Columns, summary: Mapping[str, Any]) -> str:
    head = columns.head
    counted = _number(summary["sets"], "sets", "count")
    legs = " and ".join(map(escape, head.legs))
    return (
        f"<header><h1>Sweep of {counted} {_sets_word(summary['sets'])}: {escape(head.strategy)}</h1>"
        f'<p>{legs} &middot; <span data-key="span">{escape(summary["span"])}</span> &middot; '
        f"{escape(head.source)} &middot; "
        f"compared by {escape(summary['by'])}</p></header>"
    )


def _sets_word(count: int) -> str:
    return "set" if count == 1 else "sets"


def _notes(columns: Columns, summary: Mapping[str, Any]) -> Iterator[str]:
    for n, note in enumerate(columns.head.notes):
        yield f'<span data-key="notes.{n}">{escape(note)}</span>'
    for key, label, text in (
        ("sets_failed", "Failed", "left out here; results.jsonl has the errors"),
        ("sets_halted", "Halted by a risk rule", "whose figures end there"),
        ("sets_unfinished", "Not done in every period", "left out here"),
    ):
        if count := summary[key]:
            yield f"{label}: {_number(count, key, 'count')} {_sets_word(count)}, {text}."
    if len(columns.set_nos) > SETS_MAX:
        yield f"The charts have {SETS_MAX:,} of the sets: the best ones, the front, and every so many of the others."


def _luck(luck: Mapping[str, Any]) -> str:
    unit = ", annual" if luck["is_sharpe_annual"] else ", per return"

    def tile(label: str, key: str, kind: str, text: str) -> str:
        return (
            f'<div class="card tile"><span>{label}</span><b>{_number(luck[key], f"luck.{key}", kind)}</b>'
            f"<small>{text}</small></div>"
        )

    def at(key: str, kind: str) -> str:
        return _number(luck[key], f"luck.{key}", kind)

    overfit = (
        f"not known: {escape(luck['overfitting_unknown'])}"
        if luck["overfitting_unknown"]
        else f"so often, of {at('splits', 'count')} splits of the time, the best set of one half is not above the "
        f"median of all sets on the other half; {at('loss_share', 'share')} lose there"
    )
    deflated = (
        f"not known: {escape(luck['deflated_unknown'])}"
        if luck["deflated_unknown"]
        else f"the probability that the best set's Sharpe ratio is more than the best of {at('trials', 'count')} sets "
        f"has by luck; {at('deflated_sharpe_independent', 'share')} if they are {at('trials_independent', 'ratio')} "
        "independent trials"
    )
    expected = f"{at('sharpe_expected', 'ratio')} is expected of the best of so many sets without an edge"
    after = f"mean over the splits; {at('sharpe_before', 'ratio')} on the half on which the set was chosen"
    tiles = [
        tile("Probability of overfitting", "overfitting_share", "share", overfit),
        tile("Deflated Sharpe ratio", "deflated_sharpe", "share", deflated),
    ]
    if not luck["deflated_unknown"]:
        tiles.append(tile(f"Sharpe of the best{unit}", "sharpe", "ratio", expected))
    if not luck["overfitting_unknown"]:
        tiles.append(tile(f"Sharpe after the choice{unit}", "sharpe_after", "ratio", after))
    return (
        f'<p class="verdict"><strong>Luck:</strong> <span data-key="luck.verdict">{escape(luck["verdict"])}</span></p>'
        f'<div class="tiles">{"".join(tiles)}</div>'
    )


def _best(summary: Mapping[str, Any]) -> str:
    """The best set beside the set with the best neighbourhood."""
    by = summary["by"]
    chosen = [(name, summary[name]) for name in ("best", "best_plateau") if summary[name] is not None]
    if not chosen:
        return f"<p>No set has the figure {escape(by)}.</p>"
    labels = {"best": "Peak: the best set", "best_plateau": "Plateau: the best neighbourhood"}
    heads = [f"<th>{labels[name]}, {_set_no(one['set_no'], f'{name}.set_no')}</th>" for name, one in chosen]

    def row(label: str, cells: Sequence[str]) -> str:
        return f"<tr><th>{_breakable(label)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"

    rows = [
        row(f"median of neighbours, {by}", [_figure(o["plateau"], f"{n}.plateau", by) for n, o in chosen]),
        row(
            "... number of them",
            [_number(o["neighbours"], f"{n}.neighbours", "count") for n, o in chosen],
        ),
    ]
    figures = [
        row(name, [_figure(o["figures"][name], f"{n}.figures.{name}", name) for n, o in chosen])
        for name in chosen[0][1]["figures"]
    ]
    values = [
        row(name, [_value(o["values"][name], f"{n}.values.{name}") for n, o in chosen])
        for name in chosen[0][1]["values"]
    ]
    return _table(["<th></th>", *heads], [*values, *figures, *rows])


def _value(value: Any, key: str) -> str:
    """A value of a key, with all its digits."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return _number(value, key, "text")
    return f'<data data-key="{escape(key)}" value="{value!r}">{escape(plain(value))}</data>'


def _sets(columns: Columns, judgement: Judgement) -> str:
    """The best sets with their values."""
    return _set_table(
        columns, judgement, best_first(judgement.results, is_high=judgement.is_high)[:_LISTED_MAX]
    )


def _front(columns: Columns, judgement: Judgement, front: Mapping[str, Any]) -> str:
    count = len(judgement.front)
    table = _set_table(columns, judgement, list(judgement.front[:_LISTED_MAX]))
    more = f"<small>the first {_LISTED_MAX} of {count:,}</small>" if count > _LISTED_MAX else ""
    names = f"{escape(front['first'])} and {escape(front['second'])}"
    return f"<p><small>No other set is better in one of {names} and as good in the other.</small></p>{table}{more}"


def _set_table(columns: Columns, judgement: Judgement, places: Sequence[int]) -> str:
    if not places:
        return "<p>none</p>"
    names = [*columns.values, *columns.figures]
    heads = [f"<th>{_breakable(name)}</th>" for name in ("set", *names, "plateau")]
    rows = []
    for place in places:
        one = set_summary(columns, judgement, place) or {}
        cells = [_value(one["values"][name], name) for name in columns.values]
        cells += [_figure(one["figures"][name], name, name) for name in columns.figures]
        cells.append(_figure(one["plateau"], "plateau", judgement.by))
        number = one["set_no"]
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr data-set="{number}"><th>{_set_no(number, "set_no")}</th>{body}</tr>')
    return _table(heads, rows)


def _breakable(name: str) -> str:
    """A key or figure that may be broken into lines at its parts."""
    return escape(name).replace(".", ".<wbr>").replace("_", "_<wbr>")


def _curves(curves: Sequence[Mapping[str, Any]]) -> str:
    """The profit along each key of a sweep of listed sets; "" of other sweeps."""
    if not curves:
        return ""
    rows = []
    for n, one in enumerate(curves):
        cells = [_value(one[name], f"curves.{n}.{name}") for name in ("value", "added")]
        cells += [_number(one[name], f"curves.{n}.{name}", "gain") for name in ("pnl_quote", "marginal")]
        name = f'<th><span data-key="curves.{n}.key">{_breakable(one["key"])}</span></th>'
        rows.append(f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = ("key", "value", "added", "profit", "for each further unit")
    table = _table([f"<th>{head}</th>" for head in heads], rows)
    return (
        '<section class="card"><h2>Profit by key</h2><p><small>One key at a time is raised from the configuration, '
        'which is the first set.</small></p><div class="plot" id="curves"></div>'
        f'<div class="wide">{table}</div></section>'
    )


def _walk(walk: Mapping[str, Any] | None, by: str) -> str:
    """The steps of `--walk`; "" without."""
    if walk is None:
        return ""
    if walk["unknown"]:
        return f'<section class="card"><h2>Walk-forward</h2><p>not known: {escape(walk["unknown"])}</p></section>'
    columns = (("before", by), ("after", by), ("median", by), ("best", by))
    listed = list(enumerate(walk["steps"]))[-_STEPS_MAX:]
    rows = []
    for n, step in listed:
        key = f"walk.steps.{n}"
        cells = [f'<span data-key="{key}.test_start">{escape(step["test_start"])}</span>']
        cells.append(_set_no(step["set_no"], f"{key}.set_no"))
        cells += [_figure(step[name], f"{key}.{name}", figure) for name, figure in columns]
        cells.append(_number(step["below_share"], f"{key}.below_share", "share"))
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = (
        "judged from",
        "set",
        "when chosen",
        "afterwards",
        "median of all",
        "best of all",
        "sets it beats",
    )
    means = ", ".join(
        f"{label} {_figure(walk[name], f'walk.{name}', by)}"
        for label, name in (
            ("when chosen", "before_mean"),
            ("afterwards", "after_mean"),
            ("all sets", "median_mean"),
        )
    )
    left_out = len(walk["steps"]) - len(listed)
    more = f"<p><small>the last {_STEPS_MAX}; {left_out} left out</small></p>" if left_out else ""
    above = _number(walk["above_share"], "walk.above_share", "share")
    table = _table([f"<th>{head}</th>" for head in heads], rows)
    return (
        f'<section class="card"><h2>Walk-forward: {escape(by)}</h2><p><small>The best set of each period is judged '
        f"on the next one. Mean: {means}; above the median in {above} of the steps.</small></p>"
        f'<div class="plot" id="walk"></div><div class="wide">{table}</div>{more}</section>'
    )


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    return f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
