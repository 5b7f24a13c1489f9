"""How far back a feature looks decides what is read for it: exact days, nothing for what looks at
no other event.
"""

from __future__ import annotations

import pytest

from features.definition import EntityFeature
from tests.features.kinds import AMOUNT, EVERY_KIND


def test_the_event_itself_reaches_no_other_day() -> None:
    assert AMOUNT.reach_days == 0


@pytest.mark.parametrize("name", EVERY_KIND.names)
def test_a_window_reaches_its_days_after_its_delay_and_what_is_made_of_others_the_furthest(
    name: str,
) -> None:
    feature = EVERY_KIND[name]
    if isinstance(feature, EntityFeature):
        assert feature.reach_days == feature.days + getattr(feature, "delay_days", 0)
    else:
        assert feature.reach_days == max([0, *(part.reach_days for part in feature.inputs)])


def test_a_set_reaches_as_far_as_its_furthest() -> None:
    assert EVERY_KIND.reach_days == 37, "30 days that end 7 days before the event"
