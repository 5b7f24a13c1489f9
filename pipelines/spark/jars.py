"""Spark's extra jars: fetched once by Spark's own resolver, checked by SHA-256, handed over as
`spark.jars`.

Only the coordinates are named here; the resolver goes where the user's Ivy settings or Maven
Central lead it. The dependencies of these jars are left out on purpose: Spark 4.2 already ships
newer ones (decision 0003).
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from pipelines.base.errors import ConfigurationError, StoreError, TollgateError
from pipelines.base.settings import Settings, is_remote
from pipelines.spark.jar_list import DELTA_JARS, S3_JARS, Jar


def jars_of(settings: Settings) -> tuple[Jar, ...]:
    """The jars that Spark needs where the settings place the lake."""
    return DELTA_JARS + S3_JARS if is_remote(settings.lake) else DELTA_JARS


def missing_jars(folder: Path, jars: tuple[Jar, ...]) -> list[Jar]:
    """The jars that are absent from `folder` or whose bytes differ from what was expected."""
    return [jar for jar in jars if _digest(folder / jar.file_name) != jar.sha256]


def require_jars(folder: Path, jars: tuple[Jar, ...]) -> list[Path]:
    """Paths of the jars; raises `ConfigurationError` where one is absent (bytes are checked at
    set-up, not here).
    """
    paths = [folder / jar.file_name for jar in jars]
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise ConfigurationError(
            "Spark's extra jars are not there",
            where=str(folder),
            expected=f"{len(paths)} jars",
            found=f"missing: {', '.join(absent)}",
            next_step=(
                "run `make setup`, which fetches them once (with the same TOLLGATE_LAKE: one on S3"
                " needs more)"
            ),
        )
    return paths


def fetch_jars(folder: Path, jars: tuple[Jar, ...]) -> list[Path]:
    """Fetch what is missing into `folder`, verify it, and return the paths; a wrong digest leaves
    nothing behind.
    """
    wanted = missing_jars(folder, jars)
    if wanted:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            for jar, path in _resolve(wanted, Path(scratch)).items():
                digest = _digest(path)
                if digest != jar.sha256:
                    raise ConfigurationError(
                        "a fetched jar is not the one we know",
                        where=jar.coordinate,
                        expected=f"SHA-256 {jar.sha256}",
                        found=f"SHA-256 {digest}",
                        next_step="check what your Maven repository serves; nothing was kept",
                    )
                shutil.move(path, folder / jar.file_name)
    return require_jars(folder, jars)


def _resolve(jars: list[Jar], scratch: Path) -> dict[Jar, Path]:
    """Let Spark's Ivy resolver download each jar without its dependencies."""
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.jars.ivy", str(scratch / "ivy"))
        .getOrCreate()
    )
    try:
        for jar in jars:
            spark.sql(f'ADD JAR "ivy://{jar.coordinate}?transitive=false"')
    except Exception as error:
        raise StoreError(
            "Spark's extra jars could not be fetched",
            expected=", ".join(jar.coordinate for jar in jars),
            found=str(error).splitlines()[0],
            next_step="check the network (or your Ivy settings) and run `make setup` again",
        ) from error
    finally:
        spark.stop()
    fetched = {path.name: path for path in (scratch / "ivy").rglob("*.jar")}
    return {jar: _find(jar, fetched) for jar in jars}


def _find(jar: Jar, fetched: dict[str, Path]) -> Path:
    """The jar among the files that the resolver brought, which it names with or without the
    group.
    """
    group = jar.coordinate.split(":")[0]
    for name in (jar.file_name, f"{group}_{jar.file_name}"):
        if name in fetched:
            return fetched[name]
    raise StoreError(
        f"the resolver brought no {jar.file_name}",
        found=", ".join(sorted(fetched)) or "nothing",
        next_step="run `make setup` again with the network up",
    )


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _main(arguments: list[str]) -> int:
    """`python -m pipelines.spark.jars [--check] [--s3]`: fetch the jars, or say by the exit code if
    all are there.

    Those that the settings need; with `--s3` those for a lake on S3 too.
    """
    settings = Settings.from_environment()
    jars = DELTA_JARS + S3_JARS if "--s3" in arguments else jars_of(settings)
    if "--check" in arguments:
        return 1 if missing_jars(settings.jars, jars) else 0
    try:
        fetch_jars(settings.jars, jars)
    except TollgateError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(sys.argv[1:]))
