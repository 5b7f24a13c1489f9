"""The one place that reads the environment: a frozen, typed `Settings`; all problems are reported
at once.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipelines.base.errors import ConfigurationError

DEFAULT_USE_CASE = "fraud"
"""The use case that commands act on unless another is named, and whose DAGs have plain names."""

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that holds `dags/`, `pipelines/` and the rest."""

PAGES_ONLY = frozenset({"pagerduty"})
"""Channels that wake somebody up: they are told of pages only."""


_OTHER_NAMES = {
    "spark_remote": ("SPARK_REMOTE",),
    "s3_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
}
"""Variables of other programs that are read where ours is not set."""


_FOR_TESTS = frozenset({"TOLLGATE_REAL_DATA", "TOLLGATE_REQUIRE_REAL_DATA"})
"""Variables that begin like ours and are no settings."""

_OF_KUBERNETES = re.compile(
    r"TOLLGATE_\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)"
)
"""Variables that Kubernetes sets in every pod for a service whose name begins with `tollgate-`."""


class Settings(BaseModel):
    """Where everything lives and how it is reached.

    Every field is read from `TOLLGATE_<FIELD IN CAPITALS>` (and some from `_OTHER_NAMES`); what is
    not set is derived from `home`. Locations are absolute folders or `s3://…` addresses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(description="folder of all state")
    landing: str = Field(description="landing zone: folder or s3:// address")
    lake: str = Field(description="root of the Delta tables: folder or s3:// address")
    ledger: str = Field(description="SQLAlchemy URL of the ledger")
    mlflow: str = Field(description="MLflow tracking URI")
    mlflow_artifacts: str = Field(
        description="where MLflow keeps artefacts: folder or s3:// address"
    )
    online_store: str = Field(
        description="Feast's online store: folder of a SQLite file, or redis:// address"
    )
    online_registry: str | None = Field(
        default=None, description="SQLAlchemy URL of Feast's registry; none: a SQLite file"
    )
    jars: Path = Field(description="folder of Spark's extra jars")
    spark_remote: str | None = Field(
        default=None, description="Spark Connect URL; none starts a local session"
    )
    spark_cores: int = Field(
        default=2, ge=1, description="cores of a local session, or of a whole cluster"
    )
    spark_memory: str = Field(
        default="3g", pattern=r"^\d+[mg]$", description="driver memory of a local session"
    )
    spark_java_options: str = Field(
        default="", description="further options of Spark's Java machine"
    )
    spark_master: str | None = Field(
        default=None,
        pattern=r"^spark://[^:/@]+:\d+$",
        description=(
            "master of a standalone cluster that the Spark Connect server computes on; none: its"
            " own machine"
        ),
    )
    spark_executor_memory: str = Field(
        default="1g", pattern=r"^\d+[mg]$", description="memory of Java on each worker of a cluster"
    )
    spark_port: int = Field(
        default=15102, ge=1, le=65535, description="port of the Spark Connect server"
    )
    airflow_database: str | None = Field(
        default=None,
        description="SQLAlchemy URL of Airflow's own database; none: a SQLite file in the home",
    )
    airflow_port: int = Field(
        default=8480, ge=1, le=65535, description="port of Airflow's UI and API"
    )
    airflow_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+$",
        description=(
            "where commands, tasks and Airflow's other components reach its API; none: this"
            " machine's port"
        ),
    )
    mlflow_port: int = Field(default=5480, ge=1, le=65535, description="port of MLflow's UI")
    mlflow_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+$",
        description="where MLflow's UI is reached, if it runs elsewhere; none: this machine's port",
    )
    serve_port: int = Field(default=8780, ge=1, le=65535, description="port of the online scorer")
    serve_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+$",
        description=(
            "where the online scorer is reached, if it runs elsewhere; none: this machine's port"
        ),
    )
    serve_workers: int = Field(
        default=0, ge=0, le=256, description="processes of the online scorer; 0: one a core"
    )
    serve_batch_wait_ms: float = Field(
        default=1,
        ge=0,
        le=100,
        description="how long a busy scorer waits for more requests to score together",
    )
    serve_batch_rows: int = Field(default=4096, ge=1, description="events scored together at most")
    serve_deadline_ms: float = Field(
        default=1000,
        gt=0,
        description="when a request is answered by the declared rule at the latest",
    )
    serve_queue_rows: int = Field(
        default=16384,
        ge=1,
        description="events that may be waiting for an answer; beyond, requests get 429",
    )
    serve_max_rows: int = Field(default=4096, ge=1, description="events of one request")
    serve_use_cases: str = Field(
        default="",
        pattern=r"^[a-z0-9_, ]*$",
        description="use cases that the scorer serves beside the one that commands act on,"
        " separated by commas; empty: all",
    )
    serve_max_bytes: int = Field(
        default=4 * 1024**2, ge=1024, description="bytes of the body of one request"
    )
    serve_drain_seconds: float = Field(
        default=10, gt=0, description="how long an ending scorer may take"
    )
    serve_journal: str | None = Field(
        default=None,
        pattern=r"^rediss?://",
        description=(
            "redis:// address of the scorer's journal, for several machines; none: files in the"
            " home"
        ),
    )
    serve_tls_certificate: Path | None = Field(
        default=None,
        description="certificate (PEM) of the online scorer, its chain after it; none: plain HTTP",
    )
    serve_tls_key: Path | None = Field(default=None, description="key (PEM) of that certificate")
    serve_any_time: bool = Field(
        default=False,
        description="take events of any time, past or future: for replays and benchmarks",
    )
    bind: str = Field(
        default="127.0.0.1",
        pattern=r"^(127\.0\.0\.1|0\.0\.0\.0)$",
        description=(
            "address that services listen on; 0.0.0.0 in a container, whose network decides who"
            " comes in"
        ),
    )
    retry_seconds: int = Field(
        default=30,
        ge=1,
        description="seconds before a failed task's first retry; later ones wait longer",
    )
    s3_endpoint: str | None = Field(default=None, description="endpoint of an S3-compatible store")
    s3_region: str | None = Field(
        default=None, description="region of the object store; none: AWS's own search"
    )
    signing_key: Path | None = Field(
        default=None,
        description="file of the key that signs releases; none: the home has one of its own",
    )
    id_key: Path | None = Field(
        default=None,
        description=(
            "file of the key of hashed ids, 32 bytes or more; none: the home has one of its own"
        ),
    )
    notify_webhook: str | None = Field(
        default=None, description="address that takes incidents as JSON"
    )
    notify_slack: str | None = Field(default=None, description="Slack-compatible incoming webhook")
    notify_pagerduty: str | None = Field(
        default=None, description="PagerDuty routing key; told of pages only"
    )
    notify_pagerduty_url: str = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        description="PagerDuty Events v2, or what speaks it",
    )
    notify_email: str | None = Field(
        default=None, description="mail addresses, separated by commas"
    )
    notify_smtp: str = Field(default="localhost:25", description="host:port of the SMTP server")
    notify_sender: str = Field(default="tollgate@localhost", description="sender of mails")
    notify_link: str | None = Field(
        default=None,
        description=(
            "address of the Model Ops pages, for links in notices; for example http://HOST:8480/ops"
        ),
    )
    command_prefix: str = Field(
        default="",
        description="what stands before `tollgate …` in messages: how one gets into this container",
    )
    use_case: str = Field(
        default=DEFAULT_USE_CASE,
        pattern=r"^[a-z][a-z0-9_]*$",
        description="the use case that commands act on",
    )

    @field_validator("home")
    @classmethod
    def _usable_name(cls, path: Path) -> Path:
        """Blanks, `%20`, quotes, letters of any alphabet are fine; what a vendor cannot take is
        told here, at once.
        """
        held = sorted(
            {
                mark
                for mark in str(path)
                if mark == "$" or unicodedata.category(mark) in {"Cc", "Cs"}
            }
        )
        if held:
            raise ValueError(
                f"the path of a home may not hold {', '.join(map(ascii, held))} (Airflow expands a"
                " $; control characters and bytes that are no UTF-8 end a line or a program):"
                " choose another folder"
            )
        return path

    @field_validator("home", "jars")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @field_validator("serve_tls_certificate", "serve_tls_key")
    @classmethod
    def _from_here(cls, path: Path | None) -> Path | None:
        """Links are kept: a mounted secret is replaced by changing where they point."""
        return path.expanduser().absolute() if path else None

    @property
    def serve_processes(self) -> int:
        """How many processes the online scorer has."""
        return self.serve_workers or len(os.sched_getaffinity(0))

    @property
    def serve_scheme(self) -> str:
        """How the online scorer is asked: `https` where it has a certificate, else `http`."""
        return "https" if self.serve_tls_certificate or self.serve_tls_key else "http"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Settings from environment variables; raises `ConfigurationError` that lists every
        problem.
        """
        source = dict(os.environ if environment is None else environment)
        given: dict[str, Any] = {
            name: source[f"TOLLGATE_{name.upper()}"]
            for name in cls.model_fields
            if source.get(f"TOLLGATE_{name.upper()}")
        }
        for name, others in _OTHER_NAMES.items():
            value = next(filter(None, map(source.get, others)), None)
            if value and name not in given:
                given[name] = value
        unknown = _unknown_variables(
            source, [f"TOLLGATE_{name.upper()}" for name in cls.model_fields]
        )
        return cls._checked(given, unknown)

    @classmethod
    def build(cls, **given: Any) -> Settings:
        """Settings from keyword arguments, the rest derived from `home` (default: `.tollgate/` in
        the checkout).
        """
        return cls._checked(given, [])

    @classmethod
    def _checked(cls, given: Mapping[str, Any], problems: list[str]) -> Settings:
        """The settings; raises `ConfigurationError` that lists `problems` and what is wrong with
        the values.
        """
        home = Path(given.get("home") or CHECKOUT / ".tollgate").expanduser().resolve()
        defaults: dict[str, Any] = {
            "home": home,
            "landing": str(home / "landing"),
            "lake": str(home / "lake"),
            "ledger": f"sqlite:///{home / 'ledger.sqlite'}",
            "mlflow": f"sqlite:///{home / 'mlflow.sqlite'}",
            "mlflow_artifacts": str(home / "mlflow"),
            "online_store": str(home / "online"),
            "jars": Path("~/.cache/tollgate/jars"),
        }
        try:
            settings = cls(**(defaults | dict(given)))
        except ValidationError as error:
            raise _configuration_error([*_value_problems(error), *problems]) from error
        if problems:
            raise _configuration_error(problems)
        return settings

    def folder_of(self, use_case: str) -> Path:
        """What belongs to one use case alone in the home: `alerts`, `reports`, `golden`,
        `imports`.
        """
        return self.home / use_case

    def landing_of(self, use_case: str) -> str:
        """The landing zone of one use case: its feeds are below it."""
        return f"{self.landing.rstrip('/')}/{use_case}"

    def channels(self, severity: str) -> tuple[str, ...]:
        """The configured channels for an incident of that severity (`warning` or `critical`)."""
        configured = {
            "webhook": self.notify_webhook,
            "slack": self.notify_slack,
            "pagerduty": self.notify_pagerduty,
            "email": self.notify_email,
        }
        return tuple(
            name
            for name, to in configured.items()
            if to and (severity == "critical" or name not in PAGES_ONLY)
        )

    def environment(self) -> dict[str, str]:
        """The variables that make `from_environment` return these settings in another process."""
        values = {
            f"TOLLGATE_{name.upper()}": value
            for name, value in self.model_dump().items()
            if value is not None
        }
        return {name: str(value) for name, value in values.items()}


