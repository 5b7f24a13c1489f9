"""What an error of another library means to a person: one block with what, where and the next step,
never a traceback.

The stages turn what they foresee into errors of their own. This is the net below them, for the
command line and for Airflow's tasks alike.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from pipelines.base.card_numbers import mask_card_numbers
from pipelines.base.errors import TollgateError, UnexpectedError
from pipelines.base.masking import mask_secrets
from pipelines.base.settings import CHECKOUT
from pipelines.lake.delta_health import damage_behind, damaged
from pipelines.lake.errors import spark_said

RUNBOOK = "docs/runbooks/unexpected-error.md"
_ROOMS = ("pipelines", "features", "expectations", "plugins", "dags")
_LONGEST = 500
"""Characters of what another library says."""


def explained(
    error: BaseException, secrets: tuple[str, ...] = (), *, lake: str = ""
) -> TollgateError:
    """An error of ours as it is; any other as the block that says what it means, its text masked
    and cut.

    Where the root of the lake is given, an error of Spark's is looked into: it may be a file that
    is not whole.
    """
    if isinstance(error, TollgateError):
        return error
    if lake and (damage := damage_behind(error, lake)) is not None:
        return damaged(damage)
    said = mask_card_numbers(mask_secrets(_said(error), secrets))
    place = _place(error)
    if (spark := spark_said(error)) is not None:
        return UnexpectedError(
            "Spark could not do what it was asked for",
            where=place,
            found=mask_card_numbers(mask_secrets(spark, secrets)),
            next_step=(
                "run `tollgate doctor`, which looks at the lake and at Spark; then the same command"
                " again"
            ),
            runbook=RUNBOOK,
        )
    if isinstance(error, OSError) and error.strerror:
        return UnexpectedError(
            "the machine refused what the command needed",
            where=_named_file(error) or place,
            found=f"{type(error).__name__}: {error.strerror}",
            next_step=(
                "look at that place (permissions, room, whether it is there), then run the same"
                " command again"
            ),
            runbook=RUNBOOK,
        )
    if isinstance(error, MemoryError):
        return UnexpectedError(
            "the memory of this machine was not enough",
            where=place,
            found=said,
            next_step=(
                "end what else runs, or ask for fewer days at once; then run the same command again"
            ),
            runbook=RUNBOOK,
        )
    if isinstance(error, ImportError):
        return UnexpectedError(
            "a part of the installation is missing",
            where=place,
            found=said,
            next_step="run `make setup`, then `tollgate doctor`",
            runbook=RUNBOOK,
        )
    if isinstance(error, UnicodeError):
        return UnexpectedError(
            "an argument, a setting or the name of a file holds bytes that are no text",
            where=place,
            expected="UTF-8",
            found=said,
            next_step=(
                "rename the file, or type the argument in letters; then run the same command again"
            ),
            runbook=RUNBOOK,
        )
    return UnexpectedError(
        "an error that Tollgate does not know",
        where=place,
        found=said,
        next_step=(
            "run `tollgate doctor`; if it finds nothing and the error comes back, report it with"
            " the log"
        ),
        runbook=RUNBOOK,
    )


def first_line(error: BaseException) -> str:
    """The error's kind and the first line of its text, cut where it is long."""
    return _said(error)


def _said(error: BaseException) -> str:
    try:
        text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text[:_LONGEST]}" if text else type(error).__name__


def _named_file(error: OSError) -> str:
    return (
        str(error.filename)
        if isinstance(error.filename, str | bytes | Path) and error.filename
        else ""
    )


def _place(error: BaseException) -> str:
    """File and line of ours nearest to where it was raised; empty where none of ours took part."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(CHECKOUT) and path.relative_to(CHECKOUT).parts[0] in _ROOMS:
            return f"{path.relative_to(CHECKOUT)}, line {frame.lineno}"
    return ""
