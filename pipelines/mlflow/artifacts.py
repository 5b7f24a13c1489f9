"""MLflow's artefacts by an address without a path: `tollgate:/fraud/…` is below the folder that the
settings name.

MLflow stores an address with each experiment, run and model, and follows it for ever. A path there
would lead a home that was copied or moved back to where it was made; so what is stored is relative,
and resolved when it is read.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from pipelines.base.addresses import with_our_driver
from pipelines.base.settings import Settings, is_remote

with warnings.catch_warnings():
    # where MLflow is imported here first, it looks for this module's class, by its entry point,
    # before it is there
    warnings.filterwarnings(
        "ignore", message="Failure attempting to register artifact repository", append=False
    )
    from mlflow.store.artifact import artifact_repository_registry
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

SCHEME = "tollgate"

_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""Where MLflow's database keeps addresses of artefacts."""

_root: Path | None = None


class HomeArtifacts(LocalArtifactRepository):
    """MLflow's own store of local files, in the folder of the settings that were opened last (see
    `open_artifacts`).
    """

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(_path_of(artifact_uri).as_uri(), tracking_uri, registry_uri)


def open_artifacts(settings: Settings) -> None:
    """Let `tollgate:` addresses be below the artefact folder of these settings, in this process."""
    global _root
    _root = None if is_remote(settings.mlflow_artifacts) else Path(settings.mlflow_artifacts)
    # the registry of the entry points' group (pyproject.toml): an environment that was set up
    # earlier lacks ours
    artifact_repository_registry._artifact_repository_registry.register(SCHEME, HomeArtifacts)


def artifact_location(settings: Settings, name: str) -> str:
    """The address that a new experiment gets."""
    place = settings.mlflow_artifacts
    return f"{place}/{name}" if is_remote(place) else f"{SCHEME}:/{name}"


def forget_paths(settings: Settings) -> int:
    """Turn addresses with a path, as older versions stored them, into relative ones; how many were
    changed.

    It is done for experiments whose artefacts are in the folder of the settings, in one
    transaction; an experiment that somebody keeps elsewhere stays as it is, and so does what is on
    an MLflow server or in an object store.
    """
    root = settings.mlflow_artifacts
    if is_remote(root) or settings.mlflow.startswith(("http:", "https:")):
        return 0
    engine = sa.create_engine(with_our_driver(settings.mlflow))
    try:
        with engine.begin() as connection:
            if not sa.inspect(connection).has_table("experiments"):
                return 0
            experiments = connection.execute(
                sa.text("SELECT name, artifact_location FROM experiments")
            ).all()
            return sum(
                _forget(connection, location, f"{SCHEME}:/{name}")
                for name, location in experiments
                if _is_ours(location or "", name, Path(root))
            )
    finally:
        engine.dispose()


def _forget(connection: sa.Connection, old: str, new: str) -> int:
    changed = 0
    for table, column in _COLUMNS:
        statement = sa.text(
            f"UPDATE {table} SET {column} = :new || substr({column}, {len(old) + 1}) "
            f"WHERE {column} = :old OR substr({column}, 1, {len(old) + 1}) = :below"
        )
        changed += connection.execute(
            statement, {"new": new, "old": old, "below": f"{old}/"}
        ).rowcount
    return changed


def _is_ours(location: str, name: str, root: Path) -> bool:
    """Whether a stored path means a folder below `root`, wherever that was when the path was
    stored.

    MLflow's own experiment, `Default`, gets a path below whatever folder the first command worked
    in.
    """
    if not re.fullmatch(r"(file://)?/.+", location):
        return False
    if name == "Default":
        return not Path(unquote(urlsplit(location).path)).exists()
    return location.endswith(f"/{name}") and (root / name).is_dir()


def _path_of(uri: str) -> Path:
    root = _root if _root is not None else Path(Settings.from_environment().mlflow_artifacts)
    return root / unquote(urlsplit(uri).path).lstrip("/")
