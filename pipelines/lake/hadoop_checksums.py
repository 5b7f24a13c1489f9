"""Hadoop's checksum files: a hidden `.<name>.crc` beside each file that Spark has written to a
disk.

Hadoop believes the checksum more than the file: one that is of other bytes (a file that was
replaced with another tool, a sender's left-over, a checksum that was cut off by a power loss) ends
the reading of a file that is whole.

The form: `crc\\0`, the number of bytes that each sum stands for (32 bits), then the CRC-32 of each
such stretch.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_MAGIC = b"crc\0"
_OTHER_BYTES = "the checksum of other bytes, beside a whole file"


def checksum_of(file: Path) -> Path:
    """Where the checksum of a file lies, whether it is there or not."""
    return file.with_name(f".{file.name}.crc")


def checksums_below(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Each file below a folder that has a checksum beside it, with that checksum, in order.

    A folder that cannot be listed is passed over.
    """
    for parent, folders, names in os.walk(folder):
        folders.sort()
        present = set(names)
        for name in sorted(names):
            if f".{name}.crc" in present:
                file = Path(parent, name)
                yield file, checksum_of(file)


def checksum_problem(file: Path, content: bytes, *, in_ranges: bool = False) -> str:
    """Why Hadoop refuses a file with this content; nothing where it does not, or where no checksum
    lies beside it.

    Hadoop takes no notice of what does not begin as a checksum file when it reads from the
    beginning to the end, as it does with a log. `in_ranges`: the file is read in places (Parquet);
    then Hadoop refuses that too (seen with 3.5).
    """
    try:
        sums = checksum_of(file).read_bytes()
    except OSError:
        return ""
    if len(sums) < 8 or sums[:4] != _MAGIC:
        return "a checksum that is empty or no checksum, beside a whole file" if in_ranges else ""
    (stretch,) = struct.unpack(">i", sums[4:8])
    if stretch <= 0:
        return _OTHER_BYTES
    view = memoryview(content)
    expected = [
        zlib.crc32(view[place : place + stretch]) for place in range(0, len(content), stretch)
    ]
    return "" if sums[8:] == struct.pack(f">{len(expected)}I", *expected) else _OTHER_BYTES
