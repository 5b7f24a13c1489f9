"""The transaction files of one day as they are sent: own rows, rows sent twice, bad rows, late rows
of earlier days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.landing.part_files import FileFormat
from pipelines.simulate.day import SimulatedDay
from pipelines.simulate.dirt import as_text, bad_rows, mixed_in
from pipelines.simulate.tables import transactions_table
from pipelines.simulate.world import Stream, World


@dataclass(frozen=True)
class Consignment:
    """Part files (Arrow tables) in order, with how many of their rows are bad, sent twice, or of
    earlier days.
    """

    parts: tuple[Any, ...]
    file_format: FileFormat
    bad: int
    repeated: int
    late: int

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.num_rows for part in self.parts)


def consigned(world: World, made: SimulatedDay, late_rows: list[Any]) -> Consignment | None:
    """What is sent of the day's transactions; None where nothing arrives.

    With bad rows the files are gzipped CSV.
    """
    effects, size = made.plan.effects, world.size
    if not effects.delivered:
        return None
    on_time = made.events[made.lateness == 0]
    repeated = on_time[
        size.stream(Stream.REPEATS, made.day).random(len(on_time)) < effects.repeated
    ]
    parts = [
        transactions_table(on_time),
        *([transactions_table(repeated)] if len(repeated) else []),
        *late_rows,
    ]
    late = sum(part.num_rows for part in late_rows)
    if not effects.bad_rows or not len(on_time):
        return Consignment(tuple(parts), made.plan.file_format, 0, len(repeated), late)
    own, *others = (as_text(part) for part in parts)
    bad = bad_rows(size, made.day, own, effects.bad_rows)
    return Consignment(
        (mixed_in(size, made.day, own, bad), *others), "csv.gz", bad.num_rows, len(repeated), late
    )
