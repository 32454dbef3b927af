"""Java servers: fetched once from Maven Central, through ``mvn``, into a cache folder that every run shares.

``~/.cache/celery-roundtrip/NAME-VERSION`` (below ``$XDG_CACHE_HOME`` where that is set) holds the jars and,
for each Java that has run them, an archive of loaded classes that makes starts two times faster. What is half
done lies there under another name, and whoever finds another process at work waits for it.

Needs the standard library only: ``images/NAME/fetch`` uses it too, where nothing is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import ServiceUnavailable

SYSTEM_PACKAGES = "apt-get install openjdk-17-jre-headless maven"
FETCHED_WITHIN = 600.0
"""Seconds that Maven gets: 4 s where its own cache has the jars, 45 s on a slow line."""
ARCHIVED_WITHIN = 180.0
"""Seconds that the throw-away start gets."""

Say = Callable[[str], None]
"""Takes a line about a step that lasts."""


@dataclass(frozen=True)
class JavaServer:
    """A server that is a set of jars.

    :param java: the major versions of Java that run it.
    :param ports: how many free ports its ``make-archive`` takes.
    :param source: a Java class of our own beside its ``pom.xml``, compiled into ``server.jar``; or "".
    """

    name: str
    java: Sequence[int]
    ports: int
    source: str = ""

    @property
    def recipe(self) -> Path:
        """Our own files: ``pom.xml``, ``start``, ``make-archive``, configuration."""
        return Path(__file__).parent / "services" / f"{self.name}_files"

    @property
    def version(self) -> str:
        found = re.search("<server.version>(.*)</server.version>", (self.recipe / "pom.xml").read_text())
        assert found
        return found[1]

    @property
    def home(self) -> Path:
        """The folder in the cache; complete or not there."""
        return cache_folder() / f"{self.name}-{self.version}"

    def environment(self) -> Mapping[str, str]:
        """What ``start`` wants to be told.

        :raises ServiceUnavailable: no Java that runs it.
        """
        java = find_java(self.java)
        return {"JAVA": java.path, "SERVER_HOME": str(self.home), "CLASS_ARCHIVE": str(self._archive(java))}

    def fetch(self, say: Say) -> None:
        """Have jars and class archive in the cache; returns at once where they are.

        :raises ServiceUnavailable: no Java, no Maven, or one of them failed.
        """
        java = find_java(self.java)
        if self._fetched(self.home) and self._archive(java).exists():
            return
        with self._alone(say):
            if not self._fetched(self.home):
                say(f"{self.name} {self.version}: fetching its jars through mvn, once, into {self.home}")
                partial = self.home.with_name(self.home.name + ".partial")
                shutil.rmtree(partial, ignore_errors=True)
                self.fetch_jars(partial)
                shutil.rmtree(self.home, ignore_errors=True)
                partial.rename(self.home)
            if not self._archive(java).exists():
                say(f"{self.name} {self.version}: starting it once to archive its classes for faster starts")
                self._make_archive(java)

    def fetch_jars(self, folder: Path) -> None:
        """Put everything but the class archive into a folder.

        :raises ServiceUnavailable: Maven or the compiler is missing, or failed.
        """
        mvn = shutil.which("mvn")
        if not mvn:
            raise ServiceUnavailable(f"no mvn on PATH to fetch {self.name}'s jars", SYSTEM_PACKAGES)
        java = find_java(self.java)
        folder.mkdir(parents=True, exist_ok=True)
        command = [mvn, "-q", "-B", "-ntp", "-f", str(self.recipe / "pom.xml"), f"-Dhome={folder}"]
        _run(f"mvn for {self.name}", [*command, "generate-resources"], FETCHED_WITHIN)
        if self.source:
            self._compile(java, folder)
        (folder / "complete").write_text(self._fingerprint())

    def _compile(self, java: Java, folder: Path) -> None:
        """Our class into ``server.jar``: a class archive takes classes from jars only."""
        classes = folder / "classes"
        jars = os.pathsep.join(str(jar) for jar in sorted(folder.glob(f"{self.name}-*/lib/*.jar")))
        compiler = [java.path, "-jar", str(folder / "compiler" / "ecj.jar"), "-17", "-nowarn"]
        arguments = ["-classpath", jars, "-d", str(classes), str(self.recipe / self.source)]
        _run(f"the compiler for {self.source}", [*compiler, *arguments], ARCHIVED_WITHIN)
        with zipfile.ZipFile(folder / "server.jar", "w") as jar:
            for file in sorted(classes.rglob("*.class")):
                jar.write(file, file.relative_to(classes))
        shutil.rmtree(classes)
        shutil.rmtree(folder / "compiler")

    def _make_archive(self, java: Java) -> None:
        from harness.processes import free_port  # not where an image is built: psutil is missing there

        archive = self._archive(java)
        partial, work = archive.with_suffix(".partial"), self.home / "archiving"
        shutil.rmtree(work, ignore_errors=True)
        command = ["sh", str(self.recipe / "make-archive"), str(partial), str(work)]
        ports = [str(free_port()) for _ in range(self.ports)]
        variables = {"JAVA": java.path, "SERVER_HOME": str(self.home)}
        _run(f"the first start of {self.name}", [*command, *ports], ARCHIVED_WITHIN, variables)
        partial.rename(archive)
        shutil.rmtree(work)

    def _archive(self, java: Java) -> Path:
        """The class archive for a Java and a state of our files: with another it would not be used."""
        key = hashlib.sha256((java.build + self._fingerprint()).encode()).hexdigest()[:8]
        return self.home / f"classes-{key}.jsa"

    def _fetched(self, folder: Path) -> bool:
        done = folder / "complete"
        return done.exists() and done.read_text() == self._fingerprint()

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for file in sorted(path for path in self.recipe.rglob("*") if path.is_file()):
            digest.update(f"{file.relative_to(self.recipe)}\n".encode() + file.read_bytes())
        return digest.hexdigest()

    @contextlib.contextmanager
    def _alone(self, say: Say) -> Iterator[None]:
        """Wait for another process that fetches the same; the lock ends with its holder."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        with self.home.with_name(self.home.name + ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"{self.name} {self.version}: waiting for another process that fetches it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


