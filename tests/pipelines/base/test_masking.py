"""No part of a password in an address is left over, whatever it holds; what is no password
stays.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.masking import mask_passwords

SECRETS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=4).map(
    lambda s: f"Zq{s}qZ"
)


@pytest.mark.guarantee(
    "secrets and card numbers",
    fault="passwords with any signs in them, in an address",
    seen="masked whole",
)
@given(secret=SECRETS)
def test_whatever_a_password_holds_it_is_masked_whole(secret: str) -> None:
    assert mask_passwords(f"at postgresql://ann:{secret}@host:5432/base no answer") == (
        "at postgresql://ann:***@host:5432/base no answer"
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://:p@ss/w#rd@host:6379/0", "redis://:***@host:6379/0"),
        (
            "postgresql://host/base?user=ann&password=secret&sslmode=require",
            "postgresql://host/base?user=ann&password=***&sslmode=require",
        ),
        ("redis://:one@a and http://ann:two@b", "redis://:***@a and http://ann:***@b"),
        ("sqlite:////home/ann/ledger.sqlite", "sqlite:////home/ann/ledger.sqlite"),
        ("http://host:8480/ops, written by ann@bank", "http://host:8480/ops, written by ann@bank"),
    ],
)
def test_an_address_keeps_all_but_its_password(text: str, masked: str) -> None:
    assert mask_passwords(text) == masked
