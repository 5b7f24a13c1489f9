"""The files of the code in this checkout."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from pipelines.base.settings import CHECKOUT


def python_files(*rooms: str) -> Iterator[Path]:
    """Every Python file below the folders of the checkout, folder by folder."""
    return chain.from_iterable((CHECKOUT / room).rglob("*.py") for room in rooms)
