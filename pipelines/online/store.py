"""Feast's side of the online store: its registry and the store itself, fed from the lake's state
tables.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from features.definition import FeatureSet
from features.feast_objects import BUILT_AT, FeastObjects, feast_objects, view_name
from features.state import IDS, entities_with_state
from pipelines.base.errors import StoreError, TollgateError, UsageError
from pipelines.base.masking import mask_passwords
from pipelines.lake.lake import Lake
from pipelines.online.address import OnlineAddress
from pipelines.online.deletion import KEY_VERSION, delete_keys
from pipelines.online.feast_library import load_feast, quiet_feast

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.data_source import DataSource

_WRITE_BATCH = 10_000
_READ_BATCH = 1_000
_SPARK_OPTION = "spark.sql.parser.quotedRegexColumnNames"


@dataclass(frozen=True)
class Present:
    """What reading keys back found: how many have a row that was built as expected, and how many
    events these hold.
    """

    keys: int
    events: int


class OnlineStore:
    """The Feast project of one use case: entities, state views, feature services, and the rows of
    the online store.

    `address` says where registry and store are; `lake` holds the state tables (`<entity>_state`:
    the entity's key, the arrays and `built_at`), None opens the store for reading only; `stored` is
    the feature set whose states are kept. It and each of `feature_sets` get a service.
    """

    def __init__(
        self,
        address: OnlineAddress,
        lake: Lake | None,
        *,
        project: str,
        owner: str,
        stored: FeatureSet,
        feature_sets: Iterable[FeatureSet],
    ) -> None:
        self.address = address
        self.lake = lake
        self.project = project
        self.owner = owner
        self.stored = stored
        self.feature_sets = tuple({s.name: s for s in (*feature_sets, stored)}.values())

    @cached_property
    def feast(self) -> FeatureStore:
        """Feast's own handle; raises `StoreError` where its files cannot be opened."""
        load_feast()
        from feast import FeatureStore, RepoConfig

        with self._failing("the online store cannot be opened"), quiet_feast():
            self.address.prepare()
            return FeatureStore(
                config=RepoConfig(
                    project=self.project,
                    provider="local",
                    registry={
                        "registry_type": "sql",
                        "path": self.address.registry,
                        "serve_features_while_materializing": True,
                    },
                    online_store=self.address.online_store(),
                    offline_store={"type": "spark"},
                    materialization={"online_write_batch_size": _WRITE_BATCH},
                    entity_key_serialization_version=KEY_VERSION,
                )
            )

    def apply(self) -> FeastObjects:
        """Bring the registry and the online tables to the declarations; doing it again changes
        nothing.
        """
        load_feast()
        with self._failing("the Feast objects cannot be applied"), quiet_feast():
            self._show_state_tables()
            objects = feast_objects(
                self.stored, self.feature_sets, source=self._source, owner=self.owner
            )
            self.feast.apply(objects.all())
            return objects

    def materialise(self, built_at: datetime) -> None:
        """Let Feast copy the rows of the state tables that were built at that second into the
        online store.

        A failure leaves rows of both builds, each complete in itself; doing it again fills every
        key. Feast's own record of how far it has come is not used: it moves early when something
        fails.
        """
        around = timedelta(milliseconds=500)
        views = [view_name(entity) for entity in entities_with_state(self.stored)]
        with (
            self._failing("the states did not reach the online store"),
            quiet_feast(),
            self._spark_option_kept(),
        ):
            self._show_state_tables()
            self.feast.materialize(built_at - around, built_at + around, feature_views=views)

    def present(self, entity: str, keys: Sequence[Any], built_at: datetime) -> Present:
        """Read an entity's keys back: how many are there as built at that second or later, and with
        how many events.
        """
        present = events = 0
        join_key = self.stored.schema.entity(entity).key
        column = f"{view_name(entity)}__{IDS}"
        for first in range(0, len(keys), _READ_BATCH):
            answer = self.read(
                [f"{view_name(entity)}:{IDS}"], {join_key: list(keys[first : first + _READ_BATCH])}
            )
            for ids, built in zip(answer[column], answer[f"{column}__ts"], strict=True):
                if ids is not None and built >= built_at.timestamp():
                    present += 1
                    events += len(ids)
        return Present(present, events)

    def read(self, features: Any, keys: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Feast's answer for a service or feature names: columns `<view>__<array>`, each with
        `…__ts` (epoch seconds).

        `keys` holds values of one length by join key. Rows that are not there are None with 0
        seconds. Raises `StoreError` where the store does not answer.
        """
        with self._failing("the online store does not answer"):
            response = self.feast.get_online_features(
                features=features, entity_rows=keys, full_feature_names=True
            )
            answer: dict[str, list[Any]] = response.to_dict(include_event_timestamps=True)
            return answer

    def write(self, entity: str, rows: dict[str, list[Any]]) -> None:
        """Put rows of an entity's state view: its key, all arrays of the view and `built_at`,
        columns of one length.
        """
        with self._failing("the online store refuses a write"), quiet_feast():
            self.feast.write_to_online_store(view_name(entity), inputs=rows)

    def delete(self, entity: str, keys: Sequence[Any]) -> int:
        """Remove the rows of these keys from an entity's state view; returns how many were there.

        Feast can delete a whole view only, so that its rows are removed where it keeps them
        (`online_deletion`).
        """
        with self._failing("the online store refuses to delete"):
            return delete_keys(
                self.address, self.project, entity, self.stored.schema.entity(entity).key, keys
            )

    def _source(self, table: str) -> DataSource:
        """A state table by a name, not by its path: Feast's registry is part of the home, which can
        be moved.
        """
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        return SparkSource(name=table, table=self._shown_as(table), timestamp_field=BUILT_AT)

    def _shown_as(self, table: str) -> str:
        return f"tollgate_{self.project}_{table}"

    def _show_state_tables(self) -> None:
        """Let the sources' names mean the lake's tables, as far as these are there, in this Spark
        session.
        """
        lake = self._writable_lake
        for entity in entities_with_state(self.stored):
            table = view_name(entity)
            if lake.exists(table):
                lake.read(table).createOrReplaceTempView(self._shown_as(table))

    @property
    def _writable_lake(self) -> Lake:
        if self.lake is None:
            raise UsageError(
                "this online store was opened for reading only", where=self.address.where
            )
        return self.lake

    @contextlib.contextmanager
    def _spark_option_kept(self) -> Iterator[None]:
        """Feast switches regular expressions in quoted column names on and leaves them on: put the
        option back.
        """
        conf = self._writable_lake.spark.conf
        before = conf.get(_SPARK_OPTION, "false")
        try:
            yield
        finally:
            conf.set(_SPARK_OPTION, before)

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except TollgateError:
            raise
        except Exception as error:
            raise StoreError(
                what,
                where=self.address.where,
                expected="a readable and writable Feast registry and online store",
                found=mask_passwords(
                    f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                ),
                next_step=(
                    "look at it (server, space, permissions), then run the stage again: that fills"
                    " every key"
                ),
                runbook="docs/runbooks/online-store.md",
            ) from error
