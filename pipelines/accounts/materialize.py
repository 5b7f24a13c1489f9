"""What the ledger keeps of materialize: how far the online store has come, and by which build."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.part import Instant, Part


class BuildSeconds(Part):
    """How long the two halves of a build took, in seconds: the states in the lake, and the online
    store.
    """

    state: float = 0.0
    online: float = 0.0


class MaterializeAccount(Account):
    """A complete build of the online store. `entities` counts the keys of each entity.

    `watermark` is the last day that the store holds, `built_at` (UTC, whole seconds) the time of
    the build; both are None only in an account without a build. `marked`: the store bears a mark of
    this build.
    """

    STAGE: ClassVar[str] = "materialize"

    entities: dict[str, int] = {}
    watermark: date | None = None
    built_at: Instant | None = None
    marked: bool = False
    feature_digest: str = ""
    seconds: BuildSeconds | None = None


class BuildBegun(Account):
    """A build before it is made: its time (UTC, whole seconds), and nothing of anything done."""

    STAGE: ClassVar[str] = "materialize_begun"

    built_at: Instant | None = None
