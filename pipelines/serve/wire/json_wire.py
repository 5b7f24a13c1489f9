"""The JSON wire: strict types generated from the use case's feeds, decoded and encoded by msgspec.

A request is one event object, or `{"events": [...], "reasons": bool, "features": bool}`. Amounts
are numbers or text with at most two decimals, times ISO 8601 with a zone; numbers beyond 2^53 are
exact here, though not in JavaScript.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from features.instants import microseconds_of
from pipelines.base.column_types import Kind, parse_column_type
from pipelines.serve.predictions import Decider, Flag, Predictions
from pipelines.serve.score_request import Rows, ScoreRequest, Share, columns
from pipelines.serve.wire.added_columns import AddedColumns
from pipelines.serve.wire.json_members import RepeatedMembers
from pipelines.serve.wire.json_refusals import refusal
from pipelines.serve.wire.request_bounds import Door
from pipelines.usecases.definition import Feed, UseCase

_LONG = 2**63
_BATCH = re.compile(rb'"events"\s*:')
"""Inside a text the quotes would be escaped: this only ever matches a member's name."""

_AMOUNT = (
    Annotated[float, Meta(description="currency units, at most two decimals")]
    | Annotated[
        str, Meta(pattern=r"^[+-]?[0-9]{1,16}(\.[0-9]{1,2})?$", description="the same as text")
    ]
)

_TYPES: dict[Kind, Any] = {
    "decimal": _AMOUNT,
    "bigint": Annotated[int, Meta(ge=-_LONG, le=_LONG - 1)],
    "int": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "double": float,
    "string": Annotated[str, Meta(max_length=1000)],
    "boolean": bool,
    "date": date,
    "timestamp": Annotated[datetime, Meta(tz=True)],
}

_OPTIONS = {"reasons": "tell what weighed most", "features": "tell the values of the features"}
"""Members beside `events`, false where they are left out, and what they mean."""

WORDS = tuple(
    tuple(flag.name.lower() for flag in Flag if flag.name and flag & bits) for bits in range(256)
)
"""The words of each combination of flags."""


class Reason(Struct):
    """What weighed: a feature and how much it moved the score, in log-odds."""

    feature: str
    contribution: float


class Reported(Struct):
    """What became of reports: how many name an event that is known here, and how many wait for
    theirs.
    """

    known: int
    waiting: int


def row_type(feed: Feed, name: str) -> type[Struct]:
    """The struct of a feed's row: every column required but those that were added later, none other
    allowed.
    """
    fields: list[Any] = []
    for column in feed.columns:
        kind = parse_column_type(column.type).kind
        described: Any = Annotated[_TYPES[kind], Meta(description=column.description)]
        if column.added_on is None:
            fields.append((column.name, described))
        else:
            fields.append((column.name, described | UnsetType, UNSET))
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, gc=False, kw_only=True)


