"""The schema of mappings: as shipped, and accepting what `load_mapping` accepts; the examples of
the documentation.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from pipelines.importing.mapping.definition import parse_mapping
from pipelines.importing.mapping.schema import mapping_schema, schema_text
from pipelines.importing.proposal.proposal import SCHEMA_FILE
from pipelines.usecases.registry import load
from tests.pipelines.importing.test_mapping import SHIPPED

FRAUD = load("fraud")
PAGE = Path(__file__).parents[3] / "docs" / "importing.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
DOCUMENTS = [tomllib.loads(text) for text in [SHIPPED.read_text(encoding="utf-8"), *EXAMPLES]]


def _problems(document: Any) -> list[str]:
    validator = jsonschema.Draft7Validator(json.loads(schema_text(FRAUD)))
    return [error.message for error in validator.iter_errors(document)]


def test_the_shipped_schema_is_that_of_the_fraud_use_case() -> None:
    jsonschema.Draft7Validator.check_schema(mapping_schema(FRAUD))
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(FRAUD), (
        "tollgate mapping schema > mapping.schema.json"
    )


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documented_mappings_load_and_fit_the_schema(document: dict[str, Any]) -> None:
    parse_mapping(document, FRAUD, where="docs/importing.md")
    assert _problems(document) == []


def test_the_page_names_every_key() -> None:
    schema = mapping_schema(FRAUD)
    definitions = schema["definitions"].values()
    names = set(schema["properties"]).union(
        *(definition["properties"] for definition in definitions)
    )
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in sorted(names) if not re.search(rf"[`\[]{name}\b", text)] == []


def test_each_column_has_the_keys_of_its_type_only() -> None:
    document = tomllib.loads(EXAMPLES[0])
    assert _problems(
        {**document, "events": {**document["events"], "amount": {"column": "amt", "kind": "text"}}}
    )
    assert _problems({**document, "events": {**document["events"], "price": "amt"}})
    assert _problems({**document, "keyed": ["amount"]})
    assert _problems({**document, "colour": "red"})
