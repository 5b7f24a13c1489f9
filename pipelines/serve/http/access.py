"""Who may ask: keys with roles in a file of the home, of which only SHA-256 is kept.

A key is 256 bits of chance, so that its plain digest cannot be guessed back. The file is read again
when it has changed: keys come and go without a restart.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec

from pipelines.base.atomic_files import write_whole
from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.base.settings import Settings
from pipelines.base.writable import require_writable
from pipelines.serve.refusals import RefusalError

ROLES = ("scorer", "reader")
"""`scorer` scores and reports, `reader` reads what decides and the metrics."""

FIRST = "first"
"""Name of the key that the first start makes; it has every role."""

RUNBOOK = "docs/runbooks/serving.md"
LOGGER = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Key(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A key as it is kept: its name, roles, SHA-256 (hex) and when it was made (ISO 8601, UTC).

    `rows_per_second` is what it may send over time, None without a limit, and `burst_rows` what it
    may send at once, None for a second's worth: all processes of a machine together. `use_cases`
    are those that it is for; none named, all of them.
    """

    name: str
    roles: tuple[str, ...]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    made_at: str
    rows_per_second: Annotated[float, msgspec.Meta(gt=0)] | None = None
    burst_rows: Annotated[int, msgspec.Meta(ge=1)] | None = None
    use_cases: tuple[str, ...] = ()


class Keys:
    """The keys of a home; `allow` is asked for every request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._known: tuple[tuple[bytes, Key], ...] = ()
        self._problem = ""

    def refresh(self) -> None:
        """Read the file again where it has changed; one that cannot be read is logged and leaves no
        key valid.
        """
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._known = tuple((bytes.fromhex(key.sha256), key) for key in read(self.path))
                self._seen = seen
            self._problem = ""
        except (OSError, ConfigurationError) as error:
            self._known, self._seen = (), None
            if self._problem != str(error):
                LOGGER.error("nobody is let in: %s", error)
            self._problem = str(error)

    def allow(self, authorization: bytes, roles: Sequence[str], *, use_case: str) -> Key:
        """The key of an `Authorization` header; raises `RefusalError`: 401 without one, 403 without
        such a role, or for another use case.
        """
        scheme, _, token = authorization.partition(b" ")
        valid_key = None
        if scheme.lower() == b"bearer":
            digest = hashlib.sha256(token.strip()).digest()
            for sha256, key in self._known:
                if hmac.compare_digest(sha256, digest):
                    valid_key = key
        if valid_key is None:
            raise RefusalError(
                "no valid key",
                status=401,
                kind="unauthorized",
                field="Authorization",
                expected="Bearer KEY",
                found="another key" if authorization else "none",
                next_step="send the key that `tollgate serve keys add` has told",
                headers=[(b"www-authenticate", b'Bearer realm="tollgate"')],
            )
        if not set(roles) & set(valid_key.roles):
            raise RefusalError(
                "the key may not do this",
                status=403,
                kind="forbidden",
                expected=f"the role {' or '.join(roles)}",
                found=", ".join(valid_key.roles) or "none",
                next_step="ask with another key",
            )
        if valid_key.use_cases and use_case not in valid_key.use_cases:
            raise RefusalError(
                "the key is for another use case",
                status=403,
                kind="forbidden",
                expected=f"a key for {use_case}",
                found=f"one for {', '.join(valid_key.use_cases)}",
                next_step=f"make one: tollgate -u {use_case} serve keys add NAME --role scorer",
            )
        return valid_key


def keys_file(settings: Settings) -> Path:
    """Where the digests are."""
    return settings.home / "serving" / "keys.json"


def first_key_file(settings: Settings) -> Path:
    """Where the first start leaves the key that it makes, readable by its user alone."""
    return settings.home / "serving" / "first-key"


def read(path: Path) -> tuple[Key, ...]:
    """The keys in a file, none where there is none; raises `ConfigurationError` for a file that is
    none of ours.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Key, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            "the keys of the scorer cannot be read",
            where=str(path),
            found=str(error),
            next_step="restore the file, or delete it and add the keys again",
            runbook=RUNBOOK,
        ) from error


