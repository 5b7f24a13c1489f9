"""A client of the scorer: events in, typed answers out, over JSON or Arrow; comes again when told
to.

>>> with ScorerClient("http://127.0.0.1:8780", key) as scorer:          # doctest: +SKIP
...     answer = scorer.score([event], reasons=True)[0]
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from pipelines.base.errors import PermanentError, TransientError

ARROW = "application/vnd.apache.arrow.stream"
AGAIN = frozenset({429, 503})
LONGEST_WAIT = 10.0
"""Seconds that are waited at most before asking again, whatever the service says."""

RUNBOOK = "docs/runbooks/serving.md"

Event = Mapping[str, Any]
"""The columns of the use case's events: whole numbers, text, aware datetimes, Decimal (or text, or
float) for money.
"""


class Reason(msgspec.Struct, frozen=True):
    """A feature, and how much it moved the score (log-odds)."""

    feature: str
    contribution: float


class _PredictionFields(msgspec.Struct):
    score: float
    decision: bool
    release: str
    model_version: str
    feature_set: str
    threshold: float
    fallback: bool
    flags: tuple[str, ...]
    fallback_reason: str = ""
    reasons: tuple[Reason, ...] = ()
    features: dict[str, float | None] = {}


class Prediction(_PredictionFields):
    """The prediction of one event, in the order that the events were sent in; `threshold` is that
    of the release.
    """


class Predictions(msgspec.Struct):
    """The predictions of a request; the wire calls them `answers`."""

    predictions: list[Prediction] = msgspec.field(name="answers")


@dataclass(frozen=True)
class Reported:
    """What became of reports: known here by their event, or waiting for it."""

    known: int
    waiting: int


class ScorerClient:
    """Asks one service; `use_case` is the one that events are of, the service's first one if empty.

    Safe to repeat: an id counts once, so requests that got no answer are sent again.

    `timeout` seconds for one try, `attempts` tries in all. Raises `PermanentError` for what the
    service refuses (its problem document in the fields) or where its certificate is not trusted,
    and `TransientError` where it does not answer. An `https://` service is trusted for a
    certificate of the authorities in `ca` (a PEM file), or of those that the system trusts; without
    one that fits its name nothing is sent.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 5.0,
        attempts: int = 4,
        ca: Path | str | None = None,
        use_case: str = "",
    ) -> None:
        self._attempts = attempts
        self._root = f"/v1/{use_case}" if use_case else "/v1"
        headers = {"authorization": f"Bearer {key}"}
        trusted = ssl.create_default_context(cafile=ca) if url.startswith("https:") else True
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout, trust_env=False, verify=trusted
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def score(
        self, events: Sequence[Event], *, reasons: bool = False, features: bool = False
    ) -> list[Prediction]:
        """Score events in their order."""
        body = msgspec.json.encode({"events": events, "reasons": reasons, "features": features})
        response = self._post(f"{self._root}/score", body, "application/json")
        return msgspec.json.decode(response.content, type=Predictions).predictions

    def score_table(self, table: Any, *, reasons: bool = False, features: bool = False) -> Any:
        """Score a `pyarrow.Table` of the feed's columns; a table with a row for each, its key
        first.
        """
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        options = {"reasons": str(reasons).lower(), "features": str(features).lower()}
        response = self._post(
            f"{self._root}/score", sink.getvalue().to_pybytes(), ARROW, params=options
        )
        with pa.ipc.open_stream(response.content) as reader:
            return reader.read_all()

    def report(self, reports: Sequence[Event]) -> Reported:
        """Tell which events turned out to be positive; a report counts once."""
        response = self._post(
            f"{self._root}/reports", msgspec.json.encode({"reports": reports}), "application/json"
        )
        return msgspec.json.decode(response.content, type=Reported)

    def release(self) -> dict[str, Any]:
        """What decides now."""
        return dict(self._request("GET", f"{self._root}/release").json())

    def ready(self) -> bool:
        """Whether it answers as it should; False also where it cannot be reached."""
        try:
            return self._http.get("/ready").is_success
        except httpx.TransportError:
            return False

    def _post(self, path: str, body: bytes, content_type: str, **more: Any) -> httpx.Response:
        return self._request(
            "POST", path, content=body, headers={"content-type": content_type}, **more
        )

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        problem = ""
        for attempt in range(self._attempts):
            wait = 0.1 * 2**attempt
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                _require_trusted(error, str(self._http.base_url))
                problem = f"{type(error).__name__}: {error}"
            else:
                if response.is_success:
                    return response
                if response.status_code not in AGAIN:
                    raise _refused(response)
                problem = f"status {response.status_code}"
                wait = _seconds_to_wait(response, wait)
            if attempt + 1 < self._attempts:
                time.sleep(min(wait, LONGEST_WAIT))
        raise TransientError(
            "the scorer does not answer",
            where=str(self._http.base_url),
            expected=f"an answer in one of {self._attempts} tries",
            found=problem,
            next_step="look at its /ready, or ask again",
            runbook=RUNBOOK,
        )


def _require_trusted(error: BaseException, where: str) -> None:
    """Raises `PermanentError` where the service's certificate is what keeps us from asking."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        raise PermanentError(
            "the scorer's certificate is not trusted",
            where=where,
            expected="one for this name, of an authority that is trusted",
            found=cause.verify_message,
            next_step="give its authority's certificate as `ca`, and ask by a name that it is for",
            runbook=RUNBOOK,
        ) from error


def _seconds_to_wait(response: httpx.Response, otherwise: float) -> float:
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if seconds.isdigit() else otherwise


def _refused(response: httpx.Response) -> PermanentError:
    try:
        document = response.json()
    except ValueError:
        document = {"title": "the scorer refused the request"}
    return PermanentError(
        document.get("title", ""),
        where=", ".join(
            f"{name} {document[name]}" for name in ("row", "field") if name in document
        ),
        expected=document.get("expected", ""),
        found=document.get("found", f"status {response.status_code}"),
        next_step=document.get("next_step", ""),
        runbook=RUNBOOK,
    )
