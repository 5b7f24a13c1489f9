"""The golden set of a home: freeze cases once their labels are mature, and find the newest ones,
verified.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.accounts.audit import GoldenDetail
from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import PermanentError, TransientError, require_one_or_more
from pipelines.nightly.upstream import settled_days
from pipelines.problems.metrics import Array
from pipelines.run import Run
from pipelines.training.data import current_versions
from pipelines.training.frame import read_training_frame
from pipelines.training.frames import labels_at
from pipelines.training.golden_store import (
    LABEL,
    GoldenSet,
    checked_version,
    declaration_digests,
    load_golden,
    write_golden,
)

if TYPE_CHECKING:
    import pandas as pd

SEED = 20260103


def newest_golden(run: Run) -> GoldenSet | None:
    """The golden set frozen last, verified against the ledger; None where none was.

    Raises `GoldenError`.
    """
    entries = run.ledger.audit_entries(GoldenDetail)
    if not entries:
        return None
    return load_golden(run.folder, entries[-1].subject, digest=entries[-1].detail.digest)


def freeze_golden(run: Run, days: DayRange, *, cases: int, name: str | None = None) -> GoldenSet:
    """Freeze about `cases` events of `days` (whole units, drawn with a fixed seed) with their
    labels and features.

    Raises `UsageError` for an impossible number or name, `TransientError` where labels are not
    mature yet, `PermanentError` where the days hold no events of both kinds.
    """
    version = checked_version(name or f"golden-{days.first:%Y%m%d}-{days.last:%Y%m%d}")
    require_one_or_more(
        cases,
        "number of cases",
        where="--cases",
        next_step="leave --cases out, or give some thousands",
    )

    known_at = _mature_at(run, days)
    use_case, versions = run.use_case, current_versions(run)
    features = use_case.stored_features
    frame = read_training_frame(run, days, features.names, known_at=known_at, versions=versions)

    chosen = _whole_units(frame, use_case.review.unit, cases)
    label = labels_at(chosen, use_case, known_at)
    frozen = (
        chosen.drop(columns=use_case.label.reported_at)
        .assign(**{LABEL: label})
        .reset_index(drop=True)
    )
    if not (np.any(label == 1) and np.any(label == 0)):
        raise PermanentError(
            "these days have no cases of both kinds",
            where=run.lake.path("features"),
            day=str(days),
            expected="positives and negatives with mature labels",
            found=f"{len(label):,} cases, {int(np.nansum(label)):,} positive",
            next_step=_other_days(label),
        )

    manifest = {
        "use_case": use_case.name,
        "days": [str(days.first), str(days.last)],
        "cases": len(frozen),
        "positives": int(label.sum()),
        "labels_known_at": known_at.isoformat(),
        "data_versions": dict(versions),
        "feature_set_digest": features.digest,
        "features": declaration_digests(features),
    }

    golden = write_golden(run.folder, version, frozen, manifest)
    detail = GoldenDetail(
        digest=golden.digest,
        days=(days.first, days.last),
        cases=len(frozen),
        positives=int(label.sum()),
    )
    run.ledger.audit(version, detail, actor=run.actor, at=run.clock())
    return golden


def _mature_at(run: Run, days: DayRange) -> datetime:
    """The moment from which all labels of the days are known; raises `TransientError` before its
    reports are in.
    """
    last = days.last + timedelta(days=run.use_case.label.delay_days)
    missing = settled_days(run, IngestAccount, days.first, last).lacking(DayRange(days.first, last))
    if missing:
        raise TransientError(
            "the labels of these days are not mature yet",
            where=run.lake.root,
            day=str(days),
            expected=f"every day up to {last} ingested",
            found=f"{missing[0]} is not",
            next_step="choose earlier days, or ingest what is missing",
        )
    return midnight(last + timedelta(days=1))


def _whole_units(frame: pd.DataFrame, unit: str, cases: int) -> pd.DataFrame:
    """All rows of as many units, in random order, as it takes to have `cases` rows."""
    names = np.unique(frame[unit].to_numpy())
    order = np.random.default_rng(SEED).permutation(names)
    counts = frame[unit].value_counts()
    taken = int(np.searchsorted(np.cumsum(counts.reindex(order).to_numpy()), cases)) + 1
    return frame[frame[unit].isin(order[:taken])]


def _other_days(label: Array) -> str:
    if len(label) and not np.any(label == 1):
        return (
            "the reports of these days are empty: choose others, or look at the labels of the"
            " import mapping"
        )
    return "choose more or other days"
