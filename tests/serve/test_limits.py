"""Requests that cost too much: bodies, headers, connections that do not go on; memory stays
flat.
"""

from __future__ import annotations

import select
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from pipelines.serve.http import connection
from tests.serve.processes import until
from tests.serve.serving import Served, served

MIB = 1024**2


@pytest.fixture
def hasty(scorer: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The service, while a request must be there whole within half a second."""
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.5)
    return scorer


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test sends in pieces comes in time on a busy machine too."""
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 60.0)


def connected(scorer: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", scorer.port), timeout=60)


def head(scorer: Served, *lines: str) -> bytes:
    head_lines = [
        "POST /v1/score HTTP/1.1",
        "host: x",
        f"authorization: Bearer {scorer.keys['scorer']}",
    ]
    return "\r\n".join([*head_lines, "content-type: application/json", *lines, "", ""]).encode()


def answered(to: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    received = b""
    with suppress(ConnectionResetError):
        while part := to.recv(65536):
            received += part
    return received


def answered_once(to: socket.socket) -> bytes:
    """The beginning of the answer, on a connection that may go on."""
    return to.recv(65536)


@pytest.mark.guarantee(
    "huge request",
    fault="a gigabyte in chunks to the online scorer",
    seen="413, memory flat",
)
def test_a_gigabyte_in_chunks_is_refused_before_it_is_read(scorer: Served) -> None:
    before = psutil.Process().memory_info().rss
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    sent = 0
    with connected(scorer) as to:
        to.sendall(head(scorer, "transfer-encoding: chunked"))
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 1024:
                to.sendall(chunk)
                sent += 1
        response = answered(to)
    assert sent < 64
    assert b" 413 " in response.split(b"\r\n")[0]
    assert b"connection: close" in response
    assert psutil.Process().memory_info().rss - before < 64 * MIB


def test_an_announced_gigabyte_is_refused_at_once(scorer: Served) -> None:
    with connected(scorer) as to:
        to.sendall(head(scorer, f"content-length: {1024 * MIB}"))
        assert b" 413 " in answered(to)


def test_many_bodies_at_once_take_their_own_size_of_memory(scorer: Served) -> None:
    """Eight bodies of 4 MB that all but end are held at the same time; then each is read, and
    refused.
    """
    body = b" " * 3_999_999
    before = psutil.Process().memory_info().rss
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        many = [stack.enter_context(connected(scorer)) for _ in range(8)]
        for to in many:
            to.sendall(head(scorer, "content-length: 4000000"))
        list(pool.map(lambda to: to.sendall(body), many))
        assert not [to for to in many if select.select([to], [], [], 0)[0]], (
            "all wait for their last byte"
        )
        grown = [psutil.Process().memory_info().rss - before]
        for to in many:
            to.sendall(b"x")
        responses = list(pool.map(answered_once, many))
        grown.append(psutil.Process().memory_info().rss - before)
    assert all(b" 400 " in response for response in responses)
    assert max(grown) < 2 * 8 * len(body)


@pytest.mark.parametrize("announced", ["-1", "1e3", "9" * 30, "12, 12", "0x10"])
def test_a_length_that_is_none_is_refused(scorer: Served, announced: str) -> None:
    with connected(scorer) as to:
        to.sendall(head(scorer, f"content-length: {announced}") + b"{}")
        assert answered(to).split(b"\r\n")[0].split(b" ")[1] == b"400"


def test_two_lengths_are_refused(scorer: Served) -> None:
    """What a proxy in front might read otherwise: request smuggling."""
    with connected(scorer) as to:
        to.sendall(head(scorer, "content-length: 2", "transfer-encoding: chunked") + b"0\r\n\r\n")
        assert b" 400 " in answered(to).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "sent", [b"", b"GET /heal", b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: "]
)
def test_headers_that_do_not_come_end_the_connection(hasty: Served, sent: bytes) -> None:
    with connected(hasty) as to:
        to.sendall(sent)
        assert b" 408 " in answered(to)


def test_a_body_that_drips_ends_the_connection(hasty: Served) -> None:
    with connected(hasty) as to:
        to.sendall(head(hasty, "content-length: 100000"))
        to.settimeout(0.1)
        response = b""

        def dripped() -> bool:
            nonlocal response
            with suppress(TimeoutError):
                response = to.recv(65536)
                return True
            with suppress(OSError):  # closed by now: the answer is still to be read
                to.sendall(b" ")
            return False

        until(dripped)
        assert b" 408 " in response


def test_headers_without_end_are_refused(scorer: Served) -> None:
    with connected(scorer) as to:
        to.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        with suppress(BrokenPipeError, ConnectionResetError):
            for number in range(1000):
                to.sendall(b"x-%d: " % number + b"a" * 1000 + b"\r\n")
        assert b" 431 " in answered(to)


def test_what_is_not_http_is_refused(scorer: Served) -> None:
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3,
        b"hello\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
    ):
        with connected(scorer) as to:
            to.sendall(sent)
            response = answered(to)
            assert b" 400 " in response.split(b"\r\n")[0]
            assert b"application/problem+json" in response


def test_a_connection_too_many_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a service that nobody else asks: of six connections the first three are served, the others
    closed.
    """
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 3)
    with served(tmp_path / "home") as alone, ExitStack() as stack:
        many = [stack.enter_context(connected(alone)) for _ in range(6)]
        for to in many:
            to.settimeout(0.05)
        until(lambda: [_ended(to) for to in many] == [False] * 3 + [True] * 3)
        for to in many[:3]:
            to.settimeout(60)
            to.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b" 200 " in answered_once(to)
    monkeypatch.undo()


def _ended(to: socket.socket) -> bool:
    """Whether it was closed; what is left to read stays."""
    try:
        return to.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_requests_in_one_go_are_answered_in_their_order(scorer: Served) -> None:
    with connected(scorer) as to:
        request = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
        to.sendall(request * 5 + b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        response = answered(to)
    assert response.count(b" 200 ") == 5
    assert response.rindex(b" 404 ") > response.rindex(b" 200 ")
