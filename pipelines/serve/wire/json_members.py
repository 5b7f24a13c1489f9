"""Whether a member's name occurs twice in a JSON body: which of the two is meant is not for the
decoder to guess.

RFC 8259 (section 4) leaves it open what a reader makes of a name that occurs twice, and msgspec
silently keeps the last value. So two readers of one body, a fraud filter in front of the scorer for
example, may see different amounts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from msgspec import UNSET

from pipelines.base.column_types import parse_column_type
from pipelines.serve.refusals import RefusalError
from pipelines.usecases.definition import Feed

_ALWAYS_TEXT = frozenset({"string", "date", "timestamp"})
"""Column types whose values stand between quotes in JSON."""

_LARGE = 4096
"""Bytes from which numpy counts faster than `bytes.count`."""


class RepeatedMembers:
    """Finds members that occur twice in bodies that the decoder has accepted.

    The decoder leaves only members of known names, each at least once, and values of known types.
    So a body holds at least two quotes for each member and for each text, and exactly as many where
    no name occurs twice and no text holds an escaped quote. Quotes are counted (a hundredth of what
    decoding costs); only a body with more of them is read a second time, by Python's own parser.
    """

    def __init__(self, feed: Feed) -> None:
        kinds = {column.name: parse_column_type(column.type).kind for column in feed.columns}
        self._members = len(feed.columns)
        self._texts = sum(kind in _ALWAYS_TEXT for kind in kinds.values())
        self._added = [(name, 1 + (kinds[name] in _ALWAYS_TEXT)) for name in _added_names(feed)]
        self._either = [attrgetter(name) for name, kind in kinds.items() if kind == "decimal"]

    def refuse(self, body: bytes, rows: Sequence[Any], outer: Sequence[str]) -> None:
        """Raise `RefusalError` where a name occurs twice in `body`.

        `rows` are the decoded rows, `outer` the names of the members around them: the first holds
        the rows; it is empty where the body is one row.
        """
        texts_and_names = len(outer) + len(rows) * (self._members + self._texts)
        for name, absent in self._added:
            texts_and_names -= absent * sum(getattr(row, name) is UNSET for row in rows)
        quotes = _count_quotes(body)
        if quotes == 2 * texts_and_names:
            return
        for value in self._either:
            texts_and_names += sum(isinstance(value(row), str) for row in rows)
        if quotes != 2 * texts_and_names:
            _read_again(body, outer)


def _added_names(feed: Feed) -> list[str]:
    """The columns that a row from before they were added may leave out."""
    return [column.name for column in feed.added]


def _count_quotes(body: bytes) -> int:
    if len(body) < _LARGE:
        return body.count(b'"')
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord('"')))


class _Members(list[tuple[str, Any]]):
    """The members of one JSON object, in their order."""


def _read_again(body: bytes, outer: Sequence[str]) -> None:
    """Parse the body with every member kept, and refuse the first that is there twice."""
    document = json.loads(body, object_pairs_hook=_Members, parse_int=str, parse_float=str)
    _require_once(document, None)
    if outer:
        for row, members in enumerate(dict(document)[outer[0]]):
            _require_once(members, row)


def _require_once(members: _Members, row: int | None) -> None:
    seen = set()
    for name, _ in members:
        if name in seen:
            raise RefusalError(
                "a field is there twice",
                row=row,
                field=name,
                expected="every field once",
                found="two values for one field",
                next_step="send the value that is meant, and only that",
            )
        seen.add(name)
