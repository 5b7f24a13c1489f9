"""How commands print: tables and lines for people, one JSON document for programs, errors as
blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.base.commands import as_typed
from pipelines.base.errors import TollgateError
from pipelines.base.printable import escaped


class _TypedConsole(Console):
    """A console that shows commands as they have to be typed here (`pipelines.base.commands`)."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as Rich does."""
        super().print(
            *(
                as_typed(argument) if isinstance(argument, str) else argument
                for argument in objects
            ),
            **options,
        )


console = _TypedConsole()
errors = _TypedConsole(stderr=True)

_SHORT = 12
"""Characters up to which a cell is shown whole: a day, a number, a state."""


def print_json(value: Any) -> None:
    """One JSON document on standard output, nothing else."""
    print(json.dumps(value, indent=2, default=_plain))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table with a title; numbers to the right, the first column and short ones never cut off."""
    table = Table(title=_escaped(escaped(title)), title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(
            isinstance(row[index], int | float) or row[index] is None for row in rows
        )
        width = max((len(_cell(row[index])) for row in rows), default=0)
        whole = index == 0 or width <= _SHORT
        table.add_column(
            column,
            justify="right" if numeric else "left",
            no_wrap=whole,
            min_width=width if whole else None,
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def print_error(error: TollgateError) -> None:
    """The error's block on standard error: what, where, expected, found, next step."""
    head, *rest = str(error).splitlines() or [""]
    errors.print(f"[bold red]error:[/] {_escaped(escaped(head))}", highlight=False, soft_wrap=True)
    for line in rest:
        errors.print(_escaped(escaped(line)), highlight=False, soft_wrap=True)


def error_document(error: TollgateError) -> Mapping[str, Any]:
    """The error as the JSON document that `--json` prints."""
    typed = {name: as_typed(text) for name, text in error.fields().items()}
    return {"error": {"type": type(error).__name__, **typed}}


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return _escaped(escaped(as_typed(str(value))))


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    return str(value)
