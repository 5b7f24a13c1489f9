"""Record batches out of an Arrow IPC stream that a stranger sent: nothing is unpacked before its
size is known.

A compressed buffer may unpack to thousands of times its size, and pyarrow has no limit for that, so
compressed batches are refused by their header. Format:
https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
(Message.fbs: `RecordBatch` has length, nodes, buffers, compression).
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import Any

from pipelines.serve.refusals import RefusalError

_HEADER, _LENGTH, _COMPRESSION = 2, 0, 3
"""Places of the fields in the tables `Message` and `RecordBatch`."""


def record_batches(
    body: bytes, expected: Any, *, most_rows: int, optional: Collection[str] = ()
) -> list[Any]:
    """The `pyarrow.RecordBatch`es of a stream whose columns are those of the schema `expected`, in
    any order; the `optional` ones may be missing.

    Raises `RefusalError` for what is not such a stream, for compressed data and for more than
    `most_rows` rows.
    """
    import pyarrow as pa

    try:
        messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(body))
        first = messages.read_next_message()
        if first.type != "schema":  # pyarrow would take it for one, and end this process
            raise malformed(f"a message of type {first.type}")
        schema = pa.ipc.read_schema(first)
        _require_columns(schema, expected, optional)
        batches, rows = [], 0
        for message in messages:
            if message.type != "record batch":
                raise malformed(f"a message of type {message.type}")
            length, compressed = _announced(message.metadata)
            rows += length
            if compressed:
                raise malformed("compressed buffers")
            if not 0 <= length <= rows <= most_rows:
                raise _too_many(rows, most_rows)
            batch = pa.ipc.read_record_batch(message, schema)
            batch.validate(full=True)
            batches.append(batch)
    except (
        pa.ArrowException,
        OSError,
        EOFError,
        StopIteration,
        struct.error,
        ValueError,
        IndexError,
    ) as error:
        raise malformed(
            str(error).splitlines()[0] if str(error) else type(error).__name__
        ) from error
    return batches


def malformed(problem: str) -> RefusalError:
    """What a body is refused with that is not the stream it should be."""
    return RefusalError(
        "the body is not an Arrow IPC stream that is taken here",
        status=400,
        kind="malformed",
        expected="one stream of uncompressed record batches with the columns of the feed",
        found=problem,
        next_step="write it with pyarrow.ipc.new_stream and default options",
    )


def _too_many(rows: int, most: int) -> RefusalError:
    return RefusalError(
        "too many rows in one request",
        kind="too-many-rows",
        expected=f"at most {most}",
        found=str(rows),
        next_step="send them in several requests",
    )


def _require_columns(schema: Any, expected: Any, optional: Collection[str]) -> None:
    """Each expected column once, of its type (money may also be float64); raises `RefusalError`."""
    import pyarrow as pa

    for name in schema.names:
        if name not in expected.names or schema.names.count(name) > 1:
            what = (
                "a field is there twice" if name in expected.names else "a field that nobody knows"
            )
            raise RefusalError(
                what, field=name[:100], expected=", ".join(expected.names), next_step="leave it out"
            )
    for wanted in expected:
        if wanted.name not in schema.names:
            if wanted.name in optional:
                continue
            raise RefusalError(
                "a field is missing",
                field=wanted.name,
                expected=str(wanted.type),
                next_step="send it",
            )
        given = schema.field(wanted.name).type
        utc = pa.types.is_timestamp(given) and given.unit == "us" and given.tz is not None
        same = utc if pa.types.is_timestamp(wanted.type) else given == wanted.type
        if not same and not (pa.types.is_decimal(wanted.type) and given == pa.float64()):
            raise RefusalError(
                "a column of the wrong type",
                field=wanted.name,
                expected=str(wanted.type),
                found=str(given)[:100],
                next_step="cast the column",
            )


def _announced(metadata: Any) -> tuple[int, bool]:
    """Rows of a record batch and whether it is compressed, from its header (a flatbuffer)."""
    data = metadata.to_pybytes()
    (message,) = struct.unpack_from("<I", data, 0)
    where = _field(data, message, _HEADER)
    if where is None:
        raise ValueError("a message without header")
    (offset,) = struct.unpack_from("<I", data, where)
    length = _field(data, where + offset, _LENGTH)
    rows = struct.unpack_from("<q", data, length)[0] if length is not None else 0
    return rows, _field(data, where + offset, _COMPRESSION) is not None


def _field(data: bytes, table: int, place: int) -> int | None:
    """Where a table's field is; None where it has its default."""
    (back,) = struct.unpack_from("<i", data, table)
    vtable = table - back
    if vtable < 0:
        raise ValueError("a table outside its message")
    (size,) = struct.unpack_from("<H", data, vtable)
    at = 4 + 2 * place
    if at + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", data, vtable + at)
    return table + offset if offset else None
