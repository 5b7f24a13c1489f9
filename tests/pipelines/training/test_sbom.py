"""The bill of materials names every package of the lock as it is installed, the jars, and the model
by its digest.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from pipelines.spark.jar_list import DELTA_JARS
from pipelines.training import sbom
from pipelines.training.sbom import bill_of_materials, locked_packages
from tests.accounts import release_account

RECORD = release_account(
    release_id="fraud-20260906-0123abcd",
    use_case="fraud",
    model_digest="ab" * 32,
    code_version="c0",
)


def test_it_names_what_is_installed_of_the_lock_the_jars_and_the_model() -> None:
    bill = bill_of_materials(RECORD)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert bill["metadata"]["component"]["hashes"] == [
        {"alg": "SHA-256", "content": RECORD.model_digest}
    ]
    purls = [component["purl"] for component in bill["components"] if "purl" in component]
    assert len(purls) > 200
    assert all(
        re.fullmatch(r"pkg:(pypi/[a-z0-9-]+|maven/[\w.-]+/[\w.-]+)@[^\s@]+", purl) for purl in purls
    )
    assert f"pkg:pypi/xgboost@{version('xgboost')}" in purls
    assert "pkg:maven/io.delta/delta-storage@4.4.0" in purls
    assert len([purl for purl in purls if purl.startswith("pkg:maven")]) == len(DELTA_JARS)
    assert not [purl for purl in purls if purl.startswith("pkg:pypi/pytest@")], (
        "tools of developers took no part"
    )
    references = [component["bom-ref"] for component in bill["components"]]
    assert len(references) == len(set(references))
    assert bill_of_materials(RECORD) == bill


def test_another_version_than_the_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "xgboost==0.1 \\\n    --hash=sha256:00\nno_such.Thing==1 ; sys_platform =="
        " 'win32'\nuvicorn[standard]==2\n"
    )
    assert locked_packages(lock.read_text()) == [
        ("xgboost", "0.1"),
        ("no-such-thing", "1"),
        ("uvicorn", "2"),
    ]
    monkeypatch.setattr(sbom, "LOCK", lock)
    packages = {material["name"]: material for material in bill_of_materials(RECORD)["components"]}
    assert packages["xgboost"]["version"] == version("xgboost")
    assert packages["xgboost"]["properties"] == [{"name": "tollgate:locked", "value": "0.1"}]
    assert "no-such-thing" not in packages
