"""Draws a scene as SVG inside a page; colours are the page's CSS variables, so it follows light and dark mode."""

from __future__ import annotations

from typing import Any

from arb.report.chart_layout import HEIGHT, WIDTH, Chart, Mark, Path, Scene, lay_out
from arb.report.wording import escape

_MARK = 4.0
#: Styles of lines with gaps.
_BROKEN = ("dashed", "dotted")


def draw_svg(chart: Chart) -> str:
    """The `<svg>` element of a chart."""
    scene = lay_out(chart)
    title = escape(scene.title)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>']
    left, _, right, bottom = scene.box
    parts += [f'<path class="grid" d="M{left:g} {y:.1f}H{right:g}"/>' for y in scene.grid]
    parts.append(f'<path class="base" d="M{left:g} {bottom:g}H{right:g}"/>')
    parts += [_path(path, scene) for path in scene.paths]
    parts += _marks(scene.marks)
    parts += [_key(key) for key in scene.keys]
    parts += [
        f'<text class="{label.role}" x="{label.x:.1f}" y="{label.y:.1f}" text-anchor="{label.anchor}">'
        f"{escape(label.text)}</text>"
        for label in scene.labels
    ]
    return "".join(parts) + "</svg>"


def _path(path: Path, scene: Scene) -> str:
    drawn = []
    if path.style == "area":
        area = "".join(
            f"M{_number(piece[0, 0])} {scene.floor:.1f}L{_points(piece)}L{_number(piece[-1, 0])} {scene.floor:.1f}Z"
            for piece in path.pieces
        )
        drawn.append(f'<path class="area {path.color}" d="{area}"/>')
    line = "".join(f"M{_points(piece)}" for piece in path.pieces)
    kind = f" {path.style}" if path.style in _BROKEN else ""
    drawn.append(f'<path class="line {path.color}{kind}" d="{line}"/>')
    return "".join(drawn)


def _points(piece: Any) -> str:
    text = " ".join(f"{_number(x)} {_number(y)}" for x, y in piece.tolist())
    # A line of one point is drawn as a dot.
    return text if len(piece) > 1 else f"{text}h.1"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _marks(marks: list[Mark]) -> list[str]:
    """One path per colour and shape, which keeps the page small with many marks."""
    paths: dict[tuple[str, str], list[str]] = {}
    for mark in marks:
        paths.setdefault((mark.color, mark.shape), []).append(_shape(mark))
    return [f'<path class="mark {color}" d="{"".join(d)}"/>' for (color, _), d in paths.items()]


def _key(key: Mark) -> str:
    if key.shape in ("line", *_BROKEN):
        kind = f" {key.shape}" if key.shape in _BROKEN else ""
        return f'<path class="line {key.color}{kind}" d="M{key.x - 8:.1f} {key.y:.1f}h16"/>'
    return f'<path class="mark {key.color}" d="{_shape(key)}"/>'


def _shape(mark: Mark) -> str:
    x, y = mark.x, mark.y
    if mark.shape == "dot":
        return f"M{x - _MARK:.1f} {y:.1f}l{_MARK:g} -{_MARK:g} {_MARK:g} {_MARK:g} -{_MARK:g} {_MARK:g}Z"
    sign = -1.0 if mark.shape == "up" else 1.0
    return f"M{x - _MARK:.1f} {y - sign * 3:.1f}h{2 * _MARK:g}l{-_MARK:g} {sign * 7:g}Z"
