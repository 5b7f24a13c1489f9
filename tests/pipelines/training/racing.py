"""One promotion out of several at once.

Imports little, since the processes that race start by importing it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from pipelines.base.errors import OvertakenError, PermanentError
from pipelines.ledger.ledger import Ledger
from tests.pipelines.releases.boosters import AT


def race(arguments: tuple[str, str, int]) -> bool:
    """Promote a release on the ledger of that URL if its pointer has moved so many times; whether
    that succeeded.
    """
    url, release_id, generation = arguments
    ledger = _ledger(url)
    pointer = ledger.champion()
    assert pointer is not None
    expected = replace(pointer, generation=generation)
    try:
        ledger.move_champion(release_id, expected=expected, reason="race", actor="t", at=AT)
    except PermanentError as error:
        if not isinstance(error, OvertakenError):
            raise
        return False
    return True


@cache
def _ledger(url: str) -> Ledger:
    return Ledger(url, "fraud")
