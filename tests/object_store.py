"""moto's server as an S3-compatible store on loopback, with its credentials in the environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"


@contextmanager
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of the endpoint."""
    for name, value in (
        ("ACCESS_KEY_ID", "test"),
        ("SECRET_ACCESS_KEY", "test"),
        ("DEFAULT_REGION", REGION),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    httpx.post(
        f"{address}/moto-api/reset", timeout=60
    ).raise_for_status()  # what moto holds, all its servers in a process hold
    try:
        yield address
    finally:
        server.stop()


def make_bucket(endpoint: str, name: str) -> Any:
    """Make an empty bucket; boto3's resource."""
    bucket = boto3.resource("s3", endpoint_url=endpoint, region_name=REGION).Bucket(name)
    bucket.create(CreateBucketConfiguration={"LocationConstraint": REGION})
    return bucket
