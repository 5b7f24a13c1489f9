"""A drill: something goes wrong on purpose, in a scratch home, and what happens is held against
what must happen.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.base.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that had to happen: `expected` in words, what `happened`, and whether that
    `holds`.
    """

    expected: str
    happened: str
    holds: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"expected": self.expected, "happened": self.happened, "holds": self.holds}


@dataclass(frozen=True, kw_only=True)
class DrillResult:
    """What a drill `injected`, and its findings; `seconds` of wall time; `home` is the scratch
    home, if it was kept.
    """

    name: str
    injected: str
    findings: Sequence[Finding]
    seconds: float
    home: str = ""

    @property
    def holds(self) -> bool:
        """Whether everything that had to happen did."""
        return bool(self.findings) and all(finding.holds for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "drill": self.name,
            "holds": self.holds,
            "injected": self.injected,
            "findings": [finding.to_json() for finding in self.findings],
            "seconds": self.seconds,
            "home": self.home or None,
        }


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A drill by name: `happens` gets the settings of an empty home and returns what it found."""

    name: str
    description: str
    injected: str
    happens: Callable[[Settings], Sequence[Finding]]

    def practise(self, settings: Settings, *, keep: bool = False) -> DrillResult:
        """Let it happen in a home of its own; `settings` lend only what a machine has (jars, cores,
        memory).
        """
        began = time.monotonic()
        with scratch_home(settings, f"drill-{self.name}-", keep=keep) as scratch:
            findings = tuple(self.happens(scratch))
        return DrillResult(
            name=self.name,
            injected=self.injected,
            findings=findings,
            seconds=round(time.monotonic() - began, 1),
            home=str(scratch.home) if keep else "",
        )


@contextmanager
def scratch_home(settings: Settings, prefix: str, *, keep: bool = False) -> Iterator[Settings]:
    """Settings of a new, empty home outside of the user's; it is removed afterwards, unless it is
    to be kept.

    Nothing of the user's home is in them: landing zone, lake, ledger, MLflow and online store all
    lie in the new one, and Spark is local.
    """
    home = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    try:
        yield Settings.build(
            home=home,
            jars=settings.jars,
            spark_cores=settings.spark_cores,
            spark_memory=settings.spark_memory,
        )
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
