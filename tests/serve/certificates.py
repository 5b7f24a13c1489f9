"""Real certificates: an authority of our own, and what it signs for loopback."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """Signs certificates; its own, in `pem`, is what clients trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("an authority of the tests")
        self.own = _signed(
            self.name, self.name, self.key.public_key(), self.key, 3650 * DAY, authority=True
        )
        self.pem = folder / "authority.pem"
        self.pem.write_bytes(self.own.public_bytes(Encoding.PEM))

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.pem)

    def issue(
        self, certificate: Path, key: Path, *, days: float = 90, address: str = "127.0.0.1"
    ) -> x509.Certificate:
        """Put a new certificate and its key into two files, whole; `days` until it ends."""
        secret = ec.generate_private_key(ec.SECP256R1())
        made = _signed(
            _name("scorer"), self.name, secret.public_key(), self.key, days * DAY, address=address
        )
        put(certificate, made.public_bytes(Encoding.PEM))
        put(key, secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made


def with_certificate(folder: Path, *, days: float = 90) -> tuple[Authority, dict[str, Path]]:
    """An authority, and the settings of a certificate of it."""
    authority = Authority(folder)
    named = {"serve_tls_certificate": folder / "tls.crt", "serve_tls_key": folder / "tls.key"}
    authority.issue(*named.values(), days=days)
    return authority, named


def put(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.chmod(0o600)
    partial.replace(path)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    public: Any,
    key: Any,
    lasts: timedelta,
    *,
    address: str = "",
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + lasts) - DAY)
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if address:
        names = x509.SubjectAlternativeName(
            [x509.DNSName("scorer.test"), x509.IPAddress(ip_address(address))]
        )
        made = made.add_extension(names, critical=False)
    return made.sign(key, SHA256())
