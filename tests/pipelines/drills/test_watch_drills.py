"""The drills that watch, each on a copy of one bank that has been scored and watched for three
weeks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pipelines.base.settings import Settings
from pipelines.drills.bug import bug
from pipelines.drills.concept import concept
from pipelines.drills.holiday import holiday
from pipelines.drills.watched_bank import watched_bank
from tests.pipelines.drills.copies import InACopy, in_copies, not_held

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def at_the_bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InACopy]:
    """Lets a drill happen in a copy of the watched bank."""
    home = tmp_path_factory.mktemp("watched") / "home"
    watched_bank(Settings.build(home=home, spark_cores=1))
    with in_copies(home) as at:
        yield at


def test_a_holiday_is_answered_by_the_rule_until_it_is_over(at_the_bank: InACopy) -> None:
    assert not_held(at_the_bank(holiday)) == []


def test_the_release_of_a_broken_deploy_gives_way(at_the_bank: InACopy) -> None:
    assert not_held(at_the_bank(bug)) == []


def test_a_new_pattern_calls_a_person(at_the_bank: InACopy) -> None:
    assert not_held(at_the_bank(concept)) == []
