"""Use cases by name: every module beside this one that holds a `USE_CASE`."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from pipelines import usecases
from pipelines.platform.errors import UsageError
from pipelines.usecases.definition import UseCase

_NOT_USE_CASES = {"definition", "feeds", "registry"}


def names() -> list[str]:
    """Names of all use cases."""
    modules = (module.name for module in pkgutil.iter_modules(usecases.__path__) if not module.ispkg)
    return sorted(name for name in modules if name not in _NOT_USE_CASES)


def load(name: str) -> UseCase:
    """The use case of that name; raises `UsageError` that lists those there are."""
    if name not in names():
        raise UsageError(
            "unknown use case",
            where="TOLLGATE_USE_CASE",
            expected=", ".join(names()),
            found=name,
            next_step="choose one of these, or declare it in pipelines/usecases/",
        )
    use_case: UseCase = import_module(f"pipelines.usecases.{name}").USE_CASE
    return use_case
