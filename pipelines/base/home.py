"""A home's identity and place: which home this is, where it was registered, and whether it was
copied or moved since.

`<home>/home.json` holds a random identity, made once, and the place where the home lives. A copy
brings the file along and is found out by its place: another path, or the same path on another
machine and another disk. It is the only file of a home that may name the home's own path.

What acts (on services, stores, files) calls `require_own_home` first; what only reads shows
`place_warning`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pipelines.base.addresses import canonical_address
from pipelines.base.atomic_files import write_once, write_whole
from pipelines.base.errors import ConfigurationError, StoreError
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings, is_remote

FILE = "home.json"
RUNBOOK = "docs/runbooks/home.md"
MACHINE_ID = Path("/etc/machine-id")
_FOREIGN = "the settings name stores of the home that this one was copied from"

FOLDERS = frozenset(
    {
        "airflow",
        "backups",
        "jars",
        "keys",
        "lake",
        "landing",
        "mlflow",
        "monitoring",
        "online",
        "releases",
        "scratch",
        "services",
        "serving",
        "spark",
        "truth",
        "warehouse",
    }
)
"""What all use cases have together in a home; logs come where a command has failed."""

FORMER_FOLDERS = ("alerts", "golden", "imports", "reports")
"""What earlier versions had together for all use cases, and each has in its own folder now."""

STORES = (
    "landing",
    "lake",
    "ledger",
    "mlflow",
    "mlflow_artifacts",
    "online_store",
    "online_registry",
    "serve_journal",
    "airflow_database",
)
"""Settings that place state, within the home or outside it."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """What `home.json` says.

    `path`, `machine` (None: not known, as in containers) and `disk_entry` (the folder's inode) are
    the place. `stores` holds digests of the addresses outside the home that it has used, by
    setting; `ledgers` of the ledgers that have recorded it. `copied_from` is the identity that a
    copy had before, `copied_from_path` where that home was, and `foreign` holds the digests of that
    home's addresses, on which this one never acts but for those that are `allowed`. `adopting` is
    set while `tollgate home adopt` is at work: the identity that the home will have.
    """

    home_id: str
    path: Path
    machine: str | None
    disk_entry: int
    made_at: str
    stores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ledgers: tuple[str, ...] = ()
    copied_from: str | None = None
    copied_from_path: str | None = None
    foreign: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()
    adopting: str | None = None

    @property
    def short_id(self) -> str:
        """The first characters of the identity, for people."""
        return self.home_id[:12]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a home stands: `new` (never registered), `here`, `elsewhere` (registered at another
    place) or `unfinished`.

    `original_exists`: at the registered place there is a home of the same identity, so that this
    one is a copy.
    """

    state: str
    home: Home | None = None
    original_exists: bool = False

    @property
    def acts(self) -> bool:
        """Whether commands may act on services and stores from here."""
        return self.state in {"new", "here"}


def read_home(folder: Path) -> Home | None:
    """What the home in that folder says of itself, None where it says nothing yet.

    Raises `ConfigurationError` where the file cannot be understood.
    """
    path = folder / FILE
    try:
        return parse_home(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            "the identity of this home cannot be read",
            where=str(path),
            expected="the file as Tollgate wrote it",
            found=f"{type(error).__name__}: {error}",
            next_step=(
                "put it back from a backup; where there is none, delete it and run `tollgate home"
                " adopt`"
            ),
            runbook=RUNBOOK,
        ) from error


def parse_home(text: str) -> Home:
    """The home that a `home.json` of this text speaks of; raises `ValueError`, `KeyError`,
    `TypeError` or the like.
    """
    document = json.loads(text)
    changed = {
        "path": Path(document["path"]),
        "stores": _digests_by_setting(document["stores"]),
        "ledgers": tuple(document["ledgers"]),
        "foreign": _digests_by_setting(document.get("foreign", {})),
        "allowed": tuple(document.get("allowed", ())),
    }
    home = Home(**{**document, **changed})
    if not re.fullmatch("[0-9a-f]{32}", home.home_id):
        raise ValueError(f"identity {home.home_id!r}")
    return home


def _digests_by_setting(digests: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(each) for name, each in digests.items()}


def write_home(folder: Path, home: Home) -> None:
    """Keep what a home says of itself; the file is whole or as it was. Raises `StoreError`."""
    write_whole(
        folder / FILE,
        lambda partial: partial.write_bytes(_content(home)),
        what="the identity of the home",
    )


def placement(settings: Settings) -> Placement:
    """Whether this home is where it was registered; writes nothing."""
    home = read_home(settings.home)
    if home is None:
        older = _place_of_older_home(settings)
        return (
            Placement(state="new")
            if older is None
            else _copied_before_it_had_an_identity(settings, older)
        )
    if home.adopting is not None:
        return Placement(state="unfinished", home=home)
    if _is_here(home, settings.home):
        return Placement(state="here", home=home)
    return Placement(state="elsewhere", home=home, original_exists=still_there(home, settings.home))


def require_own_home(settings: Settings, *, may_make: bool = True) -> Home:
    """This home, registered at its place; raises `ConfigurationError` where it was copied or moved.

    A home without an identity gets one, where its folder is there: a wrong call leaves nothing
    behind. Where `may_make` is false the folder must be there (a task's was moved away, and the
    task must not make another in its place).
    """
    placed = placement(settings)
    if not placed.acts:
        raise _not_its_place(settings, placed)
    if placed.home is not None:
        _require_own_stores(settings, placed.home)
        return _with_stores(settings, placed.home)
    if not may_make and not settings.home.is_dir():
        raise ConfigurationError(
            "the home is not there",
            where=str(settings.home),
            expected="the folder of the home",
            found="none: it was moved or deleted while this was running",
            next_step=(
                "stop what still runs for it; in the home's new place run `tollgate home adopt"
                " --moved`"
            ),
            runbook=RUNBOOK,
        )
    return _register(settings) if settings.home.is_dir() else new_home(settings)


def place_warning(settings: Settings) -> str | None:
    """What a command that only reads says of a home that is not at its place; None where all is
    well.
    """
    try:
        placed = placement(settings)
    except ConfigurationError as error:
        return f"{error.what}: {error.where}"
    if placed.acts:
        foreign = foreign_stores(settings, placed.home) if placed.home else []
        return f"{_FOREIGN}: {_variables(foreign)}" if foreign else None
    refusal = _not_its_place(settings, placed)
    return f"{refusal.what} ({refusal.where}; {refusal.found}); {refusal.next_step}"


def new_home(
    settings: Settings, *, home_id: str | None = None, copied_from: str | None = None
) -> Home:
    """A home at the place where these settings have it, not written yet."""
    return Home(
        home_id=home_id or uuid.uuid4().hex,
        path=settings.home,
        machine=machine_id(),
        disk_entry=_disk_entry(settings.home),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        stores=_digests(settings),
        copied_from=copied_from,
    )


def stores_outside(settings: Settings) -> dict[str, str]:
    """The stores that are no part of the home's folder, by setting: servers, buckets, other
    folders.
    """
    given = {name: getattr(settings, name) for name in STORES}
    return {
        name: place
        for name, place in given.items()
        if place and not _is_within(place, settings.home)
    }


def shared_stores(settings: Settings, original: Home) -> list[str]:
    """Settings by which this home would use a store of the home that it was copied from, or of one
    before that.
    """
    own = _digests(settings)
    earlier = foreign_stores(settings, original)
    return [
        name
        for name, place in stores_outside(settings).items()
        if set(own[name]) & set(original.stores.get(name, ()))
        or name in earlier
        or _is_within(place, original.path)
    ]


def foreign_stores(settings: Settings, home: Home) -> list[str]:
    """Settings that name a store of the home that this one was copied from, and that nobody has
    allowed.
    """
    own = _digests(settings)
    original = Path(home.copied_from_path) if home.copied_from_path else None
    return [
        name
        for name, place in stores_outside(settings).items()
        if not set(own[name]) & set(home.allowed)
        and (
            set(own[name]) & set(home.foreign.get(name, ()))
            or (original is not None and original != settings.home and _is_within(place, original))
        )
    ]


def allow_stores(settings: Settings, home: Home, names: Sequence[str]) -> Home:
    """The home, not written yet, that may act on what these settings name, whoever else does."""
    own = _digests(settings)
    digests: list[str] = []
    for name in names:
        digests += own.get(name, ())
    return replace(home, allowed=tuple(dict.fromkeys((*home.allowed, *digests))))


def _require_own_stores(settings: Settings, home: Home) -> None:
    foreign = foreign_stores(settings, home)
    if foreign:
        raise ConfigurationError(
            _FOREIGN,
            where=_variables(foreign),
            expected="stores of this home's own",
            found=f"those of home {str(home.copied_from)[:12]}",
            next_step=(
                "set these variables to stores of this home's own; a landing zone may be read by"
                " both: `tollgate home adopt --share landing`; another store under the same"
                " address: --separate STORE"
            ),
            runbook=RUNBOOK,
        )


def _variables(names: Sequence[str]) -> str:
    return ", ".join(f"TOLLGATE_{name.upper()}" for name in names)


def stores_inside(settings: Settings, original: Home) -> list[str]:
    """Settings that name a folder or file within the home that this one was copied from, which is
    still there.
    """
    if not still_there(original, settings.home):
        return []
    return [
        name for name, place in stores_outside(settings).items() if _is_within(place, original.path)
    ]


def machine_id() -> str | None:
    """What tells this machine from others, hashed; None where nothing does, and in containers,
    which come and go.
    """
    in_container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    if in_container or "KUBERNETES_SERVICE_HOST" in os.environ:
        return None
    try:
        text = MACHINE_ID.read_text().strip()
    except OSError:
        return None
    return hashlib.sha256(f"tollgate {text}".encode()).hexdigest()[:32] if text else None


@contextmanager
def home_locked(folder: Path) -> Iterator[None]:
    """Nobody else registers or adopts the home, or backs it up, meanwhile; raises `StoreError`
    where somebody does.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                "another command is changing this home's identity, or backs it up",
                where=str(folder),
                next_step="wait until it is done, then run the same command again",
                runbook=RUNBOOK,
            ) from error
        yield
    finally:
        os.close(descriptor)


def _register(settings: Settings) -> Home:
    """Give the home an identity; of several commands at once the first one's stays."""
    home = new_home(settings)
    with suppress(
        StoreError
    ):  # a home that may only be read: what must be written there fails by itself
        write_once(
            settings.home / FILE, _content(home), mode=0o644, what="the identity of the home"
        )
    return read_home(settings.home) or home


def _with_stores(settings: Settings, home: Home) -> Home:
    """The home with the addresses outside it that these settings name added to those that it has
    used.
    """
    own = _digests(settings)
    added = {
        name: tuple(dict.fromkeys((*home.stores.get(name, ()), *digests)))
        for name, digests in own.items()
    }
    extended = replace(home, stores={**home.stores, **added})
    if extended != home:
        with suppress(StoreError):
            write_home(settings.home, extended)
    return extended


def _digests(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Digests of each address outside the home, as it is written and in one spelling that all
    writings share.

    The first has no password: passwords change, stores stay. It is the one that homes of earlier
    versions hold.
    """
    outside = stores_outside(settings)
    return {
        name: tuple(
            dict.fromkeys((address_digest(place), address_digest(canonical_address(place))))
        )
        for name, place in outside.items()
    }


def address_digest(place: str) -> str:
    """What stands for the address of a store: it tells whether two are the same, and no more."""
    return hashlib.sha256(mask_passwords(place).encode()).hexdigest()[:32]


def _is_within(place: str, folder: Path) -> bool:
    """Whether a folder, or an SQLite database, lies in that folder."""
    path = place.removeprefix("sqlite:///")
    if is_remote(path) or "://" in path:
        return False
    return Path(path).expanduser().resolve().is_relative_to(folder)


def _is_here(home: Home, folder: Path) -> bool:
    """The same path, or another name of the same folder; not a copy on another machine under the
    same path.
    """
    here = machine_id()
    moved_machine = home.machine is not None and here is not None and home.machine != here
    if home.path == folder:
        return not (moved_machine and home.disk_entry != _disk_entry(folder))
    with suppress(OSError):
        return home.path.samefile(folder)
    return False


def still_there(home: Home, folder: Path) -> bool:
    """Whether the registered place holds a home of this identity that is not this folder."""
    try:
        if folder.exists() and home.path.samefile(folder):
            return False
        original = read_home(home.path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ConfigurationError):
        return True  # there is something that cannot be looked into: it may be the original
    return original is not None and original.home_id == home.home_id


def _disk_entry(folder: Path) -> int:
    try:
        return folder.stat().st_ino
    except OSError:
        return 0


def _place_of_older_home(settings: Settings) -> Path | None:
    """Where a home without an identity was made, if that is another place that still holds a home:
    then it is a copy.

    Homes had no identity once. Airflow's file and MLflow's database told their place then.
    """
    for place, witness in _older_witnesses(settings.home):
        if place != settings.home and (place / witness).exists():
            return place
    return None


def _older_witnesses(home: Path) -> Iterator[tuple[Path, str]]:
    """Places of which files of the home speak, each with the file that a home at that place has."""
    ledger = home / "ledger.sqlite"
    if ledger.is_file():
        with (
            suppress(sqlite3.Error, ValueError, KeyError),
            closing(_read_only(ledger)) as connection,
        ):
            row = connection.execute(
                "SELECT detail FROM audit WHERE kind = 'home' ORDER BY id DESC"
            ).fetchone()
            if row:
                yield Path(json.loads(row[0])["path"]), FILE
    configuration = home / "airflow" / "airflow.cfg"
    with suppress(OSError):
        named = re.search(
            r"^base_log_folder = (/.*)/airflow/logs$", configuration.read_text(), re.MULTILINE
        )
        if named:
            yield Path(named[1]), "airflow/airflow.cfg"
    database = home / "mlflow.sqlite"
    if not database.is_file():
        return
    with suppress(sqlite3.Error), closing(_read_only(database)) as connection:
        for (location,) in connection.execute("SELECT artifact_location FROM experiments"):
            named = re.fullmatch(r"(?:file://)?(/.*)/mlflow/[^/]+", location or "")
            if named:
                yield Path(named[1]), database.name


def _read_only(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)


def _copied_before_it_had_an_identity(settings: Settings, older: Path) -> Placement:
    original = read_home(older)
    unnamed = hashlib.sha256(str(older).encode()).hexdigest()[:32]
    home = replace(original or new_home(settings, home_id=unnamed), path=older)
    return Placement(state="elsewhere", home=home, original_exists=True)


def _not_its_place(settings: Settings, placed: Placement) -> ConfigurationError:
    assert placed.home is not None
    home = placed.home
    if placed.state == "unfinished":
        return ConfigurationError(
            "this home is being adopted, and that was not finished",
            where=str(settings.home),
            expected="an adoption that is complete",
            found=f"home {home.short_id}, to become {str(home.adopting)[:12]}",
            next_step="run `tollgate home adopt` again: it goes on where it stopped",
            runbook=RUNBOOK,
        )
    at = f"{home.path}" + (" on another machine" if home.path == settings.home else "")
    if placed.original_exists:
        what, seen = (
            "this is a copy of another home, and acts for none yet",
            f"a copy; the home itself is at {at}",
        )
        next_step = (
            "`tollgate home adopt` makes this a home of its own; or let TOLLGATE_HOME name the home"
            " itself"
        )
    else:
        what, seen = (
            "this home was copied or moved, and acts for none yet",
            f"it was registered at {at}",
        )
        next_step = (
            "`tollgate home adopt --moved` if it was moved and the other is gone; "
            "`tollgate home adopt` makes a copy a home of its own"
        )
    return ConfigurationError(
        what,
        where=str(settings.home),
        expected=f"home {home.short_id} at {at}",
        found=seen,
        next_step=next_step,
        runbook=RUNBOOK,
    )


def _content(home: Home) -> bytes:
    return (json.dumps({**asdict(home), "path": str(home.path)}, indent=1) + "\n").encode()