def _unknown_variables(source: Mapping[str, str], variables: list[str]) -> list[str]:
    """Variables that begin with TOLLGATE_ and are no setting: a misspelled receiver would never be
    told of anything.
    """
    unknown = []
    for name in sorted(source):
        known_name = name in variables or name in _FOR_TESTS
        if not name.startswith("TOLLGATE_") or known_name or _OF_KUBERNETES.fullmatch(name):
            continue
        near = get_close_matches(name, variables, n=1)
        unknown.append(f"{name}: no such setting" + (f", {near[0]} comes near" if near else ""))
    return unknown


def _value_problems(error: ValidationError) -> list[str]:
    return [
        f"TOLLGATE_{str(item['loc'][0]).upper()}={item['input']!r}: {item['msg'].lower()}"
        for item in error.errors()
    ]


def _configuration_error(problems: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"{len(problems)} setting{'s are' if len(problems) > 1 else ' is'} not usable",
        where="environment variables TOLLGATE_*",
        found="; ".join(problems),
        next_step="correct or unset these variables; docs/settings.md lists them all",
    )


def command_prefix() -> str:
    """The setting of that name alone: messages are printed where the other settings are wrong,
    too.
    """
    return os.environ.get("TOLLGATE_COMMAND_PREFIX", "").strip()


def is_remote(location: str) -> bool:
    """Whether a location is an object-store address rather than a folder."""
    return re.match(r"^s3a?://", location) is not None
