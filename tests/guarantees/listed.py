"""The guarantees, each with the fault that is injected and what must be seen: the list that tests
are marked against.

`docs/guarantees.md` is made from it and from a run of the marked tests (`make test-faults`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guarantee:
    """`name` is what markers say; `not_built` names what of it has no test yet and why, empty where
    nothing lacks.
    """

    name: str
    fault: str
    must_see: str
    not_built: str = ""


GUARANTEES = (
    Guarantee(
        "a re-run has one effect",
        "run a day five times; then a corrected day",
        "same rows and content hash; the correction and nothing else visible",
    ),
    Guarantee(
        "a crash leaves old or new",
        "kill -9 between data files, log entry, checkpoint, at 25 points",
        "never a mix, N rows after the next run",
    ),
    Guarantee(
        "duplicates, late, out of order",
        "six files in 50 orders, one twice, one two days late",
        "one content hash",
    ),
    Guarantee(
        "truncated input",
        "cut one byte, half, the last line; wrong row count or hash in the manifest",
        "nothing committed, the file is named",
    ),
    Guarantee(
        "schema drift",
        "a column added, dropped, renamed, retyped, two swapped",
        "refused or quarantined with the reason; table version unchanged",
    ),
    Guarantee(
        "poison",
        "NaN, inf, negative and huge amounts, null keys, dates in the future, text in numbers",
        "quarantined with their rule, the others accepted",
    ),
    Guarantee("over budget", "2 % bad rows where 0.5 % is allowed", "the day is refused whole"),
    Guarantee(
        "empty day",
        "folder missing, manifest missing, zero rows",
        "three different states, no retraining started",
    ),
    Guarantee(
        "missing upstream",
        "three days late, then all at once",
        "alarm on the first, same tables as in order",
    ),
    Guarantee(
        "ten times the volume",
        "10 N rows",
        "same answers, memory bounded",
        "peak memory of the chain at 10 N is measured by a benchmark, not by a test",
    ),
    Guarantee(
        "online store down",
        "stop it half-way through materialisation, and while scoring",
        "watermark unmoved, a retry fills every key; scoring answers with its declared fallback,"
        " flagged",
    ),
    Guarantee(
        "online store keeps the newest",
        "write newer, older, then a correction",
        "the correction is read",
    ),
    Guarantee(
        "MLflow down",
        "stop it at start, upload, alias",
        "no release points at an incomplete model; scoring goes on",
    ),
    Guarantee(
        "Spark killed",
        "kill driver, executor, server in each stage",
        "one live job per run, N rows after the retry",
        "executors of a cluster are not killed, and of the stages only ingest is: the others write"
        " by the same commit",
    ),
    Guarantee("disk full", "at data, log and checkpoint", "table readable, version unchanged"),
    Guarantee("two promotions at once", "100 races", "one winner each time, the loser told"),
    Guarantee("crash while promoting", "at each step", "old or new champion, never none"),
    Guarantee(
        "rollback while scoring",
        "50 requests a second through it",
        "every answer from exactly one release, no errors",
    ),
    Guarantee(
        "poisoned labels", "5 % of one slice's labels flipped", "not promoted, the slice named"
    ),
    Guarantee(
        "tampered model",
        "bytes flipped, file added, removed, symlink, wrong key, unsigned",
        "refused before parsing",
    ),
    Guarantee("pickle", "a model directory with a pickle", "never loaded"),
    Guarantee(
        "path tricks",
        "`../`, absolute, encoded, in days, feeds, release ids",
        "none leaves its root",
    ),
    Guarantee(
        "injection", "`=`, `+`, `@`, `<script>` in values and column names", "inert in CSV and HTML"
    ),
    Guarantee(
        "secrets and card numbers",
        "canaries in settings and in bad rows",
        "no hit in logs, tables, reports",
    ),
    Guarantee("unauthenticated", "every route of ours × none, expired, wrong role", "401 or 403"),
    Guarantee(
        "kill -9 while answering",
        "a process of the online scorer, in the middle of a day",
        "no answer lost, states as if nothing had happened",
    ),
    Guarantee(
        "huge request",
        "1 GB, chunked, deep JSON",
        "413 or 422, memory flat",
    ),
    Guarantee(
        "two drivers on one lake",
        "writers race for a table on an object store; a holder of its lease is killed, or"
        " suspended",
        "nothing is lost, each commit names a larger token than those before",
    ),
    Guarantee(
        "deleted for good",
        "a card is deleted by its key; the deletion is interrupted",
        "no file holds it, no earlier version can be read, all other rows stay",
    ),
    Guarantee("time", "DST days, leap day, year's end", "all UTC, 24 hours a day, totals N"),
    Guarantee(
        "the k-th operation fails",
        "each file operation and each write to a database fails once, for every k",
        "old or new, and a retry completes",
    ),
)

BY_NAME = {guarantee.name: guarantee for guarantee in GUARANTEES}
