"""What a backup of a home does not hold, and what becomes of each in a restored home."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_BUCKET = (
    "copy the bucket's folder after the backup, not before, and into a new one for a home beside"
    " this one"
)

REMEDIES: Mapping[str, str] = {
    "landing": f"{_BUCKET}; or land its days again",
    "lake": f"{_BUCKET}; without a copy the days are to be landed and run again",
    "mlflow": (
        "`pg_dump` it after the backup; in an empty database `tollgate repair mlflow` records the"
        " releases again"
    ),
    "mlflow_artifacts": (
        f"{_BUCKET}; `tollgate repair mlflow` makes models again, not pictures and model cards"
    ),
    "online_store": "it needs no copy: `tollgate repair online` fills an empty one from the lake",
    "online_registry": "it needs no copy: the next materialisation fills an empty one",
    "serve_journal": (
        "it needs no copy: in an empty one today's events and reports are missing until the next"
        " night"
    ),
    "airflow_database": (
        "`pg_dump` it; in an empty database Airflow has forgotten what ran, and the ledger has not"
    ),
    "signing_key": "keep the file: without it releases are signed by another key from then on",
    "id_key": "keep the file, apart from the lake: without it a customer gets a second hashed id",
    "serve_tls_certificate": "keep the file, or have another made",
    "serve_tls_key": "keep the file, or have another made",
}
"""By setting: what to do about a store or a file that is not in the backup."""

_LINK = "make the link again, and back up where it leads"


def elsewhere_lines(elsewhere: Mapping[str, str]) -> Iterator[str]:
    """A line for each thing that is not in a backup: where it is, and what to do about it."""
    for name, place in elsewhere.items():
        shown = f"TOLLGATE_{name.upper()}" if name in REMEDIES else name
        yield f"not in the backup: {shown} ({place}): {REMEDIES.get(name, _LINK)}"
