"""A run: which settings, which use case, by whom, by which code; and the doors to lake and ledger
that go with it.

Stages get a `Run` instead of reading clocks or environment: the day and the clock come in from
outside.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pipelines.base.code_identity import CodeIdentity, identify
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.lake.lake import AddedColumn, Lake, Provenance
from pipelines.ledger.ledger import Ledger

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.landing.landing import Landing
    from pipelines.usecases.definition import Feed, UseCase


def utc_now() -> datetime:
    """The wall clock; used at the edges (command line, DAGs), handed inwards."""
    return datetime.now(UTC)


LOGGER = logging.getLogger("tollgate.run")

BUILT_FROM = CHECKOUT / ".code-version"
"""The commit that an image was built from, which has no git."""


@cache
def code_identity() -> CodeIdentity:
    """Which code this is, and why that is not known where it is not."""
    return identify(CHECKOUT, BUILT_FROM)


@cache
def code_version() -> str:
    """The commit of the checkout, `+dirty` where files differ; in an image that which it has; else
    `unknown`.

    That it is not known is logged, once in a process: it is evidence that will be missing.
    """
    identity = code_identity.__wrapped__()
    if not identity.is_known:
        LOGGER.warning(
            "the code cannot be named, and nothing made now says what made it: %s; %s",
            identity.problem,
            identity.remedy,
        )
    return identity.version


@dataclass(frozen=True)
class Run:
    """The surroundings of a stage. `actor` is who asked: a user's name, or the DAG's run id."""

    settings: Settings
    use_case: UseCase
    run_id: str = field(default_factory=lambda: f"manual-{uuid4().hex[:12]}")
    actor: str = "cli"
    clock: Callable[[], datetime] = utc_now

    @property
    def folder(self) -> Path:
        """What belongs to the use case alone in the home: alert lists, pages, golden sets,
        imports.
        """
        return self.settings.folder_of(self.use_case.name)

    @cached_property
    def landing(self) -> Landing:
        """The use case's landing zone."""
        from pipelines.landing.landing import Landing

        return Landing.of(self.settings, self.use_case.name)

    @cached_property
    def ledger(self) -> Ledger:
        """The use case's ledger (opened on first use)."""
        return Ledger(self.settings.ledger, self.use_case.name)

    @cached_property
    def spark(self) -> SparkSession:
        """A Spark session (started on first use)."""
        from pipelines.spark.session import spark_session

        return spark_session(self.settings)

    @cached_property
    def lake(self) -> Lake:
        """The use case's Delta tables."""
        added = {feed.name: _added_columns(feed) for feed in self.use_case.feeds}
        return Lake.of(
            self.spark, self.settings, self.use_case.name, run_id=self.run_id, added=added
        )

    def provenance(
        self, stage: str, inputs: dict[str, int] | None = None, **extra: Any
    ) -> Provenance:
        """What a commit of `stage` in this run says of itself."""
        return Provenance(
            stage=stage, run_id=self.run_id, code=code_version(), inputs=inputs or {}, extra=extra
        )


def _added_columns(feed: Feed) -> list[AddedColumn]:
    """The columns that the feed's table did not have from its first day."""
    return [
        AddedColumn(name=column.name, type=column.type, default=column.default)
        for column in feed.added
        if column.default is not None
    ]
