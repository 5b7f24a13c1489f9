"""Forms that only our own pages can post: a signed token for one user, action and release, and the
browser's origin.

A session cookie travels with any site's form. So a form carries a token that no other site can
read, and a request that says it comes from elsewhere (`Origin`, `Sec-Fetch-Site`) is turned away
whatever it carries.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow.configuration import conf
from fastapi import HTTPException, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

LIFETIME = 3600
"""Seconds after which a page must be loaded again before its form can be posted."""


def token(user: str, action: str, subject: str) -> str:
    """The token of a form."""
    return _serializer().dumps([user, action, subject])


def require_own_form(request: Request, given: str, *, user: str, action: str, subject: str) -> None:
    """Raises 403 unless the request comes from our own page, from a form made for this user, action
    and subject.
    """
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or request.headers.get("sec-fetch-site", "same-origin") not in {
        "same-origin",
        "none",
    }:
        raise HTTPException(403, "The request comes from another site; nothing was done.")
    try:
        signed = _serializer().loads(given, max_age=LIFETIME)
    except BadSignature as error:
        raise HTTPException(
            403, "The form is too old or not ours; load the page again. Nothing was done."
        ) from error
    if signed != [user, action, subject]:
        raise HTTPException(
            403, "The form was made for something else; load the page again. Nothing was done."
        )


def _serializer() -> URLSafeTimedSerializer:
    """Signs with the key of Airflow's own tokens, which all workers of the API server share."""
    key = conf.get("api_auth", "jwt_secret", fallback="") or conf.get("api", "secret_key")
    return URLSafeTimedSerializer(key, salt="tollgate.ops.form")
