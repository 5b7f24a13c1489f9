"""Spark is reached here and only here: a Connect URL where there is one, else a local session with
Delta.
"""

from __future__ import annotations

import locale
import os
import re
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import ConfigurationError, StoreError
from pipelines.base.secrets import secret_file
from pipelines.base.settings import Settings, is_remote
from pipelines.base.user_name import require_user_name
from pipelines.base.writable import require_writable
from pipelines.spark.class_archive import archive_options
from pipelines.spark.jars import jars_of, require_jars
from pipelines.spark.token import SECRET, with_token

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JAVA_VERSIONS = (17, 21)

_JVM = (
    "-Duser.timezone=UTC",
    f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}",
)

ONE_LINE_EACH = "-Dtollgate.traces=none"
"""Java's log without stacks: those of a command's errors are in the home's error log
(`log4j2.properties`).
"""

_QUOTED = re.compile(r"""[\s"'\\]""")


def spark_session(settings: Settings) -> SparkSession:
    """A session, UTC, ANSI, Delta enabled; the same one for the same settings within a process.

    Raises `StoreError` where the Connect server does not answer and `ConfigurationError` where a
    local session lacks Java or its jars.
    """
    if settings.spark_remote:
        return _remote(settings.spark_remote, settings)
    return _in_utc(_local(settings))


def _in_utc(session: SparkSession) -> SparkSession:
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def server_options(settings: Settings) -> dict[str, str]:
    """Static and session options of the JVM, the same for a local session and for the Connect
    server.
    """
    home = settings.home / "spark"
    return {
        "spark.master": f"local[{settings.spark_cores}]",
        "spark.app.name": "tollgate",
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.extraJavaOptions": quoted(
            [f"-Dderby.system.home={home}", *java_options(settings)]
        ),
        "spark.jars": ",".join(
            _as_jar(path) for path in require_jars(settings.jars, jars_of(settings))
        ),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": str(home / "warehouse"),
        "spark.databricks.delta.snapshotPartitions": "1",
        # a day without rows is evidence too: without this its commit would be dropped, and its
        # provenance with it
        "spark.databricks.delta.skipRecordingEmptyCommits": "false",
        "spark.sql.shuffle.partitions": str(2 * settings.spark_cores),
        # VACUUM lists files in as many tasks as this says, and by default it says 10,000
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(2 * settings.spark_cores),
        "spark.default.parallelism": str(2 * settings.spark_cores),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.pyspark.python": sys.executable,
        "spark.pyspark.driver.python": sys.executable,
        **(_s3_options(settings) if is_remote(settings.lake) else {}),
    }


def java_options(settings: Settings) -> list[str]:
    """Of every Java machine: UTC, its log, the archive of Spark's classes, and those that are set.

    Where these name an archive themselves, it is theirs. An option may hold blanks: a path does.
    """
    given = settings.spark_java_options
    own = "-XX:SharedArchiveFile" in given or "-XX:ArchiveClasses" in given
    return [*_JVM, *([] if own else archive_options(settings, require_java())), *shlex.split(given)]


def quoted(options: Iterable[str]) -> str:
    """Java options as one text, as Spark's launcher and its executors take them apart again."""
    return " ".join(_in_quotes(option) if _QUOTED.search(option) else option for option in options)


def _in_quotes(option: str) -> str:
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _as_jar(path: Path) -> str:
    """A jar as Spark's list takes it: a path, or an address where a mark in the path would mean
    something else.
    """
    return (
        str(path) if re.fullmatch(r"[\w/.+=~@-]*", str(path)) else path.as_uri().replace(",", "%2C")
    )


def java_environment() -> dict[str, str]:
    """What a Java machine needs beside our own environment: a character set that has all letters of
    its files' names.

    Under `LC_ALL=C` (cron, minimal containers) Python reads names as UTF-8; Java would see a
    question mark.
    """
    plain = locale.nl_langinfo(locale.CODESET).upper() in {
        "ANSI_X3.4-1968",
        "US-ASCII",
        "ASCII",
        "646",
    }
    return {"LC_ALL": "C.UTF-8"} if plain else {}


