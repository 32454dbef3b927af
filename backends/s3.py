"""Celery's ``s3`` result backend, on S3 or a server that speaks its protocol."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from harness.backend import Backend, Stored
from harness.services.s3 import Endpoint

NO_SUCH_OBJECT = {"NoSuchKey", "KeyTooLongError", "XMinioInvalidObjectName", "400", "404"}
"""Codes for a key that has no object, or that none can have."""


class S3(Backend):
    name = "s3"
    description = "S3 through boto3: one object a task"
    documentation = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#s3-backend-settings"
    services = ("s3",)
    packages = {"boto3": "celery-roundtrip[s3]"}

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.of(self.servers["s3"].url)

    @property
    def bucket(self) -> str:
        """The bucket that the URL names, or one of the run's own."""
        # a run's id holds underscores and may end in one; a bucket's name must not
        return self.endpoint.bucket or self.namespace.run.replace("_", "-") + "-results"

    @property
    def base_path(self) -> str:
        return self.namespace.name + "/"

    def settings(self) -> dict[str, object]:
        return {
            "result_backend": "s3://",
            "s3_endpoint_url": self.endpoint.url,
            "s3_access_key_id": self.endpoint.key,
            "s3_secret_access_key": self.endpoint.secret,
            "s3_region": self.endpoint.region,
            "s3_bucket": self.bucket,
            "s3_base_path": self.base_path,
        }

    @cached_property
    def client(self) -> Any:
        return self.endpoint.client()

    def prepare(self) -> None:
        if self.endpoint.bucket:
            return
        region = self.endpoint.region
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self.client.create_bucket(Bucket=self.bucket, **where)
        except (self.client.exceptions.BucketAlreadyExists, self.client.exceptions.BucketAlreadyOwnedByYou):
            pass  # another worker of this run made it: the name holds the run's id

    def key(self, task_id: str) -> str:
        return f"{self.base_path}celery-task-meta-{task_id}"

    def at_rest(self, task_id: str) -> Stored | None:
        try:
            found = self.client.get_object(Bucket=self.bucket, Key=self.key(task_id))
        except self.client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in NO_SUCH_OBJECT:
                raise
            return None
        shown = {"content-type": found.get("ContentType"), "content-encoding": found.get("ContentEncoding")}
        place = f"object {self.bucket}/{self.key(task_id)}"
        return Stored(found["Body"].read(), place, _seconds_left(found.get("Expiration")), shown)

    def plant(self, task_id: str, raw: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.key(task_id), Body=raw)

    def evict(self, task_id: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.key(task_id))

    def inventory(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.base_path
        )
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def wipe(self) -> None:
        try:
            keys = self.inventory()
            for some in (keys[at : at + 1000] for at in range(0, len(keys), 1000)):
                objects = [{"Key": key} for key in some]
                self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            empty = not self.client.list_objects_v2(Bucket=self.bucket).get("Contents")
            if empty and not self.endpoint.bucket:
                self.client.delete_bucket(Bucket=self.bucket)
        except self.client.exceptions.NoSuchBucket:
            pass  # no worker got as far as making it, or the wipe of another configuration removed it


def _seconds_left(expiration: str | None) -> float | None:
    """From ``x-amz-expiration``, which is sent where a lifecycle rule of the bucket will remove an object."""
    found = re.search(r'expiry-date="([^"]+)"', expiration or "")
    if not found:
        return None
    return (parsedate_to_datetime(found[1]) - datetime.now(UTC)).total_seconds()
