"""Which use cases one scorer serves."""

from __future__ import annotations

import logging

from pipelines.base.errors import UsageError
from pipelines.base.settings import Settings
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load, load_all

LOGGER = logging.getLogger("tollgate.serve")


def served_use_cases(settings: Settings) -> list[UseCase]:
    """The settings' use case first, which answers at `/v1/score`, then the others by name.

    The others are those that `serve_use_cases` names, or all; one whose declaration does not load
    is logged and left out. Raises what `load` raises for the first one, and `UsageError` for a name
    that is none.
    """
    first, declared = load(settings.use_case), load_all()
    by_name = {use_case.name: use_case for use_case in declared.use_cases}
    broken = {each.name: each.error for each in declared.broken}
    wanted = [name.strip() for name in settings.serve_use_cases.split(",") if name.strip()]
    for name in wanted:
        if name not in by_name and name not in broken:
            raise UsageError(
                "the scorer is asked to serve a use case that there is not",
                where="TOLLGATE_SERVE_USE_CASES",
                expected=", ".join(sorted({*by_name, *broken})),
                found=name,
                next_step="correct the setting; empty, it serves all",
            )
    names = sorted(set(wanted or {*by_name, *broken}) - {first.name})
    for name in names:
        if name in broken:
            LOGGER.error("use case %s is not served: %s", name, broken[name])
    return [first, *(by_name[name] for name in names if name in by_name)]
