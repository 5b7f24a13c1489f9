"""The certificate of what we serve over TLS: read with its key, and refused where it cannot be
used.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings

RUNBOOK = "docs/runbooks/serving.md"
SETTINGS = ("TOLLGATE_SERVE_TLS_CERTIFICATE", "TOLLGATE_SERVE_TLS_KEY")


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Files of a certificate (PEM, followed by those between it and its authority) and its key, and
    what it says.

    `begins` and `ends` are UTC, `sha256` is that of the certificate in DER, hex.
    """

    certificate: Path
    key: Path
    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    sha256: str

    def days_left(self, now: datetime) -> float:
        """Days until it ends, below 0 after that."""
        return (self.ends - now).total_seconds() / 86400


def certificate_of(settings: Settings) -> Certificate | None:
    """The certificate that the settings name, valid now or not; None where they name none.

    Raises `ConfigurationError`: one file of the two, a file that cannot be read or is no PEM, a key
    that others may read or that belongs to another certificate.
    """
    certificate, key = settings.serve_tls_certificate, settings.serve_tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigurationError(
            "TLS needs a certificate and its key",
            where="environment variables",
            expected=" and ".join(SETTINGS),
            found=f"{SETTINGS[0] if key is None else SETTINGS[1]} alone",
            next_step="set both, or none",
            runbook=RUNBOOK,
        )
    _require_private(key)
    return _read(certificate, key)


def require_valid(certificate: Certificate, now: datetime) -> None:
    """Raises `ConfigurationError` for a certificate that has ended or not begun; `now` is UTC."""
    if not certificate.begins <= now < certificate.ends:
        raise _unusable(
            "the certificate is not valid now",
            certificate.certificate,
            expected=(
                f"{certificate.begins:%Y-%m-%d %H:%M} to {certificate.ends:%Y-%m-%d %H:%M} UTC"
            ),
            problem=f"{now:%Y-%m-%d %H:%M} UTC",
            next_step="put one that is valid in its place, or correct this machine's clock",
        )


def _require_private(key: Path) -> None:
    """PostgreSQL's rule: ours and nobody else's, or root's and readable by our group (a mounted
    secret).
    """
    try:
        status = key.stat()
    except OSError as error:
        raise _unreadable(key, error) from error
    by_root = status.st_uid == 0 and os.geteuid() != 0
    if stat.S_IMODE(status.st_mode) & (0o037 if by_root else 0o077):
        raise _unusable(
            "others may read the key of the certificate",
            key,
            expected="mode 0600, or 0640 where root owns it",
            problem=f"mode {stat.S_IMODE(status.st_mode):04o}",
            next_step=f"chmod 600 {key}, and have a new key made if others were on this machine",
        )


def _read(certificate: Path, key: Path) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    parsed = _parsed(
        certificate, "the certificate", lambda content: x509.load_pem_x509_certificates(content)[0]
    )
    secret = _parsed(
        key,
        "the key of the certificate",
        lambda content: load_pem_private_key(content, password=None),
    )
    if parsed.public_key() != secret.public_key():
        raise _unusable(
            "the key belongs to another certificate",
            key,
            expected=f"the key of {certificate}",
            problem="another one",
            next_step="put the two that were made together in their places",
        )
    return Certificate(
        certificate=certificate,
        key=key,
        names=_names(parsed),
        begins=parsed.not_valid_before_utc,
        ends=parsed.not_valid_after_utc,
        sha256=parsed.fingerprint(SHA256()).hex(),
    )


def _parsed(path: Path, what: str, parse: Any) -> Any:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, TypeError) as error:
        raise _unusable(
            f"{what} cannot be used",
            path,
            expected="PEM; a key without a password",
            problem=next(iter(str(error).splitlines()), type(error).__name__),
            next_step="put such a file in its place",
        ) from error


def _names(certificate: Any) -> tuple[str, ...]:
    """Names and addresses that it is for."""
    from cryptography import x509

    try:
        alternatives = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        return (certificate.subject.rfc4514_string(),)
    names = alternatives.get_values_for_type(x509.DNSName)
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    return (*names, *map(str, addresses))


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return _unusable(
        "a file that TLS needs cannot be read",
        path,
        expected="a file that this user may read",
        problem=error.strerror or str(error),
        next_step=f"correct {' or '.join(SETTINGS)}, or who may read it",
    )


def _unusable(
    what: str, path: Path, *, expected: str, problem: str, next_step: str
) -> ConfigurationError:
    return ConfigurationError(
        what,
        where=str(path),
        expected=expected,
        found=problem,
        next_step=next_step,
        runbook=RUNBOOK,
    )
