"""The service described in OpenAPI 3.1, from the very types that decode and encode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pipelines.serve import refusals as refused
from pipelines.serve.wire.arrow_wire import ArrowWire
from pipelines.serve.wire.json_wire import JsonWire
from pipelines.usecases.definition import UseCase

ARROW = ArrowWire.content_type.decode()
PROBLEM = refused.CONTENT_TYPE.decode()
VERSION = "1"

_WHY = {
    400: "the body cannot be read, or the query",
    401: "no valid key",
    403: "the key lacks the role",
    405: "another method",
    408: "the request did not come in time",
    413: "too many bytes",
    415: "another type of content, or a compressed body",
    422: "a row that cannot be: which, expected, found",
    429: (
        "more than can be answered in time, or than this key may send: come again after"
        " `Retry-After` seconds"
    ),
    431: "the headers are too large",
    503: "not open yet, or ending: come again after `Retry-After` seconds",
}


def document(wire: JsonWire, use_case: UseCase) -> dict[str, Any]:
    """The whole document, as plain data."""
    _, schemas = msgspec.json.schema_components(
        wire.kinds, ref_template="#/components/schemas/{name}"
    )
    bounded = _with_range(schemas, wire)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Tollgate scorer: {use_case.name}",
            "version": VERSION,
            "description": use_case.description,
        },
        "components": {
            "schemas": {**bounded, "Problem": refused.schema()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
        "paths": {**_paths(), **_plain_paths()},
    }


def _with_range(schemas: Mapping[str, Any], wire: JsonWire) -> dict[str, Any]:
    """The amount's range, which the door holds and not the decoder."""
    event = schemas["Event"]
    amount = {**event["properties"][wire.door.amount]}
    amount["anyOf"] = [
        (
            {**kind, "minimum": wire.door.lowest / 100, "maximum": wire.door.highest / 100}
            if kind["type"] == "number"
            else kind
        )
        for kind in amount["anyOf"]
    ]
    return {
        **schemas,
        "Event": {**event, "properties": {**event["properties"], wire.door.amount: amount}},
    }


def _paths() -> dict[str, Any]:
    options = [
        _option("reasons", "tell what weighed most"),
        _option("features", "tell the values of the features"),
    ]
    several = {
        "content": {
            **_json("Event", "Events"),
            ARROW: {"schema": {"type": "string", "format": "binary"}},
        }
    }
    predictions = {
        **_json("Answer", "Answers"),
        ARROW: {"schema": {"type": "string", "format": "binary"}},
    }
    return {
        "/v1/score": {
            "post": {
                "operationId": "score",
                "summary": (
                    "Score one event or several; each moves the state that the next one sees."
                ),
                "description": (
                    "An id that was answered before counts once and is flagged `repeated`. Times"
                    " are let in from the reach of the features until five minutes from now. Send"
                    " whole numbers beyond 2^53 as they are; where your JSON library rounds them,"
                    " use Arrow."
                ),
                "parameters": options,
                "requestBody": {"required": True, **several},
                "responses": _responses(
                    predictions, 400, 401, 403, 408, 413, 415, 422, 429, 431, 503
                ),
            }
        },
        "/v1/reports": {
            "post": {
                "operationId": "report",
                "summary": "Positive labels: events that turned out to be what is looked for.",
                "requestBody": {"required": True, "content": _json("Report", "Reports")},
                "responses": _responses(
                    _json("Reported"), 400, 401, 403, 408, 413, 415, 422, 429, 431, 503
                ),
            }
        },
    }


def _plain_paths() -> dict[str, Any]:
    anything = {"application/json": {"schema": {"type": "object"}}}
    text = {"application/openmetrics-text": {"schema": {"type": "string"}}}
    return {
        "/v1/release": _get("release", "What decides now, and how it stands.", anything, 401, 403),
        "/openapi.json": _get("openapi", "This document.", anything, 401, 403),
        "/metrics": _get("metrics", "Figures for Prometheus (OpenMetrics).", text, 401, 403),
        "/health": _get("health", "Whether the process is alive.", anything, free=True),
        "/ready": _get(
            "ready", "Whether it answers as it should.", anything, free=True, unready=True
        ),
    }


def _get(
    name: str,
    summary: str,
    content: Mapping[str, Any],
    *refusals: int,
    free: bool = False,
    unready: bool = False,
) -> dict[str, Any]:
    responses = _responses(content, *refusals)
    if unready:
        responses["503"] = {"description": "it does not: `problems` says why", "content": content}
    operation = {"operationId": name, "summary": summary, "responses": responses}
    return {"get": {**operation, "security": []} if free else operation}


def _responses(content: Mapping[str, Any], *refusals: int) -> dict[str, Any]:
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    problems = {
        str(status): {"description": _WHY[status], "content": problem} for status in refusals
    }
    return {"200": {"description": "answered", "content": content}, **problems}


def _json(*names: str) -> dict[str, Any]:
    references = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return {
        "application/json": {
            "schema": references[0] if len(references) == 1 else {"oneOf": references}
        }
    }


def _option(name: str, meaning: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": meaning,
        "schema": {"type": "boolean"},
    }
