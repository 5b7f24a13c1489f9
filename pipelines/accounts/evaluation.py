"""An evaluation as the ledger keeps it: figures by contender, the checks that a release had to
pass, the verdict.
"""

from __future__ import annotations

from typing import Any

from pipelines.accounts.part import Part


class CheckAccount(Part):
    """One question to a release; `outcome` is `passed`, `failed` or `not applicable`, `found` the
    answer in words.

    `figures` are the numbers that it rests on, None where one is not defined. `table` holds what
    was looked at one by one, rows of equal keys with plain values that differ from check to check;
    `subjects` names those that failed.
    """

    name: str
    question: str = ""
    outcome: str = ""
    found: str = ""
    figures: dict[str, int | float | str | None] = {}
    table: tuple[dict[str, Any], ...] = ()
    subjects: tuple[str, ...] = ()
    consequence: str = "refuse"


class VerdictAccount(Part):
    """The decision (`approved`, `refused`, `needs a person`), why in words, and the checks that it
    rests on.
    """

    decision: str | None = None
    summary: str = ""
    reasons: tuple[str, ...] = ()
    checks: tuple[CheckAccount, ...] = ()


class EvaluationAccount(Part):
    """Figures by contender on the `n_test` events of the test days; None where a figure is not
    defined.

    `inputs` names what was handed in besides the frame: digests of the golden set and of the frame.
    """

    n_test: int = 0
    n_test_positive: int = 0
    metrics: dict[str, dict[str, float | None]] = {}
    inputs: dict[str, Any] = {}
    verdict: VerdictAccount = VerdictAccount()
