"""A copied home becomes a home of its own, or a moved one is known at its new place (`tollgate home
adopt`).

New: the identity and every key by which somebody is let in or trusted from now on. Kept: history,
and the keys without which history could not be read
(`docs/decisions/0300-a-home-knows-who-it-is.md`). Each step may be done again: a crash leaves a
home that acts for none, and the next call goes on where it stopped.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipelines.airflow.api import passwords_file
from pipelines.airflow.configuration import configuration_file, make_configuration
from pipelines.base.errors import ConfigurationError, StoreError, UsageError
from pipelines.base.home import (
    RUNBOOK,
    STORES,
    Home,
    allow_stores,
    home_locked,
    new_home,
    placement,
    read_home,
    require_own_home,
    shared_stores,
    still_there,
    stores_inside,
    write_home,
)
from pipelines.base.settings import Settings
from pipelines.ledger.homes import HomeLedger, ledger_exists
from pipelines.serve.http.access import first_key_file, keys_file
from pipelines.services import processes
from pipelines.services.local import STOP_PATIENCE
from pipelines.services.local import folder as services_folder
from pipelines.services.metrics_token import token_file
from pipelines.services.service_list import SERVICES

MAY_BE_SHARED = ("landing",)
"""Stores that a copy may use together with the original: what arrives there is read by both."""


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What was done: `event` is `adopted`, `moved`, `registered`, `allowed` or `nothing` (it was at
    its place already).

    `removed` are key files that are made anew on first use; `withdrawn` notices that are not sent
    any more; `paths` addresses that were stored with a path and are relative now; `stopped`
    services that had been started in the folder before it was moved.
    """

    event: str
    home: Home
    removed: Sequence[str] = ()
    withdrawn: int = 0
    paths: int = 0
    stopped: Sequence[str] = ()


def adopt(
    settings: Settings,
    *,
    actor: str,
    at: datetime,
    share: Sequence[str] = (),
    separate: Sequence[str] = (),
) -> Adoption:
    """Make a copy a home of its own, with a new identity and new keys; nothing where it is one
    already.

    `share` names stores outside the home that it may use together with the original
    (`MAY_BE_SHARED`), `separate` stores that have the address of one of the original's and are
    others, on another machine or network. Raises `ConfigurationError` where it would use others
    together, `UsageError` for a name that is none, `StoreError` where another adoption is at work
    or a disk does not take it.
    """
    _require_folder(settings)
    allowed = allowed_stores(share, separate)
    with home_locked(settings.home):
        placed = placement(settings)
        if placed.state == "here" and placed.home is not None:
            home = allow_stores(settings, placed.home, allowed)
            if home == placed.home:
                return Adoption(event="nothing", home=home)
            write_home(settings.home, home)
            return Adoption(event="allowed", home=home)
        if placed.home is None:
            return Adoption(event="registered", home=require_own_home(settings))
        return _become(
            settings, _begun(settings, placed.home, allowed), actor=actor, at=at, allowed=allowed
        )


def allowed_stores(share: Sequence[str], separate: Sequence[str]) -> tuple[str, ...]:
    """The stores that a person has named; raises `UsageError` for one that is none, or may not be
    shared.
    """
    wrong = [name for name in share if name not in MAY_BE_SHARED]
    wrong += [name for name in separate if name not in STORES]
    if wrong:
        raise UsageError(
            f"{wrong[0]!r} is no store that can be named here",
            where="--share and --separate",
            expected=f"--share {' or '.join(MAY_BE_SHARED)}; --separate one of {', '.join(STORES)}",
            next_step="give one of these names",
            runbook=RUNBOOK,
        )
    return (*share, *separate)


def adopt_moved(settings: Settings, *, actor: str, at: datetime) -> Adoption:
    """Know a home at its new place, identity and keys unchanged; nothing where it is at its place
    already.

    Raises `ConfigurationError` where a home of the same identity still is at the old place.
    """
    _require_folder(settings)
    with home_locked(settings.home):
        placed = placement(settings)
        home = placed.home
        if home is not None:
            require_gone(
                settings, home, what="this home was not moved: the other one is still there"
            )
        taken = _identity_of_ledger(settings, home) if placed.acts else None
        if placed.state == "here" and home is not None and taken is None:
            return Adoption(event="nothing", home=home)
        base = home or new_home(settings)
        here = new_home(settings, home_id=taken or base.home_id, copied_from=base.copied_from)
        kept = replace(
            here,
            made_at=base.made_at,
            ledgers=base.ledgers,
            copied_from_path=base.copied_from_path,
            foreign=base.foreign,
            allowed=base.allowed,
        )
        stopped = _end_processes(settings)
        paths = _forget_paths(settings)
        _record(settings, kept, "moved", actor=actor, at=at)
        write_home(settings.home, kept)
        return Adoption(event="moved", home=kept, paths=paths, stopped=stopped)


def require_gone(settings: Settings, home: Home, *, what: str) -> None:
    """Raise `ConfigurationError` where the registered place still holds the home, and that is not
    this folder.
    """
    if still_there(home, settings.home):
        raise ConfigurationError(
            what,
            where=str(settings.home),
            expected=f"nothing at {home.path}",
            found=f"home {home.short_id}",
            next_step=(
                "without the option this becomes a home of its own; or remove the other one first"
            ),
            runbook=RUNBOOK,
        )


def _require_folder(settings: Settings) -> None:
    if not settings.home.is_dir():
        raise ConfigurationError(
            "there is no home to adopt",
            where=str(settings.home),
            expected="the folder of a home",
            found="nothing",
            next_step="let TOLLGATE_HOME name the copied or moved home",
            runbook=RUNBOOK,
        )


