"""What an MLflow behind HTTP holds of a registered model, by its REST API and without importing
MLflow (three seconds).

For the same looks as `mlflow_tables`. Who may ask: the login in the address, or MLflow's own
variables.
"""

from __future__ import annotations

import os
from typing import Any

import httpx

from pipelines.base.errors import StoreError
from pipelines.base.masking import mask_passwords
from pipelines.mlflow.tables import RegisteredVersion, Registry

PATIENCE = 5.0
"""Seconds for a connection, and for an answer."""

_PAGE = 200
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
"""How MLflow says that it does not know a name."""


def deleted_experiment_served(url: str, name: str) -> str | None:
    """The id of the experiment `name` where somebody has deleted it in MLflow, else None.

    Raises `StoreError`.
    """
    with _client() as http:
        answer = _asked(http, url, "experiments/get-by-name", experiment_name=name)
    experiment = answer.get("experiment", {})
    is_deleted = experiment.get("lifecycle_stage") == "deleted"
    return str(experiment["experiment_id"]) if is_deleted else None


def read_registry_served(url: str, name: str, alias: str) -> Registry:
    """What the server holds of the model `name`; of its files nothing is known here.

    Raises `StoreError`.
    """
    versions: list[RegisteredVersion] = []
    token = ""
    with _client() as http:
        while True:
            page = _asked(
                http,
                url,
                "model-versions/search",
                filter=f"name='{name}'",
                max_results=_PAGE,
                page_token=token,
            )
            versions += [_version(each) for each in page.get("model_versions", ())]
            token = page.get("next_page_token", "")
            if not token:
                break
        model = _asked(http, url, "registered-models/get", name=name).get("registered_model", {})
    aliases = {each["alias"]: str(each["version"]) for each in model.get("aliases", ())}
    return Registry(versions=tuple(versions), alias=aliases.get(alias))


def _version(document: dict[str, Any]) -> RegisteredVersion:
    tags = {tag["key"]: tag.get("value", "") for tag in document.get("tags", ())}
    return RegisteredVersion(
        version=str(document["version"]),
        release=tags.get("release", ""),
        model_digest=tags.get("model_digest", ""),
        location="",
    )


def _client() -> httpx.Client:
    return httpx.Client(timeout=PATIENCE, auth=_login())


def _login() -> httpx.BasicAuth | None:
    """MLflow's own variables, which its library reads too; a login in the address is httpx's
    matter.
    """
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return httpx.BasicAuth(user, password) if user and password else None


def _asked(http: httpx.Client, url: str, path: str, **query: str | int) -> dict[str, Any]:
    """The server's answer; an empty one where it does not know the name."""
    given = {key: value for key, value in query.items() if value != ""}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        response = http.get(
            f"{url.rstrip('/')}/api/2.0/mlflow/{path}", params=given, headers=headers
        )
        if response.is_client_error and _ABSENT in response.text:
            return {}
        response.raise_for_status()
        document: dict[str, Any] = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise StoreError(
            "MLflow's server does not say what it holds",
            where=mask_passwords(url),
            expected="an answer of MLflow's REST API",
            found=mask_passwords(next(iter(str(error).splitlines()), "") or type(error).__name__),
            next_step="start the server, or correct TOLLGATE_MLFLOW; then the same command again",
            runbook="docs/runbooks/lost-stores.md",
        ) from error
    return document
