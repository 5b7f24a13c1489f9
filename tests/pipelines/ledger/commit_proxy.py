"""A proxy before a PostgreSQL: it cuts a connection when the server has committed, so the answer is
lost.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipelines.base.ports import LOCALHOST

CHUNK_BYTES = 65_536


class CommitProxy:
    """Passes on everything; after `arm`, the answer to the next COMMIT is dropped together with its
    connection.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server((LOCALHOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._armed = threading.Event()
        self.cut = 0
        """How many answers were dropped."""

    def arm(self) -> None:
        """Drop the answer to the next COMMIT."""
        self._armed.set()

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((LOCALHOST, self._server_port))
            except OSError:
                return
            drop = threading.Event()
            threading.Thread(
                target=self._requests, args=(client, server, drop), daemon=True
            ).start()
            threading.Thread(target=self._answers, args=(client, server, drop), daemon=True).start()

    def close(self) -> None:
        """Take no further connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _requests(
        self, client: socket.socket, server: socket.socket, drop: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                if self._armed.is_set() and b"COMMIT" in data:
                    self._armed.clear()
                    drop.set()
                server.sendall(data)
        _shut(server)

    def _answers(self, client: socket.socket, server: socket.socket, drop: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                if drop.is_set():
                    self.cut += 1
                    break
                client.sendall(data)
        _shut(client)
        _shut(server)


@contextmanager
def commit_proxy(server_port: int) -> Iterator[CommitProxy]:
    """A proxy before the server at that port, as long as the block lasts."""
    proxy = CommitProxy(server_port)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()


def _shut(connection: socket.socket) -> None:
    # shutdown, not close: a close does not reach the other thread, which waits in recv
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
