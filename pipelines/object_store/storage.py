"""Where files are kept: a folder on this machine behind the same few operations as an object store.

Paths are relative to the storage's root, with `/` between parts; `pipelines.landing.landing` checks
the parts.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from pipelines.base.atomic_files import disk_remedy
from pipelines.base.errors import ContractError, StoreError
from pipelines.base.settings import Settings, is_remote

_TEMPORARY = ".writing-"


class Storage(Protocol):
    """What a landing zone needs of a folder or an object store.

    Every operation may raise `StoreError`.
    """

    @property
    def address(self) -> str:
        """The root, as a person would write it."""

    def exists(self, folder: str) -> bool:
        """Whether the folder is there (in an object store: whether it holds anything)."""

    def files(self, folder: str) -> list[str]:
        """Paths of all files below `folder`, sorted; none where it does not exist."""

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None where there is no such file."""

    def write(self, path: str, content: bytes) -> None:
        """Put a file there, whole or not at all, in place of any that has that path."""

    def delete(self, path: str) -> None:
        """Remove the file; nothing happens where there is none."""

    def fetch(self, path: str, scratch: Path) -> Path | None:
        """A local path with the file's bytes (below `scratch` where they had to be copied), or
        None.
        """


def open_storage(settings: Settings, address: str) -> Storage:
    """The storage behind a folder's path or an `s3://bucket/prefix` address."""
    if is_remote(address):
        from pipelines.object_store.s3 import S3Storage

        return S3Storage(address, endpoint=settings.s3_endpoint, region=settings.s3_region)
    return LocalStorage(Path(address))


class LocalStorage:
    """A folder.

    Files are written under a temporary name and renamed, so a reader sees all of a file or none of
    it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    @property
    def address(self) -> str:
        return str(self.root)

    def exists(self, folder: str) -> bool:
        with self._guarded("look into", folder):
            return self._inside(folder).is_dir()

    def files(self, folder: str) -> list[str]:
        with self._guarded("list", folder):
            files = (path for path in self._inside(folder).rglob("*") if path.is_file())
            return sorted(
                file.relative_to(self.root).as_posix()
                for file in files
                if not file.name.startswith(_TEMPORARY)
            )

    def read(self, path: str) -> bytes | None:
        with self._guarded("read", path):
            try:
                return self._inside(path).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        target = self._inside(path)
        temporary = target.with_name(f"{_TEMPORARY}{uuid4().hex}")
        with self._guarded("write", path):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(target)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise

    def delete(self, path: str) -> None:
        with self._guarded("delete", path):
            self._inside(path).unlink(missing_ok=True)

    def fetch(self, path: str, scratch: Path) -> Path | None:
        del scratch  # the file is here already
        with self._guarded("read", path):
            target = self._inside(path)
            return target if target.is_file() else None

    def _inside(self, path: str) -> Path:
        """The absolute path; raises `ContractError` where a symbolic link leads out of the root."""
        target = self.root / path
        if not target.resolve().is_relative_to(self.root.resolve()):
            raise ContractError(
                "a path leads out of its folder",
                where=str(target),
                expected=f"a file below {self.root}",
                found=str(target.resolve()),
                next_step="replace the link by the file itself",
            )
        return target

    @contextmanager
    def _guarded(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"cannot {verb} a file",
                where=str(self.root / path),
                expected="a readable and writable folder with room on its disk",
                found=f"{error.strerror or error} ({self._room()})",
                next_step=f"{disk_remedy(error)}, then run the same command again",
            ) from error

    def _room(self) -> str:
        folder = next((p for p in (self.root, *self.root.parents) if p.is_dir()), Path("/"))
        try:
            return f"{shutil.disk_usage(folder).free / 1e9:.1f} GB free"
        except OSError:
            return "free space unknown"
