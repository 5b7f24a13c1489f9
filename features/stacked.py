"""Features of one kind worked out together: the kind's own function, called once for all of them, a
row for each.

A batch of few requests is dominated by the number of calls, not by what they compute. Every
operation in `features.values` works row by row, so that a stack gets the very bits that its members
would get one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from features.errors import FeatureError
from features.feature import Feature


class Stack:
    """Stands in for k features of one kind where the kind's function asks for one.

    What is a number in a feature is a column (k, 1) here, what is a feature (a ratio's numerator) a
    stack, and anything else is the same in all of them. Raises `FeatureError` where that is not so.
    Equal only to itself.
    """

    def __init__(self, members: Iterable[Feature]) -> None:
        self.members: tuple[Any, ...] = tuple(members)
        self.names = tuple(member.name for member in self.members)

    def __getattr__(self, name: str) -> Any:
        attributes = [getattr(member, name) for member in self.members]
        if isinstance(attributes[0], Feature):
            answer: Any = Stack(attributes)
        elif isinstance(attributes[0], int | float) and not isinstance(attributes[0], bool):
            answer = np.array(attributes).reshape(-1, 1)
        elif all(each == attributes[0] for each in attributes):
            answer = attributes[0]
        else:
            raise FeatureError(
                f"a stack of features does not agree on {name}",
                expected="numbers, features, or one and the same value",
                found=", ".join(map(str, attributes)),
            )
        setattr(self, name, answer)
        return answer


class Plan:
    """How a set of features, with what they are computed from, is worked out: in an order that
    works.

    `stacks` are stacks of several, and features that are alone of their kind; `names` those of the
    features asked for.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        self.features = tuple(features)
        levels: dict[str, int] = {}
        stacks: dict[tuple[Any, ...], dict[str, Feature]] = {}
        for feature in self.features:
            _place(feature, levels, stacks)
        self.names = tuple(feature.name for feature in self.features)
        ordered = [
            tuple(stacks[key].values()) for key in sorted(stacks, key=lambda key: int(key[0]))
        ]
        self.stacks = tuple(
            members[0] if len(members) == 1 else Stack(members) for members in ordered
        )


def _place(
    feature: Feature, levels: dict[str, int], stacks: dict[tuple[Any, ...], dict[str, Feature]]
) -> int:
    """Put a feature on the stack of its kind, above all that it is computed from; its level."""
    if feature.name not in levels:
        levels[feature.name] = 1 + max(
            (_place(part, levels, stacks) for part in feature.inputs), default=-1
        )
    alike = (levels[feature.name], type(feature), *_words(feature))
    stacks.setdefault(alike, {})[feature.name] = feature
    return levels[feature.name]


def _words(feature: Feature) -> tuple[str, ...]:
    """What a feature declares besides its name, numbers and other features: in a stack all have it
    in common.
    """
    declared = {name: value for name, value in feature.declaration().items() if name != "name"}
    return tuple(
        f"{name}={value!r}"
        for name, value in sorted(declared.items())
        if isinstance(value, bool) or not isinstance(value, int | float | dict)
    )
