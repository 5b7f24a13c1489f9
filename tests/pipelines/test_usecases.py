"""Use cases: every name that is offered loads, and another is refused with those there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.usecases import fraud
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load, names


def test_every_name_loads_a_use_case_of_that_name() -> None:
    assert "fraud" in names()
    for name in names():
        use_case = load(name)
        assert isinstance(use_case, UseCase)
        assert use_case.name == name


def test_another_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown use case") as caught:
        load("watching")
    assert caught.value.expected == ", ".join(names())


def test_a_module_that_declares_no_use_case_of_its_name_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fraud, "USE_CASE", replace(fraud.USE_CASE, name="frauds"))
    with pytest.raises(ConfigurationError) as caught:
        load("fraud")
    assert caught.value.found == "a use case called 'frauds'"
    monkeypatch.delattr(fraud, "USE_CASE")
    with pytest.raises(ConfigurationError, match="no USE_CASE"):
        load("fraud")
