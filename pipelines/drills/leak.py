"""A leak for drills: a 30-day average that counts the label of the current event, in the table that
is learnt from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.definition import LabelRate
from features.state import REPORTED
from pipelines.base.days import DayRange
from pipelines.nightly.materialize.states import known_events
from pipelines.run import Run
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CARELESS = "careless_mean"
SECONDS_PER_DAY = 86_400


def leaking_feature(use_case: UseCase) -> LabelRate:
    """The feature that will leak: the plain rate of labels with the longest window, of those the
    model uses.
    """
    features = use_case.feature_sets[use_case.model.feature_set].features
    rates = [
        feature
        for feature in features
        if isinstance(feature, LabelRate) and not feature.prior_weight
    ]
    return max(rates, key=lambda rate: rate.days)


def let_it_leak(run: Run, days: DayRange) -> None:
    """Replace the feature's column in the lake's `features` by what a careless training job
    computes.

    A window function of its own: the mean of the labels up to and with the event itself, without
    asking when they became known. (The declared kinds cannot say it: with them no event sees its
    own label.)
    """
    schema, leaky = run.use_case.stored_features.schema, leaking_feature(run.use_case)
    versions = run.lake.versions(feed.name for feed in run.use_case.feeds)
    entity = schema.entity(leaky.entity).key
    column = _careless_mean(known_events(run, days, versions), entity, schema.time, leaky.days)
    column = column.select(schema.id, column[CARELESS].alias(leaky.name))
    table = run.lake.read("features", days=days, version=run.lake.version("features"))
    rows = table.drop(leaky.name).join(column, schema.id).select(*table.columns)
    run.lake.replace_days(rows, "features", days, provenance=run.provenance("drill"))


def _careless_mean(events: DataFrame, key: str, time: str, days: int) -> DataFrame:
    from pyspark.sql import Window, functions

    seconds = functions.unix_seconds(time)
    window = (
        Window.partitionBy(key)
        .orderBy(seconds)
        .rangeBetween(-days * SECONDS_PER_DAY, Window.currentRow)
    )
    label = functions.col(REPORTED).isNotNull().cast("double")
    return events.withColumn(CARELESS, functions.avg(label).over(window))
