"""Use cases: every name that is offered loads, and another is refused with those there are."""

from __future__ import annotations

import pytest

from pipelines.base.errors import UsageError
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
