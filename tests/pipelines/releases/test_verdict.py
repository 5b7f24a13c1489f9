"""The verdict is one of three, and says first what decided it."""

from __future__ import annotations

import json

import pytest

from pipelines.releases.verdict import Check, Verdict, not_applicable


def _check(name: str, outcome: str, consequence: str = "refuse") -> Check:
    return Check(
        name=name,
        question="?",
        outcome=outcome,
        found=f"what {name} found",
        consequence=consequence,  # type: ignore[arg-type]
        figures={"a": 1.0, "b": float("nan")},
        table=[{"x": float("inf")}],
    )


@pytest.mark.parametrize(
    ("failed", "decision"),
    [
        ([], "approved"),
        (["ask"], "needs a person"),
        (["ask", "refuse"], "refused"),
        (["refuse"], "refused"),
    ],
)
def test_one_of_three(failed: list[str], decision: str) -> None:
    checks = [_check(f"c{n}", "failed", consequence) for n, consequence in enumerate(failed)]
    verdict = Verdict(
        checks=(_check("slices", "passed"), not_applicable("parity", "?", "none"), *checks)
    )
    assert verdict.decision == decision
    assert verdict.summary.startswith(f"{decision}: ")
    assert "not applicable: parity" in verdict.summary
    assert verdict.summary.endswith(".")


def test_what_refuses_comes_before_what_asks() -> None:
    verdict = Verdict(checks=(_check("first", "failed", "ask"), _check("second", "failed")))
    assert verdict.reasons == ["second: what second found", "first: what first found"]


def test_it_is_strict_json() -> None:
    document = Verdict(checks=(_check("one", "failed"),)).to_json()
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text)["checks"][0]["figures"] == {"a": 1.0, "b": None}
