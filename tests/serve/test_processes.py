"""The service as processes: started, killed, started again, drained under load, ended whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.prediction_log.files import answers_folder, waiting
from pipelines.prediction_log.writer import PredictionLog
from tests.serve.certificates import with_certificate
from tests.serve.processes import PATIENCE, Running, lives, running, until
from tests.serve.serving import event
from tests.serve.small_engine import open_rule

pytestmark = pytest.mark.slow


def test_two_processes_share_the_port_and_their_figures_and_one_that_dies_is_replaced(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "home", serve_workers=2) as service:
        until(service.ready)
        until(lambda: len(service.workers()) == 2)
        workers: set[str] = set()

        def ask_until_both_have_answered() -> bool:
            with service.http() as http:
                assert http.post("/v1/score", json=event(1)).status_code in {200, 503}, (
                    "not open yet, or answered"
                )
                text = http.get("/metrics").text
            workers.update(
                w
                for w in "01"
                if f'batches_total{{use_case="fraud",worker="{w}"}} 0' not in text
                and f'worker="{w}"' in text
            )
            return workers == {"0", "1"}

        until(ask_until_both_have_answered)
        first = service.workers()
        first[0].send_signal(signal.SIGKILL)
        until(lambda: len({p.pid for p in service.workers()} - {p.pid for p in first}) == 1)
        for number in range(20):
            with service.http() as http:
                assert http.get("/health").is_success, number
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0
        assert not any(map(lives, first))


def test_a_complete_stream_of_answers_becomes_parquet_beside_the_service(tmp_path: Path) -> None:
    folder = answers_folder(tmp_path / "home", "fraud")
    log = PredictionLog(folder, "worker-7")
    log.append(
        pa.record_batch({"transaction_id": pa.array([1, 2])}),
        datetime(2026, 11, 22, 10, tzinfo=UTC),
    )
    log.close()
    with running(tmp_path / "home"):
        until(lambda: not waiting(folder))
    [path] = folder.glob("day=2026-11-22/hour=10/*.parquet")
    assert path.name.startswith("worker-7-")
    assert pq.read_table(path)["transaction_id"].to_pylist() == [1, 2]


@pytest.mark.parametrize(("workers", "secured"), [(1, False), (2, False), (2, True)])
def test_a_drain_under_load_loses_no_request(tmp_path: Path, workers: int, secured: bool) -> None:
    authority, named = with_certificate(tmp_path)
    with running(tmp_path / "home", serve_workers=workers, **(named if secured else {})) as service:
        service.trusted = authority.trusted()
        until(service.ready)
        statuses: list[int] = []
        broken: list[str] = []
        ended = threading.Event()

        def ask(number: int) -> None:
            with service.http() as http:
                while not ended.is_set():
                    try:
                        statuses.append(http.post("/v1/score", json=event(number)).status_code)
                    except httpx.ConnectError:
                        return  # nobody listens any more: it was not sent
                    except httpx.TransportError as error:
                        broken.append(repr(error))
                        return

        callers = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for caller in callers:
            caller.start()
        until(lambda: len(statuses) > 300 and set(statuses[-100:]) == {200})
        service.process.send_signal(signal.SIGTERM)
        until(lambda: not service.ready())
        assert service.process.wait(PATIENCE) == 0
        ended.set()
        for caller in callers:
            caller.join(60)
        assert broken == []
        assert set(statuses[-100:]) == {200}, "503 is for the time before a process is open"
        assert set(statuses) <= {200, 503}


def test_a_supervisor_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    with running(tmp_path / "home") as service:
        until(service.ready)
        workers = service.workers()
        service.process.kill()
        service.process.wait()
        until(lambda: not any(map(lives, workers)))


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with running(tmp_path / "home") as service:
        until(service.ready)
        other = {**os.environ, **service.settings.environment()}
        command = [sys.executable, "-m", "pipelines.cli.main"]
        done = subprocess.run(
            [*command[:1], "-c", "from pipelines.cli.main import main; main(['serve'])"],
            env=other,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 1
        assert "TOLLGATE_SERVE_PORT" in done.stderr


def test_a_start_that_cannot_succeed_ends(tmp_path: Path) -> None:
    with running(tmp_path / "home", "tests.serve.test_processes:open_nothing") as service:
        assert service.process.wait(PATIENCE) == 1
        assert service.process.stdout
        assert "no engine today" in service.process.stdout.read()


def test_a_certificate_that_has_ended_is_told_before_anything_starts(tmp_path: Path) -> None:
    _, named = with_certificate(tmp_path, days=-1)
    with running(tmp_path / "home", **named) as service:
        assert service.process.wait(PATIENCE) == 1
        assert service.process.stdout
        assert "the certificate is not valid now" in service.process.stdout.read()


def test_a_process_that_starts_between_two_files_of_a_replacement_comes_back(
    tmp_path: Path,
) -> None:
    authority, named = with_certificate(tmp_path)
    with running(tmp_path / "home", **named) as service:
        service.trusted = authority.trusted()
        until(service.ready)
        authority.issue(named["serve_tls_certificate"], tmp_path / "new.key")
        seen = {process.pid for process in service.workers()}
        service.workers()[0].kill()

        def began_and_ended_twice() -> bool:
            seen.update(process.pid for process in service.workers())
            return len(seen) > 2

        until(began_and_ended_twice)
        (tmp_path / "new.key").replace(named["serve_tls_key"])
        until(service.ready)
        assert service.process.poll() is None


def open_nothing(settings: Settings, *, worker: int) -> Any:
    from pipelines.base.errors import ConfigurationError

    raise ConfigurationError("no engine today")


def test_an_engine_that_does_not_close_is_left_behind_in_time(tmp_path: Path) -> None:
    with running(
        tmp_path / "home", "tests.serve.test_processes:open_stubborn", serve_drain_seconds=3
    ) as service:
        until(service.ready)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 1


def open_stubborn(settings: Settings, *, worker: int) -> Any:
    from pipelines.usecases.registry import load
    from tests.serve.small_engine import RuleEngine

    class Stubborn(RuleEngine):
        def close(self) -> None:
            time.sleep(3600)

    return Stubborn(load(settings.use_case))


@pytest.mark.parametrize(("engine", "code"), [("open_slowly", 0), ("open_never", 1)])
def test_an_end_while_it_opens_is_an_end(tmp_path: Path, engine: str, code: int) -> None:
    drain = {"serve_drain_seconds": 3} if engine == "open_never" else {}
    with running(tmp_path / "home", f"tests.serve.test_processes:{engine}", **drain) as service:
        until(lambda: alive(service))
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == code


def alive(service: Running) -> bool:
    try:
        return service.http().get("/health").is_success
    except httpx.TransportError:
        return False


def open_slowly(settings: Settings, *, worker: int) -> Any:
    time.sleep(1)
    return open_rule(settings)


def open_never(settings: Settings, *, worker: int) -> Any:
    time.sleep(3600)


def test_the_first_start_makes_a_key_and_says_where(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home, keyed=False) as service:
        until(service.ready)
        key = (home / "serving" / "first-key").read_text().strip()
        assert (home / "serving" / "first-key").stat().st_mode & 0o777 == 0o600
        assert (home / "serving" / "keys.json").stat().st_mode & 0o777 == 0o600
        assert key not in (home / "serving" / "keys.json").read_text()
        service.key = key
        until(lambda: service.http().get("/metrics").is_success)
        assert service.http().post("/v1/score", json=event(1)).is_success
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0
        assert service.process.stdout
        printed = service.process.stdout.read()
        assert str(home / "serving" / "first-key") in printed
        assert key not in printed


def test_keys_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.cli.calling import called

    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    code, key, _ = called(capsys, "serve", "keys", "add", "shop", "--role", "scorer")
    assert (code, key[:3]) == (0, "tg_")
    assert called(capsys, "serve", "keys", "add", "shop", "--role", "reader")[0] == 2
    assert called(capsys, "serve", "keys", "add", "Shop!", "--role", "scorer")[0] == 2
    assert called(capsys, "serve", "keys", "add", "other", "--role", "owner")[0] == 2
    code, printed, _ = called(capsys, "serve", "keys", "list", "--json")
    assert [(key["name"], key["roles"]) for key in json.loads(printed)] == [("shop", ["scorer"])]
    assert key.strip() not in printed
    printed = called(
        capsys, "serve", "keys", "limit", "shop", "--rows-per-second", "500", "--burst", "2000"
    )
    assert (printed[0], printed[1].strip()) == (0, "shop: 500 a second, 2000 at once")
    assert called(capsys, "serve", "keys", "limit", "shop", "--rows-per-second", "0")[0] == 2
    assert json.loads(called(capsys, "serve", "keys", "list", "--json")[1])[0]["burst_rows"] == 2000
    assert called(capsys, "serve", "keys", "limit", "shop")[1].strip() == "shop: no limit"
    assert called(capsys, "serve", "keys", "revoke", "shop")[0] == 0
    assert called(capsys, "serve", "keys", "revoke", "shop")[0] == 2
