"""What a request may cost before anything is known of it: the bytes of its body, its type, its
encoding.

How long it may take to arrive is `pipelines.serve.http.connection`'s matter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pipelines.serve.refusals import RefusalError

CLOSE = (b"connection", b"close")
"""The rest of a body that is refused is not read, so the connection ends with the answer."""

Receive = Callable[[], Awaitable[Any]]


async def body(receive: Receive, headers: dict[bytes, bytes], *, largest: int) -> bytes:
    """The body of a request, announced or chunked; reads no further than `largest` bytes.

    Raises `RefusalError`: 413 beyond the limit, 415 for a compressed body.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RefusalError(
            "a compressed body is not taken",
            status=415,
            kind="unsupported",
            field="Content-Encoding",
            expected="identity",
            found=headers[b"content-encoding"].decode("latin-1"),
            next_step="send it as it is",
            headers=[CLOSE],
        )
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and (len(announced) > 18 or int(announced) > largest):
        raise _too_large(largest, f"{announced[:20].decode()} bytes")
    message = await receive()
    content: bytes = message.get("body", b"")
    while message.get("more_body") and len(content) <= largest:
        message = await receive()
        content += message.get("body", b"")
    if len(content) > largest:
        raise _too_large(largest, "more")
    if message["type"] == "http.disconnect":
        raise RefusalError(
            "the connection ended within the body", status=400, kind="malformed", headers=[CLOSE]
        )
    return content


def require_type(headers: dict[bytes, bytes], wires: dict[bytes, Any]) -> Any:
    """The wire of the request's content type; raises `RefusalError` (415) that lists those there
    are.
    """
    given = headers.get(b"content-type", b"")
    wire = wires.get(given) or wires.get(given.split(b";")[0].strip().lower())
    if wire is None:
        raise RefusalError(
            "this type of content is not taken",
            status=415,
            kind="unsupported",
            field="Content-Type",
            expected=" or ".join(name.decode() for name in wires),
            found=given.decode("latin-1") or "none",
            headers=[CLOSE],
        )
    return wire


def _too_large(largest: int, size: str) -> RefusalError:
    return RefusalError(
        "the body is too large; the rest of it was not read",
        status=413,
        kind="too-large",
        expected=f"at most {largest} bytes",
        found=size,
        next_step="send fewer rows in a request",
        headers=[CLOSE],
    )
