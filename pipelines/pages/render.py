"""Pages from templates: escaped, self-contained, written in one move."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.atomic_files import write_whole
from pipelines.base.commands import as_typed

if TYPE_CHECKING:
    import jinja2

DASH = "–"


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": count,
        "share": share,
        "decimal": decimal,
        "weekday": weekday,
        "capitalize_first": capitalize_first,
        "instant": instant,
        "shown": shown,
        "as_typed": as_typed,
    }
    return environment


def render(template: str, **context: Any) -> str:
    """The template's HTML; every value is escaped, a name that the context lacks raises."""
    return _environment().get_template(template).render(**context)


def write_page(path: Path, html: str) -> Path:
    """Write the page whole or not at all; raises `StoreError` where the disk does not take it."""
    return write_whole(
        path, lambda partial: partial.write_text(html, encoding="utf-8"), what="the page"
    )


def count(value: float | None) -> str:
    """A whole number with thousands apart, a dash for none."""
    return DASH if value is None else f"{value:,.0f}"


def share(value: float | None, digits: int = 1) -> str:
    """A share between 0 and 1 in per cent."""
    return DASH if value is None else f"{100 * value:.{digits}f} %"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with that many places."""
    return DASH if value is None else f"{value:.{digits}f}"


def weekday(day: date) -> str:
    """The English name of the day's weekday."""
    return ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[
        day.weekday()
    ]


def capitalize_first(text: str) -> str:
    """The text with its first letter large, the others as they are."""
    return text[:1].upper() + text[1:]


def instant(at: datetime | str | None) -> str:
    """An instant (aware, or ISO 8601 text) to the minute in UTC, a dash for none."""
    if not at:
        return DASH
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def shown(value: object) -> str:
    """Any plain value as text: numbers to four places, lists and mappings in words."""
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(member)}" for name, member in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return str(value)
