"""MLflow is reached here and only here: runs with everything that made a model, registered
versions, aliases.

MLflow keeps records; the ledger decides. An alias only mirrors what the ledger says. Every failure
to reach MLflow is a `StoreError`: trying again may help, and no release points at a model that
MLflow did not take whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipelines.base.addresses import for_mlflow
from pipelines.base.errors import PermanentError, StoreError
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings, is_remote
from pipelines.mlflow.tables import deleted_experiment, has_tables

if TYPE_CHECKING:
    import xgboost as xgb
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

LOGGER = logging.getLogger(__name__)
CHAMPION_ALIAS = "champion"
DIGEST = "model_digest"
"""Tag of a version: SHA-256 of the model's bytes.

With the release's name it is its identity; the number is not.
"""

EARLIER_RUN = "recorded_before_as"
"""Tag of a run that was recorded again: the id under which it was recorded before MLflow's database
was lost.
"""

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_SQLITE = "sqlite:///"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_RELEASE = re.compile(r"[a-z][a-z0-9_-]*")
_DAMAGED = ("malformed", "file is not a database", "disk image")
"""How SQLite says that a file is damaged."""

_MODEL_TYPES = {"int64": "long", "float64": "double"}


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """What MLflow gets to know of one training.

    `release_id` makes recording idempotent. `model_bytes` are the UBJ bytes of `model`; `inputs`
    its columns with their dtypes (`int64`, `float64`), in order. `files` are artefacts by path
    (text is UTF-8).
    """

    release_id: str
    model: xgb.Booster
    model_bytes: bytes
    inputs: Mapping[str, str]
    requirements: tuple[str, ...]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def model_digest(self) -> str:
        """SHA-256 (hex) of the model's bytes."""
        return hashlib.sha256(self.model_bytes).hexdigest()


@dataclass(frozen=True, kw_only=True)
class RegisteredModel:
    """Where MLflow keeps a recorded model."""

    name: str
    version: str
    run_id: str


def artifact_store_environment(settings: Settings) -> dict[str, str]:
    """How MLflow reaches artefacts in an object store: it knows our settings by these variables
    alone.
    """
    if not is_remote(settings.mlflow_artifacts):
        return {}
    variables = {
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_DEFAULT_REGION": settings.s3_region,
    }
    return {name: value for name, value in variables.items() if value}


