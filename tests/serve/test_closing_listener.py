"""A listener that is about to close begins no connection, and keeps those that it has."""

from __future__ import annotations

import socket

import pytest

from pipelines.serve.http.closing_listener import allow_new_connections, stop_new_connections


def test_what_has_begun_is_taken_and_what_has_not_is_not_begun() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=10) as begun:
            begun.sendall(b"first")
            stop_new_connections(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.3)
            begun.sendall(b" second")
            taken, _ = listener.accept()
            with taken:
                taken.settimeout(10)
                received = b""
                while len(received) < len(b"first second"):
                    received += taken.recv(100)
                assert received == b"first second"
                taken.sendall(b"answer")
                assert begun.recv(100) == b"answer"
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()


def test_the_next_process_of_a_listener_takes_connections_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop_new_connections(listener)
        allow_new_connections(listener)
        allow_new_connections(listener)
        with socket.create_connection(listener.getsockname(), timeout=10):
            taken, _ = listener.accept()
            taken.close()
