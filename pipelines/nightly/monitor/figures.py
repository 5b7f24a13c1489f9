"""A day's account of the monitor as rows of `metrics`: one figure a row, so that new figures need no new schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ALL = "all"
SEVERITIES = ("none", "note", "ticket", "page")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`value` of `metric` on `subject_day`, as the run of `day` found it; `segment`: a column, a slice, or `all`."""

    day: date
    subject_day: date
    metric: str
    value: float
    segment: str = ALL
    release: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def figures(day: date, account: Mapping[str, Any]) -> Iterator[Figure]:
    """Every figure of a day's account (see `pipelines.nightly.monitor.stage`); what is not known has no row."""
    release = account["release"]
    for metric in ("rows", "volume_ratio", "quarantine_rate", "quiet_hours", "score_mean"):
        if account[metric] is not None:
            yield Figure(day=day, subject_day=day, metric=metric, value=float(account[metric]), release=release)
    yield from _drift(day, account["drift"])
    yield from _diagnosis(day, release, account)
    asked = account["retrain"]["asked"]
    yield Figure(
        day=day,
        subject_day=day,
        metric="retrain_asked",
        value=float(asked),
        release=release,
        detail={"reason": account["retrain"]["reason"]},
    )
    yield from _performance(day, account["performance"])
    yield from _slices(day, account["performance"], account.get("slices") or ())


def _drift(day: date, drift: Mapping[str, Any]) -> Iterator[Figure]:
    release = drift["release"]
    common = {"day": day, "subject_day": day, "release": release}
    yield Figure(
        **common, metric="drift_detected", value=float(drift["detected"]), detail={"summary": drift["summary"]}
    )
    if drift["share"] is not None:
        yield Figure(**common, metric="drift_share", value=drift["share"], detail={"drifted": drift["drifted"]})
    columns = {**drift["columns"], "score": drift["score"]}
    compared = [*(drift.get("compared") or ()), drift.get("score_column") or {}]
    methods = {column["name"]: column["method"] for column in compared if "method" in column}
    for name, value in columns.items():
        if value is not None:
            method = methods.get(name, drift["method"])
            yield Figure(**common, metric="drift", segment=name, value=value, detail={"method": method})


def _diagnosis(day: date, release: str, account: Mapping[str, Any]) -> Iterator[Figure]:
    """`severity` as 0 (none) to 3 (page) with the cause beside it; the estimate, its interval, and how it came out."""
    found = account.get("diagnosis")
    if found:
        subject = date.fromisoformat(found["subject_day"])
        detail = {name: found[name] for name in ("cause", "severity", "summary")}
        rank = float(SEVERITIES.index(found["severity"]))
        yield Figure(day=day, subject_day=subject, metric="severity", value=rank, release=release, detail=detail)
    for name, value in (account.get("estimate") or {}).items():
        yield Figure(day=day, subject_day=day, metric=f"estimated_{name}", value=float(value), release=release)
    if account.get("checked") and account.get("performance"):
        subject = date.fromisoformat(account["performance"]["subject_day"])
        within = float(account["checked"]["within"])
        yield Figure(
            day=day, subject_day=subject, metric="estimate_within", value=within, release=release,
            detail=account["checked"],
        )  # fmt: skip


def _performance(day: date, found: Mapping[str, Any] | None) -> Iterator[Figure]:
    if found is None:
        return
    subject = date.fromisoformat(found["subject_day"])
    for metric in ("average_precision", "card_precision", "n", "positives"):
        if found[metric] is not None:
            yield Figure(
                day=day, subject_day=subject, metric=metric, value=float(found[metric]), release=found["release"]
            )


def _slices(day: date, found: Mapping[str, Any] | None, slices: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    """By slice (the segment): `slice_positives` always, the others where there are enough positives for a figure.

    `slice_caught` is the share of the day's positives that were on the review list, `slice_caught_lately` the same over
    the matured days up to it.
    """
    if found is None:
        return
    for row in slices:
        common: dict[str, Any] = {
            "day": day,
            "subject_day": date.fromisoformat(found["subject_day"]),
            "segment": row["slice"],
            "release": found["release"],
        }
        said = {"note": row["note"]} if row["note"] else {}
        yield Figure(**common, metric="slice_positives", value=float(row["positives"]), detail=said)
        if not row["note"]:
            yield Figure(**common, metric="slice_average_precision", value=float(row["average_precision"]))
            yield Figure(**common, metric="slice_caught", value=row["caught"] / row["positives"])
        if not row["past_note"]:
            lately = row["past_caught"] / row["past_positives"]
            told = {"positives": row["past_positives"]}
            yield Figure(**common, metric="slice_caught_lately", value=lately, detail=told)


def figure_table(rows: Iterator[Figure] | list[Figure]) -> pa.Table:
    """Figures as Arrow: day DATE, subject_day DATE, metric, segment STRING, value DOUBLE, release, detail (JSON)."""
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