class Tracking:
    """The experiment and the registered model of one use case (both bear its name)."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name

    def record(self, record: ModelRecord, *, taken: Collection[str] = ()) -> RegisteredModel:
        """Record a training and register its model; the same release again returns what is there
        already.

        `taken` are version numbers that the ledger gave to other releases. MLflow counts from 1
        again when its database was lost; a number that two releases bear would not tell them apart,
        so these are used up, not given again. Raises `StoreError` where MLflow does not answer,
        does not take something, or kept other bytes than the release.
        """
        self.require_experiment()
        with _reaching(self._where):
            client = self._client()
            registered = self._registered(client, record.release_id, record.model_digest)
            if registered is not None and registered.version not in taken:
                return registered
            if (
                registered is not None
            ):  # a crash came between making this version and giving its number up
                client.delete_model_version(self.name, registered.version)
            return self._record(client, record, taken)

    def require_experiment(self) -> None:
        """Raise `PermanentError` where the experiment was deleted in MLflow: no training could be
        recorded.

        A database is asked without importing MLflow. Raises `StoreError` where MLflow does not
        answer.
        """
        if (deleted := self._deleted_experiment()) is not None:
            raise PermanentError(
                f"MLflow's experiment {self.name!r} was deleted: a training could not be recorded",
                where=self._where,
                expected=f"an active experiment {self.name!r}, or none",
                found=f"experiment {deleted}, deleted",
                next_step=(
                    "`tollgate repair mlflow` restores it (or restore it in MLflow's UI), then"
                    " train again"
                ),
                runbook="docs/runbooks/lost-stores.md",
            )

    def restore_experiment(self) -> str | None:
        """Restore the experiment where it was deleted; returns its id then. Raises `StoreError`."""
        experiment_id = self._deleted_experiment()
        if experiment_id is not None:
            with _reaching(self._where):
                self._client().restore_experiment(experiment_id)
        return experiment_id

    def _deleted_experiment(self) -> str | None:
        if has_tables(self.settings.mlflow):
            return deleted_experiment(self.settings.mlflow, self.name)
        with _reaching(self._where):
            experiment = self._client().get_experiment_by_name(self.name)
        if experiment is None or experiment.lifecycle_stage != "deleted":
            return None
        return str(experiment.experiment_id)

    def registered(self, release_id: str, model_digest: str | None) -> RegisteredModel | None:
        """Where MLflow keeps this very model, None where it does not know it.

        A version counts whose tags name the release and, where one is given, the digest (SHA-256)
        of the model's bytes. Raises `StoreError`.
        """
        with _reaching(self._where):
            return self._registered(self._client(), release_id, model_digest)

    def training_record(self, name: str) -> tuple[str, dict[str, Any]]:
        """The id of an MLflow run, and the release record that it keeps (`release.json`).

        `name` is the run's id or a release's. Raises `PermanentError` where MLflow knows neither,
        `StoreError`.
        """
        with _reaching(self._where):
            client = self._client()
            registered = self._registered(client, name, None)
            run_id = (
                registered.run_id
                if registered
                else self._run_named(client, name) or self._restored_as(client, name)
            )
            text = _downloaded(run_id, "release.json") if run_id else None
        if run_id is None or text is None:
            raise PermanentError(
                "MLflow has no training of that name",
                where=self._where,
                expected="the id of an MLflow run of a training, or a release",
                found=name,
                next_step=(
                    "`tollgate releases --json` lists both; one that MLflow has lost: `tollgate"
                    " repair mlflow`"
                ),
            )
        record: dict[str, Any] = json.loads(text)
        return run_id, record

    def holds(self, registered: RegisteredModel, model_digest: str) -> bool:
        """Whether the files of a registered version are the very model; raises `StoreError`."""
        with _reaching(self._where):
            client = self._client()
            place = client.get_model_version_download_uri(self.name, registered.version)
            try:
                return hashlib.sha256(_model_bytes(place)).hexdigest() == model_digest
            except (OSError, ValueError) as error:
                LOGGER.warning("MLflow has no files of version %s: %s", registered.version, error)
                return False

    def withdraw(self, registered: RegisteredModel) -> None:
        """Remove a version whose files are gone, its number with it; raises `StoreError`."""
        with _reaching(self._where):
            self._client().delete_model_version(self.name, registered.version)

    def mirror_champion(self, version: str) -> None:
        """Let the alias `champion` name this version; raises `StoreError`."""
        with _reaching(self._where):
            self._client().set_registered_model_alias(self.name, CHAMPION_ALIAS, version)

    def forget_champion(self) -> None:
        """Take the alias `champion` away: better none than one that names another model; raises
        `StoreError`.
        """
        with _reaching(self._where):
            self._client().delete_registered_model_alias(self.name, CHAMPION_ALIAS)

    def champion_version(self) -> str | None:
        """The version that the alias `champion` names, or None; raises `StoreError`."""
        with _reaching(self._where):
            models = self._client().search_registered_models(f"name = '{self.name}'")
            version = models[0].aliases.get(CHAMPION_ALIAS) if models else None
            return str(version) if version is not None else None

    def _client(self) -> MlflowClient:
        os.environ.update(
            {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
        )
        os.environ.update(artifact_store_environment(self.settings))
        _require_database(self.settings.mlflow)
        import mlflow

        from pipelines.mlflow.artifacts import forget_paths, open_artifacts

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        open_artifacts(self.settings)
        forget_paths(self.settings)
        address = for_mlflow(self.settings.mlflow)
        mlflow.set_tracking_uri(address)
        mlflow.set_registry_uri(address)
        return mlflow.MlflowClient(address, address)

    @property
    def _where(self) -> str:
        return mask_passwords(self.settings.mlflow)

    def _run_named(self, client: MlflowClient, name: str) -> str | None:
        """The id itself, if our experiment has such a run."""
        return self._run_with(client, "attributes.run_id", name)

    def _restored_as(self, client: MlflowClient, run_id: str) -> str | None:
        """The run that stands for one that was lost: `tollgate repair mlflow` notes the earlier id
        at the new one.
        """
        return self._run_with(client, f"tags.{EARLIER_RUN}", run_id)

    def _run_with(self, client: MlflowClient, field: str, run_id: str) -> str | None:
        """The run of our experiment whose `field` is that id; None for what is no run's id."""
        experiment = client.get_experiment_by_name(self.name)
        if experiment is None or not _RUN_ID.fullmatch(run_id):
            return None
        runs = client.search_runs([experiment.experiment_id], filter_string=f"{field} = '{run_id}'")
        return str(runs[0].info.run_id) if runs else None

    def _registered(
        self, client: MlflowClient, release_id: str, digest: str | None
    ) -> RegisteredModel | None:
        if not _RELEASE.fullmatch(release_id):
            return None
        versions = client.search_model_versions(
            f"name = '{self.name}' and tag.release = '{release_id}'"
        )
        same = [
            version for version in versions if digest is None or version.tags.get(DIGEST) == digest
        ]
        if not same:
            return None
        newest = max(same, key=lambda version: int(version.version))
        return RegisteredModel(name=self.name, version=str(newest.version), run_id=newest.run_id)

    def _record(
        self, client: MlflowClient, record: ModelRecord, taken: Collection[str]
    ) -> RegisteredModel:
        import mlflow

        experiment = self._experiment(client)
        with mlflow.start_run(
            experiment_id=experiment, run_name=record.release_id, tags=dict(record.tags)
        ) as run:
            mlflow.log_params({key: str(value) for key, value in record.parameters.items()})
            mlflow.log_metrics(dict(record.metrics))
            _log_files(record.files)
            logged = mlflow.xgboost.log_model(
                record.model,
                name="model",
                model_format="ubj",
                signature=_signature(record.inputs),
                pip_requirements=list(record.requirements),
            )
            _require_same_bytes(logged.model_uri, record)
            version = self._register(client, logged.model_uri, run.info.run_id, record, taken)
        return RegisteredModel(name=self.name, version=version, run_id=run.info.run_id)

    def _experiment(self, client: MlflowClient) -> str:
        experiment = client.get_experiment_by_name(self.name)
        if experiment is not None:
            return str(experiment.experiment_id)
        from pipelines.mlflow.artifacts import artifact_location

        return str(
            client.create_experiment(
                self.name, artifact_location=artifact_location(self.settings, self.name)
            )
        )

    def _register(
        self,
        client: MlflowClient,
        source: str,
        run_id: str,
        record: ModelRecord,
        taken: Collection[str],
    ) -> str:
        if not client.search_registered_models(f"name = '{self.name}'"):
            client.create_registered_model(self.name)
        tags = {"release": record.release_id, **record.tags, DIGEST: record.model_digest}
        while True:
            made = client.create_model_version(
                self.name,
                source=source,
                run_id=run_id,
                tags=tags,
                model_id=source.removeprefix("models:/"),
            )
            if str(made.version) not in taken:
                return str(made.version)
            client.delete_model_version(
                self.name, made.version
            )  # MLflow never gives a deleted number again


