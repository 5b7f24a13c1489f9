"""Use cases beside the product's own, for a test: modules in a folder that the registry looks
into.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines import usecases
from pipelines.base import use_case_names

FRAUD = use_case_names.FOLDER / "fraud.py"

OTHER = """
from dataclasses import replace

from pipelines.usecases.fraud import USE_CASE as FRAUD

USE_CASE = replace(FRAUD, name={name!r}, owner={owner!r})
"""


@contextmanager
def use_cases_in(folder: Path, **modules: str) -> Iterator[None]:
    """Fraud, and each module by its name and text, are all the use cases that there are."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(FRAUD, folder / "fraud.py")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(use_case_names, "FOLDER", folder)
        patch.setattr(usecases, "__path__", [*usecases.__path__, str(folder)])
        try:
            yield
        finally:
            for name in modules:
                sys.modules.pop(f"pipelines.usecases.{name}", None)
                vars(usecases).pop(name, None)


def like_fraud(name: str, owner: str = "another-team") -> str:
    """The text of a module that declares fraud again under another name."""
    return OTHER.format(name=name, owner=owner)
