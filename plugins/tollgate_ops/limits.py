"""No request fills the API server's memory: what is sent beyond the size of our forms is not read.

FastAPI reads a form before it asks who sent it, so the limit comes first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import HTTPException

LARGEST = 64 * 1024
"""Bytes of the largest request: a form's token, release and reason (500 signs) take a few
thousand.
"""

ASGI = Callable[[Any, Any, Any], Awaitable[None]]


class LimitedBody:
    """An ASGI app around ours: reading more than `LARGEST` bytes of a request raises 413, announced
    or not.
    """

    def __init__(self, app: ASGI) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        read = _announced(scope)

        async def limited() -> Any:
            nonlocal read
            _require_room(read)
            message = await receive()
            read += len(message.get("body", b""))
            _require_room(read)
            return message

        read = read if read > LARGEST else 0
        await self.app(scope, limited, send)


def _announced(scope: Any) -> int:
    """The length that the request says it has; 0 where it says none (or no number: the server
    refuses that).
    """
    text = dict(scope.get("headers", ())).get(b"content-length", b"")
    return int(text) if text.isdigit() else 0


def _require_room(size: int) -> None:
    if size > LARGEST:
        raise HTTPException(413, f"The request is larger than {LARGEST:,} bytes; nothing was done.")
