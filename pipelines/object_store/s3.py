"""A prefix of an S3 bucket behind the same few operations as a folder
(`pipelines.object_store.storage.Storage`).

Credentials come from where boto3 looks for them (environment, profile, instance role); the region,
and the endpoint of an S3-compatible store, from the settings. An object is written whole or not at
all, by S3 itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.base.errors import ConfigurationError, StoreError
from pipelines.object_store.storage import LocalStorage

_ABSENT = {"NoSuchKey", "404"}
_CONFIGURATION = {
    "NoSuchBucket",
    "AccessDenied",
    "403",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
}


class S3Storage:
    """`s3://bucket/prefix`."""

    def __init__(
        self, address: str, *, endpoint: str | None = None, region: str | None = None
    ) -> None:
        parts = re.fullmatch(r"s3a?://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", address)
        if parts is None:
            raise ConfigurationError(
                "the object store's address is not usable",
                expected="s3://bucket or s3://bucket/prefix",
                found=address,
                next_step=(
                    "correct its setting: TOLLGATE_LANDING, TOLLGATE_LAKE or"
                    " TOLLGATE_MLFLOW_ARTIFACTS"
                ),
            )
        self.bucket = parts[1]
        self.prefix = (parts[2] or "").strip("/")
        self.endpoint = endpoint
        self.region = region

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @cached_property
    def client(self) -> Any:
        """The boto3 client (made on first use)."""
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=5, read_timeout=60, retries={"max_attempts": 4, "mode": "standard"}
        )
        with self._guarded(""):
            return boto3.client(
                "s3", endpoint_url=self.endpoint, region_name=self.region, config=config
            )

    def exists(self, folder: str) -> bool:
        client = self.client
        with self._guarded(folder):
            answer = client.list_objects_v2(
                Bucket=self.bucket, Prefix=f"{self._key(folder)}/", MaxKeys=1
            )
        return int(answer["KeyCount"]) > 0

    def files(self, folder: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2")
        skip = len(self.prefix) + 1 if self.prefix else 0
        with self._guarded(folder):
            files: list[str] = []
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self._key(folder)}/"):
                files += (entry["Key"][skip:] for entry in page.get("Contents", []))
            return sorted(files)

    def read(self, path: str) -> bytes | None:
        from botocore.exceptions import ClientError

        client = self.client
        with self._guarded(path):
            try:
                content: bytes = client.get_object(Bucket=self.bucket, Key=self._key(path))[
                    "Body"
                ].read()
            except ClientError as error:
                if error.response["Error"]["Code"] in _ABSENT:
                    return None
                raise
        return content

    def write(self, path: str, content: bytes) -> None:
        client = self.client
        with self._guarded(path):
            client.put_object(Bucket=self.bucket, Key=self._key(path), Body=content)

    def delete(self, path: str) -> None:
        client = self.client
        with self._guarded(path):
            client.delete_object(Bucket=self.bucket, Key=self._key(path))

    def make_bucket(self) -> bool:
        """Make the bucket where there is none; whether it was made."""
        from botocore.exceptions import ClientError

        client = self.client
        with self._guarded(""):
            try:
                client.head_bucket(Bucket=self.bucket)
                return False
            except ClientError as error:
                if error.response["Error"]["Code"] not in _ABSENT:
                    raise
            place = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
            client.create_bucket(
                Bucket=self.bucket, **(place if self.region not in {None, "us-east-1"} else {})
            )
        return True

    def fetch(self, path: str, scratch: Path) -> Path | None:
        content = self.read(path)
        if content is None:
            return None
        copies = LocalStorage(scratch)
        copies.write(path, content)
        return copies.fetch(path, scratch)

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}".strip("/")

    @contextmanager
    def _guarded(self, path: str) -> Iterator[None]:
        """Turn boto3's errors into ours: those that a person must cure, and those that trying again
        may cure.
        """
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            NoRegionError,
        )

        where = f"{self.address}/{path}".rstrip("/") + (
            f" at {self.endpoint}" if self.endpoint else ""
        )
        try:
            yield
        except (NoCredentialsError, NoRegionError) as error:
            raise self._misconfigured(where, str(error)) from error
        except ClientError as error:
            code, message = (
                error.response["Error"]["Code"],
                error.response["Error"].get("Message", ""),
            )
            if code in _CONFIGURATION:
                raise self._misconfigured(where, f"{code}: {message}") from error
            raise self._failed(where, f"{code}: {message}") from error
        except BotoCoreError as error:
            raise self._failed(where, str(error)) from error

    def _misconfigured(self, where: str, problem: str) -> ConfigurationError:
        return ConfigurationError(
            "the object store does not let us in",
            where=where,
            expected=(
                "an existing bucket, a region and credentials that may list, read, write and delete"
            ),
            found=problem,
            next_step=(
                "check the bucket's name, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and"
                " AWS_DEFAULT_REGION"
            ),
        )

    def _failed(self, where: str, problem: str) -> StoreError:
        return StoreError(
            "the object store did not answer as it should",
            where=where,
            expected="an answer to an S3 request",
            found=problem,
            next_step=(
                "check that the object store is reachable (TOLLGATE_S3_ENDPOINT; none: AWS), then"
                " run the same command again"
            ),
        )
