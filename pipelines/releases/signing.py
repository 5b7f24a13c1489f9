"""Signatures of bundles: Ed25519 over the manifest's bytes, by a key of this home; trusted keys are
files of their own.

`<home>/keys/signing.pem` (or `TOLLGATE_SIGNING_KEY`) is the private key, PKCS 8, made on first use
with mode 0600. `<home>/keys/trusted/<fingerprint>.pub` are the public keys (32 bytes, RFC 8032)
whose signatures are believed; a machine that only scores needs no private key. A fingerprint is the
SHA-256 (hex) of the public key.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.atomic_files import write_once
from pipelines.base.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_WHAT = "a signing key"


def keys_folder(home: Path) -> Path:
    """Where the keys are."""
    return home / "keys"


def fingerprint(public: bytes) -> str:
    """SHA-256 (hex) of a public key."""
    return hashlib.sha256(public).hexdigest()


def sign(home: Path, content: bytes, key: Path | None = None) -> tuple[bytes, str]:
    """The signature of `content`, and the signing key's fingerprint; its public half is trusted
    from then on.

    `key` is the private key's file, by default the home's own, which is made where there is none.
    Raises `ConfigurationError` where the file is no Ed25519 key, `StoreError` where a file cannot
    be written.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = _private_key(key or keys_folder(home) / "signing.pem", may_make=key is None)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    write_once(_trusted(home, fingerprint(public)), public, mode=0o644, what=_WHAT)
    return private.sign(content), fingerprint(public)


def signer_of(home: Path, signature: bytes, content: bytes) -> str | None:
    """The fingerprint of the trusted key whose signature of `content` this is, or None."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for name, public in _trusted_keys(home).items():
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
        except InvalidSignature:
            continue
        return name
    return None


def _trusted(home: Path, name: str) -> Path:
    return keys_folder(home) / "trusted" / f"{name}.pub"


def _trusted_keys(home: Path) -> dict[str, bytes]:
    """Public keys by fingerprint; a file whose name is not the fingerprint of its content does not
    count.
    """
    keys = {path.stem: path.read_bytes() for path in (keys_folder(home) / "trusted").glob("*.pub")}
    return {
        name: public
        for name, public in keys.items()
        if len(public) == 32 and fingerprint(public) == name
    }


def _private_key(path: Path, *, may_make: bool) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    if may_make and not path.exists():
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_once(path, pem, mode=0o600, what=_WHAT)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _no_key(path, str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, type(key).__name__)
    return key


def _no_key(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(
        "the signing key cannot be used",
        where=str(path),
        expected="an Ed25519 private key, PEM (PKCS 8), without a password",
        found=problem,
        next_step="correct TOLLGATE_SIGNING_KEY; unset, the home makes a key of its own",
    )