class JsonWire:
    """Reads and writes JSON for one use case."""

    content_type = b"application/json"

    def __init__(self, use_case: UseCase, door: Door, *, most_rows: int) -> None:
        self.door = door
        schema = use_case.stored_features.schema
        self.key = schema.id
        self.event = row_type(use_case.events, "Event")
        self.report = row_type(use_case.labels, "Report")
        self.events = _several(self.event, "Events", "events", most_rows, options=True)
        self.reports = _several(self.report, "Reports", "reports", most_rows)
        self.prediction = _prediction(schema.id)
        self.predictions = msgspec.defstruct("Answers", [("answers", list[self.prediction])])  # type: ignore[name-defined]
        self._decoders = {
            kind: msgspec.json.Decoder(kind)
            for kind in (self.event, self.events, self.report, self.reports)
        }
        self._encode = msgspec.json.Encoder().encode
        self._added_to_events = AddedColumns(use_case.events)
        self._added_to_reports = AddedColumns(use_case.labels)
        self._repeated_in_events = RepeatedMembers(use_case.events)
        self._repeated_in_reports = RepeatedMembers(use_case.labels)
        self._taken = attrgetter(*columns(schema))
        self._reported_at = use_case.label.reported_at
        self._label = attrgetter(*use_case.labels.key, use_case.label.reported_at)

    def read(self, body: bytes) -> ScoreRequest:
        """The request in a body; raises `RefusalError`."""
        if _BATCH.search(body):
            batch: Any = self._decoded(self.events, body)
            options = [name for name in _OPTIONS if getattr(batch, name) is not UNSET]
            self._repeated_in_events.refuse(body, batch.events, ["events", *options])
            rows = self._rows(batch.events, 0)
            return ScoreRequest(
                rows=rows, reasons=batch.reasons is True, features=batch.features is True
            )
        event = self._decoded(self.event, body)
        self._repeated_in_events.refuse(body, [event], [])
        return ScoreRequest(rows=self._rows([event], None), single=True)

    def read_reports(self, body: bytes) -> Rows:
        """Ids and times (µs) of the reports in a body, n x 2; raises `RefusalError`."""
        several = re.search(rb'"reports"\s*:', body)
        document: Any = self._decoded(self.reports if several else self.report, body)
        reports = document.reports if several else [document]
        self._repeated_in_reports.refuse(body, reports, ["reports"] if several else [])
        _, late = self.door.times()
        rows = []
        for row, report in enumerate(reports):
            identity, instant = self._label(report)
            at = microseconds_of(instant)
            if at > late:
                raise self.door.wrong_time(at, row if several else None, self._reported_at)
            self._added_to_reports.require_in_row(report, at, row if several else None)
            rows.append((identity, at))
        return np.array(rows, dtype=np.int64)

    def write(self, request: ScoreRequest, share: Share) -> bytes:
        """The answers to a request."""
        rows = self._prediction_rows(request, share)
        return self._encode(rows[0] if request.single else {"answers": rows})

    def _decoded(self, kind: type[Struct], body: bytes) -> Any:
        try:
            return self._decoders[kind].decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise refusal(error) from error

    def _rows(self, events: list[Any], first: int | None) -> Rows:
        early, late = self.door.times()
        cents, taken, added = self.door.cents, self._taken, self._added_to_events
        rows = []
        for place, event in enumerate(events):
            identity, instant, amount, *keys = taken(event)
            row = None if first is None else place
            at = microseconds_of(instant)
            if not early <= at <= late:
                raise self.door.wrong_time(at, row)
            if added.names:
                added.require_in_row(event, at, row)
            rows.append((identity, at, cents(amount, row), *keys))
        return np.array(rows, dtype=np.int64)

    def _prediction_rows(self, request: ScoreRequest, share: Share) -> list[Struct]:
        predictions, first, past = share
        part = slice(first, past)
        of_decider = [_of_decider(decider) for decider in predictions.deciders]
        columns = (
            values[part].tolist()
            for values in (
                predictions.scores,
                predictions.decisions,
                predictions.decided_by,
                predictions.flags,
            )
        )
        new = self.prediction
        rows = [
            new(identity, score, decision, *of_decider[by], WORDS[flags])
            for identity, score, decision, by, flags in zip(
                request.rows[:, 0].tolist(), *columns, strict=True
            )
        ]
        for by, decider in enumerate(predictions.deciders):
            if decider.reason:
                _explain_fallback(rows, predictions.decided_by[part] == by, decider.reason)
        if request.reasons or request.features:
            _explain(rows, request, predictions, first)
        return rows

    @cached_property
    def kinds(self) -> tuple[type[Struct], ...]:
        """The structs that documents are made of, for their schemas."""
        return (
            self.event,
            self.events,
            self.report,
            self.reports,
            self.prediction,
            self.predictions,
            Reason,
            Reported,
        )


def _of_decider(decider: Decider) -> tuple[str, str, str, float, bool]:
    return (
        decider.release_id,
        decider.model_version,
        decider.feature_digest,
        decider.threshold,
        decider.fallback,
    )


def _several(
    kind: type[Struct], name: str, member: str, most: int, *, options: bool = False
) -> type[Struct]:
    rows = Annotated[list[kind], Meta(min_length=1, max_length=most)]  # type: ignore[valid-type]
    members = [
        (name, Annotated[bool | UnsetType, Meta(description=description)], UNSET)
        for name, description in _OPTIONS.items()
    ]
    return msgspec.defstruct(
        name, [(member, rows), *(members if options else [])], forbid_unknown_fields=True
    )


def _prediction(key: str) -> type[Struct]:
    share = Annotated[float, Meta(ge=0, le=1)]
    return msgspec.defstruct(
        "Answer",
        [
            (key, int),
            ("score", share),
            ("decision", Annotated[bool, Meta(description="the score reaches the threshold")]),
            (
                "release",
                Annotated[
                    str, Meta(description='the release that decided; "rule" for the declared rule')
                ],
            ),
            ("model_version", str),
            (
                "feature_set",
                Annotated[str, Meta(description="SHA-256 of the definitions of its features")],
            ),
            ("threshold", float),
            (
                "fallback",
                Annotated[bool, Meta(description="the declared rule decided in place of a model")],
            ),
            ("flags", Annotated[tuple[str, ...], Meta(description=", ".join(WORDS[31]))]),
            ("fallback_reason", str | UnsetType, UNSET),
            ("reasons", list[Reason] | UnsetType, UNSET),
            ("features", dict[str, float | None] | UnsetType, UNSET),
        ],
    )


def _explain_fallback(rows: list[Any], which: Any, reason: str) -> None:
    for place in np.flatnonzero(which).tolist():
        rows[place].fallback_reason = reason


def _explain(rows: list[Any], request: ScoreRequest, predictions: Predictions, first: int) -> None:
    for place, row in enumerate(rows):
        if request.reasons:
            row.reasons = [
                Reason(name, weight) for name, weight in predictions.reasons.get(first + place, ())
            ]
        if request.features:
            values = (
                predictions.features[first + place, : len(predictions.shown_names)].tolist()
                if predictions.names
                else []
            )
            row.features = dict(zip(predictions.shown_names, values, strict=True))
