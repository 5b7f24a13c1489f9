"""Ids from a file: one a line, as a person's editor leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.errors import UsageError
from pipelines.cli.listed_ids import read_ids


def test_marks_blanks_and_empty_lines_are_no_part_of_an_id(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(b"\xef\xbb\xbf0042\r\n\r\n  two words \r\n7")
    assert read_ids(path, "--ids-from") == ["0042", "two words", "7"]


def test_a_file_that_cannot_be_read_is_named_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--keys-from") as raised:
        read_ids(tmp_path / "none", "--keys-from")
    assert "one id a line" in str(raised.value)
