"""What the ledger keeps of ingest: how many rows of a landing day came in, and what became of
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.gate import GateAccount
from pipelines.accounts.part import Part


class FeedCounts(Part):
    """Rows of one feed or of all: `rows_in` = `accepted` + `quarantined` + `duplicates`.

    `late` of the accepted rows belong to an earlier day than the one on which they landed.
    """

    rows_in: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    late: int = 0

    @classmethod
    def total(cls, parts: Iterable[FeedCounts]) -> FeedCounts:
        """The sum of several feeds' counts."""
        every = list(parts)
        return cls(
            rows_in=sum(part.rows_in for part in every),
            accepted=sum(part.accepted for part in every),
            quarantined=sum(part.quarantined for part in every),
            duplicates=sum(part.duplicates for part in every),
            late=sum(part.late for part in every),
        )


class IngestAccount(Account):
    """A landing day.

    `state` is `arrived`, `empty`, `refused`, or for a failed day what was wrong with its `feed`.

    `feeds` holds the counts of each feed, `rules` the quarantined rows by the rule that they broke,
    `gate` the result of each suite. `overlaps` are other landing days whose rows won over rows of
    this one. `changed_days` are the days whose rows this landing day changed in any table,
    `changed` the same by feed; `versions` are the tables' versions.
    """

    STAGE: ClassVar[str] = "ingest"

    state: str = ""
    feed: str = ""
    rows_in: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    late: int = 0
    feeds: dict[str, FeedCounts] = {}
    rules: dict[str, int] = {}
    overlaps: tuple[date, ...] = ()
    changed_days: tuple[date, ...] = ()
    changed: dict[str, tuple[date, ...]] = {}
    gate: dict[str, GateAccount] = {}
    versions: dict[str, int] = {}

    def gates(self) -> tuple[GateAccount, ...]:
        return tuple(self.gate.values())

    def written_version(self, table: str) -> int | None:
        return self.versions.get(table)

    def rows_handled(self) -> int:
        return self.rows_in
