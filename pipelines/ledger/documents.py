"""Stored JSON of the ledger, read as its type: one that this code cannot read is an error that says
what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from pipelines.accounts.stored import NewerVersionError, Stored
from pipelines.base.errors import PermanentError

Kind = TypeVar("Kind", bound=Stored)


def read_document(kind: type[Kind], document: Mapping[str, Any], *, what: str) -> Kind:
    """Read what the ledger stored; raises `PermanentError` for a newer version or a wrong value."""
    try:
        return kind.from_stored(document)
    except NewerVersionError as error:
        raise PermanentError(
            f"{what} was stored by a newer version of Tollgate",
            where="the ledger",
            expected=f"version {error.readable} at most",
            found=f"version {error.version}",
            next_step="run the version that wrote it, or a newer one",
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise PermanentError(
            f"{what} cannot be read",
            where="the ledger",
            expected=f"{place}: {first['msg'].lower()}",
            found=repr(first["input"])[:200],
            next_step="restore the ledger from a backup, or run the stage for that day again",
        ) from error