CASSANDRA = JavaServer("cassandra", java=(17,), ports=2)
ELASTICSEARCH = JavaServer("elasticsearch", java=range(17, 25), ports=1, source="EsServer.java")


@dataclass(frozen=True)
class Java:
    """A Java on this machine; `build` is all that it says of its version."""

    path: str
    major: int
    build: str


def find_java(majors: Sequence[int]) -> Java:
    """The first Java of one of these versions: JAVA_HOME, PATH, then where Debian puts them.

    :raises ServiceUnavailable: there is none.
    """
    homes = [os.environ["JAVA_HOME"]] if os.environ.get("JAVA_HOME") else []
    candidates = [Path(home, "bin", "java") for home in homes]
    on_path = shutil.which("java")
    candidates += [Path(on_path)] if on_path else []
    candidates += sorted(Path("/usr/lib/jvm").glob("*/bin/java"))
    others = []
    for path in candidates:
        found = _ask_java(str(path))
        if found and found.major in majors:
            return found
        if found:
            others.append(f"{found.path} is {found.major}")
    wanted = " or ".join(str(major) for major in majors[:3])
    seen = f" ({', '.join(others)})" if others else ""
    raise ServiceUnavailable(f"no Java {wanted} on this machine{seen}", SYSTEM_PACKAGES)


@cache
def _ask_java(path: str) -> Java | None:
    try:
        told = subprocess.run(
            [path, "-version"], capture_output=True, text=True, timeout=30, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return Java(path, int(found[1]), told) if found else None


def cache_folder() -> Path:
    """Where everything is that is fetched once."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "celery-roundtrip"


def _run(
    what: str, command: Sequence[str], within: float, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end, in a process group of its own so that nothing of it stays.

    :raises ServiceUnavailable: it failed, with its last line, or took too long.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        raise ServiceUnavailable(f"{what} did not end within {within:g} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode != 0:
        lines = [line for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("[ERROR]")] or lines[-1:] or ["no output"]
        raise ServiceUnavailable(f"{what} failed: {errors[0][:300]}", " ".join(command))
