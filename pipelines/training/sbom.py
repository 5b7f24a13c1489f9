"""What a release was made with: a software bill of materials (CycloneDX 1.6, JSON) from lock and
environment.

<https://cyclonedx.org/docs/1.6/json/>. Packages are named by purl, so that a scanner with
advisories (none can be had where this is built) can say of each release, years later, what has
become known since. It holds no clock and no serial number: the same release gives the same
document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import distributions
from typing import Any

from pipelines.accounts.release import ReleaseAccount
from pipelines.base.settings import CHECKOUT
from pipelines.spark.jar_list import DELTA_JARS, Jar

NAME = "sbom.cdx.json"
LOCK = CHECKOUT / "requirements.txt"
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def bill_of_materials(record: ReleaseAccount) -> dict[str, Any]:
    """The document for a release record (`pipelines.training.record`): the model, our code, Python
    packages, jars.

    Packages are those of the lock in the versions that are installed here; a version that is not
    the lock's is told as property `tollgate:locked`. Where there is no lock, all that is installed.
    """
    locked = dict(locked_packages(LOCK.read_text())) if LOCK.is_file() else {}
    installed = {
        _plain(distribution.name): distribution.version for distribution in distributions()
    }
    names = sorted(locked.keys() & installed.keys() if locked else installed.keys() - {"tollgate"})
    code = {
        "type": "application",
        "bom-ref": "tollgate",
        "name": "tollgate",
        "version": record.code_version,
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _model(record)},
        "components": [
            code,
            *(_package(name, installed[name], locked.get(name, installed[name])) for name in names),
            *(_jar(jar) for jar in DELTA_JARS),
        ],
        "dependencies": [{"ref": record.release_id, "dependsOn": ["tollgate"]}],
    }


def locked_packages(text: str) -> Iterable[tuple[str, str]]:
    """Name and version of each package of a lock as pip and uv write it."""
    return [(_plain(name), version) for name, version in _PINNED.findall(text)]


def _model(record: ReleaseAccount) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": record.release_id,
        "name": record.use_case,
        "version": record.release_id,
        "hashes": [{"alg": "SHA-256", "content": record.model_digest}],
    }


def _package(name: str, version: str, locked: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return (
        component
        if version == locked
        else {**component, "properties": [{"name": "tollgate:locked", "value": locked}]}
    )


def _jar(jar: Jar) -> dict[str, Any]:
    group, artifact, version = jar.coordinate.split(":")
    purl = f"pkg:maven/{group}/{artifact}@{version}"
    hashes = [{"alg": "SHA-256", "content": jar.sha256}]
    named = {"group": group, "name": artifact, "version": version}
    return {"type": "library", "bom-ref": purl, **named, "purl": purl, "hashes": hashes}


def _plain(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
