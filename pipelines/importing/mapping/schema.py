"""The JSON schema of a use case's mapping files: for editors, which complete and check the file
while it is written.
"""

from __future__ import annotations

import json
from typing import Any

from pipelines.base.column_types import parse_column_type
from pipelines.importing.mapping.declared_columns import column_model
from pipelines.importing.mapping.definition import Mapping
from pipelines.importing.mapping.keyed_ids import KINDS
from pipelines.usecases.definition import UseCase


def mapping_schema(use_case: UseCase) -> dict[str, Any]:
    """The schema (JSON Schema, draft 7): each column of the events with the keys that its type
    allows.
    """
    schema = Mapping.model_json_schema(ref_template="#/definitions/{model}")
    definitions = schema.pop("$defs")
    columns = {}
    for column in use_case.events.columns:
        model = column_model(column.type)
        own = model.model_json_schema(ref_template="#/definitions/{model}")
        definitions |= own.pop("$defs", {})
        definitions[model.__name__] = own
        columns[column.name] = {
            "description": f"{column.description} ({column.type})",
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"$ref": f"#/definitions/{model.__name__}"},
            ],
        }
    used = {column_model(column.type).__name__ for column in use_case.events.columns}
    unused = {"IdColumn", "NumberColumn", "TimeColumn", "PlainColumn"} - used
    schema["properties"]["events"] = {
        "description": (
            f"columns of {use_case.events.name}, each with the column of the source that it is"
            " made of"
        ),
        "type": "object",
        "properties": columns,
        "required": [column.name for column in use_case.events.columns if not column.added_on],
        "additionalProperties": False,
    }
    keyable = [
        column.name
        for column in use_case.events.columns
        if parse_column_type(column.type).kind in KINDS
    ]
    schema["properties"]["keyed"]["items"] = {"enum": keyable}
    schema["definitions"] = {
        name: definition for name, definition in definitions.items() if name not in unused
    }
    title = f"Tollgate: a mapping of files to the {use_case.name} use case"
    whole = {"$schema": "http://json-schema.org/draft-07/schema#", **schema, "title": title}
    for part in (whole, *whole["definitions"].values()):
        if "description" in part:
            part["description"] = _unwrapped(part["description"])
    return whole


def _unwrapped(description: str) -> str:
    """A docstring's paragraphs, each on one line: where the code wraps them is not the schema's."""
    paragraphs = description.split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def schema_text(use_case: UseCase) -> str:
    """The schema as the text of its file."""
    return json.dumps(mapping_schema(use_case), indent=2, ensure_ascii=False, default=str) + "\n"
