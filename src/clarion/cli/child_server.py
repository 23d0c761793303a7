"""A server of the demo's own, as a child process with its log in the data folder."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from clarion.cli.failures import Failure
from clarion.cli.options import ENVIRONMENT

STOP_S: Final = 25.0
"""A server ends within 20 s of SIGTERM."""

PORTS_TRIED: Final = 50


class ChildServer:
    """`clarion serve --simulator`. Its environment has no settings of Clarion's, so that a try can never reach anything real."""

    def __init__(self, host: str, port: int, data_dir: Path) -> None:
        """Raises Failure if the log cannot be written."""
        self.log_file = data_dir / "serve.log"
        arguments = ["serve", "--simulator", "--host", host, "--port", str(port), "--data-dir", str(data_dir)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT)}
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            log = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise Failure(f"The data folder {data_dir} cannot be written: {error.strerror}. Name another with --data-dir.") from None
        try:
            # Standard output would show the first organization's key, which belongs into no file.
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and our own arguments)
                [sys.executable, "-m", "clarion.cli", "--config", os.devnull, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment,
            )
        finally:
            os.close(log)

    def check(self) -> None:
        """Raises Failure with the server's last words if it has ended."""
        if self._process.poll() is None:
            return
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        said = next((line.removeprefix("Error: ") for line in reversed(lines) if line.startswith("Error: ")), None)
        raise Failure(said or f"The server ended with code {self._process.returncode}; its log is {self.log_file}.")

    def stop(self) -> int:
        """Let it finish what is on the wire; returns its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def require_port(host: str, port: int) -> None:
    """Raises Failure if the port is taken, with one that is free."""
    if _is_free(host, port):
        return
    other = next((number for number in range(port + 1, min(port + PORTS_TRIED, 65_536)) if _is_free(host, number)), None)
    choice = "" if other is None else f" Choose another: clarion demo --port {other}, or make demo PORT={other}."
    raise Failure(f"Port {port} on {host} is taken by another program.{choice}")


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server does: what waits in TIME_WAIT after a last run does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
