"""What Jasmin needs beside it: Redis and RabbitMQ as Debian packages them, on free ports of loopback, in folders of their own."""

from dataclasses import dataclass, field
from pathlib import Path

from bench.peers import programs
from bench.peers.install import Unpacked
from bench.peers.programs import Process

ERL = """\
#!/bin/sh
export ROOTDIR={erlang} BINDIR={bin} EMU=beam PROGNAME=erl
exec {bin}/erlexec "$@"
"""
"""Debian's own looks for Erlang where the package is installed, not where it is unpacked."""


@dataclass
class Brokers:
    """Both, with their defaults."""

    unpacked: Unpacked
    folder: Path
    redis_port: int = field(default_factory=programs.free_port)
    amqp_port: int = field(default_factory=programs.free_port)
    running: list[Process] = field(default_factory=list)
    _names_port: int = field(default_factory=programs.free_port)
    _nodes_port: int = field(default_factory=programs.free_port)

    async def start(self) -> None:
        """All, with what an earlier start in the same folder left. Raises Absent."""
        self.running.clear()
        await self._start_redis()
        await self._start_rabbitmq()

    async def _start_redis(self) -> None:
        command = (self.unpacked.program("redis-server"), "--port", self.redis_port, "--bind", "127.0.0.1", "--dir", self.folder)
        await self._launch("redis", self.redis_port, *command)

    async def _start_rabbitmq(self) -> None:
        folder = self.folder
        erlang = self.unpacked.folder("usr/lib/erlang")
        binaries = next(erlang.glob("erts-*/bin"))
        (folder / "bin").mkdir(exist_ok=True)
        erl = folder / "bin/erl"
        erl.write_text(ERL.format(erlang=erlang, bin=binaries))
        erl.chmod(0o755)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.amqp_port}\nlog.console = true\nlog.console.level = error\n"
        )
        (folder / "plugins").write_text("[].\n")
        environment = {
            "PATH": f"{folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names_port),
            "RABBITMQ_NODENAME": "bench@localhost",
            "RABBITMQ_DIST_PORT": str(self._nodes_port),
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            # The script then becomes the broker itself, which answers signals by its own pid.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
        }
        await self._launch("epmd", self._names_port, binaries / "epmd", environment=environment)
        scripts = next(self.unpacked.folder("usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))
        await self._launch("rabbitmq", self.amqp_port, scripts / "rabbitmq-server", environment=environment)

    async def _launch(self, name: str, port: int, *command: object, environment: dict[str, str] | None = None) -> None:
        log = self.folder / f"{name}.log"
        process = await programs.launch(
            *command, log=log, environment={**self.unpacked.environment, **(environment or {})}, cwd=self.folder
        )
        self.running.append(process)
        await programs.listening(port, process, log)

    async def stop(self) -> None:
        """The last first."""
        for process in reversed(self.running):
            await programs.end(process)
