"""Alert lists as analysts leave them: saved by a spreadsheet, copied, renamed.

The subject's rows go from all of them.

A file that is no list that can be read with certainty is named; what it holds is for a person to
see.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from pipelines.base.atomic_files import write_whole
from pipelines.base.errors import StoreError
from pipelines.maintenance.erasure.saved_text import (
    NotUnderstoodError,
    SavedRow,
    SavedTable,
    read_table,
)
from pipelines.maintenance.erasure.subject import Subject
from pipelines.maintenance.erasure.unread import Rows, Unread, below_home, lock_of
from pipelines.maintenance.files_below import files_below

FOLDER = "alerts"
_BELOW_FOLDER = re.compile(rf"^([^/]+/)?{FOLDER}/")
"""What stands before the path of a list below its folder: the use case's folder, and `alerts`."""

_WRITTEN_HERE = re.compile(
    r"day|rank|score|release|model_version|fallback|reason_\d+(_value|_contribution)?"
)
_WHOLE = re.compile(r"'?(-?\d+)([.,]0{0,2})?")
"""A whole number as spreadsheets write it: an apostrophe in front where it is text, one or two
zeros behind where it is not. Three zeros behind a comma may be thousands, so that is none.
"""
_NUMBER = re.compile(r"(?<![\w.,])\d+(?!\w|[.,]\d)")
_WORD = re.compile(r"[\w-]+")
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ].*)?|(\d\d?)\.(\d\d?)\.(\d{4})(?: .*)?")


def delete_from_alert_lists(
    home: Path,
    folder: Path,
    subject: Subject,
    *,
    dry_run: bool,
    event_columns: tuple[str, ...] = (),
) -> Rows:
    """Take the subject's rows out of every alert list below `folder`, the use case's in the home,
    whatever its name, separator or encoding.

    The lists are written without them; the other rows keep their bytes, and their ranks.
    `event_columns` are columns that a list has of the use case's events: a column that is neither
    one of these nor of the list's own was added by a person, and a file is named where such a
    column, or a line above the header, names the subject in another row.
    """
    rows = Rows()
    for path in _lists(home, folder, rows):
        table = _read(path, [subject.unit, subject.event], rows, below_home(home, path))
        if table is None:
            continue
        reading = _Reading(subject, table, event_columns)
        doubts = reading.doubts()
        if doubts:
            rows.unread.append(Unread(below_home(home, path), "; ".join(doubts)))
        gone = {row.line for row in table.rows if reading.is_of(row)}
        _write_without(path, table, gone, rows, below_home(home, path), dry_run=dry_run)
    return rows


def delete_old_rows(home: Path, folder: Path, first: date, *, dry_run: bool) -> Rows:
    """The alert lists without rows of days before `first`; a list goes whole where no row is left.

    A list that the pipeline wrote has its day in its name; of any other the rows say it. A file
    that says no day is named, as it may be too old.
    """
    rows = Rows()
    for path in _lists(home, folder, rows):
        name, day = below_home(home, path), _day_of_name(path)
        if day is not None:
            if day < first:
                _remove(path, rows, name, rows=1, dry_run=dry_run)
            continue
        table = _read(path, ["day"], rows, name)
        if table is None:
            continue
        days = {row.line: _day_of_row(table, row) for row in table.rows}
        undated = [line for line, day_of_line in days.items() if day_of_line is None]
        if undated:
            rows.unread.append(Unread(name, f"line {undated[0]} has no day like 2026-11-07"))
        old = {
            line
            for line, day_of_line in days.items()
            if day_of_line is not None and day_of_line < first
        }
        if old and len(old) == len(days):
            _remove(path, rows, name, rows=len(old), dry_run=dry_run)
        else:
            _write_without(path, table, old, rows, name, dry_run=dry_run)
    return rows


