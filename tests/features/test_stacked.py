"""Which features are worked out together, and in which order; tests/features/test_stream proves the
bits the same.
"""

from __future__ import annotations

import pytest

from features.errors import FeatureError
from features.feature import Feature
from features.stacked import Plan, Stack
from pipelines.usecases.fraud import USE_CASE

FEATURES = USE_CASE.stored_features.features


def members(stack: Feature | Stack) -> tuple[Feature, ...]:
    return stack.members if isinstance(stack, Stack) else (stack,)


def test_everything_is_worked_out_once_and_after_what_it_is_computed_from() -> None:
    plan = Plan(FEATURES)
    done: list[str] = []
    for stack in plan.stacks:
        for member in members(stack):
            assert {part.name for part in member.inputs} <= set(done)
        done += [member.name for member in members(stack)]
    assert len(done) == len(set(done))
    assert any(feature.inputs for feature in FEATURES), "some are computed from others"
    assert set(done) >= set(plan.names) == {feature.name for feature in FEATURES}


def test_a_stack_is_of_one_kind_over_one_entity() -> None:
    stacks = Plan(FEATURES).stacks
    for stack in stacks:
        assert (
            len({(type(member), getattr(member, "entity", "")) for member in members(stack)}) == 1
        )
    assert max(len(members(stack)) for stack in stacks) > 2, "features are stacked at all"


def test_members_that_do_not_agree_are_refused() -> None:
    counts = [
        USE_CASE.stored_features[f"{entity}_tx_count_7d"] for entity in ("customer", "terminal")
    ]
    with pytest.raises(FeatureError, match="does not agree on entity"):
        _ = Stack(counts).entity
