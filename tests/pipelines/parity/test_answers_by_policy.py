"""That the rule decided by policy is a column of the log; logs of earlier versions said it in the
reason alone.
"""

from __future__ import annotations

import pyarrow as pa

from pipelines.parity.served.predictions import BY_POLICY, _with_policy

REASONS = [
    "by policy since 2026-11-08: a holiday",
    "the states of its entities could not be had in time",
    None,
]


def test_a_log_of_an_earlier_version_says_it_by_its_reason() -> None:
    older = pa.table({"reason": pa.array(REASONS, pa.string())})
    assert _with_policy(older)[BY_POLICY].to_pylist() == [True, False, False]


def test_the_column_decides_where_it_is_there() -> None:
    newer = pa.table(
        {"reason": pa.array(REASONS, pa.string()), BY_POLICY: pa.array([False, True, None])}
    )
    assert _with_policy(newer)[BY_POLICY].to_pylist() == [False, True, False]
