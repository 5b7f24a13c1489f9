"""What data must satisfy, declared: checks with severities, gathered into suites.

Great Expectations runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One expectation: `type` is the name of a Great Expectations class, `arguments` are its
    keyword arguments.

    A failed `critical` check closes the gate; a `warning` is shown and lets pass. `meaning` says,
    for the person on call, what it means when it fails.
    """

    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = "critical"
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The checks of one table."""

    name: str
    checks: tuple[Check, ...]
