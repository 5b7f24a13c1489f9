"""Every value in force is printed with its unit, its origin and its sentence; no field is without
one.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from pipelines.base.settings import CHECKOUT
from pipelines.usecases.definition import POLICIES, UseCase
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.evidence import EvidencePolicy
from pipelines.usecases.policies.in_force import field_sentences, policy_values
from tests.cli.calling import called


def test_every_policy_of_a_use_case_is_printed() -> None:
    room = "pipelines.usecases.policies."
    names = [field.name for field in fields(UseCase)]
    policies = {name for name in names if type(getattr(USE_CASE, name)).__module__.startswith(room)}
    assert policies == set(POLICIES)


@pytest.mark.parametrize("section", POLICIES)
def test_every_field_has_a_sentence(section: str) -> None:
    policy = getattr(USE_CASE, section)
    sentences = field_sentences(type(policy))
    assert [
        field.name for field in fields(policy) if not sentences.get(field.name, "").endswith(".")
    ] == []


def test_a_value_says_whether_it_is_the_default_and_which_file_sets_it() -> None:
    changed = replace(USE_CASE, evidence=replace(EvidencePolicy(), replicates=500))
    values = {(value.section, value.name): value for value in policy_values(changed)}
    set_here, default = values["evidence", "replicates"], values["evidence", "level"]
    assert (set_here.value, set_here.is_default, set_here.set_in) == (
        500,
        False,
        "pipelines/usecases/fraud.py",
    )
    assert (default.is_default, default.set_in) == (True, "pipelines/usecases/policies/evidence.py")
    assert values["label", "delay_days"].unit == "days"
    assert all((CHECKOUT / value.set_in).is_file() for value in values.values())


def test_the_command_prints_them_and_touches_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    code, output, _ = called(capsys, "policy", "--json")
    document = json.loads(output)
    assert (code, document["use_case"], document["digest"]) == (0, "fraud", USE_CASE.policy_digest)
    assert len(document["values"]) == len(policy_values(USE_CASE))
    code, output, _ = called(capsys, "policy", "--use-case", "fraud")
    budget = (
        "ingest.bad_row_budget = 0.005 share (default, pipelines/usecases/policies/ingest.py): The"
        " largest share"
    )
    assert code == 0
    assert budget in output
    assert len(output.splitlines()) == len(document["values"])
    assert not (tmp_path / "home").exists()


def test_another_use_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = called(capsys, "policy", "--use-case", "fruad")
    assert (code, "unknown use case" in errors) == (2, True)