@dataclass(frozen=True)
class _Reading:
    """A table read for a subject: which rows are its, and what leaves a doubt."""

    subject: Subject
    table: SavedTable
    event_columns: tuple[str, ...]

    def is_of(self, row: SavedRow) -> bool:
        """Whether the row is the subject's, by its key or by the id of one of its events."""
        for wanted, places in self._places():
            cells = [row.cells[place] for place in places if place < len(row.cells)]
            if any(self._value(cell) in wanted for cell in cells):
                return True
        return False

    def doubts(self) -> list[str]:
        """Why the file may still hold the subject when its rows are gone; the first line of each
        kind.
        """
        doubtful: dict[str, str] = {}
        if not self.table.places(self.subject.unit):
            doubtful["column"] = f"no column {self.subject.unit}"
        for row in self.table.above:
            if self._mentions(row.cells):
                doubtful.setdefault("above", f"line {row.line} names what is to be deleted")
        added = [place for place, name in enumerate(self.table.names) if not self._is_ours(name)]
        for row in self.table.rows:
            if not self._fits(row):
                doubtful.setdefault("cells", f"line {row.line} has not the cells of the header")
            for name in self._no_numbers(row):
                doubtful.setdefault(name, f"line {row.line} has no whole number in {name}")
            if not self.is_of(row) and self._mentions(
                [row.cells[n] for n in added if n < len(row.cells)]
            ):
                doubtful.setdefault(
                    "added",
                    f"line {row.line} names what is to be deleted, in a column that was added",
                )
        return list(doubtful.values())

    def _places(self) -> Iterator[tuple[frozenset[str], list[int]]]:
        for column, wanted in self.subject.texts().items():
            yield wanted, self.table.places(column)

    def _fits(self, row: SavedRow) -> bool:
        width = len(self.table.header.cells)
        needed = max(chain.from_iterable(places for _, places in self._places()), default=0)
        return needed < len(row.cells) and not any(cell.strip() for cell in row.cells[width:])

    def _no_numbers(self, row: SavedRow) -> Iterator[str]:
        """The columns of the subject in which a row has a value that no whole number can be read
        from.
        """
        for column, values in (
            (self.subject.unit, self.subject.keys),
            (self.subject.event, self.subject.events),
        ):
            if not all(isinstance(value, int) for value in (*self.subject.keys, *values)):
                continue
            for place in self.table.places(column):
                cell = row.cells[place].strip() if place < len(row.cells) else ""
                if cell and not _WHOLE.fullmatch(cell):
                    yield column

    def _value(self, cell: str) -> str:
        text = cell.strip()
        whole = _WHOLE.fullmatch(text)
        if whole and all(isinstance(key, int) for key in self.subject.keys):
            return str(int(whole[1]))
        return text.removeprefix("'")

    def _is_ours(self, name: str) -> bool:
        return name in {column.casefold() for column in self.event_columns} or bool(
            _WRITTEN_HERE.fullmatch(name)
        )

    def _mentions(self, cells: tuple[str, ...] | list[str]) -> bool:
        pattern = _NUMBER if all(isinstance(key, int) for key in self.subject.keys) else _WORD
        words = set(chain.from_iterable(map(pattern.findall, cells)))
        return any(words & wanted for wanted in self.subject.texts().values())


def _lists(home: Path, folder: Path, rows: Rows) -> Iterator[Path]:
    """The files of the folder that may be lists; locks, links and folders that cannot be listed are
    noted in `rows`.
    """
    for path in files_below(folder / FOLDER):
        opened = None
        with suppress(OSError):
            opened = lock_of(path)
        if opened is not None:
            rows.in_use.append(below_home(home, path.with_name(opened)))
        elif path.is_symlink():
            rows.unread.append(Unread(below_home(home, path), "a link"))
        elif not path.is_file():
            rows.unread.append(Unread(below_home(home, path), "no file that can be read"))
        else:
            yield path


def _read(path: Path, columns: list[str], rows: Rows, name: str) -> SavedTable | None:
    """The table in a file; None where there is none, which is noted in `rows` unless the file is
    empty.
    """
    try:
        content = path.read_bytes()
        return read_table(content, columns) if content.strip() else None
    except NotUnderstoodError as error:
        rows.unread.append(Unread(name, str(error)))
    except OSError as error:
        rows.unread.append(Unread(name, error.strerror or type(error).__name__))
    return None


def _write_without(
    path: Path, table: SavedTable, lines: set[int], rows: Rows, name: str, *, dry_run: bool
) -> None:
    """Write the file without the rows that begin at these lines; one that cannot be written is
    noted in `rows`.
    """
    if not lines:
        return
    content = table.kept(lambda row: row.line not in lines)

    def write(new: Path) -> None:
        new.write_bytes(content)
        shutil.copymode(path, new)

    try:
        if not dry_run:
            write_whole(path, write, what=f"the alert list {path.name}")
    except StoreError as error:
        rows.unread.append(
            Unread(name, f"could not be written without {len(lines)} rows: {error.found}")
        )
        return
    rows.by_file[_BELOW_FOLDER.sub("", name)] = len(lines)


def _remove(path: Path, counted: Rows, name: str, *, rows: int, dry_run: bool) -> None:
    if not dry_run:
        path.unlink(missing_ok=True)
    counted.by_file[_BELOW_FOLDER.sub("", name)] = rows


def _day_of_name(path: Path) -> date | None:
    """The day of a list that the pipeline wrote; a copy whose name only begins with a day counts as
    one.
    """
    if path.suffix != ".csv":
        return None
    return _as_day(path.name[:10])


def _day_of_row(table: SavedTable, row: SavedRow) -> date | None:
    texts = {row.cells[place].strip() for place in table.places("day") if place < len(row.cells)}
    days_of_row = {_as_day(text.removeprefix("'")) for text in texts}
    return next(iter(days_of_row)) if len(days_of_row) == 1 else None


def _as_day(text: str) -> date | None:
    """A day as `2026-11-07` or `7.11.2026`; forms in which day and month can be mistaken are
    none.
    """
    parts = _DAY.fullmatch(text)
    if parts is None:
        return None
    year, month, day = parts.group(1, 2, 3) if parts[1] else parts.group(6, 5, 4)
    with suppress(ValueError):
        return date(int(year), int(month), int(day))
    return None
