"""Drills that happen in copies of one home: the world before them is made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipelines.base.settings import Settings
from pipelines.drills.drill import Finding

Happens = Callable[[Settings], Sequence[Finding]]
InACopy = Callable[[Happens], list[Finding]]


@contextmanager
def in_copies(home: Path) -> Iterator[InACopy]:
    """What lets a drill happen in a copy of the home, at a path of its own: MLflow keeps
    connections by path.
    """
    copies: list[Path] = []

    def at(happens: Happens) -> list[Finding]:
        copies.append(home.with_name(happens.__name__))
        shutil.copytree(home, copies[-1])
        return list(happens(Settings.build(home=copies[-1], spark_cores=1)))

    yield at
    for copy in copies:
        shutil.rmtree(copy)


def not_held(findings: Sequence[Finding]) -> list[Finding]:
    """What did not happen as it must; there are enough findings to say so."""
    assert len(findings) >= 5
    return [finding for finding in findings if not finding.holds]