def _s3_options(settings: Settings) -> dict[str, str]:
    """How S3A reaches the lake's bucket; credentials come from where it looks for them
    (environment, instance role).
    """
    options = {"fs.s3a.endpoint.region": settings.s3_region} if settings.s3_region else {}
    if settings.s3_endpoint:
        options |= {
            "fs.s3a.endpoint": settings.s3_endpoint,
            "fs.s3a.path.style.access": "true",
            "fs.s3a.connection.ssl.enabled": str(settings.s3_endpoint.startswith("https:")).lower(),
        }
    return {f"spark.hadoop.{name}": value for name, value in options.items()}


def require_java() -> str:
    """Path of a Java that Spark 4.2 runs on; raises `ConfigurationError` that says what to
    install.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        raise ConfigurationError(
            "Java is missing",
            where=f"JAVA_HOME={home}" if home else "PATH",
            expected=f"a Java runtime, version {' or '.join(map(str, JAVA_VERSIONS))}",
            found="none",
            next_step=(
                "Debian/Ubuntu: apt-get install openjdk-17-jre-headless; else install a JDK 17 and"
                " set JAVA_HOME"
            ),
        )
    return java


def _remote(url: str, settings: Settings) -> SparkSession:
    from pyspark.sql import SparkSession

    try:
        return _in_utc(SparkSession.builder.remote(with_token(url, settings)).getOrCreate())
    except Exception as error:
        raise _not_served(error, url, settings) from error


def server_version(url: str, settings: Settings) -> str:
    """Spark's version, as a Connect server tells those whom it lets in, in a session of its own.

    Raises `ConfigurationError` where it does not know our token and `StoreError` where it does not
    answer.
    """
    from pyspark.sql.connect.session import SparkSession

    try:
        session = SparkSession(with_token(url, settings))
        version = str(session.version)
        session.stop()
        return version
    except Exception as error:
        raise _not_served(error, url, settings) from error


def _not_served(error: Exception, url: str, settings: Settings) -> ConfigurationError | StoreError:
    if "UNAUTHENTICATED" in str(error):
        return ConfigurationError(
            "the Spark Connect server does not know our token",
            where=url,
            expected=f"the token in {secret_file(settings, SECRET)}, which its own home has too",
            found="another, or none",
            next_step="let TOLLGATE_HOME be the home that the server was started with",
            runbook="docs/runbooks/services.md",
        )
    return StoreError(
        "the Spark Connect server does not answer",
        where=url,
        expected="a running server",
        found=str(error).splitlines()[0] if str(error) else type(error).__name__,
        next_step="start it with `tollgate up`, or unset SPARK_REMOTE to use a local session",
    )


@contextmanager
def _stdout_is_stderr() -> Iterator[None]:
    """A Java machine begun meanwhile writes to our standard error: VACUUM prints, and our output
    may be a document.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _java_reads_names() -> Iterator[None]:
    """A Java machine begun meanwhile gets `java_environment`."""
    added = java_environment()
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _signals_stay_ours() -> Iterator[None]:
    """PySpark answers Ctrl-C with a handler of its own; whoever runs a command has said what is to
    happen.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if is_main and before is not None:
            signal.signal(signal.SIGINT, before)


def _local(settings: Settings) -> SparkSession:
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    require_user_name("Spark")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    require_writable(settings.home / "spark", needed_by="Spark")
    options = server_options(settings)
    options["spark.driver.extraJavaOptions"] += f" {ONE_LINE_EACH}"
    builder = SparkSession.builder
    for key, value in options.items():
        builder = builder.config(key, value)
    with _stdout_is_stderr(), _java_reads_names(), _signals_stay_ours():
        try:
            session = builder.getOrCreate()
        except PySparkRuntimeError as error:
            raise ConfigurationError(
                "Spark's Java machine ended before it could be used",
                where=require_java(),
                expected=(
                    f"Java {' or '.join(map(str, JAVA_VERSIONS))} with {settings.spark_memory} of"
                    " memory"
                ),
                found=str(error).splitlines()[0],
                next_step="read Java's own words above; run `tollgate doctor`",
            ) from error
    session.sparkContext.setLogLevel("ERROR")
    return session
