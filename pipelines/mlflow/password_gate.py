"""MLflow's server behind a password: an application for `mlflow server --app-name`, MLflow's own
way to add one.

HTTP Basic (RFC 7617) before every route but `/health`. MLflow's own `basic-auth` would bring users
and permissions of its own and Flask-WTF; here one person's password opens it, made on the first
start and kept in the home.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from pipelines.airflow.api import USER
from pipelines.base.secrets import secret
from pipelines.base.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

APP = "tollgate"
"""Name of the application among the entry points `mlflow.app` (pyproject.toml)."""

OPEN = frozenset({"/health"})
SECRET = "mlflow"


def login(settings: Settings) -> tuple[str, str]:
    """User and password of MLflow's server; the password is made where there is none."""
    return USER, secret(settings, SECRET)


def create_app() -> ASGIApp:
    """MLflow's server behind the login of the home that the environment names."""
    from mlflow.server.fastapi_app import app

    from pipelines.mlflow.artifacts import forget_paths, open_artifacts

    settings = Settings.from_environment()
    open_artifacts(settings)
    forget_paths(settings)
    return PasswordGate(app, *login(settings))


class PasswordGate:
    """An ASGI application that lets in who knows the password, and answers 401 to all others."""

    def __init__(self, app: ASGIApp, user: str, password: str) -> None:
        self._app = app
        self._expected = f"{user}:{password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("path") in OPEN or self._knows(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            asking = [
                (b"www-authenticate", b'Basic realm="MLflow", charset="UTF-8"'),
                (b"content-length", b"0"),
            ]
            await send({"type": "http.response.start", "status": 401, "headers": asking})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _knows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        kind, _, encoded = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        try:
            credentials = base64.b64decode(encoded.strip(), validate=True)
        except binascii.Error:
            return False
        return kind.lower() == b"basic" and hmac.compare_digest(credentials, self._expected)
