"""A day's account of the monitor as rows of `metrics`: one figure a row, so that new figures need
no new schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.accounts.drift import DriftAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.accounts.performance import PerformanceAccount, SliceAccount

if TYPE_CHECKING:
    import pyarrow as pa

ALL = "all"
SEVERITIES = ("none", "note", "ticket", "page")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`value` of `metric` on `subject_day`, as the run of `day` found it; `segment`: a column, a
    slice, or `all`.
    """

    day: date
    subject_day: date
    metric: str
    value: float
    segment: str = ALL
    release: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def figures(day: date, account: MonitorAccount) -> Iterator[Figure]:
    """Every figure of a day's account; what is not known has no row."""
    release = account.release
    measured = {
        "rows": account.rows,
        "volume_ratio": account.volume_ratio,
        "quarantine_rate": account.quarantine_rate,
        "quiet_hours": account.quiet_hours,
        "score_mean": account.score_mean,
    }
    for metric, value in measured.items():
        if value is not None:
            yield Figure(
                day=day, subject_day=day, metric=metric, value=float(value), release=release
            )
    if account.drift is not None:
        yield from _drift(day, account.drift)
    yield from _diagnosis(day, release, account)
    if account.retrain is not None:
        yield Figure(
            day=day,
            subject_day=day,
            metric="retrain_asked",
            value=float(account.retrain.asked),
            release=release,
            detail={"reason": account.retrain.reason},
        )
    if account.performance is not None:
        yield from _performance(day, account.performance)
        yield from _slices(day, account.performance, account.slices or ())


def _drift(day: date, drift: DriftAccount) -> Iterator[Figure]:
    common: dict[str, Any] = {"day": day, "subject_day": day, "release": drift.release}
    yield Figure(
        **common,
        metric="drift_detected",
        value=float(drift.detected),
        detail={"summary": drift.summary},
    )
    if drift.share is not None:
        yield Figure(
            **common,
            metric="drift_share",
            value=drift.share,
            detail={"drifted": list(drift.drifted)},
        )
    columns = {**drift.columns, "score": drift.score}
    compared = [*drift.compared, *([drift.score_column] if drift.score_column else [])]
    methods = {column.name: column.method for column in compared if column.method}
    for name, value in columns.items():
        if value is not None:
            method = methods.get(name, drift.method)
            yield Figure(
                **common, metric="drift", segment=name, value=value, detail={"method": method}
            )


def _diagnosis(day: date, release: str, account: MonitorAccount) -> Iterator[Figure]:
    """`severity` as 0 (none) to 3 (page) with the cause beside it; the estimate, its interval, and
    how it came out.
    """
    diagnosis = account.diagnosis
    if diagnosis is not None:
        detail = {
            "cause": diagnosis.cause,
            "severity": diagnosis.severity,
            "summary": diagnosis.summary,
        }
        rank = float(SEVERITIES.index(diagnosis.severity))
        subject = diagnosis.subject_day or day
        yield Figure(
            day=day,
            subject_day=subject,
            metric="severity",
            value=rank,
            release=release,
            detail=detail,
        )
    for name, value in account.estimate.to_json().items() if account.estimate else ():
        yield Figure(
            day=day,
            subject_day=day,
            metric=f"estimated_{name}",
            value=float(value),
            release=release,
        )
    if account.checked is not None and account.performance is not None:
        yield Figure(
            day=day,
            subject_day=account.performance.subject_day,
            metric="estimate_within",
            value=float(account.checked.within),
            release=release,
            detail=account.checked.to_json(),
        )


def _performance(day: date, performance: PerformanceAccount) -> Iterator[Figure]:
    measured = {
        "average_precision": performance.average_precision,
        "card_precision": performance.card_precision,
        "n": performance.n,
        "positives": performance.positives,
    }
    for metric, value in measured.items():
        if value is not None:
            yield Figure(
                day=day,
                subject_day=performance.subject_day,
                metric=metric,
                value=float(value),
                release=performance.release,
            )


def _slices(
    day: date, performance: PerformanceAccount, slices: Sequence[SliceAccount]
) -> Iterator[Figure]:
    """By slice (the segment): `slice_positives` always, the others where there are enough positives
    for a figure.

    `slice_caught` is the share of the day's positives that were on the review list,
    `slice_caught_lately` the same over the matured days up to it.
    """
    for row in slices:
        common: dict[str, Any] = {
            "day": day,
            "subject_day": performance.subject_day,
            "segment": row.slice,
            "release": performance.release,
        }
        note = {"note": row.note} if row.note else {}
        yield Figure(**common, metric="slice_positives", value=float(row.positives), detail=note)
        if not row.note:
            if row.average_precision is not None:
                yield Figure(
                    **common, metric="slice_average_precision", value=row.average_precision
                )
            yield Figure(**common, metric="slice_caught", value=row.caught / row.positives)
        if not row.past_note:
            lately = row.past_caught / row.past_positives
            detail = {"positives": row.past_positives}
            yield Figure(**common, metric="slice_caught_lately", value=lately, detail=detail)


def figure_table(rows: Iterator[Figure] | list[Figure]) -> pa.Table:
    """Figures as Arrow: day DATE, subject_day DATE, metric, segment STRING, value DOUBLE, release,
    detail (JSON).
    """
    import pyarrow as pa

    schema = pa.schema(
        [
            ("day", pa.date32()),
            ("subject_day", pa.date32()),
            ("metric", pa.string()),
            ("segment", pa.string()),
            ("value", pa.float64()),
            ("release", pa.string()),
            ("detail", pa.string()),
        ]
    )
    plain = [{**vars(row), "detail": json.dumps(row.detail, sort_keys=True)} for row in rows]
    return pa.Table.from_pylist(plain, schema=schema)
