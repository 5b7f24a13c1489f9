#!/usr/bin/env python3
"""Makes every password on the first start, and gives each service those that it needs, in a folder
of its own.

`all/` keeps them; the other folders are written anew at each start. Each folder is a volume that
only its service mounts, under /run/secrets: who may mount it may read it.
"""

import hashlib
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

DATABASES = ("ledger", "airflow", "feast", "mlflow")
PASSWORDS = (
    "superuser",
    *DATABASES,
    "redis",
    "s3_key",
    "s3_secret",
    "s3_admin_key",
    "s3_admin_secret",
    "grafana",
)
BUCKET = "tollgate"


def main(root: Path) -> None:
    """Make what is missing below `root`, and write each service's folder."""
    secrets = {name: _known(root / "all" / name) for name in PASSWORDS}
    for folder, files in folders(secrets).items():
        for name, content in files.items():
            _write(root / folder / name, content, 0o444)


def folders(secrets: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The files of each service's folder."""
    return {
        "tollgate": {name: secrets[name] for name in (*DATABASES, "redis", "s3_key", "s3_secret")},
        "buckets": {"s3_key": secrets["s3_admin_key"], "s3_secret": secrets["s3_admin_secret"]},
        "postgres": {name: secrets[name] for name in ("superuser", *DATABASES)},
        "redis": {"users.acl": _redis_users(secrets["redis"])},
        "s3": {"s3.json": json.dumps({"identities": _identities(secrets)})},
        "grafana": {"password": secrets["grafana"]},
    }


def _redis_users(password: str) -> str:
    """Redis's users by the SHA-256 of their password: all that applications do, nothing that
    administers the server.
    """
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"user default on #{digest} ~* &* +@all -@admin +config|get\n"


def _identities(secrets: Mapping[str, str]) -> list[dict[str, object]]:
    """SeaweedFS's identities: one that works in our bucket, one that makes it."""
    working = [f"{action}:{BUCKET}" for action in ("Read", "Write", "List", "Tagging")]
    return [
        {"name": "tollgate", "credentials": [_credentials(secrets, "s3")], "actions": working},
        {
            "name": "buckets",
            "credentials": [_credentials(secrets, "s3_admin")],
            "actions": ["Admin"],
        },
    ]


def _credentials(secrets: Mapping[str, str], name: str) -> dict[str, str]:
    return {"accessKey": secrets[f"{name}_key"], "secretKey": secrets[f"{name}_secret"]}


def _known(path: Path) -> str:
    """The password in that file, made where there is none."""
    if not path.is_file():
        _write(path, secrets.token_urlsafe(24), 0o400)
    return path.read_text()


def _write(path: Path, content: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}")
    scratch.unlink(missing_ok=True)
    scratch.touch(0o600)
    scratch.write_text(content)
    scratch.chmod(mode)
    scratch.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
