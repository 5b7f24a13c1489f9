"""Spark's extra jars: absent or altered ones are found out by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.spark.jars import Jar, missing_jars, require_jars

JAR = Jar("org.example:thing_2.13:1.0", hashlib.sha256(b"bytes").hexdigest())


def test_a_jar_is_there_when_its_bytes_are(tmp_path: Path) -> None:
    assert missing_jars(tmp_path, (JAR,)) == [JAR]
    (tmp_path / "thing_2.13-1.0.jar").write_bytes(b"other bytes")
    assert missing_jars(tmp_path, (JAR,)) == [JAR]
    (tmp_path / "thing_2.13-1.0.jar").write_bytes(b"bytes")
    assert missing_jars(tmp_path, (JAR,)) == []


def test_a_missing_jar_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_jars(tmp_path, (JAR,))
    assert "thing_2.13-1.0.jar" in caught.value.found
    assert "make setup" in caught.value.next_step
