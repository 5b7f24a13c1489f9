"""A release's bundle as the ledger vouches for it: the one way in which stages and commands come by
a bundle.
"""

from __future__ import annotations

from pipelines.ledger.ledger import Release
from pipelines.releases.bundle import Bundle, load_bundle, releases_folder
from pipelines.run import Run


def release_bundle(run: Run, release: Release | str) -> Bundle:
    """The verified bundle of a release in the ledger; raises `BundleError` where it is not what was
    released.

    A release whose ledger row names no signing key was made before bundles were signed: the digest
    in the ledger alone vouches for it (decision 0192). Every other bundle must be signed by a key
    that this home trusts.
    """
    record = run.ledger.release(release) if isinstance(release, str) else release
    account = record.account
    return load_bundle(
        releases_folder(run.settings.home),
        record.release_id,
        manifest_digest=account.manifest_digest,
        signed_by=account.signed_by or None,
    )
