"""Machine code that is kept on disk is that of the code as it is, also of functions in other
files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.base.settings import CHECKOUT

INNER = "from features.compiled import compiled\n\n\n@compiled\ndef inner(x):\n    return x + {}\n"
OUTER = (
    "from features.compiled import compiled\nfrom features.inner import inner\n\n\n"
    "@compiled\ndef outer(x):\n    return inner(x)\n"
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of `features` with a compiled function that calls one of another file."""
    copy = tmp_path / "features"
    shutil.copytree(CHECKOUT / "features", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "outer.py").write_text(OUTER)
    return copy


def computed(package: Path, **environment: str) -> str:
    """What `outer(1)` is in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "from features.outer import outer; print(outer(1))"],
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": str(package.parent), **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_changed_function_of_another_file_is_compiled_anew(
    package: Path, tmp_path: Path, by_variable: bool
) -> None:
    cache = tmp_path / "cache"
    environment = {"NUMBA_CACHE_DIR": str(cache)} if by_variable else {}
    (package / "inner.py").write_text(INNER.format(1))
    assert computed(package, **environment) == "2"
    kept = list((cache if by_variable else package / "__pycache__").glob("compiled-*/*/outer*.nbi"))
    assert len(kept) == 1
    assert computed(package, **environment) == "2"

    (package / "inner.py").write_text(INNER.format(2))
    assert computed(package, **environment) == "3"
