"""Charts as inline SVG, drawn by hand: their colours are the page's CSS variables, so that one chart serves light mode, dark
mode and print, its text stays text, and equal figures give equal bytes.

Coordinates of row charts (`dumbbell`, `whisker`) are per cent of the cell, so that they stretch with it; line charts have a
fixed drawing size of 360 x 210 units.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ifrl_core.report.text import fixed

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 16, 34


@dataclass(frozen=True)
class Series:
    """One line. `x`, `y` share their length; None in `y` is a gap. `tone` is a CSS class: a, b, c or d. `band`: an interval
    (low, high) at each x, drawn behind the line; none: no band."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    tone: str = "a"
    band: Sequence[tuple[float, float]] = ()


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    bottom: float | None = None,
    top: float | None = None,
    marks: Sequence[tuple[float, str]] = (),
) -> Markup:
    """Lines over one x axis. The y axis spans the data, widened to `bottom` and `top` when these are given.

    `marks`: places on the x axis where something changed, and what is said beside them.
    """
    values = [y for line in series for y in (*line.y, *(end for ends in line.band for end in ends)) if y is not None]
    places = [x for line in series for x in line.x]
    if not values:
        return Markup("")
    y_ticks = ticks(min([*values, *_given(bottom)]), max([*values, *_given(top)]))
    whole = all(float(x).is_integer() for x in places)  # there is no half step
    x_ticks = [
        x for x in ticks(min(places), max(places)) if min(places) <= x <= max(places) and (x.is_integer() or not whole)
    ]
    y_span = (min(y_ticks[0], *values), max(y_ticks[-1], *values))
    x_span = (min(places), max(places))
    parts = [_grid(y_ticks, y_span), _x_axis(x_ticks, x_span, x_label), _marks(marks, x_span)]
    parts += [_band(line, x_span, y_span) for line in series if line.band]
    for line in series:
        parts.append(_line(line, x_span, y_span))
    return _svg(title, parts, WIDTH, HEIGHT)


def dumbbell(before: float | None, after: float | None, *, scale: float = 100.0) -> Markup:
    """Before (ring) and after (disc) on an axis from 0 to `scale`."""
    if before is None or after is None:
        return Markup("")
    first, second = _share(before, 0, scale), _share(after, 0, scale)
    tone = "up" if after >= before else "down"
    return Markup(
        '<svg class="cell" role="img" width="100%" height="22"><title>{title}</title>{axis}'
        '<line class="bar {tone}" x1="{a}%" x2="{b}%" y1="11" y2="11"/>'
        '<circle class="before" cx="{a}%" cy="11" r="4.5"/><circle class="after" cx="{b}%" cy="11" r="5"/></svg>'
    ).format(
        title=f"before {fixed(before)}, after {fixed(after)}",
        axis=_guides((0, 25, 50, 75, 100)),
        tone=tone,
        a=_number(first),
        b=_number(second),
    )


def whisker(
    mean: float | None, low: float | None, high: float | None, *, span: tuple[float, float], mark: float, tone: str
) -> Markup:
    """An estimate with its interval on an axis over `span`; `mark` is the line to hold it against (0, one half)."""
    if mean is None or low is None or high is None:
        return Markup("")
    return Markup(
        '<svg class="cell" role="img" width="100%" height="22"><title>{title}</title>{axis}'
        '<line class="whisker {tone}" x1="{low}%" x2="{high}%" y1="11" y2="11"/>'
        '<circle class="dot {tone}" cx="{mean}%" cy="11" r="4.5"/></svg>'
    ).format(
        title=f"{fixed(mean, 3)} [{fixed(low, 3)}, {fixed(high, 3)}]",
        axis=_guides((0, 100)) + _guides((_share(mark, *span),), "guide mark"),
        tone=tone,
        low=_number(_share(low, *span)),
        high=_number(_share(high, *span)),
        mean=_number(_share(mean, *span)),
    )


