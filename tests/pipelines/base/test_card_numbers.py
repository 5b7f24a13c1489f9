"""What can be a card number is masked, nothing else; Spark finds what Python masks."""

from __future__ import annotations

import json
import re
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.card_numbers import (
    holds_card_number,
    mask_card_numbers,
    mask_card_numbers_in_json,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CARD = "4111111111111111"
GROUPED = st.sampled_from(
    [CARD, "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "3782 822463 10005"]
)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f'{{"a":"{CARD}"}}', '{"a":"************1111"}'),
        ("4111-1111-1111-1111", "************1111"),
        ("378282246310005 and 4111111111111112", "***********0005 and 4111111111111112"),
        ("4111 1111 1111 1111 12/27", "************1111 12/27"),
        ("12 4111-1111-1111-1111 999", "12 ************1111 999"),
        (f"{CARD} {CARD}", "****************************1111"),
        ("123456789012", "123456789012"),
        ("id 20261107000001234567890", "id 20261107000001234567890"),
        ("0.4111111111111111", "0.4111111111111111"),
        ("Nr.4111111111111111", "Nr.************1111"),
        ("\u0664" + CARD + "\u0664", "\u0664************1111\u0664"),
        ("", ""),
    ],
)
def test_only_what_can_be_a_card_number_is_masked(text: str, masked: str) -> None:
    assert mask_card_numbers(text) == masked


@pytest.mark.guarantee(
    "secrets and card numbers",
    fault="card numbers between any other text (hypothesis)",
    seen="of its digits none but the last four are left",
)
@given(before=st.text(max_size=9), card=GROUPED, after=st.text(max_size=9))
def test_a_card_number_is_masked_wherever_it_stands(before: str, card: str, after: str) -> None:
    if re.search(r"[0-9]\.?$", before) or re.match("[0-9]", after):
        return
    masked = mask_card_numbers(f"{before}{card}{after}")
    assert card not in masked
    assert card[:-4] not in masked
    assert mask_card_numbers(masked) == masked
    masked_text = mask_card_numbers_in_json(json.dumps([f"{before}{card}{after}"]))
    assert json.loads(masked_text) == [masked], (
        "in the JSON text of a quarantined row as in the text itself"
    )


@pytest.mark.slow
def test_spark_finds_what_python_masks(spark: SparkSession) -> None:
    random = Random(4)
    texts = [
        "",
        "1 " * 20_000,
        "\u0664" + CARD,
        f"Nr.{CARD}",
        "4111 1111 1111 1111 12",
        "0.4111111111111111",
        f"\n{CARD}\t",
        "é4111-1111 1111-1111",
    ]
    for _ in range(2000):
        groups = [
            "".join(random.choices("0123456789", k=random.choice([1, 2, 4, 4, 13, 16, 19, 20])))
            for _ in range(random.randrange(6))
        ]
        texts.append(
            "".join(group + random.choice([" ", " ", "-", "--", ".", "x", ","]) for group in groups)
        )
    frame = spark.createDataFrame([(text,) for text in texts], "note string")
    flags = [row[0] for row in frame.selectExpr(holds_card_number("note")).collect()]
    assert flags == [mask_card_numbers(text) != text for text in texts]
    assert 50 < sum(flags) < len(texts) - 50
