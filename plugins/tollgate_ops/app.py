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
from pipelines.ops.pages import DETAILS, LISTS, Page, Reader, overview_page, whole_page
from pipelines.run import Run, utc_now
from pipelines.status.use_cases import overviews
from pipelines.usecases.registry import load, load_all, names
from plugins.tollgate_ops.access import Acts, may_act, may_read, may_see, use_case_of
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
    app.include_router(_over_all)
    app.include_router(_router, prefix="/u/{use_case}")
    app.include_router(_router)
    app.add_middleware(LimitedBody)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(TollgateError, failed)
    return app


_over_all = APIRouter()
_router = APIRouter(dependencies=[Depends(may_read)])


@_over_all.get("/")
def first_page(request: Request, user: GetUserDep) -> HTMLResponse:
    """The use cases that the user may see; where there is one alone, its first page."""
    if names() == [Settings.from_environment().use_case]:
        may_read(request, user)
        return _show(request, user, LIST_BY_NAME[""])
    rows = [row for row in overviews(Settings.from_environment()) if may_see(user, row.name)]
    if not rows:
        raise HTTPException(403, "Forbidden")
    links = {row.name: Served(f"{_mount(request)}/u/{row.name}") for row in rows}
    return page(overview_page(rows, links, reader=str(user.get_name()), at=utc_now()))


@_over_all.get("/metrics")
def metrics(user: GetUserDep) -> Response:
    """Figures for Prometheus, of every use case that the user may see.

    A scraper logs in as any other reader, with a bearer token.
    """
    readable = [case.name for case in load_all().use_cases if may_see(user, case.name)]
    if not readable:
        raise HTTPException(403, "Forbidden")
    text = openmetrics(*(Facts(_run(name)) for name in readable))
    return Response(text, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


@_over_all.get("/u/{use_case}", dependencies=[Depends(may_read)])
@_router.get("/")
def now(request: Request, user: GetUserDep) -> HTMLResponse:
    """The first page of a use case."""
    return _show(request, user, LIST_BY_NAME[""])


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
    run = _run(use_case_of(request))
    require_own_home(run.settings, may_make=False)
    order = Asked(release=release, to=to, generation=generation, reason=reason.strip())
    shown = perform(replace(run, actor=who), action, order)
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
    facts, root = Facts(_run(use_case_of(request)), days), _root(request)
    overview = "" if root == _mount(request) else f"{_mount(request)}/"
    return page(whole_page(entry, facts, Served(root), key=key, reader=reader, overview=overview))


def _mount(request: Request) -> str:
    """Where the app is mounted, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _root(request: Request) -> str:
    """Where the pages of the request's use case are: beside others each has its own part."""
    alone = names() == [Settings.from_environment().use_case]
    if alone and "use_case" not in request.path_params:
        return _mount(request)
    return f"{_mount(request)}/u/{use_case_of(request)}"


@cache
def _run(use_case: str) -> Run:
    """The ledger's door, opened once; every request reads through it with its own transaction."""
    settings = Settings.from_environment().model_copy(update={"use_case": use_case})
    return Run(settings, load(use_case), run_id="model-ops", actor="model-ops")