def reliability(title: str, bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Stated probability against observed share, (stated, observed, count) a bin; the diagonal is perfect calibration."""
    if not bins:
        return Markup("")
    unit = (0.0, 1.0)
    parts = _unit_square("stated probability")
    largest = max(count for _, _, count in bins)
    for stated, observed, count in bins:
        dot = Markup('<circle class="bin" cx="{}" cy="{}" r="{}"><title>{}</title></circle>')
        radius = 3 + 6 * math.sqrt(count / largest)
        title_of_bin = f"{count} pairs: stated {fixed(stated, 2)}, observed {fixed(observed, 2)}"
        parts.append(dot.format(_number(_x(stated, unit)), _number(_y(observed, unit)), _number(radius), title_of_bin))
    return _svg(title, parts, WIDTH, HEIGHT)


def roc(title: str, lines: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> Markup:
    """True against false positive rate, (label, points) a line; the diagonal is chance. Lines without points are left out."""
    series = [
        Series(label, [x for x, _ in points], [y for _, y in points], tone)
        for (label, points), tone in zip(lines, "abcd", strict=False)
        if points
    ]
    if not series:
        return Markup("")
    parts = [*_unit_square("false positive rate"), *(_line(line, (0.0, 1.0), (0.0, 1.0)) for line in series)]
    return _svg(title, parts, WIDTH, HEIGHT)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that cover [low, high], at most about `most` steps."""
    if high <= low:
        low, high = low - (abs(low) / 10 or 0.5), high + (abs(high) / 10 or 0.5)
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _unit_square(x_label: str) -> list[Markup]:
    """Axes from 0 to 1 both ways, and the diagonal."""
    unit, axis = (0.0, 1.0), [0.0, 0.25, 0.5, 0.75, 1.0]
    diagonal = Markup('<line class="diagonal" x1="{}" y1="{}" x2="{}" y2="{}"/>')
    ends = map(_number, (_x(0, unit), _y(0, unit), _x(1, unit), _y(1, unit)))
    return [_grid(axis, unit), _x_axis(axis, unit, x_label), diagonal.format(*ends)]


def _svg(title: str, parts: Sequence[Markup], width: int, height: int) -> Markup:
    head = Markup('<svg class="chart" role="img" viewBox="0 0 {} {}"><title>{}</title>').format(width, height, title)
    return head + Markup("").join(parts) + Markup("</svg>")


def _grid(values: Sequence[float], span: tuple[float, float]) -> Markup:
    row = Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="tick end" x="{}" y="{ty}">{}</text>'
    )
    return Markup("").join(
        row.format(LEFT, WIDTH - RIGHT, LEFT - 6, _tick(v), y=_number(_y(v, span)), ty=_number(_y(v, span) + 3.5))
        for v in values
    )


def _x_axis(values: Sequence[float], span: tuple[float, float], label: str) -> Markup:
    mark = Markup('<text class="tick middle" x="{}" y="{}">{}</text>')
    marks = [mark.format(_number(_x(v, span)), HEIGHT - BOTTOM + 14, _tick(v)) for v in values]
    middle = (LEFT + WIDTH - RIGHT) / 2
    name = Markup('<text class="axis middle" x="{}" y="{}">{}</text>').format(_number(middle), HEIGHT - 5, label)
    return Markup("").join([*marks, name])


def _marks(marks: Sequence[tuple[float, str]], span: tuple[float, float]) -> Markup:
    mark = Markup('<line class="stage" x1="{x}" x2="{x}" y1="{}" y2="{}"/><text class="tick{}" x="{}" y="{}">{}</text>')
    drawn = []
    for place, label in marks:
        x = _x(place, span)
        late = x > WIDTH * 0.85
        side, at = (" end", x - 3) if late else ("", x + 3)
        drawn.append(mark.format(TOP, HEIGHT - BOTTOM, side, _number(at), TOP - 3, label, x=_number(x)))
    return Markup("").join(drawn)


def _line(line: Series, x_span: tuple[float, float], y_span: tuple[float, float]) -> Markup:
    path, pen_down, dots = [], False, []
    for x, y in zip(line.x, line.y, strict=True):
        if y is None:
            pen_down = False
            continue
        at = f"{_number(_x(x, x_span))} {_number(_y(y, y_span))}"
        path.append(f"{'L' if pen_down else 'M'}{at}")
        pen_down = True
        dots.append((at.split(), f"{line.label}: {fixed(y, 3)} at {_tick(x)}"))
    drawn = Markup('<path class="line {}" d="{}"/>').format(line.tone, "".join(path))
    if len(dots) > 40:  # points that touch are a smear, and no reader can aim at one
        return drawn
    dot = Markup('<circle class="point {}" cx="{}" cy="{}" r="2.6"><title>{}</title></circle>')
    return drawn + Markup("").join(dot.format(line.tone, *at, label) for at, label in dots)


def _band(line: Series, x_span: tuple[float, float], y_span: tuple[float, float]) -> Markup:
    """The area between the ends of the intervals."""
    lower = [(x, low) for x, (low, _) in zip(line.x, line.band, strict=True)]
    upper = [(x, high) for x, (_, high) in zip(line.x, line.band, strict=True)]
    corners = [f"{_number(_x(x, x_span))},{_number(_y(y, y_span))}" for x, y in (*lower, *reversed(upper))]
    return Markup('<polygon class="band {}" points="{}"/>').format(line.tone, " ".join(corners))


def _guides(places: Sequence[float], tone: str = "guide") -> Markup:
    line = Markup('<line class="{}" x1="{x}%" x2="{x}%" y1="0" y2="22"/>')
    return Markup("").join(line.format(tone, x=_number(place)) for place in places)


def _share(value: float, low: float, high: float) -> float:
    """Where a value stands on a row's axis, in per cent; two per cent of room are left on both sides."""
    return 2 + 96 * (min(max(value, low), high) - low) / (high - low)


def _x(value: float, span: tuple[float, float]) -> float:
    width = (span[1] - span[0]) or 1.0
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - span[0]) / width


def _y(value: float, span: tuple[float, float]) -> float:
    height = (span[1] - span[0]) or 1.0
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - span[0]) / height


def _given(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _tick(value: float) -> str:
    return str(escape(f"{value:g}".replace("-", "−")))
