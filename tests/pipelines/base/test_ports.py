"""Ports: a taken one is named, with who has it and which setting to change."""

from __future__ import annotations

import os
import socket

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.base.ports import answers, owner, require_free
from tests.ports import free_port


def test_a_taken_port_is_refused_with_its_owner_and_the_setting() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(
            ConfigurationError, match=f"port {port} is in use; Airflow needs it"
        ) as caught:
            require_free(port, needed_by="Airflow", setting="TOLLGATE_AIRFLOW_PORT")
        assert f"pid {os.getpid()}" in caught.value.found
        assert "TOLLGATE_AIRFLOW_PORT" in caught.value.next_step
        assert answers(port)
    require_free(port, needed_by="Airflow", setting="TOLLGATE_AIRFLOW_PORT")
    assert owner(port) is None
    assert not answers(port)
