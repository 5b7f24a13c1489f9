"""Functions that numba compiles on their first call; what it made is kept on disk, so that it is
made once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])
_SETTINGS: Any = numba.config


def compiled(function: Function) -> Function:
    """The function, compiled; it does not hold Python's interpreter lock while it runs."""
    before, _SETTINGS.CACHE_DIR = _SETTINGS.CACHE_DIR, str(_CACHE)
    try:
        done: Any = numba.njit(cache=True, nogil=True)(function)
    finally:
        _SETTINGS.CACHE_DIR = before
    return cast(Function, done)


def _cache_folder() -> Path:
    """A folder for the code of this package as it is, named by a digest of its files.

    Numba takes machine code for current while the file of the function itself is unchanged. A
    function that it calls may stand in another file: after an upgrade in place, the old one would
    have gone on running inside the new.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    beside = package / "__pycache__"
    if _SETTINGS.CACHE_DIR:  # NUMBA_CACHE_DIR
        place = Path(_SETTINGS.CACHE_DIR)
    elif os.access(beside if beside.is_dir() else package, os.W_OK):
        place = beside
    else:
        place = Path("~/.cache/tollgate").expanduser()
    return place / f"compiled-{digest.hexdigest()[:16]}"


_CACHE = _cache_folder()
