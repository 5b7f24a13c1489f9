"""Errors: what a person reads, and that an error survives the way between processes."""

from __future__ import annotations

import pickle

from pipelines.base.errors import GateError, PermanentError, TransientError


def test_the_message_names_everything_line_by_line() -> None:
    error = GateError(
        "the gate of transactions refused the day",
        day="2026-11-08",
        where="lake.transactions",
        expected="at most 0.5 % bad rows",
        found="2.0 %",
        held_back=("features", "score"),
        next_step="tollgate run ingest --from 2026-11-08 --to 2026-11-08",
        runbook="docs/runbooks/ingest-refused.md",
    )
    assert str(error).splitlines() == [
        "the gate of transactions refused the day",
        "  where:      lake.transactions",
        "  day:        2026-11-08",
        "  expected:   at most 0.5 % bad rows",
        "  found:      2.0 %",
        "  held back:  features, score",
        "  next step:  tollgate run ingest --from 2026-11-08 --to 2026-11-08",
        "  runbook:    docs/runbooks/ingest-refused.md",
    ]


def test_what_is_not_known_is_left_out() -> None:
    assert str(TransientError("the store is away")) == "the store is away"


def test_an_error_survives_pickling() -> None:
    error = PermanentError("no", where="here", held_back=("a", "b"))
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (PermanentError, str(error))
