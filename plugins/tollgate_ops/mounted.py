"""The Model Ops app as Airflow's plugin names it: built at its first request, so that only the API
server pays for it.

Every component of Airflow, each task's process among them, imports the plugin; FastAPI's and
Airflow's API modules would cost each of them seconds.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIX = "/ops"
ROUTE = "model-ops"


class MountedApp:
    """An ASGI app that makes the real one when it is first called."""

    def __init__(self) -> None:
        self._app: FastAPI | None = None
        self._lock = Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._built()(scope, receive, send)

    def _built(self) -> FastAPI:
        with self._lock:
            if self._app is None:
                from plugins.tollgate_ops.app import ops_app

                self._app = ops_app()
            return self._app


def fastapi_app() -> dict[str, Any]:
    """The entry of `fastapi_apps`."""
    return {"app": MountedApp(), "url_prefix": PREFIX, "name": "Model Ops"}


def external_view() -> dict[str, str]:
    """The entry of `external_views`: a place in the navigation that shows the app's pages within
    Airflow's own.
    """
    from airflow.configuration import conf

    root = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return {
        "name": "Model Ops",
        "href": f"{root}{PREFIX}/",
        "destination": "nav",
        "url_route": ROUTE,
    }
