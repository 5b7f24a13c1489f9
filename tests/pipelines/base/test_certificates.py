"""What a certificate and its key must be before anything is served with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from pipelines.base.certificates import certificate_of, require_valid
from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings
from tests.serve.certificates import Authority, put


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    Authority(tmp_path).issue(certificate, key, days=90)
    return Settings.build(home=tmp_path, serve_tls_certificate=certificate, serve_tls_key=key)


def refused(settings: Settings) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        certificate_of(settings)
    assert caught.value.next_step
    assert (caught.value.expected, caught.value.found) != ("", "")
    return caught.value


def test_whom_it_is_for_and_how_long_still(settings: Settings) -> None:
    certificate = certificate_of(settings)
    assert certificate
    assert certificate.names == ("scorer.test", "127.0.0.1")
    assert 89.9 < certificate.days_left(datetime.now(UTC)) <= 90
    require_valid(certificate, datetime.now(UTC))
    for moment in (certificate.ends, certificate.begins - timedelta(seconds=1)):
        with pytest.raises(ConfigurationError, match="not valid now"):
            require_valid(certificate, moment)


def test_none_is_none_and_one_of_two_is_refused(settings: Settings) -> None:
    assert (
        certificate_of(
            settings.model_copy(update={"serve_tls_certificate": None, "serve_tls_key": None})
        )
        is None
    )
    for missing in ("serve_tls_certificate", "serve_tls_key"):
        problem = refused(settings.model_copy(update={missing: None}))
        assert problem.expected == "TOLLGATE_SERVE_TLS_CERTIFICATE and TOLLGATE_SERVE_TLS_KEY"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(settings: Settings, mode: int) -> None:
    assert settings.serve_tls_key
    settings.serve_tls_key.chmod(mode)
    problem = refused(settings)
    assert (problem.where, problem.found) == (str(settings.serve_tls_key), f"mode {mode:04o}")


def test_the_key_of_another_certificate_is_refused(settings: Settings, tmp_path: Path) -> None:
    assert settings.serve_tls_key
    Authority(tmp_path).issue(tmp_path / "other.crt", settings.serve_tls_key)
    assert refused(settings).what == "the key belongs to another certificate"


@pytest.mark.parametrize(
    "content", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
@pytest.mark.parametrize("which", ["serve_tls_certificate", "serve_tls_key"])
def test_a_file_that_is_no_such_pem_is_named(
    settings: Settings, which: str, content: bytes
) -> None:
    place = getattr(settings, which)
    put(place, content)
    assert refused(settings).where == str(place)
    place.unlink()
    assert (refused(settings).where, refused(settings).found) == (
        str(place),
        "No such file or directory",
    )


def test_a_key_behind_a_password_is_refused(settings: Settings) -> None:
    assert settings.serve_tls_key
    secret = ec.generate_private_key(ec.SECP256R1())
    locked = secret.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    put(settings.serve_tls_key, locked)
    problem = refused(settings)
    assert (problem.expected, problem.where) == (
        "PEM; a key without a password",
        str(settings.serve_tls_key),
    )
