"""The Model Ops app: pages from the ledger, metrics for Prometheus, and the moves that a person may
make.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipelines.base.days import DayRange
from pipelines.base.errors import TollgateError
from pipelines.base.home import require_own_home
from pipelines.base.settings import Settings
from pipelines.ops.facts import Facts
from pipelines.ops.links import Served
from pipelines.ops.openmetrics import CONTENT_TYPE, openmetrics
from pipelines.ops.pages import DETAILS, LISTS, Page, Reader, whole_page
from pipelines.run import Run
from pipelines.usecases.registry import load
from plugins.tollgate_ops.access import Acts, may_act, may_read
from plugins.tollgate_ops.actions import ACTIONS, Asked, perform
from plugins.tollgate_ops.answers import failed, page, refused
from plugins.tollgate_ops.forms import require_own_form, token
from plugins.tollgate_ops.limits import LimitedBody

LIST_BY_NAME = {entry.name: entry for entry in LISTS}
DETAIL_BY_NAME = {entry.name: entry for entry in DETAILS}
VIEWER = "To roll back or to approve needs a role in Airflow that may edit the scoring DAG."


def ops_app() -> FastAPI:
    """The app.

    It has no pages without a user: documentation pages, which FastAPI would serve to anybody, are
    off.
    """
    app = FastAPI(title="Tollgate Model Ops", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_router)
    app.add_middleware(LimitedBody)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(TollgateError, failed)
    return app


_router = APIRouter(dependencies=[Depends(may_read)])


@_router.get("/")
def now(request: Request, user: GetUserDep) -> HTMLResponse:
    """The first page."""
    return _show(request, user, LIST_BY_NAME[""])


@_router.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus; a scraper logs in as any other reader, with a bearer token."""
    return Response(
        openmetrics(Facts(_run())), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )


@_router.get("/{name}")
def listed(
    request: Request,
    user: GetUserDep,
    name: str,
    first: Annotated[str, Query(alias="from")] = "",
    last: Annotated[str, Query(alias="to")] = "",
) -> HTMLResponse:
    """A page of the navigation; days and data docs take a range of days."""
    if not name or name not in LIST_BY_NAME:
        raise HTTPException(404, "There is no such page.")
    return _show(
        request,
        user,
        LIST_BY_NAME[name],
        days=DayRange.parse(first, last) if first or last else None,
    )


@_router.get("/{name}/{key}")
def detail(request: Request, user: GetUserDep, acts: Acts, name: str, key: str) -> HTMLResponse:
    """The page of one release, day or feature."""
    if name not in DETAIL_BY_NAME:
        raise HTTPException(404, "There is no such page.")
    who = str(user.get_name())
    forms = (
        {action: token(who, action, key) for action in ACTIONS}
        if acts and name == "releases"
        else {}
    )
    return _show(request, user, DETAIL_BY_NAME[name], key=key, forms=forms)


@_router.post("/releases/{release}/{action}", dependencies=[Depends(may_act)])
def act(
    request: Request,
    user: GetUserDep,
    release: str,
    action: str,
    given: Annotated[str, Form(alias="token")] = "",
    to: Annotated[str, Form()] = "",
    generation: Annotated[int, Form()] = 0,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Roll back, approve or reject in the user's name; then the page of the release that it was
    about.
    """
    if action not in ACTIONS:
        raise HTTPException(404, "There is no such action.")
    who = str(user.get_name())
    require_own_form(request, given, user=who, action=action, subject=release)
    require_own_home(_run().settings, may_make=False)
    order = Asked(release=release, to=to, generation=generation, reason=reason.strip())
    shown = perform(replace(_run(), actor=who), action, order)
    return RedirectResponse(f"{_root(request)}/releases/{shown}", status_code=303)


def _show(
    request: Request,
    user: GetUserDep,
    entry: Page,
    *,
    key: str = "",
    days: DayRange | None = None,
    forms: dict[str, str] | None = None,
) -> HTMLResponse:
    reader = Reader(name=str(user.get_name()), forms=forms or {}, note="" if forms else VIEWER)
    facts = Facts(_run(), days)
    return page(whole_page(entry, facts, Served(_root(request)), key=key, reader=reader))


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


@cache
def _run() -> Run:
    """The ledger's door, opened once; every request reads through it with its own transaction."""
    settings = Settings.from_environment()
    return Run(settings, load(settings.use_case), run_id="model-ops", actor="model-ops")
