"""Every file below a folder, links and unreadable folders too: for those who must not overlook
one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path) -> Iterator[Path]:
    """What is below `folder` and no folder itself, in order; nothing where it does not exist.

    Hidden files count. A link stands for itself, wherever it leads. A folder that cannot be listed
    is named itself.
    """
    closed: list[Path] = []

    def remember(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            closed.append(Path(str(error.filename)))

    paths: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=remember):
        place = Path(parent)
        paths += [place / name for name in files]
        paths += [place / name for name in folders if (place / name).is_symlink()]
    yield from sorted([*paths, *closed])
