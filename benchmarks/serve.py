"""Serving: requests through HTTP, against the usual way to serve and against the model alone;
latencies at half load.

`python -m benchmarks.serve` prints the table of `benchmarks/README.md` (8 minutes). Server and
client share the machine: both shares of it are told. `--soak MINUTES` prints one line a minute of a
steady load; `--cards N` what states of so many cards take. Aims: 50,000 events a second at some
size of request up to 256; p99 at half load at most 10 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.scoring import best_of
from benchmarks.serving_home import events, make_home, requests, states
from benchmarks.serving_load import Plan
from benchmarks.serving_rival import make_rival
from features.stream import StreamFeatures
from pipelines.base.settings import Settings
from pipelines.releases.bundle import releases_folder
from pipelines.releases.scorer import load_champion
from pipelines.run import Run
from pipelines.usecases.fraud import USE_CASE
from tests.servers import free_port, redis, redis_url

CARDS, TERMINALS, PER_CARD = 5_000, 10_000, 70
SECONDS = 8.0
MOST_ROWS = 700_000
PATIENCE = 90.0


@contextmanager
def served(command: list[str], port: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A server in a session of its own, answering; ended with all that it started."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not answer")
            time.sleep(0.3)
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _ready(port: int) -> bool:
    import httpx

    try:
        return httpx.get(
            f"http://127.0.0.1:{port}/ready", timeout=2, trust_env=False
        ).status_code in {200, 404}
    except httpx.HTTPError:
        return False


@contextmanager
def scorer(settings: Settings) -> Iterator[tuple[psutil.Process, str]]:
    """`tollgate serve` on that home, and its first key."""
    command = [sys.executable, "-m", "pipelines.cli", "serve"]
    program = Path(sys.executable).with_name("tollgate")
    with served(
        [str(program), "serve"] if program.exists() else command,
        settings.serve_port,
        settings.environment(),
    ) as it:
        yield it, (settings.home / "serving" / "first-key").read_text().split()[-1]


def load(plan: Plan, server: psutil.Process) -> dict[str, Any]:
    """The figures of a load."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(asdict(replace(plan, server=server.pid)), file)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.serving_load", file.name]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    document: dict[str, Any] = json.loads(output)
    return document


