"""What the online scorer keeps of its answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServingPolicy:
    """`logged_share` of the review units have their answers logged with features, by hash: 1 logs every answer."""

    logged_share: float = 1.0
