"""Spark's classes, read and checked once: an archive that every later Java machine maps instead of
20,000 small reads.

Java's own application class-data sharing (JEP 350). Saves about three seconds of computing at each
start of Spark. The archive is a convenience: where it is absent, or was made by another Java or
another Spark, Java does without it.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.base.errors import TollgateError
from pipelines.base.settings import Settings

QUIET = "-Xlog:disable -Xlog:all=error:stderr"
"""An archive that does not fit is no news: Java would say so on standard output, where our JSON
goes.
"""


MONTH = 30 * 86400.0


def archive_file(settings: Settings, java: str) -> Path:
    """Where the archive for this Java and this Spark lies, beside Spark's extra jars."""
    spark = Path(str(find_spec("pyspark").origin)).parent / "jars"  # type: ignore[union-attr]
    machine = Path(java).resolve()
    made_for = (machine, int(machine.stat().st_mtime), spark, int(spark.stat().st_mtime))
    return (
        settings.jars.parent
        / "classes"
        / f"{hashlib.sha256(repr(made_for).encode()).hexdigest()[:16]}.jsa"
    )


def archive_options(settings: Settings, java: str) -> list[str]:
    """The options by which Java uses the archive; none where there is none, or a colon is in its
    path.

    A colon parts two archives in that option.
    """
    path = archive_file(settings, java)
    if ":" in str(path) or not path.is_file():
        return []
    return [f"-XX:SharedArchiveFile={path}", *QUIET.split()]


def make_archive(settings: Settings, java: str) -> Path:
    """Make the archive from the classes that a small job loads; those not used for a month go.

    Raises `TollgateError` where Java made none, `OSError` where the disk does not take it.
    """
    path = archive_file(settings, java)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        code = (
            "import sys; from pipelines.spark.class_archive import small_job;"
            " small_job(*sys.argv[1:])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, scratch, str(settings.jars), str(made)],
            env={key: value for key, value in os.environ.items() if key != "SPARK_REMOTE"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode != 0 or not made.is_file():
            raise TollgateError(
                "Java made no archive of Spark's classes",
                where=str(path),
                found="\n".join((done.stdout + done.stderr).splitlines()[-5:])
                or "no word about it",
                next_step="go on: each start of Spark takes some three seconds longer",
            )
        made.replace(path)
    for old in path.parent.glob("*.jsa"):
        if old != path and time.time() - max(old.stat().st_atime, old.stat().st_mtime) > MONTH:
            old.unlink(missing_ok=True)
    return path


def small_job(home: str, jars: str, archive: str) -> None:
    """Load what a day's stages load (Delta written, replaced, read; Python over Arrow), then end
    Java.

    Java writes the archive when it ends, which PySpark by itself does not wait for.
    """
    from pyspark.sql import functions

    from pipelines.spark.session import spark_session

    options = (
        f"{shlex.quote(f'-XX:ArchiveClassesAtExit={archive}')} -XX:TieredStopAtLevel=1"
        f" -XX:+UseSerialGC {QUIET}"
    )
    session = spark_session(Settings.build(home=home, jars=jars, spark_java_options=options))
    gateway = session.sparkContext._gateway
    rows = session.range(1000).withColumn("day", functions.lit("2026-01-01").cast("date"))
    rows = rows.mapInArrow(lambda batches: batches, rows.schema)
    table = f"{home}/table"
    rows.write.format("delta").partitionBy("day").save(table)
    rows.write.format("delta").mode("overwrite").option("replaceWhere", "day = '2026-01-01'").save(
        table
    )
    session.read.format("delta").load(table).groupBy("day").agg(
        functions.count("*"), functions.sum("id")
    ).toArrow()
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=120)


def _main() -> int:
    """`python -m pipelines.spark.class_archive`: make the archive where there is none; never an
    error.
    """
    from pipelines.spark.session import require_java

    try:
        settings, java = Settings.from_environment(), require_java()
        if not archive_file(settings, java).is_file():
            make_archive(settings, java)
    except (TollgateError, OSError, subprocess.SubprocessError) as error:
        print(
            f"no archive of Spark's classes, which takes nothing but time: {error}", file=sys.stderr
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