def refuse_shared(shared: Sequence[str], *, restored: bool = False) -> None:
    """Raise `ConfigurationError` where a copy, or a home that would be restored, has stores of the
    original.
    """
    if not shared:
        return
    gone = (
        "; where the original is gone for good and this home takes its place: --same-home"
        if restored
        else ""
    )
    raise ConfigurationError(
        "the copy would use stores of the home that it was copied"
        f" from{'; nothing was restored' if restored else ''}",
        where=", ".join(f"TOLLGATE_{name.upper()}" for name in shared),
        expected=(
            "stores of its own: folders, databases and buckets that the other home does not use"
        ),
        found="the same as the other home's",
        next_step=(
            "set these variables to stores of this home's own (docs/runbooks/home.md says how to"
            " fill them); a landing zone may be read by both: --share landing; another store under"
            f" the same address: --separate STORE{gone}"
        ),
        runbook=RUNBOOK,
    )


def _begun(settings: Settings, home: Home, allowed: Sequence[str]) -> Home:
    """The home with the identity that it is going to have; said in its file before anything else is
    changed.
    """
    inside = [name for name in stores_inside(settings, home) if name not in MAY_BE_SHARED]
    shared = shared_stores(settings, home)
    refuse_shared([name for name in shared if name not in allowed or name in inside])
    begun = replace(home, adopting=home.adopting or uuid.uuid4().hex)
    write_home(settings.home, begun)
    return begun


def _become(
    settings: Settings, begun: Home, *, actor: str, at: datetime, allowed: Sequence[str]
) -> Adoption:
    stopped = _end_processes(settings)
    removed = _remove_keys(settings)
    paths = _forget_paths(settings, new_keys=True)
    fresh = new_home(settings, home_id=begun.adopting, copied_from=begun.home_id)
    names = {*begun.stores, *begun.foreign}
    foreign = {name: (*begun.stores.get(name, ()), *begun.foreign.get(name, ())) for name in names}
    own = allow_stores(
        settings,
        replace(fresh, copied_from_path=str(begun.path), foreign=foreign, allowed=begun.allowed),
        allowed,
    )
    withdrawn = _record(settings, own, "adopted", actor=actor, at=at)
    write_home(settings.home, own)
    return Adoption(
        event="adopted",
        home=own,
        removed=removed,
        withdrawn=withdrawn,
        paths=paths,
        stopped=stopped,
    )


def _end_processes(settings: Settings) -> list[str]:
    """End services that were started in this folder, wherever it was then; those of another home
    are only forgotten.
    """
    folder = services_folder(settings)
    records = []
    for service in SERVICES:
        record = processes.read(folder, service.name)
        if record is not None:
            records.append(record)
    return processes.stop(folder, records, patience=STOP_PATIENCE)


def key_files(settings: Settings) -> list[Path]:
    """Keys and passwords that two homes must not share; each is made anew on first use."""
    home = settings.home
    return [
        *sorted((home / "airflow").glob("*.key")),
        passwords_file(settings),
        home / "spark" / "cluster.conf",
        token_file(settings),
        keys_file(settings),
        first_key_file(settings),
        home / "keys" / "signing.pem",
    ]


def _remove_keys(settings: Settings) -> list[str]:
    removed = []
    for path in key_files(settings):
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(
                "a key of the other home could not be removed",
                where=str(path),
                found=str(error),
                next_step="give this user the right to remove it, then run the same command again",
                runbook=RUNBOOK,
            ) from error
        removed.append(str(path.relative_to(settings.home)))
    return removed


def _forget_paths(settings: Settings, *, new_keys: bool = False) -> int:
    """Take the old place out of what MLflow and Airflow have stored; how many addresses of MLflow
    were changed.
    """
    if configuration_file(settings).is_file():
        make_configuration(settings, new_keys=new_keys)
    database = settings.mlflow.removeprefix("sqlite:///")
    if settings.mlflow.startswith("sqlite:///") and not Path(database).is_file():
        return 0
    from pipelines.mlflow.artifacts import forget_paths

    return forget_paths(settings)


def _record(settings: Settings, home: Home, event: str, *, actor: str, at: datetime) -> int:
    """Say in the ledger whose it is from now on; how many waiting notices were withdrawn (of a copy
    only).
    """
    if not ledger_exists(settings):
        return 0
    ledger = HomeLedger(settings.ledger, settings.use_case)
    withdrawn = ledger.withdraw_messages(at=at) if event == "adopted" else 0
    if ledger.owner() != home.home_id or event == "moved":
        ledger.record_home(home, event, actor=actor, at=at)
    return withdrawn


def _identity_of_ledger(settings: Settings, home: Home | None) -> str | None:
    """The identity that the ledger knows, where it is another than this home's and its home is gone
    from its place.
    """
    if not ledger_exists(settings):
        return None
    rows = HomeLedger(settings.ledger, settings.use_case).homes()
    if not rows or (home is not None and rows[-1].subject == home.home_id):
        return None
    place = Path(rows[-1].detail.path)
    other = read_home(place) if place != settings.home else None
    if other is not None and other.home_id == rows[-1].subject:
        raise ConfigurationError(
            "the home that this ledger belongs to is still there",
            where=str(place),
            expected="no home of that identity",
            found=f"home {other.short_id}",
            next_step=(
                "let TOLLGATE_LEDGER name a ledger of this home's own, or remove the other home"
                " first"
            ),
            runbook=RUNBOOK,
        )
    return str(rows[-1].subject)
