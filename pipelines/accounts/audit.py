"""What the ledger's audit keeps of each thing that was done: one type for each kind of entry.

An entry says who did what to what, and when; its detail says the rest. `KIND` is what the entry is
found by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Generic, Literal, TypeVar

from pipelines.accounts.evaluation import VerdictAccount
from pipelines.accounts.stored import Stored


class AuditDetail(Stored):
    """The detail of an entry; of this type itself, an entry of any kind."""

    KIND: ClassVar[str] = ""

    reason: str = ""


Detail = TypeVar("Detail", bound=AuditDetail)


@dataclass(frozen=True, kw_only=True)
class AuditEntry(Generic[Detail]):
    """Who (`actor`) did what (`kind`) to what (`subject`).

    `number` orders the entries; `recorded_at` is aware, in UTC.
    """

    number: int
    kind: str
    subject: str
    actor: str
    recorded_at: datetime
    detail: Detail


class ApprovalDetail(AuditDetail):
    """A person said yes to the release that is the subject, for a `reason`."""

    KIND = "approval"


class RejectionDetail(AuditDetail):
    """A person said no to the release that is the subject, for a `reason`."""

    KIND = "rejection"


class VerdictDetail(VerdictAccount, AuditDetail):
    """How the release that is the subject was judged, each time that it was."""

    KIND = "verdict"


class FallbackDetail(AuditDetail):
    """The declared rule decides from `first_day` on (`begun`), or no longer (`ended`).

    `told_on` is the day whose diagnosis asked for it, None where a person did.
    """

    KIND = "fallback"

    event: Literal["begun", "ended"]
    first_day: date
    told_on: date | None = None


class GoldenDetail(AuditDetail):
    """A golden set was frozen; the subject is its version, `days` are the first and the last one.

    `replaces` is the version whose cases it keeps without those of deleted units.
    """

    KIND = "golden"

    digest: str
    days: tuple[date, ...] = ()
    cases: int = 0
    positives: int = 0
    replaces: str | None = None


class DeletedRows(Stored):
    """What was deleted of a table: `version` is the first one without these rows.

    `before` is the number of rows before, or the first day that was kept.
    """

    version: int | None = None
    before: int | date | None = None
    deleted: int = 0


class DeletionDetail(AuditDetail):
    """Rows were deleted for good, by key or by age; `state` is `begun` or `done`.

    `keys` are keyed hashes; `golden_sets` says how many cases each lost. What else was deleted is
    kept too, as the command showed it.
    """

    KIND = "retain"

    state: str
    keys: tuple[str, ...] = ()
    tables: Mapping[str, DeletedRows] = {}
    golden_sets: Mapping[str, int] = {}


class WithdrawalDetail(AuditDetail):
    """A day was withdrawn: its `stages`, the `tables` and `files` that it is gone from, the
    incidents that ended.
    """

    KIND = "withdraw"

    day: date
    stages: Mapping[str, str] = {}
    tables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    incidents: tuple[int, ...] = ()


class RepairDetail(AuditDetail):
    """A store was repaired: its `damage`, the files that were `moved` aside, what was `done` and
    what was not.
    """

    KIND = "repair"

    damage: str = ""
    moved: tuple[str, ...] = ()
    done: tuple[str, ...] | str = ""
    not_done: tuple[str, ...] = ()


class HomeDetail(AuditDetail):
    """A home took the ledger: how (`registered`, `adopted`, `moved`), where it is, and which home
    it is a copy of.
    """

    KIND = "home"

    event: str = ""
    path: str = ""
    copied_from: str | None = None


class MoveDetail(AuditDetail):
    """What is known of a move of the pointer beyond its releases.

    `override` is the rule that a person moved it against; of a rollback, `before` is the release
    that gave way and `told_on` the day whose diagnosis asked for it; of a withdrawal, `day` is the
    one that the guardrails failed on, in the challenger's `state`.
    """

    override: str | None = None
    before: str | None = None
    told_on: date | None = None
    day: date | None = None
    state: str | None = None


class MoveAuditDetail(MoveDetail):
    """A move of the pointer, as the audit keeps it; the kind of the entry is the kind of the
    move.
    """

    generation: int = 0
    champion: str = ""
