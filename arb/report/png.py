"""Draws a scene as a PNG file with Pillow, at three times its size and scaled down for smooth lines.

The font is Pillow's own and no metadata is written: the same scene gives the same bytes.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from arb.report.chart_layout import HEIGHT, WIDTH, Chart, Mark, Path, Scene, lay_out

_OVER, _SCALE = 2, 1.5
_UNIT = _OVER * _SCALE
COLORS = {
    "blue": "#2563b0",
    "orange": "#d9761a",
    "green": "#1d8a4e",
    "red": "#c0392b",
    "violet": "#7d3fb8",
    "gray": "#8a929c",
    "ink": "#1c2430",
}
_TEXT, _QUIET, _GRID, _PAPER, _AREA = "#1c2430", "#5d6875", "#e6e9ed", "#ffffff", "#f4dcd9"
_FONT_SIZES = {"title": 14, "axis": 11.5, "legend": 11.5, "tag": 11.5}
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
#: Length of a dash, and of it with the gap behind it.
_DASHES = {"dashed": (5.0, 10.0), "dotted": (2.0, 5.0)}
#: Width of the paper around a text on top of lines.
_HALO = 1.5
_MARK = 4.0


def draw_png(chart: Chart) -> bytes:
    """Draws a chart as PNG."""
    scene = lay_out(chart)
    image = Image.new("RGB", (round(WIDTH * _UNIT), round(HEIGHT * _UNIT)), _PAPER)
    draw = ImageDraw.Draw(image)
    left, _, right, bottom = scene.box
    for y in scene.grid:
        _line(draw, [(left, y), (right, y)], _GRID, 1.0)
    _line(draw, [(left, bottom), (right, bottom)], _QUIET, 1.0)
    for path in scene.paths:
        _path(draw, path, scene)
    for mark in scene.marks:
        _mark(draw, mark)
    for key in scene.keys:
        _key(draw, key)
    # Text is drawn at the final size: Pillow already smooths fonts.
    image = image.reduce(_OVER)
    _labels(ImageDraw.Draw(image), scene)
    file = io.BytesIO()
    image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG", optimize=False)
    return file.getvalue()


def _labels(draw: Any, scene: Scene) -> None:
    fonts = {role: ImageFont.load_default(size * _SCALE) for role, size in _FONT_SIZES.items()}
    for label in scene.labels:
        draw.text(
            (label.x * _SCALE, label.y * _SCALE),
            label.text,
            fill=_TEXT if label.role == "title" else _QUIET,
            font=fonts[label.role],
            anchor=_ANCHORS[label.anchor],
            stroke_width=round(_HALO * _SCALE) if label.role == "tag" else 0,
            stroke_fill=_PAPER,
        )


def _line(draw: Any, points: Any, color: str, width: float) -> None:
    draw.line(
        [(x * _UNIT, y * _UNIT) for x, y in points], fill=color, width=round(width * _UNIT), joint="curve"
    )


def _path(draw: Any, path: Path, scene: Scene) -> None:
    for piece in path.pieces:
        points = piece.tolist()
        if path.style == "area":
            corners = [(points[0][0], scene.floor), *points, (points[-1][0], scene.floor)]
            draw.polygon([(x * _UNIT, y * _UNIT) for x, y in corners], fill=_AREA)
        if len(points) == 1:
            points = [points[0], (points[0][0] + 1.0, points[0][1])]
        if path.style in _DASHES:
            for dash in _dashes(points, *_DASHES[path.style]):
                _line(draw, dash, COLORS[path.color], 1.4)
        else:
            _line(draw, points, COLORS[path.color], 1.4)


def _dashes(points: list[Any], length: float, period: float) -> list[Any]:
    """The dashes of a line: parts of each interval of x, cut at the ends of each dash."""
    line = np.asarray(points)
    first, last = line[0, 0], line[-1, 0]
    dashes = []
    for start in np.arange(math.floor(first / period) * period, last, period):
        left, right = max(start, first), min(start + length, last)
        if left < right:
            within = line[(line[:, 0] > left) & (line[:, 0] < right)]
            ends = np.interp([left, right], line[:, 0], line[:, 1])
            dashes.append([(left, ends[0]), *within.tolist(), (right, ends[1])])
    return dashes


def _key(draw: Any, key: Mark) -> None:
    if key.shape == "line":
        _line(draw, [(key.x - 8, key.y), (key.x + 8, key.y)], COLORS[key.color], 1.6)
    elif key.shape in _DASHES:
        length, period = _DASHES[key.shape]
        for x in np.arange(key.x - 8, key.x + 8, period):
            _line(draw, [(x, key.y), (min(x + length, key.x + 8), key.y)], COLORS[key.color], 1.6)
    else:
        _mark(draw, key)


def _mark(draw: Any, mark: Mark) -> None:
    x, y = mark.x, mark.y
    if mark.shape == "dot":
        corners = [(x - _MARK, y), (x, y - _MARK), (x + _MARK, y), (x, y + _MARK)]
    else:
        sign = -1.0 if mark.shape == "up" else 1.0
        corners = [(x - _MARK, y - sign * 3), (x + _MARK, y - sign * 3), (x, y + sign * 4)]
    draw.polygon([(a * _UNIT, b * _UNIT) for a, b in corners], fill=COLORS[mark.color])
