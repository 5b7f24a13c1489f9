"""A release's bundle: the immutable folder with the model's bytes, its record, its reference sample
and their digests.

`<home>/releases/<release_id>/` holds exactly `model.ubj` (XGBoost, native), `release.json`,
`reference.parquet`, `manifest.json` (SHA-256 of each of these) and `manifest.sig`, its signature. A
bundle is written beside its place and renamed, so that it is whole or absent. The signature is
verified before the manifest is parsed, and every byte before anything else is; what is parsed are
the very bytes that were verified.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.accounts.release import ReleaseAccount
from pipelines.accounts.stored import NewerVersionError
from pipelines.base.atomic_files import disk_remedy
from pipelines.base.errors import PermanentError, StoreError
from pipelines.releases.signing import sign, signer_of

if TYPE_CHECKING:
    import pandas as pd

MODEL, RECORD, REFERENCE, MANIFEST = (
    "model.ubj",
    "release.json",
    "reference.parquet",
    "manifest.json",
)
SIGNATURE = "manifest.sig"
UNSIGNED_FILES = frozenset({MODEL, RECORD, REFERENCE, MANIFEST})
FILES = UNSIGNED_FILES | {SIGNATURE}
ANY_KEY = "any"
"""As `signed_by`: any key that the home trusts will do."""

RELEASE_ID = re.compile(r"[a-z][a-z0-9_]*-\d{8}-[0-9a-f]{8}")
UBJ_START = b"{"
LARGEST_FILE = 1 << 30


class BundleError(PermanentError):
    """A bundle is absent, incomplete, or not the one that was released; nothing of it was
    parsed.
    """


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A verified bundle. `model` are the bytes of the model, `record` is `release.json`."""

    release_id: str
    model: bytes
    record: ReleaseAccount
    reference_bytes: bytes
    manifest_digest: str
    signed_by: str | None = None
    """Fingerprint of the key that signed it; None for one made before bundles were signed."""

    @property
    def model_digest(self) -> str:
        """SHA-256 (hex) of the model's bytes."""
        return sha256(self.model)

    def reference(self) -> pd.DataFrame:
        """The sample of the training window: the model's feature columns (float64 or int64) and
        `score` (float64).
        """
        import pandas as pd

        return pd.read_parquet(io.BytesIO(self.reference_bytes))


def sha256(content: bytes) -> str:
    """SHA-256 of bytes, hex."""
    return hashlib.sha256(content).hexdigest()


def releases_folder(home: Path) -> Path:
    """Where all bundles are."""
    return home / "releases"


def write_bundle(
    folder: Path,
    release_id: str,
    *,
    model: bytes,
    record: ReleaseAccount,
    reference: pd.DataFrame,
    signing_key: Path | None = None,
) -> Bundle:
    """Write `<folder>/<release_id>/`, signed, in one move and return it, verified.

    `signing_key` is the file of the private key; by default the home (the folder's parent) has one
    of its own.

    A bundle that is there already stays as it is, if it holds the same model (training again on the
    same data makes the same release); otherwise `BundleError`. Raises `StoreError` where the disk
    does not take it, with nothing left.
    """
    target = _place(folder, release_id)
    buffer = io.BytesIO()
    reference.to_parquet(buffer, index=False)
    files = {MODEL: model, RECORD: _json(record.to_stored()), REFERENCE: buffer.getvalue()}
    files[MANIFEST] = _json(
        {"release_id": release_id, "files": {name: sha256(data) for name, data in files.items()}}
    )
    if not target.exists():
        files[SIGNATURE] = sign(folder.parent, files[MANIFEST], signing_key)[0]
        _write_once(target, files)
    bundle = load_bundle(folder, release_id)
    if bundle.model != model:
        raise _refused(
            target, expected=f"model {sha256(model)}", actual=f"model {bundle.model_digest}"
        )
    return bundle


def load_bundle(
    folder: Path,
    release_id: str,
    *,
    manifest_digest: str | None = None,
    signed_by: str | None = ANY_KEY,
) -> Bundle:
    """The bundle, verified: names, kinds, signature and digests first, contents after.

    Raises `BundleError`.

    `manifest_digest` is the one that the ledger keeps: with it, files that were changed together
    with their manifest are found out too. `signed_by` is the fingerprint of the key that must have
    signed (`ANY_KEY`: one that the home trusts); None admits a bundle made before bundles were
    signed, and asks for `manifest_digest` in its place.
    """
    place = _place(folder, release_id)
    legacy = (
        signed_by is None and manifest_digest is not None and not os.path.lexists(place / SIGNATURE)
    )
    files = _read_files(place, UNSIGNED_FILES if legacy else FILES)
    digest = sha256(files[MANIFEST])
    if manifest_digest is not None and digest != manifest_digest:
        raise _refused(
            place / MANIFEST,
            expected=f"SHA-256 {manifest_digest} (ledger)",
            actual=f"SHA-256 {digest}",
        )
    signer = None if legacy else _require_signature(folder.parent, place, files, signed_by)
    _verify(place, release_id, files)
    return Bundle(
        release_id=release_id,
        model=files[MODEL],
        record=_record(place, files[RECORD]),
        reference_bytes=files[REFERENCE],
        manifest_digest=digest,
        signed_by=signer,
    )


