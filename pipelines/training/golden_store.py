"""The golden set on disk: `<home>/<use case>/golden/<version>/` with `cases.parquet` and
`manifest.json`, never changed.

A version is written beside its place and renamed; the manifest's digest stands in the ledger's
audit, and every byte is verified before any of it is parsed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.definition import FeatureSet
from pipelines.base.errors import PermanentError, StoreError, UsageError
from pipelines.problems.metrics import Array
from pipelines.releases.bundle import sha256
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import pandas as pd

CASES, MANIFEST = "cases.parquet", "manifest.json"
LABEL = "label"
RUNBOOK = "docs/runbooks/golden-set.md"
_VERSION = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class GoldenError(PermanentError):
    """A golden set is absent or damaged; nothing may be judged by it, nothing trained beside it."""


@dataclass(frozen=True, kw_only=True)
class GoldenSet:
    """Frozen cases: `cases` has event key, time, unit, entity keys, day, `label` (0.0 or 1.0), all
    stored features.

    `features` maps each feature to the digest of its declaration at freezing; `digest` is the
    manifest's SHA-256.
    """

    version: str
    digest: str
    manifest: Mapping[str, Any]
    cases: pd.DataFrame

    @property
    def features(self) -> Mapping[str, str]:
        return dict(self.manifest["features"])

    def keys_of(self, use_case: UseCase) -> Array:
        """The event keys of the cases."""
        keys: Array = self.cases[use_case.stored_features.schema.id].to_numpy()
        return keys

    def to_json(self) -> dict[str, Any]:
        """Plain data: version, digest and what the manifest says."""
        return {"version": self.version, "digest": self.digest, **self.manifest}


def declaration_digests(features: FeatureSet) -> dict[str, str]:
    """For each feature the SHA-256 over what decides its values."""
    return {
        feature.name: hashlib.sha256(
            json.dumps(feature.declaration(), sort_keys=True, default=str).encode()
        ).hexdigest()
        for feature in features.features
    }


def checked_version(version: str) -> str:
    """The version's name; raises `UsageError` for one that could leave the folder."""
    if not _VERSION.fullmatch(version):
        raise UsageError(
            "this cannot name a golden set",
            where="--name",
            expected="small letters, digits, - and _, a letter first, at most 64",
            found=repr(version),
            next_step="choose another name",
        )
    return version


def write_golden(
    folder: Path, version: str, cases: pd.DataFrame, manifest: Mapping[str, Any]
) -> GoldenSet:
    """Write a new version and return it, verified; raises `UsageError` where it exists,
    `StoreError` for the disk.
    """
    target = folder / "golden" / checked_version(version)
    if target.exists():
        raise UsageError(
            "a golden set of that name exists, and golden sets never change",
            where=str(target),
            expected="a new name",
            found=version,
            next_step="give another --name",
        )
    buffer = io.BytesIO()
    cases.to_parquet(buffer, index=False)
    content = {**manifest, "version": version, "cases_sha256": sha256(buffer.getvalue())}
    scratch = target.with_name(f".{version}-{uuid.uuid4().hex}")
    try:
        scratch.mkdir(parents=True)
        (scratch / CASES).write_bytes(buffer.getvalue())
        (scratch / MANIFEST).write_text(json.dumps(content, indent=2, sort_keys=True))
        scratch.rename(target)
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise StoreError(
            "the golden set could not be written",
            where=str(target),
            found=str(error),
            next_step="make room or permissions there, then freeze again",
        ) from error
    return load_golden(folder, version)


def load_golden(folder: Path, version: str, *, digest: str | None = None) -> GoldenSet:
    """A version, verified against its manifest and, where given, the digest in the ledger; raises
    `GoldenError`.
    """
    import pandas as pd

    place = folder / "golden" / checked_version(version)
    try:
        manifest_bytes, cases_bytes = (place / MANIFEST).read_bytes(), (place / CASES).read_bytes()
    except OSError as error:
        raise _damaged(place, "both of its files", str(error)) from error
    manifest_digest = sha256(manifest_bytes)
    if digest is not None and manifest_digest != digest:
        raise _damaged(place / MANIFEST, f"SHA-256 {digest} (ledger)", f"SHA-256 {manifest_digest}")
    manifest = json.loads(manifest_bytes)
    if sha256(cases_bytes) != manifest["cases_sha256"]:
        raise _damaged(
            place / CASES, f"SHA-256 {manifest['cases_sha256']}", f"SHA-256 {sha256(cases_bytes)}"
        )
    return GoldenSet(
        version=version,
        digest=manifest_digest,
        manifest=manifest,
        cases=pd.read_parquet(io.BytesIO(cases_bytes)),
    )


def _damaged(place: Path, expected: str, observed: str) -> GoldenError:
    return GoldenError(
        "the golden set is not the one that was frozen",
        where=str(place),
        expected=expected,
        found=observed,
        held_back=("the new release",),
        next_step=(
            "bring its folder back from a backup, or freeze another: tollgate golden freeze --from"
            " D --to D"
        ),
        runbook=RUNBOOK,
    )
