"""Small charts as inline SVG: units, labels, a text alternative, and colours that follow light and
dark mode.

Every chart is drawn 420 units wide, so that it stays readable at the width of a phone. Texts are
escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from markupsafe import Markup

WIDTH = 420
HEIGHT = 190
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 20, 30
ROW = 19
NAME_WIDTH = 176
NAME_LENGTH = 30
MOST_DOTS = 60


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: `value` None is drawn as text; `limit` is marked; `high` says that the value is
    beyond it.
    """

    label: str
    value: float | None
    limit: float | None = None
    high: bool = False


def bars(items: Sequence[Bar], *, title: str, unit: str) -> Markup:
    """Horizontal bars, one for each item, with their values in `unit` and a mark at each limit."""
    largest = max(
        [1e-9, *(item.value or 0 for item in items), *(item.limit or 0 for item in items)]
    )
    room = WIDTH - NAME_WIDTH - 52
    height = TOP + ROW * len(items) + 16
    parts = [_bar(item, TOP + index * ROW, room / largest) for index, item in enumerate(items)]
    caption = Markup('<text class="axis end" x="{}" y="{}">{}</text>').format(
        WIDTH - RIGHT, height - 4, unit
    )
    text = "; ".join(f"{item.label} {_number(item.value)}" for item in items)
    return _svg(Markup("").join([*parts, caption]), height, title, f"{title}, in {unit}: {text}")


def _bar(item: Bar, y: int, scale: float) -> Markup:
    width = (item.value or 0) * scale
    mark = Markup("")
    if item.limit is not None:
        x = NAME_WIDTH + item.limit * scale
        mark = Markup('<line class="limit" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(
            x, y - 1, y + ROW - 4
        )
    return Markup(
        '<text class="name" x="{name_x}" y="{text_y}"><title>{label}</title>{shown}</text>'
        '<rect class="{kind}" x="{x}" y="{y}" width="{width:.1f}" height="{height}" rx="2"/>{mark}'
        '<text class="value" x="{value_x:.1f}" y="{text_y}">{value}</text>'
    ).format(
        name_x=NAME_WIDTH - 6,
        text_y=y + ROW - 7,
        label=item.label,
        shown=_shortened(item.label),
        kind="high" if item.high else "one",
        x=NAME_WIDTH,
        y=y,
        width=max(width, 1.0),
        height=ROW - 5,
        mark=mark,
        value_x=NAME_WIDTH + max(width, (item.limit or 0) * scale) + 5,
        value=_number(item.value),
    )


def _shortened(name: str) -> str:
    """A name that fits beside its bar: of a long one its beginning and its end."""
    half = NAME_LENGTH // 2
    return name if len(name) <= NAME_LENGTH else f"{name[: half - 1]}…{name[-half:]}"


def lines(
    days: Sequence[date],
    series: Mapping[str, Sequence[float | None]],
    *,
    title: str,
    unit: str,
    limit: float | None = None,
) -> Markup:
    """Values by day, up to two series parallel to `days`; gaps stay gaps, `limit` is a dashed line.

    Begins at zero.
    """
    present = [value for value in chain.from_iterable(series.values()) if value is not None]
    top = _ceiling(max([*present, limit or 0.0]) if any(present) or limit else 1.0)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(days) - 1)
    height = HEIGHT - TOP - BOTTOM
    parts = [_grid(top)]
    if limit is not None:
        parts.append(_level(TOP + height * (1 - limit / top)))
    for kind, values in zip(("one", "two"), series.values(), strict=False):
        points = [
            (LEFT + index * step, TOP + height * (1 - value / top)) if value is not None else None
            for index, value in enumerate(values)
        ]
        parts.append(_line(points, kind))
    ends = Markup(
        '<text class="axis" x="{left}" y="{y}">{first}</text>'
        '<text class="axis middle" x="{middle}" y="{y}">day, UTC</text>'
        '<text class="axis end" x="{right}" y="{y}">{last}</text><text class="axis" x="{left}" '
        'y="10">{unit}</text>'
    ).format(
        left=LEFT,
        middle=(LEFT + WIDTH - RIGHT) // 2,
        right=WIDTH - RIGHT,
        y=HEIGHT - 8,
        first=f"{days[0]:%d %b}" if days else "",
        last=f"{days[-1]:%d %b}" if days else "",
        unit=unit,
    )
    text = "; ".join(f"{name}: {_told(days, values)}" for name, values in series.items())
    return _svg(
        Markup("").join([*parts, ends]), HEIGHT, title, f"{title}, in {unit}, by day: {text}"
    )


