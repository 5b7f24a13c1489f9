"""Load on a scorer, from a process of its own: `python -m benchmarks.serving_load PLAN.json`, one
JSON line out.

Closed: so many connections, each asks again once it is answered. Open: requests leave at a rate,
whatever comes back; latency counts from when a request was due. The bodies are made before the
clock starts.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import uvloop

from benchmarks.serving_home import requests
from features.kernel import Events

WARM_UP = 0.15
"""Share of the requests at the beginning that is not counted."""


@dataclass(frozen=True)
class Plan:
    """`wire`: json, arrow or rival; `rate` requests a second (0: closed); `server` the pid whose
    CPU time is told.
    """

    port: int
    key: str
    wire: str
    rows: int
    connections: int
    seconds: float
    most_requests: int
    cards: int
    terminals: int
    rate: float = 0.0
    seed: int = 1
    server: int = 0


def bodies(plan: Plan) -> list[bytes]:
    """Whole HTTP requests, each with events of its own."""
    total = plan.rows * plan.most_requests
    events = requests(plan.cards, plan.terminals, total, first_id=plan.seed * 10**9, seed=plan.seed)
    encode = {"json": _json, "arrow": _arrow, "rival": _rival}[plan.wire]
    content = "application/vnd.apache.arrow.stream" if plan.wire == "arrow" else "application/json"
    made = []
    for first in range(0, total, plan.rows):
        body = encode(events, slice(first, first + plan.rows))
        head = (
            f"POST /v1/score HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {plan.key}\r\n"
            f"content-type: {content}\r\naccept: {content}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def _rows(events: Events, rows: slice) -> list[dict[str, Any]]:
    times = np.datetime_as_string(events.time[rows].astype("datetime64[us]"))
    columns = (
        events.id[rows],
        times,
        events.keys["customer"][rows],
        events.keys["terminal"][rows],
        events.cents[rows],
    )
    return [
        {
            "transaction_id": i,
            "event_time": f"{t}Z",
            "customer_id": c,
            "terminal_id": e,
            "amount": a / 100,
        }
        for i, t, c, e, a in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _json(events: Events, rows: slice) -> bytes:
    table = _rows(events, rows)
    return json.dumps(table[0] if len(table) == 1 else {"events": table}).encode()


def _rival(events: Events, rows: slice) -> bytes:
    return json.dumps(_rows(events, rows)).encode()


def _arrow(events: Events, rows: slice) -> bytes:
    amounts = [f"{cents // 100}.{cents % 100:02d}" for cents in events.cents[rows].tolist()]
    table = pa.record_batch(
        {
            "transaction_id": pa.array(events.id[rows]),
            "event_time": pa.array(events.time[rows]).view(pa.timestamp("us", "UTC")),
            "customer_id": pa.array(events.keys["customer"][rows]),
            "terminal_id": pa.array(events.keys["terminal"][rows]),
            "amount": pa.array(amounts).cast(pa.decimal128(12, 2)),
        }
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_batch(table)
    return sink.getvalue()


async def _answered(reader: asyncio.StreamReader) -> int:
    """Read one answer; its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next(
        int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")
    )
    await reader.readexactly(length)
    return int(lines[0].split(b" ")[1])


@dataclass
class Taken:
    """Seconds of each answered request, when each was answered, and how many were refused."""

    seconds: list[float]
    at: list[float]
    refused: int = 0


async def _closed(plan: Plan, made: list[bytes], taken: Taken, end: float) -> None:
    waiting = iter(made)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", plan.port, limit=1 << 24)
        for body in waiting:
            began = time.perf_counter()
            if began > end:
                break
            writer.write(body)
            taken.refused += await _answered(reader) != 200
            now = time.perf_counter()
            taken.seconds.append(now - began)
            taken.at.append(now)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(plan.connections)))


async def _open(plan: Plan, made: list[bytes], taken: Taken, end: float) -> None:
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(plan.connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", plan.port, limit=1 << 24))

    async def ask(body: bytes, due: float) -> None:
        reader, writer = await free.get()
        writer.write(body)
        taken.refused += await _answered(reader) != 200
        now = time.perf_counter()
        taken.seconds.append(now - due)
        taken.at.append(now)
        free.put_nowait((reader, writer))

    began = time.perf_counter()
    requests = []
    for number, body in enumerate(made):
        due = began + number / plan.rate
        if due > end:
            break
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        requests.append(asyncio.create_task(ask(body, due)))
    await asyncio.gather(*requests)


def spent(process: psutil.Process) -> float:
    """CPU seconds of a process and all its children so far."""
    times = [each.cpu_times() for each in [process, *process.children(recursive=True)]]
    return sum(each.user + each.system for each in times)


async def run(plan: Plan) -> dict[str, Any]:
    """Figures of one load: rows and requests a second, latency in ms, this process's share of a
    core.
    """
    made = bodies(plan)
    # a collection among so many bodies takes 100 ms, which would be counted as the server's
    gc.disable()
    taken = Taken([], [])
    own, server = psutil.Process(), psutil.Process(plan.server)
    before, began = (spent(own), spent(server)), time.perf_counter()
    await (_open if plan.rate else _closed)(plan, made, taken, began + plan.seconds)
    lasted = time.perf_counter() - began
    cores = [
        (spent(each) - so_far) / lasted for each, so_far in zip((own, server), before, strict=True)
    ]
    skipped = int(len(taken.seconds) * WARM_UP)
    seconds, at = np.array(taken.seconds[skipped:]), taken.at[skipped:]
    requests_a_second = len(at) / (at[-1] - at[0])
    p50, p99, p999 = np.percentile(seconds * 1000, [50, 99, 99.9])
    return {
        **asdict(plan),
        "key": "",
        "requests": len(taken.seconds),
        "refused": taken.refused,
        "requests_a_second": requests_a_second,
        "rows_a_second": requests_a_second * plan.rows,
        "p50": p50,
        "p99": p99,
        "p999": p999,
        "client_cores": cores[0],
        "server_cores": cores[1],
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(Plan(**json.loads(Path(sys.argv[1]).read_text()))))))
