"""A diagnosis in the log: the end of the monitor's log says what was found, what it means and what
to type.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipelines.base.log_block import log_block
from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis

log = logging.getLogger("tollgate.watch")


def tell(diagnosis: Diagnosis, *, use_case: str, explained_by: Sequence[str] = ()) -> None:
    """Put the diagnosis into the log, as loudly as its severity; `explained_by` are features that
    moved the scores.
    """
    if diagnosis.severity != "none":
        level = logging.WARNING if diagnosis.severity in ("ticket", "page") else logging.INFO
        log.log(level, "\n%s", told(diagnosis, use_case=use_case, explained_by=explained_by))


def told(diagnosis: Diagnosis, *, use_case: str = "", explained_by: Sequence[str] = ()) -> str:
    """What was found of which day, the evidence, what it means, the next command, the runbook."""
    return log_block(
        {
            diagnosis.severity.upper(): f"{diagnosis.title}, {diagnosis.day}",
            "evidence": "\n".join(signal.told for signal in diagnosis.evidence),
            "moved by": ", ".join(explained_by),
            "not judged": "; ".join(diagnosis.unjudged),
            "means": diagnosis.consequence,
            "next": diagnosis.next_step,
            "runbook": diagnosis.runbook,
        },
        use_case=use_case,
    )
