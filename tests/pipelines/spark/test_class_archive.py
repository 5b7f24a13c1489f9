"""The archive of Spark's classes: made for one Java and one Spark, used where it is there, never
missed.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession

from pipelines.base.errors import TollgateError
from pipelines.base.settings import Settings
from pipelines.spark.class_archive import archive_file, archive_options, make_archive
from pipelines.spark.session import require_java, server_options


def _java(folder: Path, mark: int) -> str:
    java = folder / "java"
    java.write_text("")
    os.utime(java, (mark, mark))
    return str(java)


def test_it_is_used_only_where_it_is_there_and_was_made_for_this_java(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path, jars=tmp_path / "jars")
    java = _java(tmp_path, 1)
    assert archive_options(settings, java) == []
    path = archive_file(settings, java)
    path.parent.mkdir()
    path.write_bytes(b"archive")
    assert f"-XX:SharedArchiveFile={path}" in archive_options(settings, java)
    assert archive_options(settings, _java(tmp_path, 2)) == [], "another Java"


def test_a_job_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path, jars=tmp_path / "jars")
    with pytest.raises(TollgateError, match="Spark's extra jars are not there"):
        make_archive(settings, require_java())
    assert list((tmp_path / "classes").iterdir()) == []


@pytest.mark.slow
def test_sparks_java_maps_it(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path)
    path = archive_file(settings, require_java())
    if not path.is_file():
        pytest.skip("there is no archive (make archive)")
    assert str(path) in server_options(settings)["spark.driver.extraJavaOptions"]
    java = next(child for child in psutil.Process().children() if child.name() == "java")
    assert str(path) in {mapped.path for mapped in java.memory_maps()}