def histogram(series: Mapping[str, Sequence[float]], *, title: str, unit: str) -> Markup:
    """Shares of rows in equal steps from 0 to 1, two series side by side; a root scale keeps small
    shares visible.
    """
    top = max([1e-9, *chain.from_iterable(series.values())])
    height = HEIGHT - TOP - BOTTOM
    parts = [
        Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>').format(
            LEFT, WIDTH - RIGHT, TOP + height
        )
    ]
    for place, (kind, shares) in enumerate(zip(("two", "one"), series.values(), strict=False)):
        width = (WIDTH - LEFT - RIGHT) / max(1, len(shares))
        for index, share in enumerate(shares):
            tall = height * (share / top) ** 0.5
            parts.append(
                Markup(
                    '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
                ).format(
                    kind,
                    LEFT + index * width + place * width * 0.45,
                    TOP + height - tall,
                    width * 0.42,
                    tall,
                )
            )
    for share in (top, top / 4):
        y = TOP + height * (1 - (share / top) ** 0.5)
        parts.append(
            Markup('<text class="axis end" x="{}" y="{:.1f}">{:.1f} %</text>').format(
                LEFT - 4, y + 4, 100 * share
            )
        )
    axis = Markup(
        '<text class="axis" x="{}" y="{}">0</text><text class="axis end" x="{}" y="{}">{}</text>'
    ).format(LEFT, HEIGHT - 8, WIDTH - RIGHT, HEIGHT - 8, unit)
    text = "; ".join(
        f"{name}: {100 * shares[0]:.1f} % in the lowest step, {100 * sum(shares[10:]):.2f} % above"
        " one half"
        for name, shares in series.items()
        if shares
    )
    return _svg(Markup("").join([*parts, axis]), HEIGHT, title, f"{title}: {text}")


def _svg(content: Markup, height: int, title: str, text: str) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img"'
        ' aria-label="{}"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(WIDTH, height, text, title, text, content)


def spark(values: Sequence[float | None], *, limit: float, title: str) -> Markup:
    """A line of values in a table's cell, with the dashed limit; no axes, the number stands beside
    it.
    """
    present = [value for value in values if value is not None]
    if not present:
        return Markup('<span class="quiet">{}</span>').format("no values")
    top, width, height = max(*present, limit) * 1.05, 120, 26
    step = width / max(1, len(values) - 1)
    points = [
        (index * step, height * (1 - value / top)) if value is not None else None
        for index, value in enumerate(values)
    ]
    line = _line(points, "one", dots=len(present) == 1)
    text = (
        f"{title}: newest {_number(values[-1])}, largest {_number(max(present))}, limit"
        f" {_number(limit)}"
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" role="img" '
        'aria-label="{told}"><title>{told}</title>'
        '<line class="limit" x1="0" x2="{w}" y1="{y:.1f}" y2="{y:.1f}"/>{line}</svg>'
    ).format(w=width, h=height, told=text, y=height * (1 - limit / top), line=line)


def _grid(top: float) -> Markup:
    height = HEIGHT - TOP - BOTTOM
    rows = []
    for share in (0.0, 0.5, 1.0):
        y = TOP + height * (1 - share)
        row = Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="axis end" x="{}" y="{:.1f}">{}</text>'
        )
        rows.append(row.format(LEFT, WIDTH - RIGHT, y, y, LEFT - 5, y + 4, _number(top * share)))
    return Markup("").join(rows)


def _level(y: float) -> Markup:
    return Markup('<line class="limit" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
        LEFT, WIDTH - RIGHT, y, y
    )


def _line(
    points: Sequence[tuple[float, float] | None], kind: str, *, dots: bool | None = None
) -> Markup:
    """Unbroken stretches as lines; points as dots, all of them where they are few, else the lone
    ones.
    """
    many = len(points) > MOST_DOTS if dots is None else not dots
    stretches: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            stretches.append([])
        else:
            stretches[-1].append(point)
    drawn = [
        Markup('<polyline class="{}" points="{}"/>').format(
            kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in stretch)
        )
        for stretch in stretches
        if len(stretch) > 1
    ]
    marked = [stretch for stretch in stretches if not many or len(stretch) == 1]
    circles = [
        Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(kind, x, y)
        for x, y in chain.from_iterable(marked)
    ]
    return Markup("").join([*drawn, *circles])


def _ceiling(value: float) -> float:
    """A round number at or above `value`: 1, 2 or 5 times a power of ten."""
    power = 1e-9
    while True:
        for factor in (1, 2, 5):
            if factor * power >= value * 0.999999:
                return factor * power
        power *= 10


def _told(days: Sequence[date], values: Sequence[float | None]) -> str:
    present = [(day, value) for day, value in zip(days, values, strict=True) if value is not None]
    if not present:
        return "no values"
    smallest, largest = min(value for _, value in present), max(value for _, value in present)
    return (
        f"{_number(present[-1][1])} on {present[-1][0]}, between {_number(smallest)} and"
        f" {_number(largest)}"
    )


def _number(value: float | None) -> str:
    if value is None:
        return "no values"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.1g}"
