"""RabbitMQ: Debian's ``rabbitmq-server``, with a node, a cookie and an epmd of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.errors import NotReady, Rejected, ServiceUnavailable
from harness.processes import free_port
from harness.services import Container, LocalCommand, Service

# not the one on PATH: that wrapper changes the user and the node's folders
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
USER = "roundtrip"
"""Name and password of the user inside a container that ends with the run."""


class RabbitMQ(Service):
    name = "rabbitmq"
    schemes = ("amqp",)
    ready_within = 60.0

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        server = SERVER if Path(SERVER).exists() else shutil.which("rabbitmq-server")
        if not server:
            raise ServiceUnavailable("no rabbitmq-server on this machine", "apt-get install rabbitmq-server")
        configuration = folder / "rabbitmq.conf"
        configuration.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\nlog.file = false\n"
        )
        plugins = folder / "enabled_plugins"
        plugins.write_text("[].\n")
        environment = {
            "HOME": str(folder),  # the cookie lies there
            "RABBITMQ_NODENAME": f"roundtrip{port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "PATH": os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/sbin",
        }
        return LocalCommand((server,), environment)

    def local_url(self, port: int) -> str:
        return f"amqp://guest:guest@127.0.0.1:{port}//"

    def container(self) -> Container:
        # not guest: it may only log in from inside
        return Container(5672, {"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": USER})

    def container_url(self, port: int) -> str:
        return f"amqp://{USER}:{USER}@127.0.0.1:{port}//"

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        import amqp

        parts = urlsplit(url)
        connection = amqp.Connection(
            host=f"{parts.hostname}:{parts.port or 5672}",
            userid=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            virtual_host=unquote(parts.path[1:]) or "/",
            connect_timeout=timeout,
            read_timeout=timeout,
        )
        try:
            connection.connect()
            told = connection.server_properties
        except amqp.AccessRefused as error:
            raise Rejected(f"it refused the credentials: {error}") from error
        except amqp.NotAllowed as error:
            raise Rejected(
                f"it refused the virtual host: {error}", "check what follows the port in the URL"
            ) from error
        except (amqp.AMQPError, OSError) as error:
            raise NotReady(f"no answer: {error}") from error
        finally:
            connection.collect()
        return str(told.get("product", "unknown")), str(told.get("version", "unknown"))


SERVICE = RabbitMQ()
