"""An MLflow behind HTTP is looked at as a database is: what it holds, what was deleted, and that it
does not answer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings
from pipelines.ledger.ledger import Ledger
from pipelines.mlflow.http_health import deleted_experiment_served, read_registry_served
from pipelines.run import Run
from pipelines.stores.checks import look_at_stores, stores
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, stored_release

DIGEST = "d" * 64


class _Mlflow(BaseHTTPRequestHandler):
    """Answers as MLflow 3.17 does; one version a page."""

    versions: list[dict[str, object]] = []  # noqa: RUF012 (shared with the test)
    alias = ""
    stage = "active"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        path = parts.path.removeprefix("/api/2.0/mlflow/")
        document: dict[str, object] = {"error_code": "RESOURCE_DOES_NOT_EXIST"}
        if path == "experiments/get-by-name":
            document = {"experiment": {"experiment_id": "7", "lifecycle_stage": self.stage}}
        elif path == "model-versions/search":
            place = int(query.get("page_token", ["0"])[0])
            document = {"model_versions": self.versions[place : place + 1]}
            if place + 1 < len(self.versions):
                document["next_page_token"] = str(place + 1)
        elif path == "registered-models/get" and self.versions:
            aliases = [{"alias": "champion", "version": self.alias}] if self.alias else []
            document = {"registered_model": {"name": "fraud", "aliases": aliases}}
        body = json.dumps(document).encode()
        self.send_response(404 if "error_code" in document else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Mlflow]]]:
    handler = type("Handler", (_Mlflow,), {"versions": []})
    served = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(
        target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    yield f"http://127.0.0.1:{served.server_address[1]}", handler
    served.shutdown()
    served.server_close()


def _version(number: str, release: str) -> dict[str, object]:
    tags = [{"key": "release", "value": release}, {"key": "model_digest", "value": DIGEST}]
    return {"name": "fraud", "version": number, "tags": tags}


def test_what_the_server_holds_is_read_page_by_page(server: tuple[str, type[_Mlflow]]) -> None:
    url, held = server
    assert read_registry_served(url, "fraud", "champion").versions == ()
    held.versions, held.alias = [_version("1", "fraud-a"), _version("2", "fraud-b")], "2"
    registry = read_registry_served(url, "fraud", "champion")
    version = registry.version_of("fraud-b", DIGEST)
    assert version is not None
    assert (version.version, registry.alias, len(registry.versions)) == ("2", "2", 2)
    assert deleted_experiment_served(url, "fraud") is None
    held.stage = "deleted"
    assert deleted_experiment_served(url, "fraud") == "7"


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(StoreError, match="MLflow's server does not say"):
        read_registry_served("http://mlflow.invalid:5000", "fraud", "champion")


def test_a_lost_release_and_a_wrong_alias_behind_http_are_lost_stores(
    settings: Settings, server: tuple[str, type[_Mlflow]]
) -> None:
    url, held = server
    settings = settings.model_copy(update={"mlflow": url})
    run = Run(settings, USE, run_id="r", actor="test", clock=lambda: AT)
    made = stored_release(run, 1, "approved", more={"model_digest": DIGEST, "mlflow_run_id": "a"})
    run.ledger.move_champion(made.release_id, expected=None, reason="a test's", actor="test", at=AT)

    def lost() -> list[str]:
        return [each.summary for each in look_at_stores(run).lost if each.store == "mlflow"]

    assert "MLflow does not know 1 of 1 releases" in lost()[0]
    held.versions, held.alias = [_version("1", "fraud-z"), _version("2", made.release_id)], "1"
    assert "alias champion names fraud-z" in lost()[0]
    held.alias = "2"
    assert lost() == []
    held.stage = "deleted"
    assert "was deleted" in lost()[0]
    assert isinstance(run.ledger, Ledger)

    away = settings.model_copy(update={"mlflow": "http://mlflow.invalid:5000"})
    (silent,) = [each for each in stores(away) if each.name == "stores"]
    assert not silent.ok
    assert "mlflow" in silent.found
