"""TLS at the door: a context that takes a certificate which was replaced on disk, without a
restart.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from pipelines.base.certificates import RUNBOOK, Certificate, certificate_of, require_valid
from pipelines.base.errors import ConfigurationError, TransientError
from pipelines.base.settings import Settings

LOGGER = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
"""Seconds that a client has for its part of the handshake."""

GOODBYE_SECONDS = 2.0
"""Seconds that are waited for a client's goodbye once its connection ends here."""

Seen = tuple[tuple[int, int, int], ...]


def _now() -> datetime:
    return datetime.now(UTC)


class Tls:
    """The context that connections are made with, its certificate, and why the one on disk is not
    taken.
    """

    def __init__(
        self, settings: Settings, first: Certificate, seen: Seen, now: Callable[[], datetime]
    ) -> None:
        self.certificate = first
        self._problem, self._settings, self._seen, self._now = "", settings, seen, now
        self.context = _context(first)

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], datetime] = _now) -> Tls | None:
        """TLS as the settings say, None where they do not.

        The supervisor has looked at the certificate before it began. Hence one that has ended since
        is shown all the same, so that callers see why they are not served, and one that cannot be
        used is a `TransientError`: a process that is started again in the middle of a replacement
        tries once more, and does not end the others.
        """
        try:
            seen = _seen(settings)
            first = certificate_of(settings)
            return None if first is None else cls(settings, first, seen, now)
        except ConfigurationError as error:
            fields = {
                name: getattr(error, name)
                for name in ("where", "expected", "found", "next_step", "runbook")
            }
            raise TransientError(error.what, **fields) from error

    def refresh(self) -> None:
        """Take what was put in the files' place; one that cannot be used is told, and the one
        before goes on.

        A handshake takes whatever the context has at its beginning, so nobody is cut off.
        """
        seen = _seen(self._settings)
        if seen == self._seen:
            self._problem = ""
            return
        try:
            certificate = certificate_of(self._settings) or self.certificate
            require_valid(certificate, self._now())
            _context(certificate)
            self.context.load_cert_chain(certificate.certificate, certificate.key)
        except (ConfigurationError, OSError) as error:
            self._tell(str(error).splitlines()[0])
            return
        self.certificate, self._problem, self._seen = certificate, "", seen
        LOGGER.warning(
            "the certificate was replaced; the new one ends on %s UTC",
            f"{certificate.ends:%Y-%m-%d %H:%M}",
        )

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the certificate at this moment."""
        ended = ["the certificate has ended"] if self._now() >= self.certificate.ends else []
        return (
            *([f"the certificate on disk is not taken: {self._problem}"] if self._problem else []),
            *ended,
        )

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            LOGGER.error(
                "the certificate on disk is not taken, the one before goes on: %s", problem
            )
        self._problem = problem


def _context(certificate: Certificate) -> ssl.SSLContext:
    """A context of TLS 1.2 and later; raises `ConfigurationError` for a certificate that OpenSSL
    does not take.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate.certificate, certificate.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "OpenSSL does not take the certificate",
            where=str(certificate.certificate),
            expected="one that OpenSSL holds for safe (2048 bits of RSA, or an elliptic curve)",
            found=getattr(error, "reason", "") or str(error),
            next_step="put such a certificate and its key in their places",
            runbook=RUNBOOK,
        ) from error
    return context


def _seen(settings: Settings) -> Seen:
    """What tells that a file was replaced; a file that is away for a moment differs too."""
    stamps = []
    for path in (settings.serve_tls_certificate, settings.serve_tls_key):
        try:
            status = path.stat() if path else None
        except OSError:
            status = None
        stamps.append((status.st_mtime_ns, status.st_size, status.st_ino) if status else (0, 0, 0))
    return tuple(stamps)
