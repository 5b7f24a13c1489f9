"""TLS at the door, over real sockets: who is answered, who is not, and certificates that are
replaced.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path

import pytest

from pipelines.base.errors import PermanentError
from pipelines.doctor import services as diagnosis_services
from pipelines.serve.client import ScorerClient
from pipelines.serve.http import server
from pipelines.services.components import component
from pipelines.usecases.registry import load
from tests.serve.certificates import Authority, put, with_certificate
from tests.serve.processes import until
from tests.serve.serving import Served, event, served
from tests.serve.small_engine import RuleEngine

Secured = tuple[Served, Authority]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority, named = with_certificate(folder)
    options = {name.removeprefix("serve_"): path for name, path in named.items()}
    with served(folder / "home", RuleEngine(load("fraud")), **options) as running:
        yield running, authority


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that waits half a second for a handshake: too short for those of the other tests on a
    busy machine.
    """
    folder = tmp_path_factory.mktemp("hasty")
    _, named = with_certificate(folder)
    options = {name.removeprefix("serve_"): path for name, path in named.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "HANDSHAKE_SECONDS", 0.5)
        with served(folder / "home", RuleEngine(load("fraud")), **options) as running:
            yield running


def shown(scorer: Served) -> str:
    """SHA-256 of the certificate that a new connection is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", scorer.port), timeout=60)
    return sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def test_who_trusts_the_authority_is_answered(secured: Secured) -> None:
    scorer, authority = secured
    with scorer.client(ca=authority.pem) as client:
        assert client.ready()
        assert [answer.release for answer in client.score([event(1), event(2)])] == [
            "small",
            "small",
        ]


def test_a_client_that_does_not_trust_it_sends_nothing_and_does_not_try_again(
    tmp_path: Path,
) -> None:
    """On a service that nobody else asks: a request is counted a moment after its answer was
    sent.
    """
    authority, named = with_certificate(tmp_path)
    options = {name.removeprefix("serve_"): path for name, path in named.items()}
    with served(tmp_path / "home", RuleEngine(load("fraud")), **options) as scorer:
        with (
            scorer.client() as client,
            pytest.raises(PermanentError, match="not trusted") as caught,
        ):
            client.score([event(1)])
        assert caught.value.found == "unable to get local issuer certificate"
        with ScorerClient(
            scorer.url.replace("127.0.0.1", "localhost"), "tg_key", ca=authority.pem
        ) as client:
            assert not client.ready()
            with pytest.raises(PermanentError, match="not trusted"):
                client.release()
        with scorer.client(ca=authority.pem) as client:
            assert client.ready()
        counted = scorer.service.gauges.requests
        until(lambda: counted.total() > 0)
        assert counted == {("/ready", 200): 1}


@pytest.mark.parametrize("sent", [b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b"", b"\x16\x03\x01"])
def test_what_is_no_tls_gets_no_answer_and_not_for_ever(hasty: Served, sent: bytes) -> None:
    received = b""
    with closing(socket.create_connection(("127.0.0.1", hasty.port), timeout=60)) as to:
        to.sendall(sent)
        with suppress(ConnectionResetError):
            while part := to.recv(65536):
                received += part
    assert b"HTTP" not in received
    assert b"alive" not in received


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("newest", "taken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)]
)
def test_tls_begins_at_1_2(secured: Secured, newest: str, taken: bool) -> None:
    scorer, authority = secured
    context = authority.trusted()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion[newest]
    with socket.create_connection(("127.0.0.1", scorer.port), timeout=60) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as to:
                assert to.version() == newest.replace("_", ".")
        except ssl.SSLError:
            assert not taken
        else:
            assert taken


def test_a_certificate_that_is_replaced_is_shown_to_the_next_connection(secured: Secured) -> None:
    scorer, authority = secured
    certificate, key = scorer.settings.serve_tls_certificate, scorer.settings.serve_tls_key
    assert certificate
    assert key
    before = shown(scorer)
    with scorer.http("reader", verify=authority.trusted()) as kept:
        assert kept.get("/health").is_success
        authority.issue(certificate, key, days=30)
        until(lambda: shown(scorer) != before)
        new = shown(scorer)
        assert kept.get("/health").is_success, "a connection from before goes on"
        other = certificate.parent / "other.key"
        authority.issue(certificate, other)
        until(lambda: bool(kept.get("/ready").json()["problems"]))
        assert kept.get("/ready").json() == {
            "ready": True,
            "release": "small",
            "problems": [
                "the certificate on disk is not taken: the key belongs to another certificate"
            ],
        }
        assert shown(scorer) == new
        checks = {each.name: each for each in diagnosis_services.scorer(at(scorer))}
        assert not checks["certificate"].ok
        other.replace(key)
        until(lambda: not kept.get("/ready").json()["problems"])
        assert shown(scorer) not in {before, new}
        assert "tollgate_serve_certificate_ends" in kept.get("/metrics").text
        key.rename(other)
        until(lambda: "cannot be read" in str(kept.get("/ready").json()["problems"]))
        other.rename(key)
        until(lambda: not kept.get("/ready").json()["problems"])
    with scorer.client(ca=authority.pem) as client:
        assert client.ready()


def test_one_that_has_ended_is_not_taken_in_place_of_one_that_has_not(secured: Secured) -> None:
    scorer, authority = secured
    certificate, key = scorer.settings.serve_tls_certificate, scorer.settings.serve_tls_key
    assert certificate
    assert key
    good = (certificate.read_bytes(), key.read_bytes())
    before = shown(scorer)
    with scorer.http("reader", verify=authority.trusted()) as http:
        authority.issue(certificate, key, days=-1)
        until(lambda: "not valid now" in str(http.get("/ready").json()["problems"]))
        assert shown(scorer) == before
        put(certificate, good[0])
        put(key, good[1])
        until(lambda: not http.get("/ready").json()["problems"])


def test_the_doctor_tells_whose_it_is_how_long_still_and_whether_it_is_shown(
    secured: Secured, tmp_path: Path
) -> None:
    scorer, authority = secured
    checks = {each.name: each for each in diagnosis_services.scorer(at(scorer))}
    assert checks["certificate"].found.startswith("scorer.test, 127.0.0.1: ")
    assert checks["certificate"].found.endswith(" days left")
    assert (checks["certificate shown"].ok, checks["scorer"].ok) == (True, True)
    elsewhere = {
        "serve_tls_certificate": tmp_path / "tls.crt",
        "serve_tls_key": tmp_path / "tls.key",
    }
    authority.issue(*elsewhere.values(), days=3.5)
    checks = {
        each.name: each
        for each in diagnosis_services.scorer(at(scorer).model_copy(update=elsewhere))
    }
    assert (checks["certificate"].ok, checks["certificate"].found) == (
        False,
        "scorer.test, 127.0.0.1: 3 days left",
    )
    assert not checks["certificate shown"].ok
    alive = component("scorer").healthy
    assert alive
    assert alive(at(scorer))


def test_it_drains_with_a_handshake_that_does_not_go_on(tmp_path: Path) -> None:
    _, named = with_certificate(tmp_path)
    options = {name.removeprefix("serve_"): path for name, path in named.items()}
    before = set(threading.enumerate())
    with (
        served(tmp_path / "home", **options) as running,
        closing(socket.create_connection(("127.0.0.1", running.port))),
    ):
        running.end()
        running.thread.join(60)
        assert not running.thread.is_alive()
    until(lambda: set(threading.enumerate()) <= before)


def at(scorer: Served):
    return scorer.settings.model_copy(update={"serve_port": scorer.port})
