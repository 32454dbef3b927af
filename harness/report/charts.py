"""The report's charts: inline SVG, coloured by the page's style sheet; each mark's title is its number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from harness.report.model import Measured, codec_order, printable, serializer_order

ROW = 20
"""Height of a backend's row, in pixels of the drawing."""
LEFT, WIDTH, TOP, BOTTOM = 148, 450, 6, 26
RADIUS = 4.5


def sizes(measured: Sequence[Measured]) -> list[tuple[str, Markup]]:
    """Serializer and its chart: bytes at rest, a row for each backend, a mark for each codec."""
    if not measured:
        return []
    backends = sorted({one.backend for one in measured})
    codecs = codec_names(measured)
    top = max(one.middle for one in measured)
    ticks = _round_ticks(top)
    charts = []
    for serializer in sorted({one.serializer for one in measured}, key=serializer_order):
        marks = []
        for one in measured:
            if one.serializer == serializer:
                x, y = _at(one.middle / ticks[-1]), _middle(backends.index(one.backend))
                told = f"{one.backend}, {serializer}, {one.compression}: {one.middle:,.0f} bytes"
                marks.append(_mark(codecs.index(one.compression), x, y, told))
        label = f"Bytes at rest with {serializer}, by backend and codec"
        axis = [(f"{tick:,.0f}", tick / ticks[-1]) for tick in ticks]
        charts.append((serializer, _drawing(label, backends, axis, marks, "bytes")))
    return charts


def codec_names(measured: Iterable[Measured]) -> list[str]:
    """The codecs in the order of their colours and shapes."""
    return sorted({one.compression for one in measured}, key=codec_order)


def key(number: int) -> Markup:
    """A codec's mark alone, for the legend."""
    return Markup(
        '<svg class="key" viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{}</svg>'
    ).format(_mark(number, 7, 7, ""))


def times(measured: Sequence[Measured]) -> Markup | None:
    """Seconds a cell cost: a row for each backend, median and middle 80 %, on a logarithmic scale."""
    if not measured:
        return None
    backends = [one.backend for one in measured]
    low = math.floor(math.log10(min(one.low for one in measured)))
    high = max(math.ceil(math.log10(max(one.high for one in measured))), low + 1)

    def place(seconds: float) -> float:
        return (math.log10(seconds) - low) / (high - low)

    marks = []
    for number, one in enumerate(measured):
        y = _middle(number)
        told = (
            f"{one.backend}: median {_seconds(one.middle)}, 80 % of {one.cells:,} cells between "
            f"{_seconds(one.low)} and {_seconds(one.high)}"
        )
        marks.append(
            Markup(
                '<g><title>{}</title><line class="range" x1="{:.1f}" x2="{:.1f}" y1="{y}" y2="{y}"/>'
                '<circle class="mark-0" cx="{:.1f}" cy="{y}" r="{r}"/></g>'
            ).format(told, _at(place(one.low)), _at(place(one.high)), _at(place(one.middle)), y=y, r=RADIUS)
        )
    axis = [(_seconds(10.0**power), (power - low) / (high - low)) for power in range(low, high + 1)]
    return _drawing("Seconds that a cell cost, by backend", backends, axis, marks, "")


def _drawing(
    label: str, rows: Sequence[str], axis: Sequence[tuple[str, float]], marks: Sequence[Markup], unit: str
) -> Markup:
    height = TOP + ROW * len(rows) + BOTTOM
    bottom = height - BOTTOM
    lines: list[Markup] = []
    for text, part in axis:
        x = _at(part)
        anchor = "end" if part == 1 else "middle"
        lines.append(
            Markup('<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/>').format(TOP, bottom, x=x)
        )
        shown = f"{text} {unit}".strip() if part == 1 else text
        lines.append(
            Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
                x + (8 if part == 1 else 0), bottom + 17, anchor, shown
            )
        )
    for number, name in enumerate(rows):
        y = _middle(number)
        lines.append(
            Markup('<line class="row" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(LEFT, WIDTH - 14, y=y)
        )
        lines.append(
            Markup('<text class="name" x="{}" y="{}" text-anchor="end">{}</text>').format(
                LEFT - 10, y + 4, printable(name)
            )
        )
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, printable(label), Markup("").join([*lines, *marks])
    )


_SHAPES = (
    "M {x} {y} m -4.5 0 a 4.5 4.5 0 1 0 9 0 a 4.5 4.5 0 1 0 -9 0",  # circle
    "M {x} {y} m -4 -4 h 8 v 8 h -8 z",  # square
    "M {x} {y} m 0 -5.5 l 5.2 9.4 h -10.4 z",  # triangle
    "M {x} {y} m 0 -5.6 l 5.6 5.6 l -5.6 5.6 l -5.6 -5.6 z",  # diamond
)


def _mark(number: int, x: float, y: float, told: str) -> Markup:
    """A codec's mark: shape and colour, so that neither is needed alone."""
    path = _SHAPES[number % len(_SHAPES)].format(x=f"{x:.1f}", y=f"{y:.1f}")
    title = Markup("<title>{}</title>").format(printable(told)) if told else ""
    return Markup('<path class="mark-{}" d="{}">{}</path>').format(number % 7, path, title)


def _at(part: float) -> float:
    return LEFT + (WIDTH - 14 - LEFT) * part


def _middle(number: int) -> float:
    return TOP + ROW * number + ROW / 2


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _round_ticks(top: float) -> list[float]:
    """At most five round numbers from 0 to one that is not below `top`."""
    step = 10.0 ** math.floor(math.log10(max(top, 1)))
    for factor in (0.2, 0.25, 0.5, 1, 2, 2.5):
        if step * factor * 4 >= top:
            count = math.ceil(top / (step * factor)) or 1
            return [step * factor * number for number in range(count + 1)]
    return [0.0, step * 10]
