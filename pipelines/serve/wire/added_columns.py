"""Columns that joined the feed later: a row from before may leave them out, any other may not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from features.instants import microseconds_of
from pipelines.serve.refusals import RefusalError
from pipelines.usecases.definition import Feed


class AddedColumns:
    """The added columns of a feed. No feature reads them from the request: their values are checked
    and let go, so that a row without them is scored as one with the default.
    """

    def __init__(self, feed: Feed) -> None:
        self._since = [
            (column.name, column.added_on, _first_instant(column.added_on))
            for column in feed.added
            if column.added_on is not None
        ]
        self.names = tuple(name for name, _, _ in self._since)

    def require_in_row(self, fields: Any, at: int, row: int | None) -> None:
        """Raise `RefusalError` where a decoded row of that time (µs) leaves out a column that it
        must have.
        """
        for name, added_on, first in self._since:
            if at >= first and getattr(fields, name) is UNSET:
                raise _missing(name, added_on, row)

    def require_in_batch(self, names: list[str], times: NDArray[np.int64], first_row: int) -> None:
        """Raise `RefusalError` where a batch has columns of these names, and rows of days that must
        have another.
        """
        for name, added_on, first in self._since:
            if name in names:
                continue
            late = np.flatnonzero(times >= first)
            if len(late):
                raise _missing(name, added_on, first_row + int(late[0]))


def _first_instant(day: date) -> int:
    return microseconds_of(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _missing(name: str, added_on: date, row: int | None) -> RefusalError:
    return RefusalError(
        "a field is missing",
        row=row,
        field=name,
        expected=f"{name} in every row since {added_on}",
        found="none",
        next_step="send it",
    )
