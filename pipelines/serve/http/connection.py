"""A connection with limits of its own: headers have a size, a request has its time, and connections
have a number.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipelines.serve.refusals import CONTENT_TYPE, RefusalError

REQUEST_SECONDS = 10.0
"""Seconds in which a request must be here whole, from its first byte on (a connection's first: from
its opening).
"""

HEADER_BYTES = 32 * 1024
"""Bytes of the headers of one request."""

GRACE_SECONDS = 0.3
"""Seconds that a connection without a request is kept when the service ends: its next request may
be on the way.
"""

MOST_CONNECTIONS = 4096
"""Open connections of one process; a further one is closed at once."""


class LimitedConnection(HttpToolsProtocol):
    """uvicorn's connection, which lets a client send headers forever, or never, or a body byte by
    byte.
    """

    _timer: asyncio.TimerHandle | None = None
    _in_headers = False
    _in_request = False
    _header_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self._refuse(_headers_too_large())
        if self._in_request and self._timer is None:
            self._arm()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for one, uvicorn says nothing
        """The client sends no more.

        What it has asked whole is answered, then the connection ends; else it ends now.

        TLS has no half-closed connections.
        """
        cycle = self.cycle
        waits = cycle is not None and not cycle.response_complete
        if self._in_request or not waits or self.transport.get_extra_info("sslcontext") is not None:
            return False
        cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = self._in_request = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_request = False
        self._disarm()
        super().on_message_complete()

    def shutdown(self) -> None:
        """Asked to end: a request that is under way is answered first, and that answer ends the
        connection.
        """
        if self._is_idle():
            self.loop.call_later(GRACE_SECONDS, self._close_if_idle)
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """What the parser cannot read, as a problem document like every other."""
        self._refuse(
            RefusalError(
                "this is not HTTP that is understood here", status=400, kind="malformed", found=msg
            )
        )

    def _arm(self) -> None:
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_idle(self) -> bool:
        return not self._in_request and (self.cycle is None or self.cycle.response_complete)

    def _close_if_idle(self) -> None:
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()

    def _late(self) -> None:
        self._timer = None
        self._refuse(
            RefusalError(
                "the request did not come in time",
                status=408,
                kind="too-slow",
                expected=f"all of it within {REQUEST_SECONDS:.0f} s",
            )
        )

    def _refuse(self, refused: RefusalError) -> None:
        """Answer in the application's place, unless it has begun to, and close."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            content = refused.body()
            head = (
                b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection:"
                b" close\r\n\r\n"
            )
            phrase = HTTPStatus(refused.status).phrase.encode()
            self.transport.write(
                head % (refused.status, phrase, CONTENT_TYPE, len(content)) + content
            )
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()


def _headers_too_large() -> RefusalError:
    return RefusalError(
        "the headers are too large",
        status=431,
        kind="too-large",
        expected=f"at most {HEADER_BYTES} bytes",
    )
