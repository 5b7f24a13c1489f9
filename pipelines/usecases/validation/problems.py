"""Problems of a declaration: gathered place by place, then raised as one error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pipelines.base.errors import ConfigurationError

_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place of a declaration, such as `watch.weeks`."""

    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.place}: expected {self.expected}; found {self.found}"


class DeclarationError(ConfigurationError):
    """A use case's declaration is wrong; `problems` has every place."""

    def __init__(self, what: str, *, problems: Iterable[Problem] = (), **fields: str) -> None:
        super().__init__(what, **fields)
        self.problems = tuple(problems)


class Problems:
    """Collects what is wrong below a place; `at` gives the collector of a place below that."""

    def __init__(self, place: str = "", collected: list[Problem] | None = None) -> None:
        self.place = place
        self.collected: list[Problem] = [] if collected is None else collected

    def at(self, name: str) -> Problems:
        """The same collection, for a place below: a field's name, or `[name]` of a member."""
        separator = "." if self.place and not name.startswith("[") else ""
        return Problems(f"{self.place}{separator}{name}", self.collected)

    def add(self, expected: str, value: Any) -> None:
        """Something is wrong here."""
        text = value if isinstance(value, str) else repr(value)
        self.collected.append(Problem(self.place, expected, text or "an empty text"))

    def require(self, holds: bool, expected: str, value: Any) -> None:
        """Something is wrong here unless it holds."""
        if not holds:
            self.add(expected, value)

    def require_name(self, name: object, accepted_names: Iterable[str], what: str) -> None:
        """The name has to be one of those that are known; the nearest is suggested."""
        names = [*accepted_names]
        if name not in names:
            self.add(f"{what} ({_shown(str(name), names)})", str(name))

    def look(self, check: Callable[..., object], *arguments: Any) -> None:
        """Call `check(*arguments, self)`; what it cannot look into, for a value of a wrong type, is
        passed over.

        Raises what the check raises where nothing has been reported yet: then it is the check that
        is wrong.
        """
        try:
            check(*arguments, self)
        except Exception:
            if not self.collected:
                raise

    def require_unique(self, names: Sequence[str], what: str) -> None:
        """No name may stand twice."""
        twice = sorted({name for name in names if names.count(name) > 1})
        self.require(not twice, f"each {what} once", ", ".join(twice) + " twice")


def raise_for(problems: Sequence[Problem], use_case: str) -> None:
    """Raise `DeclarationError` that lists every problem, one a line; nothing where there is
    none.
    """
    if not problems:
        return
    count = len(problems)
    lines = "".join(f"\n    - {problem}" for problem in problems)
    raise DeclarationError(
        f"the declaration of use case {use_case} has {count} problem{'s' if count > 1 else ''}",
        problems=problems,
        where=f"pipelines/usecases/{use_case}.py, or the features and checks that it names",
        found=lines,
        next_step="correct every place named above; nothing runs with a declaration that is wrong",
    )


def _shown(name: str, accepted_names: Sequence[str]) -> str:
    near = get_close_matches(name, accepted_names, n=2)
    if near:
        return f"did you mean {' or '.join(near)}?"
    more = (
        f", and {len(accepted_names) - _NAMES_SHOWN} more"
        if len(accepted_names) > _NAMES_SHOWN
        else ""
    )
    return (
        f"{', '.join(accepted_names[:_NAMES_SHOWN])}{more}" if accepted_names else "there is none"
    )