@contextmanager
def _reaching(uri: str) -> Iterator[None]:
    """Whatever MLflow raises becomes a `StoreError` that names the server."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        problem = next(iter(str(error).splitlines()), type(error).__name__)
        damaged = any(sign in problem for sign in _DAMAGED)
        raise StoreError(
            "MLflow could not be reached or refused a write",
            where=uri,
            found=problem,
            next_step=(
                "the file is damaged: `tollgate repair mlflow` makes a new one from the ledger and"
                " the bundles"
                if damaged
                else "check that the server or folder is there, then run the same command again"
            ),
            runbook="docs/runbooks/lost-stores.md",
        ) from error


def _require_database(uri: str) -> None:
    """Open an SQLite database before MLflow does, which would retry for minutes what cannot
    succeed.
    """
    if uri.startswith(_SQLITE):
        path = Path(uri.removeprefix(_SQLITE))
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=30)
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        finally:
            connection.close()


def _signature(inputs: Mapping[str, str]) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = [ColSpec(_MODEL_TYPES[dtype], name) for name, dtype in inputs.items()]
    return ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec("double", "score")]))


def _log_files(files: Mapping[str, bytes]) -> None:
    import mlflow

    with TemporaryDirectory() as scratch:
        for name, content in files.items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        mlflow.log_artifacts(scratch)


def _downloaded(run_id: str, path: str) -> str | None:
    """The text of a run's artefact, or None where it has no such file."""
    import mlflow

    with TemporaryDirectory() as scratch:
        present = {item.path for item in mlflow.MlflowClient().list_artifacts(run_id)}
        if path not in present:
            return None
        file = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=path, dst_path=scratch
        )
        return Path(file).read_text()


def _model_bytes(uri: str) -> bytes:
    """The bytes of the model that MLflow keeps there."""
    import mlflow

    with TemporaryDirectory() as scratch:
        folder = mlflow.artifacts.download_artifacts(uri, dst_path=scratch)
        return (Path(folder) / "model.ubj").read_bytes()


def _require_same_bytes(model_uri: str, record: ModelRecord) -> None:
    """What MLflow keeps is, byte for byte, the model that was evaluated."""
    kept = _model_bytes(model_uri)
    if kept != record.model_bytes:
        raise StoreError(
            "MLflow keeps other bytes than those that were evaluated",
            where=model_uri,
            expected=f"SHA-256 {hashlib.sha256(record.model_bytes).hexdigest()}",
            found=f"SHA-256 {hashlib.sha256(kept).hexdigest()}",
            next_step="check MLflow's artefact store, then train again: nothing was released",
        )