def add(
    settings: Settings,
    name: str,
    roles: Sequence[str],
    *,
    made_at: str,
    use_cases: Sequence[str] = (),
) -> str:
    """Make a key and return it; it is told this once. It is for `use_cases`, or for all.

    Raises `UsageError` for a name that is taken or no name.
    """
    unknown = sorted(set(roles) - set(ROLES))
    if not _NAME.fullmatch(name) or unknown or not roles:
        raise UsageError(
            "a key needs a name and a role",
            expected=f"a name of a-z, 0-9, - and _; roles of {', '.join(ROLES)}",
            found=f"{name}, {', '.join(roles) or 'no role'}",
            next_step="correct them",
        )
    token = "tg_" + secrets.token_urlsafe(32)
    key = Key(
        name=name,
        roles=tuple(dict.fromkeys(roles)),
        sha256=hashlib.sha256(token.encode()).hexdigest(),
        made_at=made_at,
        use_cases=tuple(use_cases),
    )

    def with_it(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        if any(other.name == name for other in keys):
            raise UsageError(
                "there is a key of that name",
                found=name,
                next_step="revoke it first, or choose another name",
            )
        return (*keys, key)

    _change(keys_file(settings), with_it)
    return token


def limit(
    settings: Settings, name: str, rows_per_second: float | None, burst_rows: int | None = None
) -> None:
    """Say how many rows a key may send; None lifts the limit.

    Raises `UsageError` for no such key, no such rate.
    """
    if rows_per_second is not None and not 0 < rows_per_second < float("inf"):
        raise UsageError(
            "a rate that cannot be",
            expected="more than 0 rows a second",
            found=f"{rows_per_second:g}",
        )
    if burst_rows is not None and (burst_rows < 1 or rows_per_second is None):
        raise UsageError(
            "a burst that cannot be", expected="1 row or more, and a rate", found=str(burst_rows)
        )

    def limited(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        _require_known(keys, name)
        limits = {"rows_per_second": rows_per_second, "burst_rows": burst_rows}
        return tuple(
            msgspec.structs.replace(key, **limits) if key.name == name else key for key in keys
        )

    _change(keys_file(settings), limited)


def revoke(settings: Settings, name: str) -> None:
    """Take a key away: within a second nobody is let in with it.

    Raises `UsageError` where there is none.
    """

    def without_it(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        _require_known(keys, name)
        return tuple(key for key in keys if key.name != name)

    _change(keys_file(settings), without_it)
    if name == FIRST:
        first_key_file(settings).unlink(missing_ok=True)


def ensure_first(settings: Settings, *, made_at: str) -> Path | None:
    """Make the first key where no key was ever made; the file that holds it, None where there are
    keys.
    """
    if keys_file(settings).exists():
        return None
    token = add(settings, FIRST, ROLES, made_at=made_at)
    return _write_private(first_key_file(settings), token.encode() + b"\n")


def _require_known(keys: tuple[Key, ...], name: str) -> None:
    if all(key.name != name for key in keys):
        raise UsageError(
            "there is no key of that name",
            expected=", ".join(key.name for key in keys) or "none exist",
            found=name,
            next_step="run `tollgate serve keys list`",
        )


def _change(path: Path, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> None:
    with _alone(path):
        _write_private(path, msgspec.json.format(msgspec.json.encode(change(read(path))), indent=1))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else changes the file meanwhile."""
    require_writable(path.parent, needed_by="who changes the scorer's keys")
    with (path.parent / ".keys.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write_private(path: Path, content: bytes) -> Path:
    def write(partial: Path) -> None:
        with os.fdopen(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
        ) as file:
            file.write(content)

    return write_whole(path, write, what="the keys of the scorer")
