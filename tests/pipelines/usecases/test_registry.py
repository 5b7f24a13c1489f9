"""Use cases by name: one that does not load says why, and keeps no other from running."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.usecases.registry import load, load_all, names
from pipelines.usecases.validation.problems import DeclarationError
from tests.pipelines.usecases.more_use_cases import like_fraud, use_cases_in

BROKEN = {
    "a sentence that is no Python": ("USE_CASE = (", "SyntaxError"),
    "an import that does not exist": ("import nothing_of_that_name", "nothing_of_that_name"),
    "an error of its own": ("raise RuntimeError('half done')", "RuntimeError: half done"),
    "an error in arithmetic": ("LIMIT = 1 / 0", "ZeroDivisionError"),
    "nothing": ("", "no USE_CASE"),
    "something else": ("USE_CASE = 7", "no USE_CASE"),
    "another name": (like_fraud("churn"), "a use case called 'churn'"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_one_that_does_not_load_keeps_no_other_from_running(tmp_path: Path, what: str) -> None:
    text, message = BROKEN[what]
    with use_cases_in(tmp_path, bike=text, returns=like_fraud("returns")):
        assert names() == ["bike", "fraud", "returns"]
        declared = load_all()
        assert [use_case.name for use_case in declared.use_cases] == ["fraud", "returns"]
        (broken,) = declared.broken
        assert broken.name == "bike"
        assert message in str(broken.error)
        assert "bike" in str(broken.error)


def test_an_error_of_python_names_file_and_line(tmp_path: Path) -> None:
    with use_cases_in(tmp_path, bike="A = 1\nB = A / 0\n"):
        error = load_all().broken[0].error
    assert isinstance(error, ConfigurationError)
    assert str(error.where).endswith("bike.py, line 2")
    assert "tollgate usecases" in error.next_step


def test_a_use_case_is_not_called_like_a_folder_of_the_home(tmp_path: Path) -> None:
    with (
        use_cases_in(tmp_path, reports=like_fraud("reports")),
        pytest.raises(DeclarationError, match="no folder of a home"),
    ):
        load("reports")


def test_an_unknown_name_lists_those_there_are(tmp_path: Path) -> None:
    with (
        use_cases_in(tmp_path, returns=like_fraud("returns")),
        pytest.raises(UsageError) as caught,
    ):
        load("bike")
    assert caught.value.expected == "fraud, returns"
