"""Chart data and its layout in pixels: lines, points and texts. `svg.py` and `png.py` draw it.

Both draw the same `Scene`. Times are ns UTC. A long series is thinned to the lowest and the highest value of each
pixel column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from connectors.units import DAY, SECOND

WIDTH, HEIGHT = 960, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 12, 32, 26
#: Heights of a legend row and of a text beside a line.
_LEGEND = 16
_TAG = 13

#: Upper estimate of the width of a legend character: fonts differ.
_LETTER = 7.0
#: Points of one kind in one column of this many pixels are drawn once.
_POINT_PIXELS = 5
_TICKS_Y, _TICKS_X = 5, 8
_TIME_STEPS_S = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200),
    *(86_400 * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)


class Series(NamedTuple):
    """A line: values by time, NaN where there is none.

    style: solid, dashed, dotted, step, or area (down to zero). tag: a text beside its right end. Lines of one label
    have one sign in the legend.
    """

    label: str
    timestamps: Any
    values: Any
    color: str
    style: str = "solid"
    tag: str = ""


class Points(NamedTuple):
    """Marks. shape: up, down or dot."""

    label: str
    timestamps: Any
    values: Any
    color: str
    shape: str


class Chart(NamedTuple):
    """The data of a chart; `name` is its file name."""

    name: str
    title: str
    unit: str
    series: Sequence[Series]
    points: Sequence[Points] = ()


class Path(NamedTuple):
    """A line in pixels, in pieces without gaps."""

    pieces: list[Any]
    color: str
    style: str


class Mark(NamedTuple):
    """A point in pixels."""

    x: float
    y: float
    color: str
    shape: str


class Label(NamedTuple):
    """A text; anchor: start, middle or end; role: title, axis, legend, or tag (on top of lines)."""

    x: float
    y: float
    text: str
    anchor: str
    role: str


class Scene(NamedTuple):
    """A chart laid out. Lines of the grid are y values; areas end at `floor`."""

    title: str
    box: tuple[float, float, float, float]
    grid: list[float]
    floor: float
    paths: list[Path]
    marks: list[Mark]
    labels: list[Label]
    #: x, y, color, shape ("line", "dashed", "dotted", or a mark's) of the legend's signs.
    keys: list[Mark]


def lay_out(chart: Chart) -> Scene:
    """Lays out a chart. A chart without a value has axes and a text that says so."""
    keys, texts = _legend(chart)
    rows = len({key.y for key in keys})
    box = (_LEFT, _TOP + _LEGEND * rows, WIDTH - _RIGHT, HEIGHT - _BOTTOM)
    times, values = _extent(chart)
    scale = _Scale(times, values, box)
    labels = [
        Label(_LEFT, 18, f"{chart.title} ({chart.unit})" if chart.unit else chart.title, "start", "title")
    ]
    grid = []
    if times is None or values is None:
        labels.append(Label(WIDTH / 2, HEIGHT / 2, "no values", "middle", "axis"))
    else:
        ticks, digits = nice_ticks(*values)
        grid = [scale.y(tick) for tick in ticks]
        labels += [Label(_LEFT - 8, scale.y(t) + 4, f"{t:,.{digits}f}", "end", "axis") for t in ticks]
        labels += [_time_label(scale.x(t), text) for t, text in time_ticks(*times)]
        labels += _tags(chart, scale, box)
    return Scene(
        title=chart.title,
        box=box,
        grid=grid,
        floor=min(max(scale.y(0.0), box[1]), box[3]),
        paths=[Path(_pieces(s, scale), s.color, s.style) for s in chart.series] if values else [],
        marks=[mark for points in chart.points for mark in _marks(points, scale)] if values else [],
        labels=labels + texts,
        keys=keys,
    )


def _time_label(x: float, text: str) -> Label:
    """A time label below its tick; at an edge it is moved inside."""
    half = 0.5 * _LETTER * len(text)
    if x + half > WIDTH:
        return Label(WIDTH, HEIGHT - 8, text, "end", "axis")
    return Label(max(x, half), HEIGHT - 8, text, "middle", "axis")


def _tags(chart: Chart, scale: _Scale, box: tuple[float, float, float, float]) -> list[Label]:
    """The texts beside the right ends of lines: above the line, or below it where there is no room above."""
    ends = [
        (float(scale.y(known[-1])), series.tag)
        for series in chart.series
        if series.tag and len(known := series.values[np.isfinite(series.values)])
    ]
    places: list[tuple[float, str]] = []
    for y, text in sorted(ends):
        least = places[-1][0] + _TAG if places else box[1] + _TAG
        places.append((y - 4.0 if y - 4.0 >= least else max(y + _TAG, least), text))
    most = box[3] - 4.0
    labels = []
    for y, text in reversed(places):
        labels.append(Label(box[2] - 4.0, min(y, most), text, "end", "tag"))
        most = labels[-1].y - _TAG
    return labels


class _Scale:
    """Maps times and values to pixels."""

    def __init__(
        self,
        times: tuple[int, int] | None,
        values: tuple[float, float] | None,
        box: tuple[float, float, float, float],
    ) -> None:
        self._box = box
        self._start, end = times or (0, 1)
        self._span = max(end - self._start, 1)
        self._low, high = values or (0.0, 1.0)
        self._height = high - self._low

    def x(self, timestamps: Any) -> Any:
        left, _, right, _ = self._box
        return left + (timestamps - self._start) / self._span * (right - left)

    def y(self, values: Any) -> Any:
        _, top, _, bottom = self._box
        return bottom - (values - self._low) / self._height * (bottom - top)


def _extent(chart: Chart) -> tuple[tuple[int, int] | None, tuple[float, float] | None]:
    """First and last time, lowest and highest value with some room; None where there is none."""
    drawn: list[Series | Points] = [*chart.series, *chart.points]
    spans = [(int(d.timestamps[0]), int(d.timestamps[-1])) for d in drawn if len(d.timestamps)]
    known = [d.values[np.isfinite(d.values)] for d in drawn]
    known = [values for values in known if len(values)]
    if not spans or not known:
        return None, None
    low, high = min(float(v.min()) for v in known), max(float(v.max()) for v in known)
    if any(series.style == "area" for series in chart.series):
        low, high = min(low, 0.0), max(high, 0.0)
    room = 0.06 * (high - low) or max(abs(high) * 1e-3, 1e-3)
    return (min(a for a, _ in spans), max(b for _, b in spans)), (low - room, high + room)


def nice_ticks(low: float, high: float) -> tuple[list[float], int]:
    """Round values within the range, and the decimals needed to distinguish them."""
    rough = (high - low) / _TICKS_Y
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if round(step * 10**digits, 6) % 1.0:  # 2.5 needs another decimal
        digits += 1
    first, last = math.ceil(low / step), math.floor(high / step)
    return [n * step + 0.0 for n in range(first, last + 1)], digits


def time_ticks(start: int, end: int) -> list[tuple[int, str]]:
    """Round times within the range with their labels; labels show the date if there is more than one day."""
    span = max(end - start, 1)
    rough = span / _TICKS_X / SECOND
    step = next((s for s in _TIME_STEPS_S if s >= rough), _TIME_STEPS_S[-1]) * SECOND
    form = "%m-%d" if step >= DAY else "%m-%d %H:%M" if span > 2 * DAY else "%H:%M"
    if step < 60 * SECOND:
        form = "%H:%M:%S"
    first = -(-start // step) * step
    return [(t, f"{datetime.fromtimestamp(t // SECOND, UTC):{form}}") for t in range(first, end + 1, step)]


def _pieces(series: Series, scale: _Scale) -> list[Any]:
    """The line in pixels, (n, 2) a piece, thinned per pixel column, without points inside of level parts."""
    timestamps, values = thinned(series.timestamps, series.values, WIDTH - _LEFT - _RIGHT)
    points = np.column_stack((scale.x(timestamps), scale.y(values)))
    is_gap = ~np.isfinite(values)
    pieces = np.split(points, np.flatnonzero(is_gap))
    pieces = [piece[np.isfinite(piece[:, 1])] for piece in pieces]
    pieces = [_stepped(p) if series.style == "step" else p for p in pieces if len(p)]
    return [_without_level(piece) for piece in pieces]


def _without_level(points: Any) -> Any:
    """Without the points whose neighbours have the same value."""
    is_same = points[1:, 1] == points[:-1, 1]
    is_inside = np.zeros(len(points), np.bool_)
    is_inside[1:-1] = is_same[1:] & is_same[:-1]
    return points[~is_inside]


def _stepped(points: Any) -> Any:
    """Each value holds until the next."""
    stepped = np.repeat(points, 2, axis=0)
    return np.column_stack((stepped[1:, 0], stepped[:-1, 1]))


def thinned(timestamps: Any, values: Any, columns: int) -> tuple[Any, Any]:
    """At most two values per column, its lowest and highest, in time order; a column of NaN gives one NaN."""
    if len(values) <= 2 * columns:
        return timestamps, values
    span = max(int(timestamps[-1] - timestamps[0]), 1)
    column = np.minimum((timestamps - timestamps[0]) * columns // span, columns - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    kept: list[int] = []
    for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(values)], strict=True):
        part = values[begin:end]
        if np.isnan(part).all():
            kept.append(begin)
            continue
        kept += sorted({begin + int(np.nanargmin(part)), begin + int(np.nanargmax(part))})
    return timestamps[kept], values[kept]


def _marks(points: Points, scale: _Scale) -> list[Mark]:
    """The points in pixels; overlapping points are drawn once."""
    is_known = np.isfinite(points.values)
    x, y = scale.x(points.timestamps[is_known]), scale.y(points.values[is_known])
    places: dict[tuple[int, int], Mark] = {}
    for left, top in zip(x.tolist(), y.tolist(), strict=True):
        cell = (int(left / _POINT_PIXELS), int(top / _POINT_PIXELS))
        places.setdefault(cell, Mark(left, top, points.color, points.shape))
    return list(places.values())


def _legend(chart: Chart) -> tuple[list[Mark], list[Label]]:
    """The legend in rows under the title; none for a single line."""
    entries = {
        **{s.label: (s.color, s.style if s.style in ("dashed", "dotted") else "line") for s in chart.series},
        **{p.label: (p.color, p.shape) for p in chart.points if len(p.timestamps)},
    }
    if len(entries) < 2:
        return [], []
    keys, texts, left, row = [], [], float(_LEFT), 0
    for label, (color, shape) in entries.items():
        width = 22 + _LETTER * len(label)
        if left + width > WIDTH and left > _LEFT:
            left, row = float(_LEFT), row + 1
        y = _TOP + _LEGEND * row
        keys.append(Mark(left + 8, y, color, shape))
        texts.append(Label(left + 22, y + 4, label, "start", "legend"))
        left += width + 18
    return keys, texts
