"""The Arrow wire: a stream of record batches in, one record batch out; whole columns are checked,
no row singly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.arrow_types import arrow_type
from pipelines.serve.predictions import Predictions
from pipelines.serve.refusals import RefusalError
from pipelines.serve.score_request import Rows, ScoreRequest, Share, columns
from pipelines.serve.wire.added_columns import AddedColumns
from pipelines.serve.wire.arrow_messages import malformed, record_batches
from pipelines.serve.wire.json_wire import WORDS
from pipelines.serve.wire.request_bounds import Door
from pipelines.usecases.definition import UseCase

FEATURE = "feature."
"""What the name of a feature's column begins with in answers."""


class ArrowWire:
    """Reads and writes Arrow IPC streams for one use case.

    In: the feed's columns, by name in any order: bigint as int64, times as timestamp[us] with a
    zone, amounts as decimal128(p, 2) as declared or float64. Out: the key, score (float64),
    decision (bool), release, model_version, feature_set, fallback_reason (dictionaries of text),
    threshold, fallback, flags (text, comma between words), and on request `reasons` (a list of
    structs) and a float64 column `feature.NAME` for each feature.
    """

    content_type = b"application/vnd.apache.arrow.stream"

    def __init__(self, use_case: UseCase, door: Door, *, most_rows: int) -> None:
        import pyarrow as pa

        self.door = door
        self.most_rows = most_rows
        self._added = AddedColumns(use_case.events)
        self.names = columns(use_case.stored_features.schema)
        self.schema = pa.schema(
            [(column.name, arrow_type(column.type)) for column in use_case.events.columns]
        )

    def read(self, body: bytes) -> ScoreRequest:
        """The request in a body; raises `RefusalError`."""
        batches = record_batches(
            body, self.schema, most_rows=self.most_rows, optional=self._added.names
        )
        rows = np.empty((sum(batch.num_rows for batch in batches), len(self.names)), dtype=np.int64)
        if not len(rows):
            raise malformed("no row")
        first = 0
        for batch in batches:
            filled = rows[first : first + batch.num_rows]
            self._fill(filled, batch, first)
            self._added.require_in_batch(batch.schema.names, filled[:, 1], first)
            first += batch.num_rows
        self._require_let_in(rows)
        return ScoreRequest(rows=rows)

    def write(self, request: ScoreRequest, share: Share) -> bytes:
        """The answers to a request, as one stream of one record batch."""
        import pyarrow as pa

        batch = self._prediction_columns(request, share)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]

    def _fill(self, rows: Rows, batch: Any, first: int) -> None:
        """The columns of a batch into the table; `first` is its first row's place in the
        request.
        """
        for place, name in enumerate(self.names):
            column = batch.column(name)
            if column.null_count:
                row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
                raise RefusalError(
                    "a value is missing",
                    row=first + row,
                    field=name,
                    expected=str(column.type),
                    found="null",
                )
            rows[:, place] = (
                self._cents(column, first) if name == self.door.amount else _int64(column)
            )

    def _cents(self, column: Any, first: int) -> NDArray[np.int64]:
        """Whole cents; the first amount that has more than two decimals or does not fit raises
        `RefusalError`.
        """
        import pyarrow as pa

        if column.type == pa.float64():
            amounts = column.to_numpy()
            with np.errstate(invalid="ignore", over="ignore"):
                inside = np.abs(amounts) < 1e14
                cents = np.rint(np.where(inside, amounts, 0.0) * 100).astype(np.int64)
                exact = inside & (cents / 100 == amounts)
        else:
            halves = np.frombuffer(
                column.buffers()[1], dtype="<i8", count=2 * (column.offset + len(column))
            )
            low, high = halves.reshape(-1, 2)[column.offset :].T
            cents, exact = low, high == low >> 63
        wrong = np.flatnonzero(~exact)
        if len(wrong):
            raise self.door.wrong_amount(str(column[int(wrong[0])].as_py()), first + int(wrong[0]))
        return np.asarray(cents, dtype=np.int64)

    def _require_let_in(self, rows: Rows) -> None:
        early, late = self.door.times()
        times, cents = rows[:, 1], rows[:, 2]
        wrong = np.flatnonzero((times < early) | (times > late))
        if len(wrong):
            raise self.door.wrong_time(int(times[wrong[0]]), int(wrong[0]))
        wrong = np.flatnonzero((cents < self.door.lowest) | (cents > self.door.highest))
        if len(wrong):
            raise self.door.wrong_amount(f"{int(cents[wrong[0]]) / 100:.2f}", int(wrong[0]))

    def _prediction_columns(self, request: ScoreRequest, share: Share) -> Any:
        import pyarrow as pa

        predictions, first, past = share
        part = slice(first, past)
        by = pa.array(predictions.decided_by[part])
        deciders = predictions.deciders
        arrays = {
            self.names[0]: pa.array(np.ascontiguousarray(request.rows[:, 0])),
            "score": pa.array(predictions.scores[part]),
            "decision": pa.array(predictions.decisions[part]),
            "release": _text(by, [decider.release_id for decider in deciders]),
            "model_version": _text(by, [decider.model_version for decider in deciders]),
            "feature_set": _text(by, [decider.feature_digest for decider in deciders]),
            "threshold": pa.array(
                np.array([d.threshold for d in deciders])[predictions.decided_by[part]]
            ),
            "fallback": pa.array(
                np.array([d.fallback for d in deciders], dtype=bool)[predictions.decided_by[part]]
            ),
            "fallback_reason": _text(by, [decider.reason for decider in deciders]),
            "flags": _flags(predictions.flags[part]),
        }
        if request.reasons:
            arrays["reasons"] = _reasons(predictions, first, past)
        if request.features and predictions.names:
            values = np.ascontiguousarray(predictions.features[part].T)
            arrays |= {
                FEATURE + name: pa.array(values[place])
                for place, name in enumerate(predictions.shown_names)
            }
        return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _int64(column: Any) -> NDArray[np.int64]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    values: NDArray[np.int64] = column.to_numpy()
    return values


def _text(codes: Any, words: list[str]) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(codes, pa.array(words, type=pa.string()), safe=False)


def _flags(flags: NDArray[np.uint8]) -> Any:
    import pyarrow as pa

    used, codes = np.unique(flags, return_inverse=True)
    return _text(pa.array(codes.astype(np.int8)), [",".join(WORDS[bits]) for bits in used.tolist()])


def _reasons(predictions: Predictions, first: int, past: int) -> Any:
    import pyarrow as pa

    weights = [
        [
            {"feature": name, "contribution": weight}
            for name, weight in predictions.reasons.get(row, ())
        ]
        for row in range(first, past)
    ]
    weight_type = pa.struct([("feature", pa.string()), ("contribution", pa.float64())])
    return pa.array(weights, type=pa.list_(weight_type))
