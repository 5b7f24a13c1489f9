"""Audit entries: each kind has its type, and what earlier versions wrote is read as before."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.accounts.audit import (
    ApprovalDetail,
    AuditDetail,
    DeletionDetail,
    FallbackDetail,
    MoveAuditDetail,
    VerdictDetail,
)
from pipelines.base.errors import PermanentError
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.tables import audit

AT = datetime(2026, 12, 1, 3, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite", "fraud")


def _store(ledger: Ledger, kind: str, detail: dict[str, object]) -> None:
    """A row as a version wrote it that had no types for details."""
    row = audit.insert().values(
        use_case="fraud",
        kind=kind,
        subject="s",
        actor="ann",
        recorded_at="2026-11-02T03:00:00+00:00",
        detail=detail,
    )
    engine = sa.create_engine(ledger.url)
    with engine.begin() as connection:
        connection.execute(row)
    engine.dispose()


def test_an_entry_comes_back_as_it_was_written(ledger: Ledger) -> None:
    detail = FallbackDetail(event="begun", first_day=date(2026, 12, 2), reason="a holiday")
    ledger.audit("fraud", detail, actor="ann", at=AT)
    ledger.audit("r1", ApprovalDetail(reason="looked at it"), actor="ben", at=AT)
    (entry,) = ledger.audit_entries(FallbackDetail)
    assert (entry.kind, entry.subject, entry.actor, entry.recorded_at) == (
        "fallback",
        "fraud",
        "ann",
        AT,
    )
    assert entry.detail == detail
    assert [entry.kind for entry in ledger.audit_entries(AuditDetail)] == ["fallback", "approval"]


def test_another_use_cases_entries_are_not_seen(ledger: Ledger) -> None:
    ledger.audit("r1", ApprovalDetail(reason="yes"), actor="ben", at=AT)
    assert Ledger(ledger.url, "churn").audit_entries(ApprovalDetail) == []


def test_entries_of_earlier_versions_are_read(ledger: Ledger) -> None:
    _store(
        ledger,
        "fallback",
        {"event": "begun", "first_day": "2026-11-03", "reason": "r", "told_on": None},
    )
    _store(ledger, "rollback", {"before": "r2", "reason": "r", "generation": 3, "champion": "r1"})
    _store(
        ledger,
        "retain",
        {
            "state": "done",
            "reason": "older than the retention policy",
            "today": "2026-11-02",
            "tables": {"features": {"before": "2026-01-01", "deleted": 7, "version": 4}},
            "elsewhere": {"reports": {"before": "2026-01-01", "deleted": 1, "version": None}},
        },
    )
    _store(
        ledger,
        "retain",
        {
            "state": "begun",
            "reason": "asked for",
            "keys": ["ab"],
            "tables": {"alerts": {"before": 12, "deleted": 2}},
            "golden_sets": {"golden-1": 3},
        },
    )
    _store(ledger, "verdict", {"decision": "refused", "summary": "worse", "checks": []})
    assert ledger.audit_entries(FallbackDetail)[0].detail.told_on is None
    assert ledger.audit_entries(MoveAuditDetail, "rollback")[0].detail.before == "r2"
    by_age, by_key = (entry.detail for entry in ledger.audit_entries(DeletionDetail))
    assert (by_age.tables["features"].version, by_age.tables["features"].before) == (
        4,
        date(2026, 1, 1),
    )
    assert (by_key.keys, by_key.tables["alerts"].before, by_key.golden_sets) == (
        ("ab",),
        12,
        {"golden-1": 3},
    )
    assert ledger.audit_entries(VerdictDetail)[0].detail.decision == "refused"


def test_what_cannot_be_read_says_which_entry_it_is(ledger: Ledger) -> None:
    _store(ledger, "fallback", {"event": "begun", "first_day": "soon"})
    with pytest.raises(PermanentError, match="audit entry 1 cannot be read") as caught:
        ledger.audit_entries(FallbackDetail)
    assert "first_day" in str(caught.value.expected)