def shown(what: str, figures: dict[str, Any]) -> str:
    """A row of the table."""
    load_kind = (
        f"{figures['rate']:,.0f} requests/s"
        if figures["rate"]
        else f"{figures['connections']} connections"
    )
    cells = [
        what,
        f"{figures['rows']:,}",
        load_kind,
        f"{figures['rows_a_second']:,.0f}",
        f"{figures['p50']:.1f}",
        f"{figures['p99']:.1f}",
        f"{figures['p999']:.1f}",
        f"{figures['server_cores']:.2f}",
        f"{figures['client_cores']:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


COLUMNS = (
    *("served by", "events a request", "load", "events/s", "p50 ms", "p99 ms", "p99.9 ms"),
    *("server's cores", "client's cores"),
)


def measured(
    settings: Settings, name: str, shapes: list[tuple[str, int, int]], *, half: bool
) -> None:
    """Print the rows of a scorer: each shape (wire, rows, connections) in full, and at half of what
    it reached.
    """
    with scorer(settings) as (server, key):
        for number, (wire, rows, connections) in enumerate(shapes):
            plan = _plan(settings.serve_port, key, wire, rows, connections, seed=2 * number + 1)
            full = load(plan, server)
            print(shown(f"{name}, {wire}", full), flush=True)
            if half and (wire, rows) in {("json", 1), ("json", 256)}:
                rate = full["requests_a_second"] / 2
                least = replace(
                    plan,
                    rate=rate,
                    connections=64,
                    seed=2 * number + 2,
                    most_requests=int(rate * SECONDS),
                )
                print(shown(f"{name}, {wire}, half load", load(least, server)), flush=True)


def _plan(port: int, key: str, wire: str, rows: int, connections: int, *, seed: int) -> Plan:
    most = max(500, min(MOST_ROWS // rows, 120_000))
    return Plan(port, key, wire, rows, connections, SECONDS, most, CARDS, TERMINALS, seed=seed)


def measure_rival(folder: Path, model: Path) -> None:
    """Print the rows of the usual way."""
    features = USE_CASE.feature_sets[USE_CASE.model.feature_set]
    make_rival(folder, features, {"customer": CARDS, "terminal": TERMINALS}, model)
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.serving_rival", str(folder), str(port)]
    with served(command, port, {}) as server:
        for rows, connections in ((1, 16), (256, 4)):
            plan = replace(
                _plan(port, "", "rival", rows, connections, seed=99), most_requests=20_000 // rows
            )
            print(shown("FastAPI, Feast, `predict_proba`", load(plan, server)), flush=True)


def measure_model(run: Run) -> None:
    """Print how many rows the model alone scores, in a matrix that is ready, on one core."""
    champion = load_champion(run)
    champion.booster.set_param({"nthread": 1})  # type: ignore[attr-defined]
    for rows in (1, 256):
        matrix = np.random.default_rng(1).gamma(2.0, 30.0, (rows, len(champion.feature_names)))
        seconds = (
            best_of([lambda matrix=matrix: [champion.score(matrix) for _ in range(50)]], 5)[0] / 50
        )
        cells = [
            "`inplace_predict` alone",
            str(rows),
            "one core",
            f"{rows / seconds:,.0f}",
            *[""] * 5,
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def measure_cards(cards: int, *, per_card: int = 12) -> None:
    """Print what the states of so many cards take, and how fast they are asked and moved."""
    stream = StreamFeatures(USE_CASE.stored_features)
    history = events(cards, cards // 5, per_card=per_card)
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    for entity in stream.arenas:
        table = states(history, entity)
        stream.load(entity, table)
        del table
    loaded = time.perf_counter() - began
    figures = stream.figures()
    taken = sum(figures[f"{entity}_state_bytes"] for entity in stream.arenas)
    features = USE_CASE.feature_sets[USE_CASE.model.feature_set].features
    batches = [
        requests(cards, cards // 5, 256, first_id=10**12 + 256 * i, seed=i) for i in range(300)
    ]
    for batch in batches[:50]:
        stream.serve(batch, features)
    began = time.perf_counter()
    for batch in batches[50:]:
        stream.serve(batch, features)
    rate = 250 * 256 / (time.perf_counter() - began)
    grown = psutil.Process().memory_info().rss - before
    cells = [f"{cards:,}", f"{len(history.id):,}", f"{taken / cards:,.0f}", f"{grown / cards:,.0f}"]
    print(f"| {' | '.join(cells)} | {loaded:.1f} | {rate:,.0f} |")


def soak(settings: Settings, minutes: int) -> None:
    """Print a line a minute: rate, latency, memory of the server, and how much of it are states.

    Cards of which more and more is known within the windows' reach take more and more; the rest has
    to stay flat.
    """
    with scorer(settings) as (server, key):
        for minute in range(minutes):
            plan = _plan(settings.serve_port, key, "json", 64, 8, seed=minute + 1)
            plan = replace(plan, seconds=55.0, rate=300.0, most_requests=300 * 55)
            figures = load(plan, server)
            memory = sum(
                each.memory_info().rss for each in [server, *server.children(recursive=True)]
            )
            kept = state_bytes(settings, key)
            memory_text = f"{memory / 2**20:,.0f} MiB, of which states {kept / 2**20:,.0f}"
            print(f"{shown(f'minute {minute + 1}', figures)} {memory_text}", flush=True)


def state_bytes(settings: Settings, key: str) -> float:
    """Bytes of all states, as the scorer tells them."""
    import httpx

    headers = {"authorization": f"Bearer {key}"}
    page = httpx.get(
        f"http://127.0.0.1:{settings.serve_port}/metrics", headers=headers, trust_env=False
    ).text
    return sum(float(line.split()[-1]) for line in page.splitlines() if "_state_bytes{" in line)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--soak", type=int, metavar="MINUTES")
    parser.add_argument("--cards", type=int, metavar="N")
    options = parser.parse_args()
    if options.cards:
        measure_cards(options.cards)
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.build(
            home=Path(folder) / "home",
            serve_port=free_port(),
            serve_any_time=True,
            serve_max_rows=4096,
            serve_workers=1,
        )
        run = Run(settings, USE_CASE)
        make_home(run, events(CARDS, TERMINALS, per_card=PER_CARD))
        if options.soak:
            soak(settings, options.soak)
            return
        print(f"| {' | '.join(COLUMNS)} |\n|---|---:|---|{'---:|' * 6}", flush=True)
        measure_model(run)
        release = run.ledger.champion()
        assert release is not None
        measure_rival(
            Path(folder) / "rival",
            releases_folder(settings.home) / release.release_id / "model.ubj",
        )
        shapes = [
            ("json", 1, 32),
            ("json", 16, 16),
            ("json", 64, 8),
            ("json", 256, 8),
            ("arrow", 256, 8),
        ]
        measured(settings, "Tollgate", shapes, half=True)
        two = settings.model_copy(update={"serve_workers": 2})
        measured(
            two, "two processes", [("json", 1, 32), ("json", 256, 8), ("arrow", 256, 8)], half=False
        )
        with redis() as server:
            over = settings.model_copy(update={"serve_journal": redis_url(server)})
            measured(over, "journal in Redis", [("json", 1, 32), ("arrow", 256, 8)], half=False)


if __name__ == "__main__":
    main()
