"""The line of champions: who a rollback goes back to, by the ledger's history alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from pipelines.ledger.ledger import Move


def line_of_champions(moves: Iterable[Move]) -> list[str]:
    """Champions that a rollback may go back to, oldest first; the last one is champion now.

    A promotion adds to the line. A rollback takes the release that it goes back from out of the
    line, wherever it stands, and all that came after the one that is put back: so a second rollback
    goes further back, never to a release that was itself rolled back from. One to a release that is
    no longer in the line adds it again.
    """
    line: list[str] = []
    for move in moves:
        if move.kind == "rollback" and move.champion in line[:-1]:
            left = line[-1]
            line = [release for release in line if release != left]
            while line[-1] != move.champion:
                line.pop()
            line = [release for release, _ in groupby(line)]
        if move.kind in {"promote", "rollback"} and line[-1:] != [move.champion]:
            line.append(move.champion)
    return line


def was_champion(moves: Sequence[Move], release_id: str) -> bool:
    """Whether the release was ever champion."""
    return any(move.champion == release_id for move in moves)