def _record(place: Path, content: bytes) -> ReleaseAccount:
    """The release's record; raises `BundleError` for one that this code cannot read."""
    try:
        return ReleaseAccount.from_stored(json.loads(content))
    except (ValueError, NewerVersionError) as error:
        raise _refused(
            place / RECORD,
            expected="a record that this version of Tollgate reads",
            actual=str(error),
        ) from error


def _require_signature(
    home: Path, place: Path, files: Mapping[str, bytes], signed_by: str | None
) -> str:
    """The fingerprint of the trusted key that signed the manifest; raises `BundleError`."""
    wanted = None if signed_by in {None, ANY_KEY} else signed_by
    signer = signer_of(home, files[SIGNATURE], files[MANIFEST])
    if signer is None or wanted not in {None, signer}:
        raise _refused(
            place / SIGNATURE,
            expected=(
                f"a signature by key {wanted[:16]} (ledger)"
                if wanted
                else "a signature by a trusted key"
            ),
            actual=(
                f"one by key {signer[:16]}"
                if signer
                else "one that is not of this manifest, or by no trusted key"
            ),
        )
    return signer


def _place(folder: Path, release_id: str) -> Path:
    """The bundle's folder; an id that is not one (a path, an address) is refused before the disk is
    touched.
    """
    if not RELEASE_ID.fullmatch(release_id):
        raise BundleError(
            "this is not a release id",
            expected="<use case>-<YYYYMMDD>-<8 hex digits>",
            found=repr(release_id),
            next_step="`tollgate releases` lists them",
        )
    return folder / release_id


def _write_once(target: Path, files: Mapping[str, bytes]) -> None:
    scratch = target.parent / f".partial-{uuid.uuid4().hex}"
    try:
        scratch.mkdir(parents=True)
        for name, content in files.items():
            with (scratch / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if not target.exists():
            scratch.rename(target)
    except OSError as error:
        if not target.exists():
            raise StoreError(
                "the release's bundle could not be written",
                where=str(target),
                found=str(error),
                next_step=f"{disk_remedy(error)}, then train again: nothing was released",
            ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _read_files(place: Path, expected: frozenset[str]) -> dict[str, bytes]:
    """The bytes of the bundle's files, each read once, without following a link."""
    if place.is_symlink() or not place.is_dir():
        raise _refused(
            place, expected="a folder", actual="a symlink" if place.is_symlink() else "nothing"
        )
    names = {entry.name for entry in os.scandir(place)}
    if names != expected:
        extra, missing = sorted(names - expected), sorted(expected - names)
        problems = [f"added: {', '.join(map(repr, extra))}"] if extra else []
        problems += [f"missing: {', '.join(missing)}"] if missing else []
        raise _refused(
            place, expected=f"exactly {', '.join(sorted(expected))}", actual="; ".join(problems)
        )
    return {name: _read_file(place / name) for name in sorted(expected)}


def _read_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _refused(path, expected="a regular file", actual=str(error.strerror)) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
        os.close(descriptor)
        raise _refused(
            path,
            expected=f"a regular file of at most {LARGEST_FILE} bytes",
            actual="something else",
        )
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _verify(place: Path, release_id: str, files: Mapping[str, bytes]) -> None:
    """Every digest is as the manifest says, and the model is UBJ (a pickle is not even looked
    into).
    """
    try:
        manifest = json.loads(files[MANIFEST])
    except ValueError as error:
        raise _refused(place / MANIFEST, expected="JSON", actual="something else") from error
    digests = {
        name: sha256(data) for name, data in files.items() if name not in {MANIFEST, SIGNATURE}
    }
    expected = {"release_id": release_id, "files": digests}
    if manifest != expected:
        listed = manifest.get("files") if isinstance(manifest, dict) else None
        entries = listed if isinstance(listed, dict) else {}
        changed = [name for name, digest in sorted(digests.items()) if entries.get(name) != digest]
        raise _refused(
            place,
            expected=f"the files of release {release_id}, as manifest.json lists them",
            actual=f"changed: {', '.join(changed)}" if changed else "a manifest of something else",
        )
    if not files[MODEL].startswith(UBJ_START):
        raise _refused(
            place / MODEL, expected="an XGBoost model in UBJ", actual="another format, not parsed"
        )


def _refused(place: Path, *, expected: str, actual: str) -> BundleError:
    return BundleError(
        "the release's bundle is refused: it is not what was released",
        where=str(place),
        expected=expected,
        found=actual,
        next_step=(
            "restore the folder from a backup, or move it away and train again; the rule scores"
            " meanwhile"
        ),
    )


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
