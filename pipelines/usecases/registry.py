"""Use cases by name: every module beside this one that holds a `USE_CASE`."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from importlib import import_module

from features.errors import FeatureError
from pipelines.base.errors import ConfigurationError, TollgateError, UsageError
from pipelines.base.use_case_names import use_case_names
from pipelines.usecases.definition import UseCase

names = use_case_names
"""Names of all use cases, in the order of the alphabet."""


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A use case whose declaration does not load, and the error that says why."""

    name: str
    error: TollgateError


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Every use case that there is: those that can run, and those that cannot."""

    use_cases: tuple[UseCase, ...]
    broken: tuple[Broken, ...]


def load_all() -> Declared:
    """Load every declaration; one that does not load keeps no other from running."""
    use_cases: list[UseCase] = []
    broken: list[Broken] = []
    for name in names():
        try:
            use_cases.append(load(name))
        except TollgateError as error:
            broken.append(Broken(name=name, error=error))
    return Declared(use_cases=tuple(use_cases), broken=tuple(broken))


def _not_importable(name: str, error: Exception) -> ConfigurationError:
    """A module that raises something of Python's: the error says where in its own files."""
    place = f"pipelines/usecases/{name}.py"
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}, line {error.lineno}"
    elif error.__traceback__ is not None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "importlib" not in frame.filename]
        if own:
            place = f"{own[-1].filename}, line {own[-1].lineno}"
    return ConfigurationError(
        f"the declaration of use case {name} cannot be imported",
        where=place,
        expected=f"a module that declares USE_CASE = UseCase(name={name!r}, …)",
        found=f"{type(error).__name__}: {error}",
        next_step="correct the file; tollgate usecases says whether it loads",
    )


def require_name(name: str) -> None:
    """Raise `UsageError` that lists the use cases there are for a name that is none of theirs."""
    if name not in names():
        raise UsageError(
            "unknown use case",
            where="-u or TOLLGATE_USE_CASE",
            expected=", ".join(names()),
            found=name,
            next_step="choose one of these, or declare it in pipelines/usecases/",
        )


def load(name: str) -> UseCase:
    """The use case of that name.

    Raises `UsageError` that lists those there are, `DeclarationError` for one that is wrong,
    `ConfigurationError` for a module that cannot be imported, that declares none, or one of another
    name: its DAGs, tables and records would go by that.
    """
    require_name(name)
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
    except TollgateError:
        raise
    except Exception as error:  # whatever a module of somebody's raises when it is imported
        raise _not_importable(name, error) from error
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
