"""Which database Airflow is told of: a file of the home, or a PostgreSQL for both of its kinds of
access.
"""

from __future__ import annotations

import pytest

from pipelines.airflow import server as airflow_server
from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings

SYNC, ASYNC = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"


def test_by_default_it_is_a_file_of_the_home(settings: Settings) -> None:
    environment = airflow_server.environment(settings)
    assert environment[SYNC] == f"sqlite:///{settings.home}/airflow/airflow.db"
    assert ASYNC not in environment


def test_postgresql_gets_our_driver_and_a_dollar_in_its_password_is_not_expanded(
    settings: Settings,
) -> None:
    given = settings.model_copy(
        update={"airflow_database": "postgresql://ann:pa$HOME@host:5432/airflow"}
    )
    environment = airflow_server.environment(given)
    assert (
        environment[SYNC]
        == environment[ASYNC]
        == "postgresql+psycopg://ann:pa%24HOME@host:5432/airflow"
    )


def test_another_database_is_refused_without_its_password(settings: Settings) -> None:
    with pytest.raises(
        ConfigurationError, match="Airflow's database is none that we can use"
    ) as caught:
        airflow_server.environment(
            settings.model_copy(update={"airflow_database": "mysql://ann:secret@host/base"})
        )
    assert "secret" not in str(caught.value)
