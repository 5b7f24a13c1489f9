"""Answers of the app: pages with headers that keep them where they belong, and errors that a person
can read.
"""

from __future__ import annotations

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from pipelines.base.errors import StoreError, TollgateError, UsageError
from pipelines.pages.render import render

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
        "frame-ancestors 'self'; base-uri 'none'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
TITLES = {
    401: "Not logged in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Nothing was changed",
    503: "The ledger does not answer",
}
TOLD = {
    401: "Log in to Airflow, then open this page again.",
    403: (
        "Your role in Airflow does not allow this. Who may edit the scoring DAG may do it; nothing"
        " was changed."
    ),
}


def page(html: str, status: int = 200) -> HTMLResponse:
    """A page of ours."""
    return HTMLResponse(html, status_code=status, headers=HEADERS)


async def refused(request: Request, error: Exception) -> HTMLResponse:
    """What an HTTP error looks like: 401 and 403 say what to do, the others what happened."""
    assert isinstance(error, StarletteHTTPException | HTTPException)
    status = error.status_code
    plain = str(error.detail)
    text = (
        TOLD.get(status, plain)
        if plain in {"Forbidden", "Not authenticated", "Not Found"}
        else plain
    )
    return _problem(request, status, {"what": text})


async def failed(request: Request, error: Exception) -> HTMLResponse:
    """What an error of Tollgate looks like: the fields that its message has on the command line."""
    assert isinstance(error, TollgateError)
    code = 422 if request.method == "POST" else 404
    status = (
        503 if isinstance(error, StoreError) else code if isinstance(error, UsageError) else 409
    )
    return _problem(request, status, error.fields())


def _problem(request: Request, status: int, fields: dict[str, str]) -> HTMLResponse:
    html = render(
        "ops/problem.html.j2",
        status=status,
        title=TITLES.get(status, "That did not work"),
        fields=fields,
        home=request.scope.get("root_path", "") + "/",
    )
    return page(html, status)
