"""Use cases by name: every module beside this one that holds a `USE_CASE`."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from features.errors import FeatureError
from pipelines import usecases
from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.usecases.definition import UseCase

_NOT_USE_CASES = {"definition", "feeds", "registry"}


def names() -> list[str]:
    """Names of all use cases."""
    modules = (
        module.name for module in pkgutil.iter_modules(usecases.__path__) if not module.ispkg
    )
    return sorted(name for name in modules if name not in _NOT_USE_CASES)


def load(name: str) -> UseCase:
    """The use case of that name.

    Raises `UsageError` that lists those there are, `DeclarationError` for one that is wrong,
    `ConfigurationError` for a module that declares none, or one of another name: its DAGs, tables
    and records would go by that.
    """
    if name not in names():
        raise UsageError(
            "unknown use case",
            where="TOLLGATE_USE_CASE",
            expected=", ".join(names()),
            found=name,
            next_step="choose one of these, or declare it in pipelines/usecases/",
        )
    try:
        use_case = getattr(import_module(f"pipelines.usecases.{name}"), "USE_CASE", None)
    except FeatureError as error:
        # a feature checks itself when it is made, before there is a use case that could gather what
        # is wrong
        raise ConfigurationError(
            error.what,
            where=f"the features of use case {name}",
            expected=error.expected,
            found=error.found,
            next_step="correct the declaration of the feature",
        ) from error
    if not isinstance(use_case, UseCase) or use_case.name != name:
        raise ConfigurationError(
            "a module of use cases does not declare the use case of its name",
            where=f"pipelines/usecases/{name}.py",
            expected=f"USE_CASE = UseCase(name={name!r}, …)",
            found=f"a use case called {use_case.name!r}"
            if isinstance(use_case, UseCase)
            else "no USE_CASE",
            next_step="give the file and the use case one name",
        )
    return use_case
